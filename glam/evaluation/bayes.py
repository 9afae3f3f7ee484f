"""How probable it is that one recipe is better than another, about the same, or worse: the correlated Bayesian t-test.

A small p-value is no such probability, and a large one no sign that two recipes are the same.
"""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from glam.evaluation.statistics import compare_paired
from glam.evaluation.unknown import Unknown


@dataclass(frozen=True)
class Posterior:
    """What the runs say of the mean difference, first minus second: a Student t, and its three regions.

    mean, scale: in points. better: probability that the first is better by more than the region, same: that they differ
    by less, worse: that it is worse by more; in percent, 100 together.
    """

    mean: float
    scale: float
    df: float
    better: float
    same: float
    worse: float


def posterior(
    first: ArrayLike, second: ArrayLike, *, ratio: float, region: float = 1.0, step: float = 0.0
) -> Posterior | Unknown:
    """The posterior of the difference of two recipes over n runs, run i of both having held out the same utterances.

    Scores are (n,), in percent. With the splits' test / training utterances as `ratio`, rho / (1 - rho), the mean
    difference has a Student t with n - 1 df, the mean of the runs' differences as location, and scale^2 =
    (1/n + ratio) * their variance, the prior saying nothing (Corani and Benavoli, "A Bayesian approach for comparing
    cross-validated algorithms on multiple data sets", Machine Learning 100, 2015, section 3; Benavoli, Corani, Demsar
    and Zaffalon, "Time for a change", JMLR 18, 2017, section 4). It is of the same width as the corrected t-test's
    interval, and like it of other utterances of these speakers. region: differences of up to so many points, either
    way, are no difference in practice. step: as `compare_paired`. Unknown for one pair and for differences without
    spread. Raises ValueError as `compare_paired`, and for a negative region.
    """
    if not (math.isfinite(region) and region >= 0):
        raise ValueError(f"region is {region} points, expected 0 or more")
    comparison = compare_paired(first, second, ratio=ratio, step=step)
    if isinstance(comparison, Unknown):
        return comparison
    from scipy.special import stdtr

    better = float(stdtr(comparison.df, (comparison.difference - region) / comparison.error))
    worse = float(stdtr(comparison.df, -(comparison.difference + region) / comparison.error))
    return Posterior(
        comparison.difference, comparison.error, comparison.df, 100 * better, 100 * (1 - better - worse), 100 * worse
    )
