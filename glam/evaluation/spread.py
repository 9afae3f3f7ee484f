"""The spread of runs: mean and standard deviation, the standard error of a difference, and whether there is any spread.

Two questions need two standard errors. *What would further random splits of this corpus give?* They are independent
draws, and the variance of a mean over n runs is variance / n (`ratio` 0 everywhere below). *What would other
utterances of these speakers give?* The test sets of random splits overlap, and so do their training sets: the runs are
correlated, and the ordinary standard error is too small. Nadeau and Bengio ("Inference for the generalization error",
Machine Learning 52, 2003, section 3) replace 1/n by 1/n + ratio, with `ratio` = test utterances / training utterances
of a split (0.25 for 80/20, 1/(k-1) for k folds). The larger the share that is tested, the more the test sets of two
runs overlap, and the larger the correction: 1 for 50/50 splits, 0.11 for 90/10. No number of runs shrinks it; a larger
corpus does. It takes utterances as independent: what other *speakers* would give is another question
(`intervals.over_groups`).

A standard deviation has ddof 1. Runs that agree to 1e-12 of their size have standard deviation exactly 0: the rest is
rounding. Where there is no spread, or only that of one utterance, nothing is computed from it: accuracies are multiples
of 1 / utterances, so that a few runs agree (nearly) by chance, and no spread is no certainty.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.unknown import Unknown

ROUNDING = 1e-12  # of the values' size: below it, a difference is that of float64 sums, not of runs
NO_SPREAD = "runs without spread do not say how far others would be"
LEAST = 5  # values at either end of one step of counting, from which on a mean of them is about normal


class Interval(NamedTuple):
    """A confidence interval, in the unit of what it is an interval of."""

    low: float
    high: float


class Arm(NamedTuple):
    """What a mean over runs adds to the variance of a difference: variance * (1/n + ratio), with n - 1 df."""

    variance: float
    n: int
    ratio: float

    @property
    def share(self) -> float:
        """The variance of the mean."""
        return self.variance * (1 / self.n + self.ratio)


def error_and_df(arms: Sequence[Arm]) -> tuple[float, float]:
    """Standard error of a difference whose variance is the sum of the arms' shares, and its degrees of freedom.

    Those are Welch and Satterthwaite's, and n - 1 for one arm.
    """
    variance = sum(arm.share for arm in arms)
    if variance == 0 or len(arms) == 1:
        return math.sqrt(variance), float(sum(arm.n - 1 for arm in arms))
    # shares relative to their sum, so that squares of tiny ones do not underflow
    return math.sqrt(variance), 1 / sum((arm.share / variance) ** 2 / (arm.n - 1) for arm in arms)


def mean_and_std(values: NDArray[np.float64], size: float) -> tuple[float, float | None]:
    """Mean and std (ddof 1) of (n,) with rounding, relative to `size`, taken out; no std for one value."""
    mean = float(values.mean())
    if abs(mean) <= ROUNDING * size:
        mean = 0.0
    if values.size == 1:
        return mean, None
    std = float(values.std(ddof=1))
    return mean, std if std > ROUNDING * size else 0.0


def mean_with_spread(values: NDArray[np.float64], size: float, step: float, noun: str) -> tuple[float, float] | Unknown:
    """Mean and std (ddof 1) of (n,) whose spread says something; else Unknown. `size`: as `mean_and_std`.

    Nothing is said by one value, by equal ones, and by values that lie within one `step` of counting (100 / utterances
    for an accuracy in percent) with fewer than 5 at either end. Intervals of such a spread hold the truth too rarely:
    `benchmarks/intervals.py` has how often. `noun` names one of the values.
    """
    mean, std = mean_and_std(values, size)
    if std is None:
        return Unknown(f"one {noun} says nothing about the spread")
    low, high = float(values.min()), float(values.max())
    if std == 0:
        return Unknown(f"the {values.size} {noun}s are all at {round(low, 2) + 0.0:.2f}, and no spread is no certainty")
    upper = int((values > (low + high) / 2).sum())
    if high - low <= step * (1 + 1e-9) and min(upper, values.size - upper) < LEAST:
        return Unknown(
            f"the {values.size} {noun}s lie within what a single utterance can make ({step:.2f} points), too little to "
            "say how far others would be"
        )
    return mean, std


def t_quantile(df: float, confidence: float) -> float:
    """Half-width of the two-sided interval in standard errors."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + confidence) / 2
    return float(ndtri(tail) if math.isinf(df) else stdtrit(df, tail))


def finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """`values` as (n,) float64, n of 1 or more; ValueError, which calls them `name`, where one is not finite."""
    runs = np.asarray(values, dtype=np.float64)
    if runs.ndim != 1 or runs.size == 0:
        raise ValueError(f"{name} is one score a run (n,) with n of 1 or more, not {runs.shape}")
    if not np.isfinite(runs).all():
        failed = int((~np.isfinite(runs)).sum())
        raise ValueError(f"{failed} of {runs.size} {name} are not finite: leave failed runs out and say how many")
    return runs


def check_confidence(confidence: float) -> None:
    """ValueError where it is not within (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected within (0, 1), such as 0.95")


def check_ratio(ratio: float) -> None:
    """ValueError where it is negative or not finite."""
    if not (math.isfinite(ratio) and ratio >= 0):
        raise ValueError(f"ratio of test to training utterances is {ratio}, expected 0 or more")


def check_std(std: float) -> None:
    """ValueError where it is negative or not finite."""
    if not (math.isfinite(std) and std >= 0):
        raise ValueError(f"standard deviation is {std}, expected 0 or more")
