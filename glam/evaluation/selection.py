"""What choosing among several adds to a score: the best row of a table, the best epoch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.spread import finite, mean_with_spread
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import of_each, per_utterance

HALVINGS = 200  # of the utterances, for the optimism of a choice
PARTS = 20  # of the utterances, for its standard error


@dataclass(frozen=True)
class Optimism:
    """What a choice on the test set adds to the score shown, in points, and its standard error."""

    points: float
    error: float | Unknown


@dataclass(frozen=True)
class Choice:
    """The choice of the best of k rows on the test set.

    row: the best of all, the first of equal ones. shown: its score, in percent. honest: the score of rows chosen on one
    half of the utterances, on the other half. agreed: how often half the utterances choose that same row, in percent.
    """

    row: int
    shown: float
    honest: float
    agreed: float
    optimism: Optimism


def optimism_of_epoch(shown: ArrayLike, honest: ArrayLike) -> Optimism:
    """What choosing the epoch of each run on its test set adds: the mean of n runs' gains, and its standard error.

    shown: (n,) scores at the epoch chosen on the test set. honest: (n,) of the same runs, at epochs chosen on one half
    of it and scored on the other. The gain is high rather than low: a half chooses a little worse than the whole, and
    that is in the difference too. error: of further splits, std / sqrt(n). Raises ValueError for lengths that differ,
    no run, and scores that are not finite.
    """
    first, second = finite(shown, "shown"), finite(honest, "honest")
    if first.size != second.size:
        raise ValueError(f"{first.size} runs shown, {second.size} honest")
    gains = first - second
    moments = mean_with_spread(gains, float(max(np.abs(first).max(), np.abs(second).max())), 0.0, "gain")
    if isinstance(moments, Unknown):
        return Optimism(float(gains.mean()), moments)
    mean, std = moments
    return Optimism(mean, std / math.sqrt(gains.size))


def optimism_of_choice(right: ArrayLike, utterances: ArrayLike, groups: ArrayLike | None = None) -> Choice:
    """What choosing the best of k rows (an alpha, a setting) on the test set adds to the score that is printed.

    right: (k, T) booleans, whether each row predicts rightly, pooled over runs that test the same utterances in every
    row. utterances: (T,) integers, which utterance it is. A row's score is its mean over utterances, each the mean over
    its runs. Cross-fitting: the row that is best on one half of the utterances is scored on the other half, both ways,
    over 200 random halvings, always the same ones; the optimism is the best row's score on all minus that. It is high
    rather than low: a half chooses a little worse than the whole, and that is in the difference too.

    error: by the jackknife, all of it computed anew without one of the groups (T,), the speaker of each utterance, or
    without one of 20 random parts of the utterances. It is cautious: one and a half times the true one in simulations.
    Unknown where every half chooses the same row, and of one group. Raises ValueError for other shapes and fewer than
    two rows or four utterances.
    """
    table = np.asarray(right)
    if table.ndim != 2 or table.dtype != np.bool_ or len(table) < 2:
        raise ValueError(f"right is booleans (k, T) with k of 2 or more, not {table.dtype} {table.shape}")
    means = per_utterance(table, utterances)
    scores = 100 * means.mean
    n = scores.shape[1]
    if n < 4:
        raise ValueError(f"{n} utterances cannot be halved again and again: four or more are needed")
    rng = np.random.default_rng(0)
    keys = rng.random((HALVINGS, n))
    chosen, honest = _cross_fitted(scores, keys)
    best = _best(scores.mean(axis=1)).item()
    if groups is None:
        parts = rng.permutation(n) % PARTS
    else:
        parts = np.unique(of_each(groups, utterances, means, "groups"), return_inverse=True)[1]
    return Choice(
        row=best,
        shown=float(scores[best].mean()),
        honest=honest,
        agreed=100 * float((chosen == best).mean()),
        optimism=Optimism(float(scores[best].mean()) - honest, _jackknife(scores, keys, parts)),
    )


def _cross_fitted(scores: NDArray[np.float64], keys: NDArray[np.float64]) -> tuple[NDArray[np.intp], float]:
    """The rows (2, H) that either half chooses, and their mean score on the other. scores: (k, n).

    keys: (H, n) random numbers; the lower half of a row's is the first half of the utterances.
    """
    n = keys.shape[1]
    first = (keys < np.partition(keys, n // 2, axis=1)[:, [n // 2]]).astype(np.float64)
    sums = np.stack([scores @ first.T, scores @ (1 - first).T])  # (2, k, H)
    chosen = _best(sums / np.array([n // 2, n - n // 2])[:, None, None])
    other = np.take_along_axis(sums[::-1], chosen[:, None], axis=1)
    return chosen, float(other.sum()) / keys.size


def _best(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The first of the highest of (..., k, H) or (k,); what agrees to 1e-9 ties, so that no rounding error chooses."""
    return np.asarray(scores.round(9).argmax(axis=-2 if scores.ndim > 1 else 0))


def _jackknife(scores: NDArray[np.float64], keys: NDArray[np.float64], parts: NDArray[np.int64]) -> float | Unknown:
    """The standard error of the optimism by leaving out one of the parts (n,) of the utterances at a time."""
    sizes = np.bincount(parts)
    if parts.size - sizes.max() < 2:
        return Unknown("all utterances but one, if any, are of one group")
    values = []
    for part in range(sizes.size):
        kept = parts != part
        rows = scores[:, kept]
        values.append(float(rows.mean(axis=1).max()) - _cross_fitted(rows, keys[:, kept])[1])
    if max(np.abs(values)) < 1e-9:
        return Unknown("every half of the utterances chooses the same row")
    return math.sqrt((sizes.size - 1) * float(np.var(values)))
