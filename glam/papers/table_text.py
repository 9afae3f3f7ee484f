"""A table of a paper as text: what stands in it, and Markdown for people."""

from collections.abc import Sequence
from typing import NamedTuple

from glam.evaluation.metric import METRICS, Metric
from glam.evaluation.statistics import Summary
from glam.evaluation.statistics import summary as summarise
from glam.evaluation.unknown import Unknown
from glam.papers.against_print import Comparison
from glam.papers.among_rows import against_first
from glam.papers.table_notes import MARK, note_lines, printed_on
from glam.papers.tables import RowReport, TableReport, with_runs
from glam.reports.grid import grid, p_value, signed, signed_interval
from glam.reports.summary import OPTIMISTIC, SYNTHETIC
from glam.reports.views import SELECTION, value
from glam.splits.population import Composition
from glam.words import counted

TOGETHER = 2  # metrics side by side in one grid, where each has printed columns beside
NO_RUNS = "no runs yet"
DAMAGED = "damaged"
INCOMPLETE = "no seed has all folds"
PRINTED_ONLY = "printed only"
Grid = tuple[list[str], list[list[str]]]  # headings, rows


class Part(NamedTuple):
    """Grids that belong together. name: for their label, "" for the scores. caption: of the others."""

    name: str
    caption: str
    grids: list[Grid]


def markdown(report: TableReport) -> str:
    """The report for people: grids of at most about 100 columns, and what it takes to believe them."""
    shown = [grid(*table) for table in grids(report)]
    head = [f"# {title(report)}", "", *(f"- {line}" for line in head_lines(report))]
    return "\n\n".join(["\n".join(head), *shown, "\n".join(f"- {line}" for line in note_lines(report))])


def grids(report: TableReport) -> list[Grid]:
    """The tables of a report that have rows, one below the other."""
    tables = (*(table for part in parts(report) for table in part.grids), _sets(report))
    return [table for table in tables if table[1]]


def title(report: TableReport) -> str:
    """The table's number, paper and caption."""
    return f"{report.table.title}: {report.table.printed.caption}"


def head_lines(report: TableReport) -> list[str]:
    """What stands above the table, a line each."""
    variants = report.table.paper.variants
    lines = [f"setting: {name} ({variants[name]})" for name in (report.table.variant,) if name]
    if report.overrides:
        lines.append("CHANGED for all rows: " + ", ".join(f"{field}={value}" for field, value in report.overrides))
    lines.append(f"corpus: {corpus_line(report)}")
    if not report.is_stored:
        return [
            *lines,
            "runs: none is stored yet of any row with these settings (glam list shows those with others, too)"
            + ("; the numbers shown are the printed ones" if report.is_printed else ""),
        ]
    lines.append(f"epoch: {SELECTION[report.view]}")
    if report.view != report.table.printed.view and report.is_printed:
        lines.append(f"the printed table is under another choice: {SELECTION[report.table.printed.view]}")
    done, of_each = sum(len(row.scored) for row in report.rows), "seed" if has_folds(report) else "run"
    failed = sum(len(row.failed) for row in report.rows)
    lines.append(
        f"scores: percent, mean±standard deviation (ddof 1) over the {of_each}s of a row ({done} in all), "
        f"{counted(failed, 'run') if has_folds(report) else failed} failed"
    )
    if has_folds(report):
        lines.append("folds: the predictions of all folds of a seed together make its scores; a seed has all or none")
    return lines


def has_folds(report: TableReport) -> bool:
    """True where a row is of a protocol with folds."""
    return any(row.folds for row in report.rows)


def corpus_line(report: TableReport) -> str:
    """The corpus of the runs, and whether the printed numbers are of it; of the synthetic ones SYNTHETIC."""
    known = [row.stored.composition for row in report.rows if row.stored.composition is not None]
    asked = [row.row.recipe.corpus.title for row in report.rows if row.row.recipe is not None]
    if "synthetic" in asked or any(composition.synthetic for composition in known):
        return SYNTHETIC
    if not known:
        return "no runs and no index of the corpus yet"
    name = known[0].corpus
    if not report.is_printed:
        return name
    if report.whole and report.table.paper.printed_on == "iemocap":
        return f"{name}, as many utterances of each label as the complete release has"
    if report.whole:
        return f"{name}, which the printed numbers are of"
    complete = printed_on(report)
    return f"{name}, but NOT the complete {complete}, so that nothing here can be compared with the printed numbers"


