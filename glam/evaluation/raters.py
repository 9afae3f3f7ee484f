"""What the raters' votes say: accuracy by their agreement, a rater as ceiling, soft labels.

votes is (U, R, C) booleans everywhere: whether rater r of utterance u chose label c. R is the most raters that an
utterance has; a rater without any label is none, and the order of raters means nothing. A rater may choose several
labels; each rater counts 1 in all, divided equally among them. Labels that the task does not know (frustrated, other)
may stand behind its own classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.intervals import interval_of_share
from glam.evaluation.metrics import checked_classes
from glam.evaluation.spread import Interval, finite
from glam.evaluation.unknown import Unknown

Floats = NDArray[np.float64]
TIES = 1e-9  # votes are sums of shares: closer ones are equal
LEVELS = ("half or fewer", "more than half", "two thirds or more", "all raters")  # that chose the utterance's label


@dataclass(frozen=True)
class AtAgreement:
    """The accuracy on utterances whose label so many of their raters chose, in percent."""

    level: str
    utterances: int
    accuracy: float | Unknown
    interval: Interval | Unknown


@dataclass(frozen=True)
class Agreement:
    """How often one annotator (a rater, a model) names the label that others do, in percent.

    wa: the share of utterances. ua: the mean recall over the labels that occur among the others'.
    """

    wa: float
    ua: float


@dataclass(frozen=True)
class Ceiling:
    """A rater and, if given, a model, against the same votes: those of the other raters.

    utterances: with two raters or more. outside: how many of them, in percent, have a label that is none of the
    classes; they are left out.
    """

    rater: Agreement
    model: Agreement | None
    utterances: int
    outside: float


def soft_labels(votes: ArrayLike) -> Floats:
    """The distribution of the votes of each utterance: (U, C), each row summing to 1.

    Each rater counts 1, divided among the labels chosen. For a loss over the classes alone, give only their part of the
    votes. Raises ValueError for other shapes and types, and for an utterance without any vote.
    """
    weights = _weights(votes)
    total = weights.sum(axis=(1, 2))
    if not total.all():
        raise ValueError(f"utterance {int(np.argmin(total))} has no vote, and so no distribution of votes")
    return np.asarray(weights.sum(axis=1) / total[:, None])


def share_agreeing(votes: ArrayLike, labels: ArrayLike) -> Floats:
    """How many of its raters chose each utterance's label, among others or alone: (U,) percent.

    labels: (U,) integers, 0 to C - 1. Raises ValueError as `soft_labels`, and for labels out of range.
    """
    chosen = _checked(votes)
    wanted = checked_classes(labels, chosen.shape[2], "labels")
    if wanted.size != len(chosen):
        raise ValueError(f"{wanted.size} labels, votes on {len(chosen)} utterances")
    raters = chosen.any(axis=2).sum(axis=1)
    if not raters.all():
        raise ValueError(f"utterance {int(np.argmin(raters))} has no vote, and so no agreement")
    agreeing = np.take_along_axis(chosen, wanted[:, None, None], axis=2)[:, :, 0].sum(axis=1)
    return np.asarray(100 * agreeing / raters)


def accuracy_by_agreement(right: ArrayLike, agreeing: ArrayLike) -> tuple[AtAgreement, ...]:
    """The accuracy on utterances whose label half of their raters or fewer chose, more, two thirds, and all: one each.

    right: (n,) each utterance once (`per_utterance`), 100 or 0 or its mean over runs, in percent. agreeing: (n,)
    percent, of `share_agreeing`. Intervals are from counts (`interval_of_share`): they take utterances as independent.
    Unknown where no utterance is of that kind. Raises ValueError for lengths that differ and for values that are not
    percent.
    """
    score, share = finite(right, "right"), finite(agreeing, "agreeing")
    if score.size != share.size:
        raise ValueError(f"{score.size} utterances, {share.size} agreements")
    if min(score.min(), share.min()) < 0 or max(score.max(), share.max()) > 100:
        raise ValueError("right and agreeing are percent, from 0 to 100")
    level = sum((share > edge).astype(np.int64) for edge in (50 + TIES, 200 / 3 - TIES, 100 - TIES))
    return tuple(_at(name, score[level == i]) for i, name in enumerate(LEVELS))


def ceiling(votes: ArrayLike, classes: int, predicted: ArrayLike | None = None) -> Ceiling | Unknown:
    """How often a rater chooses what the other raters of the utterance do, the mean over raters left out in turn.

    The others' label is the one with most votes; of equal ones, each counts its part, and a rater who chose several is
    taken to name one of them at random. Every utterance counts the same. predicted: (U,) integers, a model's classes,
    held against the same labels, for its score against the corpus' own label is another one: in that, each rater had a
    part. Labels from `classes` on are none of the task: where the others name one, the utterance is left out; where the
    rater does, the rater is wrong. Where a corpus keeps only utterances on which raters agree, the ceiling is too high:
    the rater left out has helped to keep them. Unknown where no utterance has two raters, or none such a label. Raises
    ValueError as `soft_labels`, and for predictions of other utterances or classes.
    """
    weights = _weights(votes)
    if not 1 <= classes <= weights.shape[2]:
        raise ValueError(f"{classes} classes, votes on {weights.shape[2]} labels")
    raters = (weights.sum(axis=2) > 0).sum(axis=1)
    enough = raters >= 2
    guess = None if predicted is None else checked_classes(predicted, classes, "predicted")
    if guess is not None and guess.size != len(weights):
        raise ValueError(f"{guess.size} predictions, votes on {len(weights)} utterances")
    if not enough.any():
        return Unknown("no utterance has two raters, so that one could be held against the others")
    own = weights[enough]
    others = own.sum(axis=1, keepdims=True) - own
    most = others >= others.max(axis=2, keepdims=True) - TIES
    # each rater's turn counts 1 / raters of the utterance; a slot without a rater is none
    turn = (own.sum(axis=2) > 0) / raters[enough][:, None]
    label = turn[:, :, None] * most / most.sum(axis=2, keepdims=True)
    inside = label[:, :, :classes]
    if not inside.any():
        return Unknown("the other raters never name one of the classes")
    return Ceiling(
        rater=_agreement(np.einsum("urk,urc->kc", inside, own)),
        model=None if guess is None else _agreement(np.einsum("urk,uc->kc", inside, np.eye(classes)[guess[enough]])),
        utterances=int(enough.sum()),
        outside=100 * (1 - float(inside.sum()) / int(enough.sum())),
    )


def _agreement(confusion: Floats) -> Agreement:
    """confusion: (C, labels) weights, rows the others' label."""
    right, total = np.diagonal(confusion), confusion.sum(axis=1)
    occurs = total > 0
    return Agreement(100 * float(right.sum() / total.sum()), 100 * float((right[occurs] / total[occurs]).mean()))


def _at(level: str, score: Floats) -> AtAgreement:
    if not score.size:
        nothing = Unknown("there is no such utterance")
        return AtAgreement(level, 0, nothing, nothing)
    right = min(float(score.sum()) / 100, float(score.size))
    return AtAgreement(level, score.size, 100 * right / score.size, interval_of_share(right, score.size))


def _weights(votes: ArrayLike) -> Floats:
    """The votes (U, R, C) with those of a rater summing to 1, or to 0 where there is none."""
    chosen = _checked(votes)
    return np.asarray(chosen / np.maximum(chosen.sum(axis=2, keepdims=True), 1))


def _checked(votes: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(votes)
    if array.ndim != 3 or array.dtype != np.bool_ or array.size == 0:
        raise ValueError(f"votes are booleans (U, R, C), none of them 0, not {array.dtype} {array.shape}")
    return array
