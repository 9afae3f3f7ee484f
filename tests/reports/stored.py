"""Experiments and runs in the form in which they are stored, of predictions that a test makes up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.learning.epoch import Epoch
from glam.recipe import Recipe, recorded
from glam.results.experiment import StoredExperiment
from glam.results.identity import identity
from glam.results.run import Predictions, write_failure, write_run
from glam.splits.groups import Grouping
from glam.splits.population import Composition
from glam.splits.runs import RunKey

Ints = NDArray[np.int64]


def recipe_of(classes: Sequence[str], name: str = "mine", model: str = "glam", **sections: Any) -> Recipe:
    """A recipe with these classes, each of a label that begins as it does."""
    corpus = {"labels": {title: [title[:3]] for title in classes}} | dict(sections.pop("corpus", {}))
    return recorded({"name": name, "model": model, "corpus": corpus, **sections}, "the recipe of a test")


def experiment_of(
    folder: Path,
    recipe: Recipe,
    targets: ArrayLike,
    *,
    counts: Mapping[str, Mapping[str, int]] | None = None,
    too_short: Mapping[str, int] | None = None,
    ids: Sequence[str] | None = None,
    groups: Mapping[str, Grouping] | None = None,
    folds: tuple[str, ...] = (),
) -> StoredExperiment:
    """An experiment of utterances with these classes, not stored yet.

    counts: class -> label -> how many utterances; what the composition says.
    """
    truth = np.asarray(targets, dtype=np.int64)
    synthetic = recipe.corpus.name == "synthetic"
    return StoredExperiment(
        folder=folder,
        recipe=recipe,
        identity=identity(recipe.scientific(), "0" * 64),
        composition=Composition.model_validate(
            {
                "corpus": recipe.corpus.name,
                "synthetic": synthetic,
                "part": recipe.corpus.part,
                "utterances": len(truth),
                "classes": dict(counts or {}),
                "too_short": dict(too_short or {}),
            }
        ),
        ids=tuple(ids) if ids is not None else tuple(f"u{i:02d}" for i in range(len(truth))),
        targets=truth,
        groups=dict(groups or {}),
        folds=folds,
    )


def predicted(
    logits: NDArray[np.float32],
    held_out: ArrayLike,
    train: ArrayLike,
    segments: Ints | None = None,
    segment_classes: NDArray[np.uint8] | None = None,
) -> Predictions:
    """Predictions (E, H, C): an utterance is one segment, of its own class, unless said otherwise."""
    if segments is None:
        segments = np.ones(logits.shape[1], dtype=np.int64)
    if segment_classes is None:
        segment_classes = np.repeat(logits.argmax(axis=2), segments, axis=1).astype(np.uint8)
    return Predictions(
        logits=logits,
        segment_classes=segment_classes,
        segments=segments,
        held_out=np.asarray(held_out, dtype=np.int64),
        train=np.asarray(train, dtype=np.int64),
    )


def store_run(
    experiment: StoredExperiment,
    run: RunKey,
    predictions: Predictions,
    epochs: Sequence[Epoch] | None = None,
    validation_only: int = 0,
    extra: Mapping[str, bytes] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> None:
    """Store a run of an experiment that is stored."""
    write_run(
        experiment.folder / run.name,
        run,
        experiment.digest,
        dict(environment or {}),
        epochs or [Epoch(1e-3, 1, 1, 1)] * len(predictions.logits),
        experiment.targets[predictions.held_out],
        len(experiment.classes),
        predictions,
        dict(extra or {}),
        validation_only,
    )


def store_failure(experiment: StoredExperiment, run: RunKey, reason: str) -> None:
    """Store that a run of an experiment failed."""
    write_failure(experiment.folder / run.name, run, experiment.digest, {}, reason)