def parts(report: TableReport) -> list[Part]:
    """The scores, a few metrics beside each other; what choosing on the test set adds; what is only printed."""
    scores = [_scores(report, group, first=i == 0) for i, group in enumerate(_groups(report))]
    others = [
        Part("print", "ours against the print", [_against_print(report)] if report.tests else []),
        Part("first", "the rows against the first", [_against_first(report)]),
        Part("choice", "what choosing the epoch on the test set adds", [_optimism(report)]),
        Part("folds", "means over the folds", [_over_folds(report)]),
        Part("elsewhere", "as printed, of other corpora", [_elsewhere(report)]),
    ]
    return [Part("", "", scores), *(part for part in others if any(rows for _, rows in part.grids))]


def _groups(report: TableReport) -> list[Sequence[Metric]]:
    """The metrics of each grid of scores: without runs, those that are printed."""
    shown = [metric for metric in report.metrics if report.is_stored or _is_printed(report, metric)]
    groups = [shown[i : i + TOGETHER] for i in range(0, len(shown), TOGETHER)]
    if len(groups) > 1 and not any(_is_printed(report, metric) for metric in groups[-1]):
        groups[-2:] = [groups[-2] + groups[-1]]  # a metric without printed columns takes little room
    return [tuple(group) for group in groups]


def _is_printed(report: TableReport, metric: Metric) -> bool:
    return any(metric.name in row.row.printed.printed for row in report.rows)


def _scores(report: TableReport, group: Sequence[Metric], first: bool) -> Grid:
    comparable = report.whole and not report.unlike
    printed = "printed" if report.whole else f"{printed_on(report)} print"
    if not report.is_stored:
        printed_of = [[str(row.row.printed.printed.get(metric.name, "")) for metric in group] for row in report.rows]
        labels = [row.row.label for row in report.rows]
        titles = [f"{metric.title}, {printed}" for metric in group]
        return ["", *titles], [[label, *cells] for label, cells in zip(labels, printed_of, strict=True)]
    # The first grid says once for the row how many runs there are.
    headings = ["", "seeds" if has_folds(report) else "runs"] if first else [""]
    for metric in group:
        headings.append(metric.title + ("¹" if metric.name == "weighted_f1" and _is_printed(report, metric) else ""))
        if _is_printed(report, metric):
            headings += [printed, "diff."] if comparable else [printed]
    rows = []
    for row in report.rows:
        cells = [row.row.label]
        if first:
            cells.append(_there(row))
        for metric in group:
            comparison = row.metrics[metric.name]
            cells.append(_ours(comparison.ours))
            if _is_printed(report, metric):
                shown = "" if comparison.printed is None else str(comparison.printed)
                cells += [shown, _difference(comparison)] if comparable else [shown]
        rows.append(cells)
    return headings, rows


def _against_print(report: TableReport) -> Grid:
    """What the tests against the print say, a line for each."""
    headings = ["against the print", "diff.", "95 % interval", "TOST", "verdict", "visible from"]
    rows = []
    for row in report.rows:
        for metric in report.metrics:
            cell = row.metrics[metric.name]
            if cell.interval is None or cell.difference is None or cell.same is None:
                continue
            rows.append(
                [
                    f"{row.row.label}, {metric.title}",
                    signed(cell.difference) + (MARK if cell.more_than_chance else ""),
                    signed_interval(cell.interval),
                    f"{cell.same:.3f}",
                    str(cell.verdict),
                    "none" if cell.visible is None else f"{cell.visible:.2f}",
                ]
            )
    return headings, rows


