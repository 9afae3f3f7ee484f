"""The time and the disk that tables will take here, before any of it is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.papers.paper import Table
from glam.papers.tables import distinct, rows_of
from glam.places import file_flags
from glam.progress import bar
from glam.results.identity import canonical_json
from glam.running.experiment import Experiment, Places, experiment_on, lacking_files
from glam.running.job import Resources
from glam.running.pace import run_seconds
from glam.running.room import features_needed, runs_needed
from glam.running.table_progress import Piece, done_after
from glam.splits.runs import RunKey, seeds


@dataclass(frozen=True)
class Outlook:
    """A table's runs that are missing of all that it asks for, the seconds that they take, and the bytes they need.

    lacking: places of files without which some of its rows are not trained. why: the reason why it cannot be trained on
    this corpus; empty where it can.
    """

    table: Table
    missing: int = 0
    asked: int = 0
    seconds: float = 0.0
    bytes_of_runs: int = 0
    bytes_of_features: int = 0
    lacking: tuple[str, ...] = ()
    why: str = ""


def outlook(
    tables: Sequence[Table],
    overrides: Sequence[tuple[str, Any]],
    corpus: Corpus,
    places: Places,
    resources: Resources,
) -> list[Outlook]:
    """The outlook of each of these tables, trained by itself from what is stored now.

    overrides: (field, value) of all recipes; the corpus's name among them.
    """
    experiments: dict[str, Experiment] = {}
    of_table: list[tuple[list[str], tuple[str, ...]] | GlamError] = []
    with bar(len(tables), "reading tables", "table", leave=False) as progress:
        for table in tables:
            try:
                recipes = [row.recipe for row in rows_of(table, overrides) if row.recipe is not None]
                lacking = tuple(dict.fromkeys(place for recipe in recipes for place in lacking_files(recipe)))
                names: list[str] = []
                for recipe in distinct(recipe for recipe in recipes if not lacking_files(recipe)):
                    name = canonical_json(recipe.scientific())
                    if name not in experiments:
                        experiments[name] = experiment_on(corpus, recipe, places)
                    names.append(name)
                if not names:
                    raise GlamError(f"no file is given for {', '.join(lacking)} ({file_flags(lacking)})")
                of_table.append((names, lacking))
            except GlamError as error:
                of_table.append(error)
            progress.update()
    seconds = dict(zip(experiments, run_seconds(list(experiments.values()), resources), strict=True))
    at_once = 1 if resources.packed else resources.at_once
    outlooks = []
    for table, outcome in zip(tables, of_table, strict=True):
        if isinstance(outcome, GlamError):
            outlooks.append(Outlook(table, why=str(outcome)))
            continue
        named, lacking = outcome
        chosen = seeds()[: table.paper.seeds]
        asked = {name: experiments[name].runs(chosen) for name in named}
        missing = {name: _missing(experiments[name], runs) for name, runs in asked.items()}
        pieces = [Piece(name, len(missing[name]), seconds[name]) for name in named]
        todo = [experiments[name] for name in named if missing[name]]
        outlooks.append(
            Outlook(
                table,
                missing=sum(map(len, missing.values())),
                asked=sum(map(len, asked.values())),
                seconds=max(done_after(pieces, at_once)),
                bytes_of_runs=sum(runs_needed(experiments[name], missing[name]) for name in named),
                bytes_of_features=sum(features_needed(todo).values()),
                lacking=lacking,
            )
        )
    return outlooks


def _missing(experiment: Experiment, runs: Sequence[RunKey]) -> list[RunKey]:
    return [run for run in runs if not experiment.finished(run)]
