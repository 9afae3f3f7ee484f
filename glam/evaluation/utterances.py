"""Utterances that several runs have tested: each counts once, with the mean over the runs that tested it.

Random splits test an utterance again and again, and an utterance that is hard is hard in every run: the predictions of
all runs together are no independent sample, the utterances may be.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PerUtterance:
    """The n distinct utterances among T predictions.

    utterances: (n,) their numbers, ascending. mean: (n,) of the values given, or (k, n) of k rows of them. place: (n,)
    where each first occurs among the T.
    """

    utterances: Ints
    mean: NDArray[np.float64]
    place: Ints


def per_utterance(values: ArrayLike, utterances: ArrayLike) -> PerUtterance:
    """The mean of `values` over the predictions of each utterance, in their unit.

    values: (T,) or, for k rows of a table, (k, T), T of 1 or more: whether each prediction is right, times 100 for
    percent, or a score of it. utterances: (T,) integers, the number of the utterance that is predicted. Raises
    ValueError for other shapes and values that are not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    which = checked_codes(utterances, numbers.shape[-1] if numbers.ndim else 0, "utterances")
    if numbers.ndim not in (1, 2) or numbers.size == 0:
        raise ValueError(f"values are (T,) or (k, T) with T of 1 or more, not {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("values are not all finite: leave failed runs out and say how many")
    distinct, place, member, tests = np.unique(which, return_index=True, return_inverse=True, return_counts=True)
    sums = [np.bincount(member, weights=row, minlength=distinct.size) for row in np.atleast_2d(numbers)]
    mean = np.reshape(sums, (*numbers.shape[:-1], distinct.size)) / tests
    return PerUtterance(distinct, mean, place.astype(np.int64))


def of_each(codes: ArrayLike, utterances: ArrayLike, means: PerUtterance, name: str) -> Ints:
    """The group of each of the n utterances (n,), of `codes` (T,), the group of each prediction's utterance.

    Raises ValueError, which calls the groups `name`, where the predictions of an utterance do not agree on it.
    """
    which = np.asarray(utterances)
    groups = checked_codes(codes, which.size, name)
    own = groups[means.place]
    if (own[np.searchsorted(means.utterances, which)] != groups).any():
        raise ValueError(f"{name}: an utterance has two of them")
    return own


def checked_codes(codes: ArrayLike, size: int, name: str) -> Ints:
    """`codes` as (size,) int64; ValueError, which calls them `name`, for other shapes, types and negative numbers."""
    numbers: NDArray[Any] = np.asarray(codes)
    if numbers.shape != (size,) or numbers.dtype.kind not in "iu":
        raise ValueError(f"{name} is integers ({size},), not {numbers.dtype} {numbers.shape}")
    if size and numbers.min() < 0:
        raise ValueError(f"{name} are numbers from 0, found {numbers.min()}")
    return numbers.astype(np.int64)
