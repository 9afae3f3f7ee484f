"""Two predictions of the same utterances: which only one of them gets right, and what the first does where the second
fails. The second may be another model, or a reference that hears nothing: the commonest class of the scenario.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.intervals import OverGroups, over_groups
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import of_each, per_utterance


@dataclass(frozen=True)
class Where:
    """The accuracy of the first on a part of the utterances, in percent.

    utterances: how many these are, each counting with the share of its runs in which it belongs here.
    """

    utterances: float
    accuracy: float | Unknown


@dataclass(frozen=True)
class Pairing:
    """Two predictions of each of the same utterances.

    both, only_first, only_second, neither: utterances that are right by them; of an utterance that several runs test,
    the shares of its runs, so that the four add up to `utterances`. tests: predictions of each of the two.
    difference: accuracy of the first minus that of the second over the utterances, in points; over: its mean over
    groups, with an interval. where_right, where_wrong: the first, where the second is right, and where it is wrong.
    """

    utterances: int
    tests: int
    both: float
    only_first: float
    only_second: float
    neither: float
    difference: float
    over: OverGroups | Unknown
    where_right: Where
    where_wrong: Where


def pairing(
    first: ArrayLike,
    second: ArrayLike,
    utterances: ArrayLike,
    groups: ArrayLike,
    *,
    noun: str = "speaker",
    confidence: float = 0.95,
) -> Pairing:
    """Compare two predictions of the same utterances, pooled over runs.

    first, second: (T,) booleans, whether each is right. utterances: (T,) integers, which utterance it is of. groups:
    (T,) integers, the speaker (or scenario) of that utterance: utterances of a speaker are alike, so that intervals are
    Student's t over the groups' own differences (`intervals.over_groups`), and McNemar's test, which takes utterances
    as independent, is not used. noun: what a group is called. Where the second is the commonest class of an utterance's
    scenario, `where_right` is the accuracy on utterances whose label is their scenario's commonest. Raises ValueError
    for shapes that differ, no prediction, and an utterance of two groups.
    """
    ours, theirs = _booleans(first, "first"), _booleans(second, "second")
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} predictions of the first, {theirs.size} of the second")
    cells = np.stack([ours & theirs, ours & ~theirs, ~ours & theirs, ~ours & ~theirs])
    means = per_utterance(cells, utterances)
    of_utterance = of_each(groups, utterances, means, f"{noun}s")
    both, only_first, only_second, neither = means.mean
    return Pairing(
        utterances=means.utterances.size,
        tests=ours.size,
        both=float(both.sum()),
        only_first=float(only_first.sum()),
        only_second=float(only_second.sum()),
        neither=float(neither.sum()),
        difference=100 * float((only_first - only_second).mean()),
        over=over_groups(100 * (only_first - only_second), of_utterance, noun=noun, confidence=confidence),
        where_right=_where(float(both.sum()), float(only_second.sum())),
        where_wrong=_where(float(only_first.sum()), float(neither.sum())),
    )


def _where(right: float, wrong: float) -> Where:
    """The first's accuracy on a part of the utterances, of which so many are right and wrong."""
    total = right + wrong
    return Where(total, 100 * right / total if total else Unknown("there is no such utterance"))


def _booleans(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype != np.bool_:
        raise ValueError(f"{name} is booleans (T,), not {array.dtype} {array.shape}")
    return array
