"""Which epoch of a run counts, and on which utterances: a choice of the report, made after training.

`test`        the epoch with the highest (WA+UA)/2 on the held-out utterances themselves (Tables 1 to 3, as released)
`validation`  the best epoch on the validation utterances: the split's own, if it has any, else the first half of the
              held-out ones, scored on the second (8:1:1, Table 4)
`last`        the last epoch
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import (
    ScoreArrays,
    Scores,
    best_epoch,
    confusion_matrix,
    scores_of,
    scores_of_all,
)
from glam.results.run import StoredExperiment, StoredRun

View = Literal["test", "validation", "last"]
VIEWS: tuple[View, ...] = get_args(View)

# How a report says which epoch its figures are from.
SELECTION = {
    "test": "best epoch by (WA+UA)/2, chosen on the test set itself (the released protocol; optimistic)",
    "validation": "best epoch by (WA+UA)/2 on the validation utterances (the protocol's own, else those of 8:1:1), "
    "scored on the test utterances",
    "last": "last epoch",
}


@dataclass(frozen=True)
class Result:
    """One run under a view: its scores, the epoch they are from (1-based), and how many utterances they mean."""

    seed: int
    epoch: int
    scores: Scores
    confusion: NDArray[np.int64]  # (C, C), rows truth
    utterances: int
    fold: int | None = None


def result(experiment: StoredExperiment, run: StoredRun, view: View) -> Result:
    """The result of a finished run under a view."""
    confusion = run.confusion
    if view == "last":
        epoch = len(run.epochs) - 1
    elif view == "test":
        epoch = best(scores_of_all(confusion))
    else:
        epoch, confusion = _by_validation(experiment, run)
    counts = confusion[epoch]
    return Result(run.seed, epoch + 1, scores_of(counts), counts, int(counts.sum()), run.fold)


def default_view(experiment: StoredExperiment) -> View:
    """`validation` where the protocol has a validation set of its own, else `test`, as released."""
    return "validation" if experiment.split.own_validation else "test"


def best(scores: ScoreArrays) -> int:
    """The epoch with the highest (WA+UA)/2, the first one on ties."""
    return best_epoch(scores.wa, scores.ua)


def _by_validation(experiment: StoredExperiment, run: StoredRun) -> tuple[int, NDArray[np.int64]]:
    stored = run.predictions()
    half = run.validation_only or len(stored.held_out) // 2
    if half == 0:
        raise GlamError(
            f"{run.folder}: holds out {len(stored.held_out)} utterance, too few for a validation and a test part"
        )
    truth = experiment.targets[stored.held_out]
    guesses = stored.logits.argmax(axis=2)
    classes = len(experiment.classes)
    validation = np.stack([confusion_matrix(truth[:half], guess[:half], classes) for guess in guesses])
    test = np.stack([confusion_matrix(truth[half:], guess[half:], classes) for guess in guesses])
    return best(scores_of_all(validation)), test
