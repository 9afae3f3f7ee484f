"""Views of a run, which of its epochs counts and on which utterances: a choice of the report, made after training.

`test`        the epoch with the highest (WA+UA)/2 on the held-out utterances themselves (Tables 1 to 3, as released)
`halves`      the best epoch on one half of the held-out utterances, scored on the other, both ways: each utterance is
              scored once, at an epoch that it had no part in choosing
`validation`  the best epoch on the validation utterances: the split's own, if it has any, else the first half of the
              held-out ones, scored on the second (8:1:1, Table 4)
`last`        the last epoch

What a split keeps for validation alone is scored under no view; `test` and `halves` are about the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metric import Metric
from glam.evaluation.metrics import ScoreArrays, Scores, best_epoch, confusion_matrices, scores_of, scores_of_all
from glam.evaluation.scored import Scored
from glam.evaluation.selection import Optimism, optimism_of_epoch
from glam.results.experiment import StoredExperiment
from glam.results.run import Predictions, StoredRun

View = Literal["test", "halves", "validation", "last"]
VIEWS: tuple[View, ...] = get_args(View)

# How a report says which epoch its figures are from.
SELECTION: dict[View, str] = {
    "test": "best epoch by (WA+UA)/2, chosen on the test set itself (the released protocol; optimistic)",
    "halves": "best epoch by (WA+UA)/2 on one half of the held-out utterances, scored on the other half, both ways",
    "validation": "best epoch by (WA+UA)/2 on the validation utterances, scored on the test utterances",
    "last": "last epoch",
}
# What is shown under that name.
OPTIMISM = (
    "optimism: points that choosing the epoch on the test set adds: the score shown minus that of the same runs with "
    "the epoch chosen on one half of the held-out utterances and scored on the other, both ways; the mean over runs{}. "
    "A little of it (15 to 23 % in simulations) is that a half chooses less well"
)


def optimism_line(*, error: bool) -> str:
    """What optimism is, in words. error: whether it is shown with its standard error."""
    return OPTIMISM.format(" and, where they differ in it, its standard error (se)" if error else "")


def selection(view: View, experiment: StoredExperiment) -> str:
    """How a report on an experiment says which epoch its figures are from, and whose choice the validation set is."""
    if view != "validation":
        return SELECTION[view]
    whose = (
        "the protocol's own validation utterances, scored on the test utterances"
        if experiment.split.own_validation
        else "the first half of the held-out utterances, scored on the second (8:1:1)"
    )
    return f"best epoch by (WA+UA)/2 on {whose}"


class Outcome(Protocol):
    """One term of a mean over runs: the result of one run, or of the folds of a seed together."""

    @property
    def scores(self) -> Scores:
        """The scores in percent."""

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(C, C) counts, rows truth."""

    @property
    def utterances(self) -> int:
        """Number of utterances that the scores are over."""

    def scored(self) -> Scored:
        """The predictions that the scores are of."""


def value(outcome: Outcome, metric: Metric) -> float:
    """The value of a metric for an outcome; reads the predictions only where counts are not enough."""
    return metric.of(outcome.scored()) if metric.counts is None else metric.counts(outcome.confusion)


@dataclass(frozen=True)
class Part:
    """Held-out utterances that are scored at one epoch (from 0). rows: their places among the run's held-out ones."""

    rows: slice
    epoch: int


