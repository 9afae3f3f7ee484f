"""A table of a paper as text: Markdown for people, LaTeX for papers."""

from collections.abc import Sequence

from glam.evaluation.metric import METRICS, Metric
from glam.evaluation.statistics import Summary
from glam.evaluation.statistics import summary as summarise
from glam.evaluation.unknown import Unknown
from glam.papers.against_print import CHANCE, MARGIN, Comparison, tested
from glam.papers.among_rows import against_first, choice
from glam.papers.tables import RowReport, TableReport, with_runs
from glam.reports.grid import grid, latex_grid, signed
from glam.reports.summary import OPTIMISTIC, PURE, SYNTHETIC, cut_line
from glam.reports.views import OPTIMISM, SELECTION, value
from glam.results.identity import FORMAT
from glam.splits.population import Composition
from glam.splits.runs import RUNS
from glam.words import counted

TOGETHER = 2  # metrics side by side in one grid, where each has printed columns beside
MARK = "†"
HELD = (
    "held: the print has no standard deviation, so there is no test; the 95 % interval of our mean (of this corpus) "
    "has the printed number in it, or has not"
)
NO_RUNS = "no runs yet"
DAMAGED = "damaged"
INCOMPLETE = "no seed has all folds"
PRINTED_ONLY = "printed only"
Grid = tuple[list[str], list[list[str]]]  # headings, rows


def markdown(report: TableReport) -> str:
    """The report for people: grids of at most about 100 columns, and what it takes to believe them."""
    grids = [grid(*table) for table in (*_score_grids(report), _sets(report))]
    head = [f"# {_title(report)}", "", *(f"- {line}" for line in head_lines(report))]
    return "\n\n".join(["\n".join(head), *grids, "\n".join(f"- {line}" for line in note_lines(report))])


def latex(report: TableReport) -> str:
    """The scores as a LaTeX table for the package booktabs, the remarks as comments above it."""
    tabulars = [latex_grid(*table) for table in _score_grids(report)]
    needed = r"the preamble needs \usepackage{booktabs}"
    remarks = "\n".join(f"% {' '.join(line.split())}" for line in (needed, *head_lines(report), *note_lines(report)))
    setting = f", {report.table.variant} setting" if report.table.variant else ""
    caption = f"{report.table.printed.caption}{setting}" + (
        "" if report.whole else f". NOT on {printed_on(report)}, which the printed numbers are of"
    )
    body = "\n\n\\medskip\n".join(tabulars)
    text = (
        f"{remarks}\n\\begin{{table*}}\n\\centering\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{report.table.stem}}}\n{body}\n\\end{{table*}}\n"
    )
    for sign, command in (("±", r"$\pm$"), (MARK, r"$^\dagger$"), ("¹", "$^1$"), ("²", "$^2$"), ("α", r"$\alpha$")):
        text = text.replace(sign, command)
    return text


def _title(report: TableReport) -> str:
    return f"{report.table.title}: {report.table.printed.caption}"


def head_lines(report: TableReport) -> list[str]:
    """What stands above the table, a line each."""
    variants = report.table.paper.variants
    lines = [f"setting: {name} ({variants[name]})" for name in (report.table.variant,) if name]
    if report.overrides:
        lines.append("CHANGED for all rows: " + ", ".join(f"{field}={value}" for field, value in report.overrides))
    lines.append(f"corpus: {_corpus(report)}")
    lines.append(f"epoch: {SELECTION[report.view]}")
    if report.view != report.table.printed.view:
        lines.append(f"the printed table is under another choice: {SELECTION[report.table.printed.view]}")
    done, of_each = sum(len(row.scored) for row in report.rows), "seed" if has_folds(report) else "run"
    failed = sum(len(row.failed) for row in report.rows)
    lines.append(
        f"scores: percent, mean±standard deviation (ddof 1) over the {of_each}s of a row ({done} in all rows), "
        f"{counted(failed, 'run') if has_folds(report) else failed} failed"
    )
    if has_folds(report):
        lines.append("folds: the predictions of all folds of a seed together make its scores; a seed has all or none")
    return lines


def has_folds(report: TableReport) -> bool:
    """True where a row is of a protocol with folds."""
    return any(row.folds for row in report.rows)


def _corpus(report: TableReport) -> str:
    known = [row.stored.composition for row in report.rows if row.stored.composition is not None]
    asked = [row.row.recipe.corpus.title for row in report.rows if row.row.recipe is not None]
    if "synthetic" in asked or any(composition.synthetic for composition in known):
        return SYNTHETIC
    if not known:
        return "no runs and no index of the corpus yet"
    name = known[0].corpus
    if report.whole and report.table.paper.printed_on == "iemocap":
        return f"{name}, as many utterances of each label as the complete release has"
    if report.whole:
        return f"{name}, which the printed numbers are of"
    complete = printed_on(report)
    return f"{name}, but NOT the complete {complete}, so that nothing here can be compared with the printed numbers"


