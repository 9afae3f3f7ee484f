"""The files of a table: text, and CSV and JSON for programs."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from glam.errors import GlamError
from glam.evaluation.metric import METRICS, Metric
from glam.files import write_text
from glam.foreign import cell
from glam.papers.against_print import Comparison
from glam.papers.paper import PaperTable
from glam.papers.table_latex import latex
from glam.papers.table_notes import note_lines
from glam.papers.table_text import has_folds, head_lines, markdown, sizes_of
from glam.papers.tables import RowReport, TableReport
from glam.reports.views import SELECTION, value
from glam.splits.population import composition_line


def as_csv(report: TableReport) -> str:
    """One line a row and metric; without the columns of a comparison where the corpus is not the printed one."""
    text = io.StringIO(newline="")
    records = [_record(report, row, metric) for row in report.rows for metric in report.metrics]
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: cell(value) if isinstance(value, str) else value for name, value in record.items()} for record in records
    )
    return text.getvalue()


def as_json(report: TableReport) -> str:
    """Everything the report knows, run by run."""
    content = {
        "paper": report.table.paper.name,
        "table": report.table.number,
        "caption": report.table.printed.caption,
        "setting": report.table.variant,
        "overrides": dict(report.overrides),
        "select": report.view,
        "epoch": SELECTION[report.view],
        "compared_with_print": report.whole and not report.unlike,
        "unlike_the_print": report.unlike,
        "printed_runs": report.table.printed.runs,
        "printed_runs_assumed": report.assumed_runs,
        "tests": report.tests,
        "remarks": [*head_lines(report), *note_lines(report)],
        "rows": [_row_content(report, row) for row in report.rows],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[TableReport], str]] = {
    "md": lambda report: markdown(report) + "\n",
    "tex": latex,
    "csv": as_csv,
    "json": as_json,
}


def write_files(report: TableReport, folder: Path, bold: bool = False) -> list[Path]:
    """Write the table as .md, .tex, .csv and .json to a folder, each file whole or not at all.

    It is called `table<N>-<setting>`, of other papers than the first `<paper>-table<N>`; `-<view>` is added under a
    view that is not the table's own. bold: see `latex`.
    """
    paths = []
    stem = report.table.stem
    if report.view != report.table.printed.view:
        stem += f"-{report.view}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, render in FORMATS.items():
            path = folder / f"{stem}.{suffix}"
            write_text(path, latex(report, bold) if suffix == "tex" else render(report))
            paths.append(path)
    except OSError as error:
        raise GlamError(f"{folder}: cannot be written ({error}). Name another folder with --output.") from None
    return paths


def _record(report: TableReport, row: RowReport, metric: Metric) -> dict[str, Any]:
    comparison = row.metrics[metric.name]
    printed_on = "" if report.whole else f"_{report.table.paper.printed_on}"
    record: dict[str, Any] = {
        "paper": report.table.paper.name,
        "table": report.table.number,
        "setting": report.table.variant,
        "row": row.row.label,
        "recipe": row.row.recipe.name if row.row.recipe else None,
        "metric": metric.name,
        "runs": len(row.results),
        **({"seeds": len(row.scored)} if has_folds(report) else {}),
        "failed": len(row.failed),
        "mean": comparison.ours.mean if comparison.ours else None,
        "std": comparison.ours.std if comparison.ours else None,
        "optimism": row.optimism(metric.name) if metric.name in METRICS else None,
        f"printed_mean{printed_on}": comparison.printed.mean if comparison.printed else None,
        f"printed_std{printed_on}": comparison.printed.std if comparison.printed else None,
    }
    if report.whole:
        record |= _test(comparison)
    composition = row.stored.composition
    return record | {
        "test_utterances": sizes_of(row),
        "drawn_from": composition_line(composition) if composition else "",
    }


def _test(comparison: Comparison) -> dict[str, Any]:
    return {
        "difference": comparison.difference,
        "difference_low": comparison.interval.low if comparison.interval else None,
        "difference_high": comparison.interval.high if comparison.interval else None,
        "p_holm": comparison.p,
        "p_same_within_margin": comparison.same,
        "visible_from": comparison.visible,
        "verdict": comparison.verdict,
        "more_than_chance": comparison.more_than_chance if comparison.p is not None else None,
        "interval_holds_print": comparison.holds,
    }


def _row_content(report: TableReport, row: RowReport) -> dict[str, Any]:
    table: PaperTable = report.table.printed
    metrics: dict[str, Any] = {}
    for metric in report.metrics:
        comparison = row.metrics[metric.name]
        metrics[metric.name] = {
            "ours": asdict(comparison.ours) if comparison.ours else None,
            "optimism": row.optimism(metric.name) if metric.name in METRICS else None,
        }
        if comparison.printed is not None:
            sources = table.sources_of(metric.name) or ("paper",)
            metrics[metric.name]["printed"] = {
                source: row.row.printed.of(source)[metric.name]._asdict() for source in sources
            }
            metrics[metric.name] |= _test(comparison) if report.whole else {}
    composition = row.stored.composition
    return {
        "label": row.row.label,
        "recipe": row.row.recipe.model_dump(mode="json") if row.row.recipe else None,
        "folder": row.stored.experiment.folder.name if row.stored.experiment else None,
        "set": composition.model_dump() if composition else None,
        "metrics": metrics,
        "runs": [
            {"seed": result.seed, "fold": result.fold, "epochs": result.epochs, "test_utterances": result.utterances}
            | {metric.name: value(result, metric) for metric in report.metrics}
            for result in row.results
        ],
        "failed": [{"seed": run.seed, "fold": run.fold, "reason": run.failed} for run in row.failed],
        "incomplete": {str(seed): names for seed, names in row.missing.items()},
    }
