"""Which epoch of a run counts, and on which utterances: a choice of the report, made after training.

`test`        the epoch with the highest (WA+UA)/2 on the held-out utterances themselves (Tables 1 to 3, as released)
`halves`      the best epoch on one half of the held-out utterances, scored on the other, both ways: each utterance is
              scored once, at an epoch that it had no part in choosing
`validation`  the best epoch on the validation utterances: the split's own, if it has any, else the first half of the
              held-out ones, scored on the second (8:1:1, Table 4)
`last`        the last epoch

What a split keeps for validation alone is scored under no view; `test` and `halves` are about the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import (
    ScoreArrays,
    Scores,
    best_epoch,
    confusion_matrices,
    confusion_matrix,
    scores_of,
    scores_of_all,
)
from glam.results.run import Predictions, StoredExperiment, StoredRun

View = Literal["test", "halves", "validation", "last"]
VIEWS: tuple[View, ...] = get_args(View)

# How a report says which epoch its figures are from.
SELECTION: dict[View, str] = {
    "test": "best epoch by (WA+UA)/2, chosen on the test set itself (the released protocol; optimistic)",
    "halves": "best epoch by (WA+UA)/2 on one half of the held-out utterances, scored on the other half, both ways",
    "validation": "best epoch by (WA+UA)/2 on the validation utterances (the protocol's own, else those of 8:1:1), "
    "scored on the test utterances",
    "last": "last epoch",
}
# What the column of that name holds.
OPTIMISM = (
    "optimism: points that choosing the epoch on the test set adds: the score shown minus that of the same runs with "
    "the epoch chosen on one half of the held-out utterances and scored on the other, both ways; mean over runs"
)


class Outcome(Protocol):
    """What a mean over runs is over: the result of one run, or of the folds of a seed together."""

    @property
    def scores(self) -> Scores:
        """In percent."""

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(C, C) counts, rows truth."""

    @property
    def utterances(self) -> int:
        """How many they mean."""


@dataclass(frozen=True)
class Part:
    """Held-out utterances that are scored at one epoch (from 0). rows: their places among the run's held-out ones."""

    rows: slice
    epoch: int


@dataclass(frozen=True)
class Result:
    """One run under a view: its scores, the epochs they are from (1-based), and how many utterances they mean.

    epochs: one, but for `halves`: that of the second half, which the first half chose, and that of the first. The
    scores of `halves` are those of both halves' predictions together. So WA and each class's recall are the averages
    over the two halves, weighted by their utterances; and a class without a true utterance in one half still counts
    in UA and the F1 scores, as it does under `test`, which the mean of two halves' scores could not be compared with.
    """

    seed: int
    epochs: tuple[int, ...]
    scores: Scores
    confusion: NDArray[np.int64]  # (C, C), rows truth
    utterances: int
    fold: int | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """What a run predicted for the n utterances that a view scores, each at the epoch that the view chooses for it.

    utterances: (n,) int64, indices into the experiment's. truth: (n,) int64. logits: (n, C) float32, of which the
    highest is the class predicted. segments: (n,) int64, and segment_classes: (S,) uint8, the classes of their
    segments, utterance by utterance.
    """

    utterances: NDArray[np.int64]
    truth: NDArray[np.int64]
    logits: NDArray[np.float32]
    segments: NDArray[np.int64]
    segment_classes: NDArray[np.uint8]

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(n + 1,) first segment of each utterance, and the number of all segments."""
        return np.concatenate([[0], np.cumsum(self.segments)])


def default_view(experiment: StoredExperiment) -> View:
    """`validation` where the protocol has a validation set of its own, else `test`, as released."""
    return "validation" if experiment.split.own_validation else "test"


def possible_views(run: StoredRun) -> tuple[View, ...]:
    """The views that a finished run has utterances enough for."""
    halves = int(run.confusion[0].sum()) > 1
    possible = {"test": True, "halves": halves, "validation": halves or run.validation_only > 0, "last": True}
    return tuple(view for view in VIEWS if possible[view])


def result(experiment: StoredExperiment, run: StoredRun, view: View) -> Result:
    """The result of a finished run under a view; GlamError where it holds out too few utterances for that."""
    if view in ("test", "last"):  # of which the run's own record has all
        (whole,) = _whole(run, view)
        return _result(run, (whole,), run.confusion[whole.epoch])
    stored = run.predictions()
    chosen = parts(experiment, run, stored, view)
    found = take(experiment, stored, chosen)
    return _result(run, chosen, confusion_matrix(found.truth, found.logits.argmax(axis=1), len(experiment.classes)))


def scored(experiment: StoredExperiment, run: StoredRun, view: View) -> Scored:
    """The predictions that a finished run's scores under a view are of; GlamError as `result`."""
    stored = run.predictions()
    return take(experiment, stored, parts(experiment, run, stored, view))


