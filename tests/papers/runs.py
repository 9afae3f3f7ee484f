"""Runs of the rows of a paper's tables that were never trained, and reports on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from reports.stored import predicted, store_run

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.papers.paper import read_paper, table
from glam.papers.stored import Stored
from glam.papers.tables import TableReport, rows_of, table_report
from glam.recipe import Recipe
from glam.reports.views import View
from glam.results.experiment import StoredExperiment, experiment_folder, store_experiment
from glam.results.identity import identity
from glam.splits.population import Composition
from glam.splits.runs import RunKey, seeds

UTTERANCES = 400  # of every experiment, a hundred of each class
TARGETS = np.arange(UTTERANCES) % 4
TABLES = tuple(read_paper("glam").tables)
SETTINGS = tuple(read_paper("glam").variants)


def composition_of(recipe: Recipe, missing: int = 0) -> Composition:
    """The whole of IEMOCAP (less `missing` neutral utterances), ten of each class being too short."""
    parts = list(KNOWN_COUNTS) if recipe.corpus.part == "full" else [recipe.corpus.part]
    classes = {
        name: {label: sum(KNOWN_COUNTS[part][label] for part in parts) for label in labels}
        for name, labels in recipe.corpus.labels.items()
    }
    for labels in classes.values():
        labels[next(iter(labels))] -= 10
    classes["neutral"]["neu"] -= missing
    return Composition(
        corpus=recipe.corpus.name,
        synthetic=recipe.corpus.name == "synthetic",
        part=recipe.corpus.part,
        utterances=sum(sum(labels.values()) for labels in classes.values()),
        classes=classes,
        too_short=dict.fromkeys(classes, 10),
    )


def store(
    runs: Path,
    recipe: Recipe,
    right: Sequence[Sequence[int]],
    missing: int = 0,
    corpus: str = "0" * 64,
    composition: Composition | None = None,
) -> Path:
    """An experiment whose run i classifies right[i][e] of 80 held-out utterances correctly in epoch e.

    corpus: the digest of what it is on.
    """
    who = identity(recipe.scientific(), corpus)
    experiment = StoredExperiment(
        folder=experiment_folder(runs, recipe, who),
        recipe=recipe,
        identity=who,
        composition=composition or composition_of(recipe, missing),
        ids=tuple(f"Ses01F_impro01_F{i:03d}" for i in range(UTTERANCES)),
        targets=TARGETS,
    )
    store_experiment(experiment)
    for seed, epochs in zip(seeds(), right, strict=False):
        store_predictions(experiment, seed, [np.arange(80) < correct for correct in epochs])
    return experiment.folder


def store_predictions(experiment: StoredExperiment, seed: int, right: Sequence[Any]) -> None:
    """A run on 80 held-out utterances. right: (E, 80), which of them it classifies correctly; one segment each."""
    truth = TARGETS[:80]
    guess = np.where(np.asarray(right), truth, (truth + 1) % 4)
    predictions = predicted(np.eye(4, dtype=np.float32)[guess], np.arange(80), np.arange(80, UTTERANCES))
    store_run(experiment, RunKey(seed), predictions, environment={"torch": "2"})


def report_on(
    runs: Path,
    number: str = "2",
    setting: str | None = "released",
    *overrides: tuple[str, Any],
    view: View | None = None,
) -> TableReport:
    asked = table(number, setting)
    return table_report(asked, rows_of(asked, overrides), overrides, Stored(runs, None), seeds(), view)


def recipes(number: str, setting: str | None = "released", overrides: Sequence[tuple[str, Any]] = ()) -> list[Recipe]:
    """The recipes of the rows of a table, in order."""
    return [row.recipe for row in rows_of(table(number, setting), overrides) if row.recipe is not None]


def recipe_of(number: str, label: str, setting: str | None = "released", *overrides: tuple[str, Any]) -> Recipe:
    (recipe,) = (row.recipe for row in rows_of(table(number, setting), overrides) if row.label == label)
    assert recipe is not None
    return recipe
