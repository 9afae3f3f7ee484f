"""Statistics over runs: summaries, intervals of a mean, and the two kinds of comparison.

Two questions need two tests. *Did we reproduce a printed number?* Given this corpus, random splits are
independent draws, so the ordinary t interval and Welch's test on two summaries answer it (`ratio` 0 below).
*Is A better than B beyond this corpus?* The training sets of random splits overlap, so the runs are
correlated and the ordinary tests find differences that are not there. The corrected resampled t-test
replaces the variance factor 1/n of a mean over n runs by 1/n + ratio, with `ratio` = test utterances /
training utterances of a split (0.25 for 80/20, 1/(k-1) for k folds): Nadeau and Bengio, "Inference for the
generalization error", Machine Learning 52, 2003, section 3. What more runs cannot shrink, the second term,
is what one corpus cannot tell.

Conventions: standard deviations have ddof 1; p-values are two-sided; higher scores are better; a run that
failed is left out by the caller (a value that is not finite raises ValueError, so that none is averaged
silently). Runs that agree to 1e-12 of their size have standard deviation exactly 0: the rest is rounding.
Where the standard error is 0, a difference of 0 has t = 0 and p = 1, and any other t = +-inf and p = 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-12  # of the values' size: below it, a difference is that of float64 sums, not of runs


@dataclass(frozen=True)
class Summary:
    """One score over n runs, in the score's unit (percent)."""

    n: int
    mean: float
    std: float | None  # ddof 1; None for one run, which says nothing about the spread
    median: float
    worst: float  # the lowest


class Interval(NamedTuple):
    """A confidence interval, in the unit of what it is an interval of."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The difference of two mean scores, first minus second, and what it is worth."""

    difference: float  # percentage points
    t: float
    df: float
    p: float  # two-sided
    interval: Interval  # of the difference
    effect: float  # in standard deviations of a run; the function that compares says of which
    runs_needed: float  # runs (of each) that would show `to_show` points at 80 % power; math.inf: no number does


class _Arm(NamedTuple):
    """One side's share of the variance of a difference of means: variance * (1/n + ratio), with n - 1 df."""

    variance: float
    n: int
    ratio: float

    @property
    def share(self) -> float:
        return self.variance * (1 / self.n + self.ratio)


def summary(values: ArrayLike) -> Summary:
    """Summarise one score of n runs, `values` (n,); ValueError for none or for one that is not finite."""
    runs = _finite(values, "values")
    mean, std = _mean_and_std(runs, float(np.abs(runs).max()))
    return Summary(runs.size, mean, std, float(np.median(runs)), float(runs.min()))


def interval_of_mean(values: ArrayLike, *, ratio: float, confidence: float = 0.95) -> Interval | None:
    """The t interval of the mean score of n runs, `values` (n,): mean +- t * std * sqrt(1/n + ratio).

    `ratio` 0 gives the interval for this corpus (what further random splits of it would average to); the
    splits' test / training utterances give the one beyond it (another corpus of its kind and size), after
    Nadeau and Bengio. None for one run; (mean, mean) if all runs are equal. Raises ValueError as `summary`,
    and for a negative ratio or a confidence outside (0, 1).
    """
    runs = summary(values)
    _check(ratio, confidence)
    if runs.std is None:
        return None
    half = _quantile(runs.n - 1, confidence) * math.sqrt(_Arm(runs.std**2, runs.n, ratio).share)
    return Interval(runs.mean - half, runs.mean + half)


def compare_paired(
    first: ArrayLike, second: ArrayLike, *, ratio: float, to_show: float = 1.0, confidence: float = 0.95
) -> Comparison:
    """Paired t-test of two recipes over n runs, run i of both having held out the same utterances.

    Scores are (n,), n >= 2. With the splits' test / training utterances as `ratio`, the corrected resampled
    t-test (Nadeau and Bengio), for a difference beyond this corpus; with `ratio` 0, the ordinary one, naive
    as to that question. Effect: Cohen's dz, the mean of the runs' differences over their standard deviation
    (0 or +-inf where that is 0). `runs_needed` is for a true difference of `to_show` points, the spread of
    the differences being as seen here. Raises ValueError for lengths that differ, n < 2, values not finite,
    a negative ratio.
    """
    left, right = _finite(first, "first"), _finite(second, "second")
    if left.size != right.size:
        raise ValueError(f"paired runs: {left.size} of the first, {right.size} of the second")
    # the differences' rounding is that of the scores they come from, however small they are
    mean, std = _mean_and_std(left - right, float(max(np.abs(left).max(), np.abs(right).max())))
    if std is None:
        raise ValueError("one pair of runs cannot be compared: two or more are needed")
    return _compare(mean, std, [_Arm(std**2, left.size, ratio)], to_show, confidence)


