"""What runs say together: summaries, the interval of their mean, and the comparison of two recipes or with a print.

*Did we reproduce a printed number?* Given this corpus, random splits are independent draws, so the ordinary t interval
and Welch's test on two summaries answer it (`ratio` 0 below). *Is A better than B on other utterances of these
speakers?* takes the corrected resampled t-test, with the splits' test / training utterances as `ratio`; `spread` says
why.

Conventions: standard deviations have ddof 1; p-values are two-sided; higher scores are better; a run that failed is
left out by the caller (a value that is not finite raises ValueError, so that none is averaged silently). Where runs
have no spread, there is no test and no interval: Unknown says why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.power import runs_needed
from glam.evaluation.spread import (
    ROUNDING,
    Arm,
    Interval,
    check_confidence,
    check_ratio,
    check_std,
    error_and_df,
    finite,
    mean_and_std,
    mean_with_spread,
    t_quantile,
)
from glam.evaluation.unknown import Unknown


@dataclass(frozen=True)
class Summary:
    """One score over n runs, in the score's unit (percent)."""

    n: int
    mean: float
    std: float | None  # ddof 1; None for one run, which says nothing about the spread
    median: float
    worst: float  # the lowest


@dataclass(frozen=True)
class Comparison:
    """The difference of two mean scores, first minus second, and what it is worth."""

    difference: float  # percentage points
    error: float  # its standard error
    t: float
    df: float
    p: float  # two-sided
    interval: Interval  # of the difference
    effect: float  # in standard deviations of a run; the function that compares says of which
    runs_needed: float  # runs (of each) that would show `to_show` points at 80 % power; math.inf: no number does


def summary(values: ArrayLike) -> Summary:
    """Summarise one score of n runs, `values` (n,); ValueError for none or for one that is not finite."""
    runs = finite(values, "values")
    mean, std = mean_and_std(runs, float(np.abs(runs).max()))
    return Summary(runs.size, mean, std, float(np.median(runs)), float(runs.min()))


def interval_of_mean(
    values: ArrayLike, *, ratio: float, step: float = 0.0, noun: str = "run", confidence: float = 0.95
) -> Interval | Unknown:
    """The t interval of the mean score of n runs, `values` (n,): mean +- t * std * sqrt(1/n + ratio).

    `ratio` 0 gives what further random splits of this corpus would average to; the splits' test / training utterances
    what other utterances of these speakers would give, after Nadeau and Bengio. It is no interval for other speakers:
    that is `intervals.over_groups`. step: the smallest difference that two runs can show, in the scores' unit (100 /
    test utterances for WA in percent); runs that differ by no more have no spread but that of counting. noun: what a
    run is called. Unknown for one run, and where there is no spread. Raises ValueError as `summary`, and for a negative
    ratio or a confidence outside (0, 1).
    """
    runs = finite(values, "values")
    check_ratio(ratio)
    check_confidence(confidence)
    moments = mean_with_spread(runs, float(np.abs(runs).max()), step, noun)
    if isinstance(moments, Unknown):
        return moments
    mean, std = moments
    half = t_quantile(runs.size - 1, confidence) * math.sqrt(Arm(std**2, runs.size, ratio).share)
    return Interval(mean - half, mean + half)


def compare_paired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    ratio: float,
    step: float = 0.0,
    to_show: float = 1.0,
    confidence: float = 0.95,
) -> Comparison | Unknown:
    """Paired t-test of two recipes over n runs, run i of both having held out the same utterances.

    Scores are (n,). With the splits' test / training utterances as `ratio`, the corrected resampled t-test (Nadeau and
    Bengio), for a difference on other utterances of these speakers; with `ratio` 0, the ordinary one, naive as to that
    question. Effect: Cohen's dz, the mean of the runs' differences over their standard deviation. `runs_needed` is for
    a true difference of `to_show` points, the spread of the differences being as seen here. step: as
    `interval_of_mean`. Unknown for one pair, and where the differences have no spread. Raises ValueError for lengths
    that differ, values not finite, a negative ratio.
    """
    ours, theirs = finite(first, "first"), finite(second, "second")
    if ours.size != theirs.size:
        raise ValueError(f"paired runs: {ours.size} of the first, {theirs.size} of the second")
    check_ratio(ratio)
    # the differences' rounding is that of the scores they come from, however small they are
    size = float(max(np.abs(ours).max(), np.abs(theirs).max()))
    moments = mean_with_spread(ours - theirs, size, step, "difference")
    if isinstance(moments, Unknown):
        return moments
    mean, std = moments
    return _compare(mean, std, [Arm(std**2, ours.size, ratio)], to_show, confidence)


