"""A table report as text: Markdown for the terminal and as a file, LaTeX (booktabs), CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from glam.errors import GlamError
from glam.evaluation.statistics import Summary
from glam.evaluation.statistics import summary as summarise
from glam.files import write_text
from glam.papers.published import METRICS, PrintedTable, published
from glam.papers.tables import CHANCE, Comparison, RowReport, TableReport
from glam.reports.summary import SYNTHETIC, signed
from glam.reports.views import OPTIMISM, SELECTION
from glam.splits.population import Composition, composition_line
from glam.splits.splits import RUNS
from glam.words import counted

NAMES = {"wa": "WA", "ua": "UA", "macro_f1": "macro F1", "weighted_f1": "weighted F1", "micro_f1": "micro F1"}
GROUPS = (("wa", "ua"), ("macro_f1", "weighted_f1", "micro_f1"))  # side by side in one grid
MARK = "†"
OPTIMISTIC = ("wa", "ua")  # the metrics with a column for what choosing the epoch on the test set adds
NO_RUNS = "no runs yet"
DAMAGED = "damaged"
INCOMPLETE = "no seed has all folds"
DESCRIBED = {
    "released": "the settings of the released implementation's scripts",
    "paper": "section 4.1 of the paper: one setting for all models",
}
Grid = tuple[list[str], list[list[str]]]  # headings, rows


def markdown(report: TableReport) -> str:
    """The report for people: grids of at most about 100 columns, and what it takes to believe them."""
    grids = [
        tabulate(rows, headings, tablefmt="github", disable_numparse=True)
        for headings, rows in (*_score_grids(report), _sets(report))
    ]
    head = [f"# {_title(report)}", "", *(f"- {line}" for line in _head(report))]
    return "\n\n".join(["\n".join(head), *grids, "\n".join(f"- {line}" for line in _notes(report))])


def latex(report: TableReport) -> str:
    """The scores as a LaTeX table for the package booktabs, the remarks as comments above it."""
    tabulars = []
    for headings, rows in _score_grids(report):
        tabulars.append(tabulate(rows, headings, tablefmt="latex_booktabs", disable_numparse=True))
    remarks = "\n".join(f"% {line}" for line in (*_head(report), *_notes(report)))
    caption = f"{report.table.printed.caption}, {report.setting} setting" + (
        "" if report.whole else ". NOT on IEMOCAP: the printed numbers are IEMOCAP's"
    )
    body = "\n\n\\medskip\n".join(tabulars)
    text = (
        f"{remarks}\n\\begin{{table*}}\n\\centering\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"\\caption{{{caption}}}\n{body}\n\\end{{table*}}\n"
    )
    for sign, command in (("±", r"$\pm$"), (MARK, r"$^\dagger$"), ("¹", "$^1$"), ("²", "$^2$"), ("α", r"$\alpha$")):
        text = text.replace(sign, command)
    return text


def as_csv(report: TableReport) -> str:
    """One line a row and metric; without the columns of a comparison where the corpus is not the printed one."""
    text = io.StringIO(newline="")
    records = [_record(report, row, name) for row in report.rows for name in NAMES]
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def as_json(report: TableReport) -> str:
    """Everything the report knows, run by run."""
    content = {
        "table": report.table.number,
        "caption": report.table.printed.caption,
        "setting": report.setting,
        "overrides": dict(report.overrides),
        "select": report.view,
        "epoch": SELECTION[report.view],
        "compared_with_print": report.whole,
        "printed_runs": report.table.printed.runs,
        "printed_runs_assumed": report.assumed_runs,
        "tests": report.tests,
        "remarks": [*_head(report), *_notes(report)],
        "rows": [_row_content(report, row) for row in report.rows],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[TableReport], str]] = {
    "md": lambda report: markdown(report) + "\n",
    "tex": latex,
    "csv": as_csv,
    "json": as_json,
}


def write_files(report: TableReport, folder: Path) -> list[Path]:
    """Write `table<N>-<setting>` as .md, .tex, .csv and .json to a folder, each file whole or not at all.

    Under a view that is not the table's own, `table<N>-<setting>-<view>`.
    """
    paths = []
    stem = f"table{report.table.number}-{report.setting}"
    if report.view != report.table.view:
        stem += f"-{report.view}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, render in FORMATS.items():
            path = folder / f"{stem}.{suffix}"
            write_text(path, render(report))
            paths.append(path)
    except OSError as error:
        raise GlamError(f"{folder}: cannot be written ({error}). Name another folder with --output.") from None
    return paths


def _title(report: TableReport) -> str:
    return f"Table {report.table.number}: {report.table.printed.caption}"


def _head(report: TableReport) -> list[str]:
    lines = [f"setting: {report.setting} ({DESCRIBED[report.setting]})"]
    if report.overrides:
        lines.append("CHANGED for all rows: " + ", ".join(f"{field}={value}" for field, value in report.overrides))
    lines.append(f"corpus: {_corpus(report)}")
    lines.append(f"epoch: {SELECTION[report.view]}")
    if report.view != report.table.view:
        lines.append(f"NOT the printed table's: that is {SELECTION[report.table.view]}")
    done, of_each = sum(len(row.scored) for row in report.rows), "seed" if _folds(report) else "run"
    failed = sum(len(row.failed) for row in report.rows)
    lines.append(
        f"scores: percent, mean±standard deviation (ddof 1) over {counted(done, of_each)} in all, "
        f"{counted(failed, 'run') if _folds(report) else failed} failed"
    )
    if _folds(report):
        lines.append("folds: the predictions of all folds of a seed together make its scores; a seed has all or none")
    return lines


def _folds(report: TableReport) -> bool:
    return any(row.folds for row in report.rows)


def _corpus(report: TableReport) -> str:
    known = [row.found.composition for row in report.rows if row.found.composition is not None]
    if report.rows[0].recipe.corpus.name == "synthetic" or any(one.synthetic for one in known):
        return SYNTHETIC
    if not known:
        return "no runs and no index of the corpus yet"
    name = known[0].corpus
    if report.whole:
        return f"{name}, as many utterances of each label as the complete release has"
    return f"{name}, but NOT the complete IEMOCAP, so that nothing here can be compared with the printed numbers"


def _score_grids(report: TableReport) -> list[Grid]:
    return [*(_scores(report, group) for group in GROUPS), *([_optimism(report)] if report.view == "test" else [])]


def _scores(report: TableReport, group: Sequence[str]) -> Grid:
    printed = "printed" if report.whole else "IEMOCAP print"
    first = group is GROUPS[0]  # which says once for the row how many runs there are
    headings = ["", "seeds" if _folds(report) else "runs"] if first else [""]
    for name in group:
        headings.append(NAMES[name] + ("¹" if name == "weighted_f1" else ""))
        if name in METRICS:
            headings += [printed, "diff."] if report.whole else [printed]
    rows = []
    for row in report.rows:
        cells = [row.row.label]
        if first:
            cells.append(_there(row))
        for name in group:
            one = row.metrics[name]
            cells.append(_ours(one.ours))
            if one.printed is not None:
                cells += [str(one.printed), _difference(one)] if report.whole else [str(one.printed)]
        rows.append(cells)
    return headings, rows


def _there(row: RowReport) -> str:
    """How many runs (with folds, seeds) a row's scores are over, or why none."""
    if row.scored:
        return str(len(row.scored))
    return DAMAGED if row.found.damaged else INCOMPLETE if row.results else NO_RUNS