def compare_unpaired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    ratios: tuple[float, float],
    to_show: float = 1.0,
    confidence: float = 0.95,
) -> Comparison:
    """Welch's t-test of two recipes whose runs held out different utterances.

    Scores are (n,) with each its own n >= 2. Each variance factor is corrected with the recipe's own
    `ratios` as in `compare_paired`, and the degrees of freedom are Welch and Satterthwaite's for the
    corrected variances; (0, 0) is Welch's test. On one corpus the two means rise and fall together to an
    extent that unpaired runs do not show; taking them as independent can only make the corrected test
    cautious. Effect: Cohen's d, the difference over the root mean square of the two standard deviations.
    `runs_needed` is of each. Raises ValueError as `compare_paired`, lengths apart.
    """
    left, right = summary(first), summary(second)
    return _welch(left.mean, left.std, left.n, right.mean, right.std, right.n, ratios, to_show, confidence)


def welch_from_summaries(
    mean1: float,
    std1: float,
    n1: int,
    mean2: float,
    std2: float,
    n2: int,
    *,
    to_show: float = 1.0,
    confidence: float = 0.95,
) -> Comparison:
    """Welch's t-test of two means from what a paper prints: mean, standard deviation (ddof 1), runs.

    Is ours the printed number, both being over independent random splits of one corpus? A print that used
    ddof 0 has a standard deviation lower by sqrt(1 - 1/n), 0.5 % at 100 runs. Effect and `runs_needed` as
    `compare_unpaired`. Raises ValueError for n < 2, a negative std, numbers that are not finite.
    """
    return _welch(mean1, std1, n1, mean2, std2, n2, (0.0, 0.0), to_show, confidence)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values (m,), in the order given; m may be 0.

    Rejecting where the adjusted value is at most alpha keeps the chance of any false rejection among the m
    tests at alpha or below, however they depend on each other (Holm 1979). Raises ValueError outside [0, 1]
    and for NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():  # NaN fails both
        raise ValueError("p-values are (m,) numbers from 0 to 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def runs_needed(
    stds: Sequence[float],
    ratios: Sequence[float],
    *,
    to_show: float = 1.0,
    power: float = 0.8,
    confidence: float = 0.95,
) -> float:
    """The fewest runs n >= 2 for which the two-sided t-test shows a true difference of `to_show` points.

    One std (of the runs' differences) and ratio for a paired test; two, of each recipe, for an unpaired one
    with n runs of each. "Shows": significant in the right direction with probability `power`, by the
    noncentral t distribution, searched over n. It is exact if the runs are normal and, where ratio > 0,
    correlated as Nadeau and Bengio assume (by ratio / (1 + ratio)).

    With ratio > 0 the standard error never falls below std * sqrt(ratio), so there may be no such n: the
    result is then math.inf, and only a larger corpus or a less variable model would help. With all stds 0
    it is 2.
    """
    if not (len(stds) == len(ratios) and len(stds) in (1, 2)):
        raise ValueError(f"{len(stds)} stds and {len(ratios)} ratios, expected one or two of each")
    for std, ratio in zip(stds, ratios, strict=True):
        _check(ratio, confidence)
        _check_std(std)
    if not (math.isfinite(to_show) and to_show > 0 and 0 < power < 1):
        raise ValueError(f"to_show must be above 0 and power within (0, 1), not {to_show} and {power}")
    from scipy.special import nctdtr, ndtr

    def power_of(n: int) -> float:
        arms = [_Arm(std**2, n, ratio) for std, ratio in zip(stds, ratios, strict=True)]
        error, df = _error_and_df(arms)
        return 1 - float(nctdtr(df, to_show / error, _quantile(df, confidence))) if error > 0 else 1.0

    floor = math.sqrt(sum(std**2 * ratio for std, ratio in zip(stds, ratios, strict=True)))
    if floor > 0 and float(ndtr(to_show / floor - _quantile(math.inf, confidence))) <= power:
        return math.inf
    high = 2
    while power_of(high) < power:
        if high > 2**50:  # within rounding of the limit, where the search cannot tell
            return math.inf
        high *= 2
    low = high // 2  # power rises with n: too few runs at low (or 1), enough at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return float(high)


