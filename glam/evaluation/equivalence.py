"""Whether two scores are the same within a stated margin, which "no significant difference" does not say."""

import math
from dataclasses import dataclass

from glam.evaluation.spread import Interval, t_quantile
from glam.evaluation.statistics import Comparison
from glam.evaluation.unknown import Unknown


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of a difference against a margin, in points.

    p: the larger of the two one-sided p-values; at most alpha, the scores differ by less than the margin. interval: of
    the difference, with confidence 1 - 2 alpha (90 % for 5 %), which lies within the margin exactly then.
    """

    difference: float
    margin: float
    p: float
    interval: Interval


def equivalence(comparison: Comparison | Unknown, *, margin: float, alpha: float = 0.05) -> Equivalence | Unknown:
    """Are two scores the same but for less than `margin` points (TOST)? From their comparison, whichever it is.

    `welch_from_summaries` compares with a print, `compare_paired` and `compare_unpaired` two recipes, each with its own
    standard error and degrees of freedom df. The two tests reject difference <= -margin, by t = (difference + margin) /
    error, and difference >= margin (Schuirmann, "A comparison of the two one-sided tests procedure and the power
    approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987). The margin must be stated before the runs
    are seen. Unknown where the comparison is. Raises ValueError for a margin that is not above 0, and for alpha outside
    (0, 0.5).
    """
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin is {margin} points, expected above 0")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}, expected within (0, 0.5), such as 0.05")
    if isinstance(comparison, Unknown):
        return comparison
    from scipy.special import stdtr

    difference, error, df = comparison.difference, comparison.error, comparison.df
    p = max(float(stdtr(df, -(margin + sign * difference) / error)) for sign in (1, -1))
    half = t_quantile(df, 1 - 2 * alpha) * error
    return Equivalence(difference, margin, p, Interval(difference - half, difference + half))