def _optimism(report: TableReport) -> Grid:
    """Scores chosen on the test set, beside those of the same runs with the epoch chosen on other utterances."""
    headings = [""]
    for name in OPTIMISTIC:
        headings += [NAMES[name], f"{NAMES[name]}, halves", "optimism²"]
    rows = []
    for row in report.rows:
        cells = [row.row.label]
        for name in OPTIMISTIC:
            points = row.optimism(name)
            honest = summarise([getattr(one.scores, name) for one in row.honest]) if row.honest else None
            cells += [_ours(row.metrics[name].ours), _ours(honest), "" if points is None else signed(points)]
        rows.append(cells)
    return headings, rows


def _sets(report: TableReport) -> Grid:
    rows = []
    for row in report.rows:
        composition = row.found.composition
        rows.append(
            [
                row.row.label,
                str(len(row.failed)) if row.found.experiment else "",
                _sizes(row),
                str(composition.utterances) if composition else "",
                _classes(composition) if composition else "",
                str(sum(composition.too_short.values())) if composition else "",
            ]
        )
    return ["", "failed", "test utt.", "of", "drawn from", "too short"], rows


def _sizes(row: RowReport) -> str:
    sizes = row.test_utterances
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}" if sizes else ""


def _classes(composition: Composition) -> str:
    return ", ".join(f"{sum(labels.values())} {'+'.join(labels)}" for labels in composition.classes.values())


def _ours(found: Summary | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:.2f}" if found.std is None else f"{found.mean:.2f}±{found.std:.2f}"


def _difference(one: Comparison) -> str:
    if one.difference is None:
        return ""
    return signed(one.difference) + (MARK if one.more_than_chance else "")