def _welch(
    mean1: float,
    std1: float | None,
    n1: int,
    mean2: float,
    std2: float | None,
    n2: int,
    ratios: tuple[float, float],
    to_show: float,
    confidence: float,
) -> Comparison:
    if std1 is None or std2 is None or min(n1, n2) < 2:
        raise ValueError(f"{n1} and {n2} runs cannot be compared: two or more of each are needed")
    if not (math.isfinite(mean1) and math.isfinite(mean2)):
        raise ValueError(f"means must be finite, not {mean1} and {mean2}")
    for std in (std1, std2):
        _check_std(std)
    arms = [_Arm(std1**2, n1, ratios[0]), _Arm(std2**2, n2, ratios[1])]
    difference = mean1 - mean2
    if abs(difference) <= ROUNDING * max(abs(mean1), abs(mean2)):
        difference = 0.0
    return _compare(difference, math.sqrt((std1**2 + std2**2) / 2), arms, to_show, confidence)


def _compare(difference: float, scale: float, arms: Sequence[_Arm], to_show: float, confidence: float) -> Comparison:
    """t-test of a difference whose variance is the sum of the arms' shares; `scale` is the effect's unit."""
    for arm in arms:
        _check(arm.ratio, confidence)
    from scipy.special import stdtr

    error, df = _error_and_df(arms)
    t = _over(difference, error)
    half = _quantile(df, confidence) * error
    return Comparison(
        difference=difference,
        t=t,
        df=df,
        p=min(1.0, 2 * float(stdtr(df, -abs(t)))),
        interval=Interval(difference - half, difference + half),
        effect=_over(difference, scale),
        runs_needed=runs_needed(
            [math.sqrt(arm.variance) for arm in arms],
            [arm.ratio for arm in arms],
            to_show=to_show,
            confidence=confidence,
        ),
    )


def _error_and_df(arms: Sequence[_Arm]) -> tuple[float, float]:
    """Standard error of the difference, its degrees of freedom (Welch, Satterthwaite; n - 1 for one arm)."""
    variance = sum(arm.share for arm in arms)
    if variance == 0 or len(arms) == 1:
        return math.sqrt(variance), float(sum(arm.n - 1 for arm in arms))
    # shares relative to their sum, so that squares of tiny ones do not underflow
    return math.sqrt(variance), 1 / sum((arm.share / variance) ** 2 / (arm.n - 1) for arm in arms)


def _mean_and_std(values: NDArray[np.float64], size: float) -> tuple[float, float | None]:
    """Mean and std (ddof 1) with rounding, relative to `size`, taken out; no std for one value."""
    mean = float(values.mean())
    if abs(mean) <= ROUNDING * size:
        mean = 0.0
    if values.size == 1:
        return mean, None
    std = float(values.std(ddof=1))
    return mean, std if std > ROUNDING * size else 0.0


def _over(difference: float, spread: float) -> float:
    if spread > 0:
        return difference / spread
    return math.copysign(math.inf, difference) if difference else 0.0


def _quantile(df: float, confidence: float) -> float:
    """Half-width of the two-sided interval in standard errors."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + confidence) / 2
    return float(ndtri(tail) if math.isinf(df) else stdtrit(df, tail))


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    runs = np.asarray(values, dtype=np.float64)
    if runs.ndim != 1 or runs.size == 0:
        raise ValueError(f"{name} is one score a run (n,) with n of 1 or more, not {runs.shape}")
    if not np.isfinite(runs).all():
        failed = int((~np.isfinite(runs)).sum())
        raise ValueError(f"{failed} of {runs.size} {name} are not finite: leave failed runs out and say how many")
    return runs


def _check(ratio: float, confidence: float) -> None:
    if not (math.isfinite(ratio) and ratio >= 0):
        raise ValueError(f"ratio of test to training utterances is {ratio}, expected 0 or more")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected within (0, 1), such as 0.95")


def _check_std(std: float) -> None:
    if not (math.isfinite(std) and std >= 0):
        raise ValueError(f"standard deviation is {std}, expected 0 or more")
