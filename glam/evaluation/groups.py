"""Scores by group of utterances (speaker, gender, session, dialogue, scenario): each, the worst, and the gap."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import checked_classes
from glam.evaluation.spread import finite
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import checked_codes
from glam.words import counted

LEAST = 20  # utterances: the accuracy of fewer has a standard deviation of up to 11 points and more
DRAWS = 1000  # of shuffled utterances, for the gap that is chance


@dataclass(frozen=True)
class GroupScores:
    """One group. WA and UA in percent; UA is over the classes that occur in it.

    counts: its utterances of each class. large: whether there are enough to compare it with others.
    """

    group: int
    counts: tuple[int, ...]
    wa: float
    ua: float
    large: bool

    @property
    def utterances(self) -> int:
        """How many it has."""
        return sum(self.counts)

    @property
    def absent(self) -> tuple[int, ...]:
        """The classes that do not occur in it, so that its UA leaves them out."""
        return tuple(c for c, count in enumerate(self.counts) if not count)


@dataclass(frozen=True)
class Gap:
    """The distance of the best group from the worst in one score, in points.

    worst, best: their numbers, the first of equal ones. compared: how many groups. by_chance: the gap to expect of
    groups of these sizes and classes if it did not matter to which an utterance belongs. It is not 0, and the larger,
    the smaller the groups and the more they are.
    """

    worst: int
    best: int
    points: float
    by_chance: float
    compared: int


@dataclass(frozen=True)
class ByGroup:
    """The scores of every group, by their numbers, and the gap between those that can be compared."""

    groups: tuple[GroupScores, ...]
    wa: Gap | Unknown
    ua: Gap | Unknown


def by_group(right: ArrayLike, truth: ArrayLike, groups: ArrayLike, classes: int, *, least: int = LEAST) -> ByGroup:
    """Scores of groups of n utterances, each utterance once (`per_utterance`).

    right: (n,) 100 or 0, or its mean over runs, in percent. truth: (n,) true classes, 0 to classes - 1. groups: (n,)
    integers. A group of fewer than `least` utterances is shown, but is neither the worst nor the best. In UA, groups
    are compared that have every class that occurs at all: the mean recall over other classes is another score. The gap
    by chance is the mean over 1000 shuffles, always the same ones, of `right` among the utterances of a class. Unknown
    gaps where fewer than two groups can be compared. Raises ValueError for shapes that differ, values outside 0 to 100
    and fewer than one utterance.
    """
    score = finite(right, "right")
    true = checked_classes(truth, classes, "truth")
    codes = checked_codes(groups, score.size, "groups")
    if true.size != score.size:
        raise ValueError(f"truth has {true.size} utterances, right has {score.size}")
    if score.min() < 0 or score.max() > 100:
        raise ValueError(f"right is percent, found {score.min():g} to {score.max():g}")
    numbers, member = np.unique(codes, return_inverse=True)
    cell = member * classes + true
    counts = np.bincount(cell, minlength=numbers.size * classes).reshape(-1, classes)
    large = counts.sum(axis=1) >= least
    whole = large & (counts > 0)[:, counts.any(axis=0)].all(axis=1)
    wa, ua = _scores(score, cell, counts)
    gaps = _chance_gaps(score, true, cell, counts, (large, whole))
    return ByGroup(
        groups=tuple(
            GroupScores(int(group), tuple(own), float(a), float(b), bool(enough))
            for group, own, a, b, enough in zip(numbers, counts.tolist(), wa, ua, large, strict=True)
        ),
        wa=_gap(wa, large, numbers, float(gaps[0]), f"{least} utterances or more"),
        ua=_gap(ua, whole, numbers, float(gaps[1]), f"{least} utterances or more, and every class"),
    )


def _scores(
    score: NDArray[np.float64], cell: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """WA and UA of each group (G,). cell: (n,) group * classes + class of each utterance, counts: (G, C) of them."""
    sums = np.bincount(cell, weights=score, minlength=counts.size).reshape(counts.shape)
    recall = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return sums.sum(axis=1) / counts.sum(axis=1), recall.sum(axis=1) / (counts > 0).sum(axis=1)


def _chance_gaps(
    score: NDArray[np.float64],
    true: NDArray[np.int64],
    cell: NDArray[np.int64],
    counts: NDArray[np.int64],
    compared: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """The mean gap in WA and in UA (2,) of the groups compared in each (G,), if `score` is shuffled within classes."""
    rng = np.random.default_rng(0)
    places = [np.flatnonzero(true == c) for c in np.unique(true)]
    shuffled = score.copy()
    gaps = np.zeros(2)
    for _ in range(DRAWS):
        for place in places:
            shuffled[place] = score[rng.permutation(place)]
        for i, (values, chosen) in enumerate(zip(_scores(shuffled, cell, counts), compared, strict=True)):
            gaps[i] += np.ptp(values[chosen]) if chosen.any() else 0.0
    return gaps / DRAWS


def _gap(
    values: NDArray[np.float64], compared: NDArray[np.bool_], numbers: NDArray[Any], by_chance: float, needed: str
) -> Gap | Unknown:
    places = np.flatnonzero(compared)
    if places.size < 2:
        return Unknown(
            f"of {counted(numbers.size, 'group')}, {places.size} with {needed}, where a gap needs two or more"
        )
    worst, best = places[values[places].argmin()], places[values[places].argmax()]
    return Gap(int(numbers[worst]), int(numbers[best]), float(values[best] - values[worst]), by_chance, places.size)