@dataclass(frozen=True, eq=False)
class Result:
    """One run under a view: its scores, the epochs they are from (1-based), and how many utterances they are over.

    training: how many utterances it was trained on: all but the held-out ones.
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
    fold: int | None
    training: int
    read: Callable[[], tuple[Scored, NDArray[np.int64]]]

    def scored(self) -> Scored:
        """The predictions; read from the disk, where that was not done for the result itself."""
        return self.read()[0]

    def train(self) -> NDArray[np.int64]:
        """The utterances trained on (N,); read as `scored`."""
        return self.read()[1]


def default_view(experiment: StoredExperiment) -> View:
    """`validation` where the protocol has a validation set of its own, else `test`, as released."""
    return "validation" if experiment.split.own_validation else "test"


def possible_views(run: StoredRun) -> tuple[View, ...]:
    """The views that a finished run has utterances enough for."""
    halves = int(run.confusion[0].sum()) > 1
    possible = {"test": True, "halves": halves, "validation": halves or run.validation_only > 0, "last": True}
    return tuple(view for view in VIEWS if possible[view])


def result(experiment: StoredExperiment, run: StoredRun, view: View, stored: Predictions | None = None) -> Result:
    """The result of a finished run under a view; GlamError where it holds out too few utterances for that.

    stored: its predictions, where they have been read; else they are when they are needed.
    """

    def tested(stored: Predictions) -> tuple[Scored, NDArray[np.int64]]:
        return take(experiment, stored, parts(experiment, run, stored, view)), stored.train

    if stored is None and view in ("test", "last"):  # of which the run's own record has all
        (whole,) = _whole(run, view)
        read = cache(lambda: tested(run.predictions(experiment.targets)))
        return _result(experiment, run, (whole,), run.confusion[whole.epoch], read)
    stored = stored or run.predictions(experiment.targets)
    known = tested(stored)
    return _result(experiment, run, parts(experiment, run, stored, view), known[0].confusion, lambda: known)


def honest_result(experiment: StoredExperiment, run: StoredRun, view: View, stored: Predictions) -> Result | None:
    """A finished run under `halves`, beside which what was chosen on the test set can be seen.

    None under another view than `test`, and where the run is tested on a single utterance.
    """
    asked = view == "test" and "halves" in possible_views(run)
    return result(experiment, run, "halves", stored) if asked else None


def scored(experiment: StoredExperiment, run: StoredRun, view: View) -> Scored:
    """The predictions that a finished run's scores under a view are of; GlamError as `result`."""
    stored = run.predictions(experiment.targets)
    return take(experiment, stored, parts(experiment, run, stored, view))


def parts(experiment: StoredExperiment, run: StoredRun, stored: Predictions, view: View) -> tuple[Part, ...]:
    """The held-out utterances that a view scores, each part at its epoch; GlamError as `result`."""
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
        classes=experiment.classes,
        utterances=utterances,
        truth=experiment.targets[utterances],
        logits=np.concatenate([stored.logits[part.epoch, part.rows] for part in chosen]),
        segments=np.concatenate([stored.segments[part.rows] for part in chosen]),
        segment_classes=np.concatenate([of_segments(part) for part in chosen]),
    )


def best(scores: ScoreArrays) -> int:
    """The epoch with the highest (WA+UA)/2, the first one on ties."""
    return best_epoch(scores.wa, scores.ua)


def optimism(shown: Sequence[Outcome], honest: Sequence[Outcome], metric: Metric) -> Optimism | None:
    """What choosing the epoch on the test set adds to a metric: `shown` minus `honest`, mean over them.

    shown: results under `test`, or their pooled folds. honest: those of the same runs under `halves`; None where there
    are none.
    """
    if not honest:
        return None
    return optimism_of_epoch(*([value(outcome, metric) for outcome in outcomes] for outcomes in (shown, honest)))


def _whole(run: StoredRun, view: View) -> tuple[Part]:
    epoch = len(run.epochs) - 1 if view == "last" else best(scores_of_all(run.confusion))
    return (Part(slice(run.validation_only, None), epoch),)


def validation_rows(run: StoredRun, stored: Predictions) -> slice:
    """The held-out utterances that the epoch is chosen on under `validation`; GlamError as `result`."""
    return slice(0, run.validation_only) if run.validation_only else _halves(run, stored)[0]


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


def _result(
    experiment: StoredExperiment,
    run: StoredRun,
    chosen: Sequence[Part],
    counts: NDArray[np.int64],
    read: Callable[[], tuple[Scored, NDArray[np.int64]]],
) -> Result:
    epochs = tuple(part.epoch + 1 for part in chosen)
    training = len(experiment.ids) - run.validation_only - int(run.confusion[0].sum())
    return Result(run.seed, epochs, scores_of(counts), counts, int(counts.sum()), run.fold, training, read)