def _notes(report: TableReport) -> list[str]:
    printed = report.table.printed
    names = " or ".join(f'"{name}"' for name in printed.names_of("weighted_f1"))
    lines = [f"¹ beside the printed column called {names}, which holds weighted F1; true micro F1 equals WA here"]
    if report.view == "test":
        lines.append(f"² {OPTIMISM}")
    if report.whole:
        lines.append(_chance(report))
    else:
        lines.append('"IEMOCAP print" is what the paper prints for IEMOCAP; the runs here are on another corpus')
    lines += _other_sources(printed)
    lines += report.table.notes
    lines += report.protocols
    for row in report.rows:
        lines += [f"FAILED, not averaged: {row.row.label}, {run.key}: {run.failed}" for run in row.failed]
        lines += [
            f"INCOMPLETE, not pooled: {row.row.label}, seed {seed} has {row.folds - len(names)} of {row.folds} folds; "
            f"missing: {', '.join(names)}"
            for seed, names in row.missing.items()
        ]
        lines += _absent(row)
        if row.found.damaged:
            lines.append(f"DAMAGED, not shown: {row.row.label}: {row.found.damaged}")
    lines += [f"cannot be read: {why}" for why in report.damaged if why not in {r.found.damaged for r in report.rows}]
    elsewhere = {path for row in report.rows for path in row.found.elsewhere}
    if elsewhere:
        lines.append("the same settings on another corpus, not shown: " + ", ".join(sorted(p.name for p in elsewhere)))
    return lines


def _chance(report: TableReport) -> str:
    over = (
        counted(report.assumed_runs, "run")
        if report.table.printed.runs
        else f"{RUNS} runs (assumed: no source says how many)"
    )
    return (
        f"{MARK} the difference is more than chance: Welch's test on both means and standard deviations, ours over the "
        f"runs shown, the printed one over {over} with ddof 1 (assumed); p <= {CHANCE} after Holm's adjustment for "
        f"{counted(report.tests, 'test')}; a single run is not tested"
    )


def _other_sources(printed: PrintedTable) -> list[str]:
    lines = []
    for label, row in printed.rows.items():
        for source, cells in row.differs.items():
            values = ", ".join(f"{NAMES[metric]} {cells.cell(metric)}" for metric in METRICS)
            lines.append(f"{label}: {published().sources[source]} prints {values}")
    return lines


def _absent(row: RowReport) -> list[str]:
    classes = row.recipe.corpus.classes
    counts = {name: sum(i in one.scores.absent for one in row.scored) for i, name in enumerate(classes)}
    total = counted(len(row.scored), "seed" if row.folds else "run")
    return [
        f"{row.row.label}: no {name} in the test set of {count} of {total}; UA and macro F1 leave it out there"
        for name, count in counts.items()
        if count
    ]


def _record(report: TableReport, row: RowReport, name: str) -> dict[str, Any]:
    one = row.metrics[name]
    record: dict[str, Any] = {
        "table": report.table.number,
        "setting": report.setting,
        "row": row.row.label,
        "recipe": row.recipe.name,
        "metric": name,
        "runs": len(row.results),
        **({"seeds": len(row.scored)} if _folds(report) else {}),
        "failed": len(row.failed),
        "mean": one.ours.mean if one.ours else None,
        "std": one.ours.std if one.ours else None,
        "optimism": row.optimism(name),
        "printed_mean" if report.whole else "printed_mean_iemocap": one.printed.mean if one.printed else None,
        "printed_std" if report.whole else "printed_std_iemocap": one.printed.std if one.printed else None,
    }
    if report.whole:
        record |= _test(one)
    composition = row.found.composition
    return record | {
        "test_utterances": _sizes(row),
        "drawn_from": composition_line(composition) if composition else "",
    }


def _test(one: Comparison) -> dict[str, Any]:
    return {
        "difference": one.difference,
        "p_holm": one.p,
        "more_than_chance": one.more_than_chance if one.p is not None else None,
    }


def _row_content(report: TableReport, row: RowReport) -> dict[str, Any]:
    printed = report.table.printed
    metrics: dict[str, Any] = {}
    for name, one in row.metrics.items():
        metrics[name] = {"ours": asdict(one.ours) if one.ours else None, "optimism": row.optimism(name)}
    for name in METRICS:
        one = row.metrics[name]
        metrics[name]["printed"] = {
            source: printed.rows[row.row.label].of(source).cell(name)._asdict() for source in printed.sources_of(name)
        }
        if report.whole:
            metrics[name] |= {"difference": one.difference, "p_holm": one.p, "more_than_chance": one.more_than_chance}
    composition = row.found.composition
    return {
        "label": row.row.label,
        "recipe": row.recipe.model_dump(mode="json"),
        "folder": row.found.experiment.folder.name if row.found.experiment else None,
        "set": composition.model_dump() if composition else None,
        "metrics": metrics,
        "runs": [
            {"seed": one.seed, "fold": one.fold, "epochs": one.epochs, "test_utterances": one.utterances}
            | {name: getattr(one.scores, name) for name in NAMES}
            for one in row.results
        ],
        "failed": [{"seed": run.seed, "fold": run.fold, "reason": run.failed} for run in row.failed],
        "incomplete": {str(seed): names for seed, names in row.missing.items()},
    }