def compare_unpaired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    ratios: tuple[float, float],
    steps: tuple[float, float] = (0.0, 0.0),
    noun: str = "run",
    to_show: float = 1.0,
    confidence: float = 0.95,
) -> Comparison | Unknown:
    """Welch's t-test of two recipes whose runs held out different utterances.

    Scores are (n,), each with its own n. Each variance factor is corrected with the recipe's own `ratios` as in
    `compare_paired`, and the degrees of freedom are Welch and Satterthwaite's for the corrected variances; (0, 0) is
    Welch's test. On one corpus the two means rise and fall together to an extent that unpaired runs do not show; taking
    them as independent can only make the corrected test cautious. Effect: Cohen's d, the difference over the root mean
    square of the two standard deviations. `runs_needed` is of each. steps: of each recipe, and noun: as
    `interval_of_mean`. Unknown where either has one run or no spread. Raises ValueError as `compare_paired`, lengths
    apart.
    """
    means: list[float] = []
    arms: list[Arm] = []
    for values, step, ratio, name in zip((first, second), steps, ratios, ("first", "second"), strict=True):
        runs = finite(values, name)
        check_ratio(ratio)
        moments = mean_with_spread(runs, float(np.abs(runs).max()), step, noun)
        if isinstance(moments, Unknown):
            return Unknown(f"of the {name}, {moments.reason}")
        means.append(moments[0])
        arms.append(Arm(moments[1] ** 2, runs.size, ratio))
    return _welch(means, arms, to_show, confidence)


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
) -> Comparison | Unknown:
    """Welch's t-test of two means from what a paper prints: mean, standard deviation (ddof 1), runs.

    Is ours the printed number, both being over independent random splits of one corpus? A print that used ddof 0 has a
    standard deviation lower by sqrt(1 - 1/n), 0.5 % at 100 runs. Effect and `runs_needed` as `compare_unpaired`. That
    it finds no difference is no reproduction: `equivalence` asks for one, `smallest_difference` says what could have
    been found. Unknown for n < 2 and a std of 0. Raises ValueError for a negative std and numbers that are not finite.
    """
    if not (math.isfinite(mean1) and math.isfinite(mean2)):
        raise ValueError(f"means must be finite, not {mean1} and {mean2}")
    for mean, std, n, name in ((mean1, std1, n1, "first"), (mean2, std2, n2, "second")):
        check_std(std)
        if n < 2:
            return Unknown(f"of the {name}, one run says nothing about the spread")
        if std <= ROUNDING:
            return Unknown(f"of the {name}, the {n} runs are all at {mean:.2f}, and no spread is no certainty")
    return _welch((mean1, mean2), [Arm(std1**2, n1, 0.0), Arm(std2**2, n2, 0.0)], to_show, confidence)


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


def _welch(means: Sequence[float], arms: Sequence[Arm], to_show: float, confidence: float) -> Comparison | Unknown:
    """The test of the first of two means minus the second."""
    difference = means[0] - means[1]
    if abs(difference) <= ROUNDING * max(map(abs, means)):
        difference = 0.0
    scale = math.sqrt(sum(arm.variance for arm in arms) / 2)
    return _compare(difference, scale, arms, to_show, confidence)


def _compare(
    difference: float, scale: float, arms: Sequence[Arm], to_show: float, confidence: float
) -> Comparison | Unknown:
    """t-test of a difference whose variance is the sum of the arms' shares; `scale` is the effect's unit."""
    check_confidence(confidence)
    from scipy.special import stdtr

    stds, ratios = [math.sqrt(arm.variance) for arm in arms], [arm.ratio for arm in arms]
    needed = runs_needed(stds, ratios, to_show=to_show, confidence=confidence)
    if isinstance(needed, Unknown):
        return needed
    error, df = error_and_df(arms)
    half = t_quantile(df, confidence) * error
    return Comparison(
        difference=difference,
        error=error,
        t=difference / error,
        df=df,
        p=min(1.0, 2 * float(stdtr(df, -abs(difference / error)))),
        interval=Interval(difference - half, difference + half),
        effect=difference / scale,
        runs_needed=needed,
    )
