"""The page of a table: beside the print what its text says, then each row's experiment by itself."""

import glob
from collections.abc import Sequence
from pathlib import Path

from glam.corpora.utterances import Utterance
from glam.papers.table_notes import note_lines
from glam.papers.table_text import grids, head_lines, title
from glam.papers.tables import Row, TableReport
from glam.progress import bar
from glam.reports.grid import Table
from glam.reports.page.document import Page, Section
from glam.reports.page.experiments import sections, settings
from glam.reports.page.live import stored_in
from glam.reports.runs import Read
from glam.reports.summary import COLUMNS
from glam.results.experiment import stem
from glam.splits.runs import runs_of


def page(report: TableReport, about: str, indexed: Sequence[Utterance] = (), *, live: bool = False) -> Page:
    """The page of a table. about, live: as for the page of an experiment. indexed: the utterances of its corpus."""
    scores = [Table(*of_metrics) for of_metrics in grids(report)]
    beside: list[Table | str] = ["\n".join(head_lines(report)), *scores, "\n".join(note_lines(report))]
    recipes = {row.row.label: row.row.recipe for row in report.rows if row.row.recipe is not None}
    first = "Beside the print" if report.is_printed else "Scores"
    parts = [Section(first, beside), Section("Settings that differ between the rows", [settings(recipes)])]
    usual = {metric.name for metric in COLUMNS}
    more = [metric for metric in report.metrics if metric.name not in usual]
    shared: dict[str, tuple[list[str], Read]] = {}  # rows of the same settings have one experiment
    for row in report.rows:
        if row.read is not None:
            shared.setdefault(row.read.experiment.digest, ([], row.read))[0].append(row.row.label)
    with bar(len(shared), "looking into rows", "row", leave=False) as progress:
        for labels, read in shared.values():
            parts.append(Section(", ".join(labels), [], sections(read, more, indexed)))
            progress.update()
    return Page(title(report), about, parts, live)


def stored_for(rows: Sequence[Row], runs: Path) -> frozenset[Path]:
    """The runs that are stored of whatever experiments in the runs folder may be these rows'."""
    stems = {stem(row.recipe) for row in rows if row.recipe is not None}
    return stored_in(folder for name in stems for folder in runs.glob(f"{glob.escape(name)}-????????"))


def complete(report: TableReport, seeds: Sequence[int]) -> bool:
    """True where all runs that the table asks for are stored; of rows that lack a file, none can be."""
    return all(
        row.stored.experiment is not None and set(row.keys) >= set(runs_of(seeds, row.folds))
        for row in report.rows
        if row.row.recipe is not None and not row.lacking
    )