def parts(experiment: StoredExperiment, run: StoredRun, stored: Predictions, view: View) -> tuple[Part, ...]:
    """Which held-out utterances a view scores, and at which epoch; GlamError as `result`."""
    if view in ("test", "last"):
        return _whole(run, view)
    if view == "validation" and run.validation_only:
        first, second = slice(0, run.validation_only), slice(run.validation_only, None)
    else:
        first, second = _halves(run, stored)
    if view == "validation":
        return (Part(second, _best_on(experiment, stored, first)),)
    return Part(second, _best_on(experiment, stored, first)), Part(first, _best_on(experiment, stored, second))


def take(experiment: StoredExperiment, stored: Predictions, chosen: Sequence[Part]) -> Scored:
    """The predictions of these parts, one part after the other."""
    starts = np.concatenate([[0], np.cumsum(stored.segments)])

    def of_segments(part: Part) -> NDArray[np.uint8]:
        first, last, _ = part.rows.indices(len(stored.held_out))
        return stored.segment_classes[part.epoch, starts[first] : starts[last]]

    utterances = np.concatenate([stored.held_out[part.rows] for part in chosen])
    return Scored(
        utterances=utterances,
        truth=experiment.targets[utterances],
        logits=np.concatenate([stored.logits[part.epoch, part.rows] for part in chosen]),
        segments=np.concatenate([stored.segments[part.rows] for part in chosen]),
        segment_classes=np.concatenate([of_segments(part) for part in chosen]),
    )


def best(scores: ScoreArrays) -> int:
    """The epoch with the highest (WA+UA)/2, the first one on ties."""
    return best_epoch(scores.wa, scores.ua)


def honest_results(experiment: StoredExperiment, runs: Sequence[StoredRun], view: View) -> tuple[Result, ...]:
    """The finished runs under `halves`, beside which those chosen on the test set can be seen.

    None of them under another view than `test`, or where a run is tested on a single utterance.
    """
    if view != "test" or not all("halves" in possible_views(run) for run in runs):
        return ()
    return tuple(result(experiment, run, "halves") for run in runs)


def optimism(shown: Sequence[Outcome], honest: Sequence[Outcome], metric: str) -> float | None:
    """What choosing the epoch on the test set adds to a metric of Scores, in points: mean of `shown` minus `honest`.

    shown: results under `test`, or their pooled folds. honest: those of the same runs under `halves`; None where there
    are none.
    """
    if not honest:
        return None
    gains: list[float] = [
        getattr(a.scores, metric) - getattr(b.scores, metric) for a, b in zip(shown, honest, strict=True)
    ]
    return sum(gains) / len(gains)


def _whole(run: StoredRun, view: View) -> tuple[Part]:
    epoch = len(run.epochs) - 1 if view == "last" else best(scores_of_all(run.confusion))
    return (Part(slice(run.validation_only, None), epoch),)


def _halves(run: StoredRun, stored: Predictions) -> tuple[slice, slice]:
    """The two halves of the utterances that are scored, in the order drawn: of 8:1:1, validation and test."""
    first, count = run.validation_only, len(stored.held_out) - run.validation_only
    if count < 2:
        raise GlamError(
            f"{run.folder}: holds out {count} utterance, too few to choose the epoch on some and to be "
            "scored on others; --select last needs no such choice"
        )
    middle = first + count // 2
    return slice(first, middle), slice(middle, None)


def _best_on(experiment: StoredExperiment, stored: Predictions, rows: slice) -> int:
    truth, guesses = experiment.targets[stored.held_out[rows]], stored.logits[:, rows].argmax(axis=2)
    return best(scores_of_all(confusion_matrices(truth, guesses, len(experiment.classes))))


def _result(run: StoredRun, chosen: Sequence[Part], counts: NDArray[np.int64]) -> Result:
    epochs = tuple(part.epoch + 1 for part in chosen)
    return Result(run.seed, epochs, scores_of(counts), counts, int(counts.sum()), run.fold)
