"""What runs can show: how many show a given difference, and which difference given runs show.

"Shows": the two-sided t-test is significant in the right direction with probability `power`, by the noncentral t
distribution. Exact if the runs are normal and, where ratio > 0, correlated as Nadeau and Bengio assume (by
ratio / (1 + ratio)).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from glam.evaluation.spread import (
    NO_SPREAD,
    ROUNDING,
    Arm,
    check_confidence,
    check_ratio,
    check_std,
    error_and_df,
    t_quantile,
)
from glam.evaluation.unknown import Unknown

WHOLE_SCALE = 100.0  # points: scores are percent, so that no difference is larger
POWER = 0.8


class Detectable(NamedTuple):
    """What given runs can show, in points.

    marked: the smallest difference seen that is significant. shown: the smallest true difference that is found with the
    power asked for.
    """

    marked: float
    shown: float


def runs_needed(
    stds: Sequence[float],
    ratios: Sequence[float],
    *,
    to_show: float = 1.0,
    power: float = POWER,
    confidence: float = 0.95,
) -> float | Unknown:
    """The fewest runs n >= 2 that show a true difference of `to_show` points.

    One std (of the runs' differences) and ratio for a paired test; two, of each recipe, for an unpaired one with n runs
    of each. With ratio > 0 the standard error never falls below std * sqrt(ratio), so there may be no such n: the
    result is then math.inf, and only a larger corpus or a less variable model would help. Unknown where a std is 0.
    Raises ValueError for other numbers of stds and ratios, negative ones, and a to_show, power or confidence out of
    range.
    """
    if not (len(stds) == len(ratios) and len(stds) in (1, 2)):
        raise ValueError(f"{len(stds)} stds and {len(ratios)} ratios, expected one or two of each")
    _check(stds, ratios, power, confidence)
    if not (math.isfinite(to_show) and to_show > 0):
        raise ValueError(f"to_show must be above 0, not {to_show}")
    if min(stds) <= ROUNDING:
        return Unknown(NO_SPREAD)
    from scipy.special import ndtr

    def power_of(n: int) -> float:
        error, df = error_and_df(_arms(stds, [n] * len(stds), ratios))
        return _power(to_show / error, df, t_quantile(df, confidence))

    floor = math.sqrt(sum(std**2 * ratio for std, ratio in zip(stds, ratios, strict=True)))
    if floor > 0 and float(ndtr(to_show / floor - t_quantile(math.inf, confidence))) <= power:
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


def smallest_difference(
    stds: Sequence[float],
    runs: Sequence[int],
    ratios: Sequence[float],
    *,
    tests: int = 1,
    power: float = POWER,
    confidence: float = 0.95,
) -> Detectable | Unknown:
    """The smallest difference that these runs could have shown, in points, as one of a family of `tests` tests.

    stds, runs, ratios: one each (of the differences of pairs) or two (of each recipe, or of ours and a print's). The
    level is (1 - confidence) / tests, Holm's first step: what passes it is significant whatever the other tests give.
    Unknown for fewer than 2 runs, for runs without spread, and where only more than the whole scale, 100 points, would
    be significant. Raises ValueError as `runs_needed`, and for fewer than one test.
    """
    if not (len(stds) == len(ratios) == len(runs) and len(stds) in (1, 2)):
        raise ValueError(f"{len(stds)} stds, {len(runs)} runs and {len(ratios)} ratios, expected one or two of each")
    _check(stds, ratios, power, confidence)
    if tests < 1:
        raise ValueError(f"{tests} tests, expected 1 or more")
    if min(runs) < 2:
        return Unknown("one run says nothing about the spread")
    if min(stds) <= ROUNDING:
        return Unknown(NO_SPREAD)
    error, df = error_and_df(_arms(stds, runs, ratios))
    critical = t_quantile(df, 1 - (1 - confidence) / tests)
    if critical * error > WHOLE_SCALE:
        return Unknown(
            f"with {' and '.join(map(str, runs))} runs and {tests} tests, only a difference of "
            f"{critical * error:.0f} points would be significant, more than there is"
        )
    from scipy.optimize import brentq

    high = critical
    while _power(high, df, critical) < power:
        high *= 2
    shift = float(brentq(lambda at: _power(at, df, critical) - power, 0.0, high))
    return Detectable(marked=critical * error, shown=shift * error)


def _arms(stds: Sequence[float], runs: Sequence[int], ratios: Sequence[float]) -> list[Arm]:
    return [Arm(std**2, n, ratio) for std, n, ratio in zip(stds, runs, ratios, strict=True)]


def _power(shift: float, df: float, critical: float) -> float:
    """The chance that t exceeds its critical value where the true difference is `shift` standard errors."""
    from scipy.special import nctdtr

    return 1 - float(nctdtr(df, shift, critical))


def _check(stds: Sequence[float], ratios: Sequence[float], power: float, confidence: float) -> None:
    for std, ratio in zip(stds, ratios, strict=True):
        check_ratio(ratio)
        check_std(std)
    check_confidence(confidence)
    if not 1 - confidence < power < 1:
        raise ValueError(f"power is {power}, expected above the level of {1 - confidence:g} and below 1, such as 0.8")