def printed_on(report: TableReport) -> str:
    """The corpus that the printed numbers are of, as people write it."""
    name = report.table.paper.printed_on
    return name if ":" in name else name.upper()


def _score_grids(report: TableReport) -> list[Grid]:
    """The scores, a few metrics beside each other; what choosing on the test set adds; what is only printed."""
    groups = [report.metrics[i : i + TOGETHER] for i in range(0, len(report.metrics), TOGETHER)]
    if len(groups) > 1 and not any(_is_printed(report, metric) for metric in groups[-1]):
        groups[-2:] = [groups[-2] + groups[-1]]  # a metric without printed columns takes little room
    grids = [_scores(report, group, first=i == 0) for i, group in enumerate(groups)]
    grids += [_against_print(report)] if report.tests else []
    grids += [beside] if (beside := _against_first(report))[1] else []
    grids += [_optimism(report)] if report.view == "test" else []
    return grids + ([_elsewhere(report)] if report.table.printed.elsewhere else [])


def _is_printed(report: TableReport, metric: Metric) -> bool:
    return any(metric.name in row.row.printed.printed for row in report.rows)


def _scores(report: TableReport, group: Sequence[Metric], first: bool) -> Grid:
    comparable = report.whole and not report.unlike
    printed = "printed" if report.whole else f"{printed_on(report)} print"
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
            comparison = row.metrics.get(metric.name, Comparison(None, row.row.printed.printed.get(metric.name)))
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
            cell = row.metrics.get(metric.name)
            if cell is None or cell.interval is None or cell.difference is None or cell.same is None:
                continue
            rows.append(
                [
                    f"{row.row.label}, {metric.title}",
                    signed(cell.difference) + (MARK if cell.more_than_chance else ""),
                    f"{signed(cell.interval.low)} to {signed(cell.interval.high)}",
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
    for row in against_first(rows, "wa", first):
        if isinstance(row.test, Unknown) or row.p is None:
            cells.append([row.label, str(row.pairs), "-", "-", "-"])
            continue
        low, high = row.test.interval
        p = "< 0.0001" if row.p < 0.0001 else f"{row.p:.4f}"
        cells.append([row.label, str(row.pairs), signed(row.test.difference), f"{signed(low)} to {signed(high)}", p])
    return [f"WA against {first}", "pairs", "diff.", "95 % interval", "p (Holm)"], cells


def _elsewhere(report: TableReport) -> Grid:
    """Columns of other corpora, as they are printed."""
    titles = report.table.printed.elsewhere
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
    return DAMAGED if row.stored.damaged else INCOMPLETE if row.results else NO_RUNS


def _optimism(report: TableReport) -> Grid:
    """Scores chosen on the test set, beside those of the same runs with the epoch chosen on other utterances."""
    headings = [""]
    for metric in (METRICS[name] for name in OPTIMISTIC):
        headings += [metric.title, f"{metric.title}, halves", "optimism²"]
    rows = []
    for row in report.rows:
        if row.row.recipe is None:
            continue
        cells = [row.row.label]
        for name in OPTIMISTIC:
            points = row.optimism(name)
            honest = summarise([value(outcome, METRICS[name]) for outcome in row.honest]) if row.honest else None
            ours = summarise([value(outcome, METRICS[name]) for outcome in row.scored]) if row.scored else None
            cells += [_ours(ours), _ours(honest), "" if points is None else signed(points)]
        rows.append(cells)
    return headings, rows


def _sets(report: TableReport) -> Grid:
    rows = []
    for row in report.rows:
        if row.row.recipe is None:
            continue
        composition = row.stored.composition
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
    return ["", "failed", "test utt.", "in the set", "drawn from", "too short"], rows


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


def note_lines(report: TableReport) -> list[str]:
    """What stands below the table, a line each."""
    printed = report.table.printed
    lines = []
    if names := " or ".join(f'"{name}"' for name in printed.names_of("weighted_f1")):
        lines.append(
            f"¹ beside the printed column called {names}, which holds weighted F1; true micro F1 equals WA here"
        )
    if report.view == "test":
        lines.append(f"² {OPTIMISM}")
    if any(metric.name == "pure_accuracy" for metric in report.metrics):
        cuts = {cut_line(row.row.recipe) for row in report.rows if row.row.recipe is not None}
        lines.append(PURE.format(cut=" or ".join(sorted(cuts))))
    if not report.whole:
        name = printed_on(report)
        lines.append(f'"{name} print" is what the paper prints for {name}; the runs here are on another corpus')
    else:
        lines += _chance(report) if report.tests else []
        lines += [f"not tested against the print: not as printed are {', '.join(report.unlike)}"] * bool(report.unlike)
        lines += (
            [HELD]
            if any(comparison.holds is not None for row in report.rows for comparison in row.metrics.values())
            else []
        )
    lines += _among_rows(report)
    lines += _other_sources(report)
    lines += printed.notes
    lines += [f"{row.row.label}: {row.row.printed.note}" for row in report.rows if row.row.printed.note]
    lines += report.protocols
    for row in report.rows:
        lines += [f"FAILED, not averaged: {row.row.label}, {run.key}: {run.failed}" for run in row.failed]
        lines += [
            f"INCOMPLETE, not pooled: {row.row.label}, seed {seed} has {row.folds - len(names)} of {row.folds} folds; "
            f"missing: {', '.join(names)}"
            for seed, names in row.missing.items()
        ]
        lines += _absent(row)
        experiment = row.stored.experiment
        if experiment is not None and experiment.format != FORMAT:
            lines.append(
                f"{row.row.label}: runs of format {experiment.format}, stored by an earlier version; only read"
            )
        lines += [f"LEFT OUT: {row.row.label}: {reason}" for reason in row.left_out]
        if row.stored.damaged:
            lines.append(f"DAMAGED, not shown: {row.row.label}: {row.stored.damaged}")
    lines += [f"cannot be read: {why}" for why in report.damaged if why not in {r.stored.damaged for r in report.rows}]
    elsewhere = {path for row in report.rows for path in row.stored.elsewhere}
    if elsewhere:
        lines.append("the same settings on another corpus, not shown: " + ", ".join(sorted(p.name for p in elsewhere)))
    return lines


def _among_rows(report: TableReport) -> list[str]:
    """What the tests against the first row mean; and what the choice of a row on the test set adds."""
    rows = with_runs(report)
    lines = []
    if len(rows) > 1:
        lines.append(
            "against the first row: paired by the utterances tested, corrected for test sets that overlap (Nadeau and "
            "Bengio), so of other utterances of these speakers; p after Holm's adjustment for the rows"
        )
    if not report.table.printed.chooses:
        return lines
    setting = report.table.printed.chooses
    lines.append(f"the paper takes the best {setting} of this table, chosen on the test set, into its other tables")
    best = choice(rows)
    if isinstance(best, Unknown):
        return [*lines, f"what that choice adds {best}"]
    label, of = best
    error = "" if isinstance(of.optimism.error, Unknown) else f" (se {of.optimism.error:.2f})"
    return [
        *lines,
        f"here the choice is {label}: WA {of.shown:.2f} over the utterances; chosen on one half of them and scored on "
        f"the other {of.honest:.2f}, so that the choice adds {signed(of.optimism.points)}{error}; half the utterances "
        f"choose the same row in {of.agreed:.0f} % of cases",
    ]


def _chance(report: TableReport) -> list[str]:
    over = (
        counted(report.assumed_runs, "run")
        if report.table.printed.runs
        else f"{RUNS} runs (assumed: no source says how many)"
    )
    names = " and ".join(metric.title for metric in report.metrics if metric.name in tested(report.metrics))
    return [
        f"{MARK} the difference is more than chance: Welch's test on both means and standard deviations, ours over the "
        f"runs shown, the printed one over {over} with ddof 1 (assumed); p <= {CHANCE} after Holm's adjustment for "
        f"{counted(report.tests, 'test')}, of {names} alone; a single run is not tested, nor are runs that do not "
        "differ",
        f"no mark is no reproduction. TOST: p-value of two one-sided tests that the difference is below {MARGIN:g} "
        f"point; the same: it is at most {CHANCE}; undecided: neither is shown. Intervals are of the difference, not "
        "adjusted. Visible from: the smallest true difference that these runs would mark in four of five cases",
    ]


def _other_sources(report: TableReport) -> list[str]:
    sources = report.table.paper.sources
    titles = {metric.name: metric.title for metric in (*METRICS.values(), *report.metrics)}
    return [
        f"{row.row.label}: {sources[source]} prints "
        + ", ".join(f"{titles.get(name, name)} {cell}" for name, cell in cells.items())
        for row in report.rows
        for source, cells in row.row.printed.differs.items()
    ]


def _absent(row: RowReport) -> list[str]:
    classes = row.stored.experiment.classes if row.stored.experiment else ()
    counts = {name: sum(i in outcome.scores.absent for outcome in row.scored) for i, name in enumerate(classes)}
    total = counted(len(row.scored), "seed" if row.folds else "run")
    return [
        f"{row.row.label}: no {name} in the test set of {count} of {total}; UA and macro F1 leave it out there"
        for name, count in counts.items()
        if count
    ]