def _against_first(report: TableReport) -> Grid:
    """Every row against the first that has runs, paired, in WA."""
    rows = with_runs(report)
    if len(rows) < 2:
        return [], []
    first = next(iter(rows))
    cells = []
    for row in against_first(rows, first):
        if isinstance(row.test, Unknown) or row.p is None:
            cells.append([row.label, str(row.pairs), "-", "-", "-"])
            continue
        test = row.test
        bounds = signed_interval(test.interval)
        cells.append([row.label, str(row.pairs), signed(test.difference), bounds, p_value(row.p)])
    return [f"WA against {first}", "pairs", "diff.", "95 % interval", "p (Holm)"], cells


def _elsewhere(report: TableReport) -> Grid:
    """Columns of other corpora, as they are printed."""
    titles = report.table.printed.elsewhere
    if not titles:
        return [], []
    rows = [
        [row.row.label, *(str(row.row.printed.elsewhere.get(title, "")) for title in titles)] for row in report.rows
    ]
    return ["", *(f"{title}, print" for title in titles)], rows


def _there(row: RowReport) -> str:
    """Number of runs (with folds, seeds) that a row's scores are over, or why there is none."""
    if row.row.recipe is None:
        return PRINTED_ONLY
    if row.scored:
        return str(len(row.scored))
    if row.lacking:
        return f"no {', '.join(row.lacking)}"
    return DAMAGED if row.stored.damaged else INCOMPLETE if row.results else NO_RUNS


def _optimism(report: TableReport) -> Grid:
    """Scores chosen on the test set, beside those of the same runs with the epoch chosen on other utterances."""
    headings = [""]
    for metric in (METRICS[name] for name in OPTIMISTIC):
        headings += [metric.title, f"{metric.title}, halves", "optimism²"]
    rows = []
    for row in report.rows:
        if report.view != "test" or not row.honest:
            continue
        cells = [row.row.label]
        for name in OPTIMISTIC:
            points = row.optimism(name)
            honest = summarise([value(outcome, METRICS[name]) for outcome in row.honest])
            ours = summarise([value(outcome, METRICS[name]) for outcome in row.scored])
            cells += [_ours(ours), _ours(honest), "" if points is None else signed(points)]
        rows.append(cells)
    return headings, rows


def _over_folds(report: TableReport) -> Grid:
    """The first metrics as means over the folds, as many papers have them, beside those of the folds together."""
    shown = report.metrics[:TOGETHER]
    rows = []
    for row in report.rows:
        values = {of.name: row.over_folds(of) for of in shown}
        if any(values.values()):
            rows.append([row.row.label, *(_ours(summarise(values[of.name])) for of in shown)])
    return ["", *(f"{of.title}, mean over folds" for of in shown)], rows


def _sets(report: TableReport) -> Grid:
    rows = []
    for row in report.rows:
        composition = row.stored.composition
        if composition is None and not row.is_stored:
            continue
        rows.append(
            [
                row.row.label,
                str(len(row.failed)) if row.stored.experiment else "",
                sizes_of(row),
                str(composition.utterances) if composition else "",
                _classes(composition) if composition else "",
                str(sum(composition.too_short.values())) if composition else "",
            ]
        )
    return ["", "failed", "test utt.", "in set", "drawn from", "too short"], rows


def sizes_of(row: RowReport) -> str:
    """The numbers of utterances that a row's scores are over, as a cell."""
    sizes = row.test_utterances
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}" if sizes else ""


def _classes(composition: Composition) -> str:
    return ", ".join(f"{sum(labels.values())} {'+'.join(labels)}" for labels in composition.classes.values())


def _ours(summary: Summary | None) -> str:
    if summary is None:
        return ""
    return f"{summary.mean:.2f}" if summary.std is None else f"{summary.mean:.2f}±{summary.std:.2f}"


def _difference(comparison: Comparison) -> str:
    if comparison.difference is None:
        return ""
    beside = {None: "", True: " (held)", False: " (not held)"}[comparison.holds]
    return signed(comparison.difference) + (MARK if comparison.more_than_chance else "") + beside
