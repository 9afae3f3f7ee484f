"""Intervals of scores from utterances: of a share from its counts, and of a mean over speakers or other groups.

What an interval takes as independent decides which question it answers. `statistics.interval_of_mean`: runs, or
utterances of the same speakers. `interval_from_counts`: utterances. `over_groups`: speakers (dialogues, scenarios),
which is the only one of them that says anything of other speakers.

`benchmarks/intervals.py` shows why the latter is Student's t over the groups' own scores. With 5, 10 and 20 speakers of
standard deviation 8 points, and equal or unequal numbers of utterances, its 95 % interval holds the mean of the
speakers' population in 93 to 96 % of 2000 simulated corpora, the one over runs in 39 to 94 %, and the cluster bootstrap
(percentile or BCa), for lack of speakers, in 80 to 93 %. Weighting speakers by their utterances (CR2 with
Satterthwaite's df) holds it as often, in 94 to 97 %, with intervals up to a third wider.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.spread import Interval, check_confidence, finite, mean_with_spread, t_quantile
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import checked_codes, per_utterance
from glam.words import counted

FEWEST_GROUPS = 3  # two have a single difference for a spread, and t with one df is 12.7 standard errors wide


@dataclass(frozen=True)
class OverGroups:
    """A score over groups of utterances, each group counting the same, in the score's unit.

    mean: of the groups' scores; it differs from the mean over utterances where larger groups score higher or lower.
    std: of the groups' scores (ddof 1). groups: how many, and so df = groups - 1.
    """

    mean: float
    std: float
    groups: int
    interval: Interval


def interval_of_share(right: float, utterances: int, *, confidence: float = 0.95) -> Interval:
    """The interval of the share of `utterances` that are right, in percent: Clopper and Pearson's, from beta quantiles.

    It covers at least what it says, whatever the true share ("The use of confidence or fiducial limits illustrated in
    the case of the binomial", Biometrika 26, 1934). Wilson's is narrower, but near 0 and 100, where the recalls of few
    utterances lie, it covers less than it says (84 % for 95 % at 10 utterances and a share of 98.3 %). 10 of 10 right
    gives 69.15 to 100. Utterances are taken as independent: none may count twice (`interval_from_counts` sees to that),
    and nothing is said of other speakers. `right` may be a sum of shares, of which the binomial's spread is an upper
    bound. Raises ValueError where `right` is not within 0 to `utterances`, or there are none.
    """
    check_confidence(confidence)
    if not (utterances >= 1 and 0 <= right <= utterances):
        raise ValueError(f"{right} right of {utterances} utterances, expected 0 to as many, and 1 utterance or more")
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    wrong = utterances - right
    low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return Interval(100 * low, 100 * high)


def interval_from_counts(right: ArrayLike, utterances: ArrayLike) -> Interval:
    """The 95 % interval of the share of right predictions (a recall, where they are of one true class), in percent.

    right: (T,) booleans, utterances: (T,) the number of the utterance that each predicts, pooled over runs. An
    utterance that several runs test counts once, with its mean, for its predictions are not independent: 2000
    predictions of 400 utterances are worth 400. Raises ValueError as `per_utterance`.
    """
    means = per_utterance(right, utterances)
    n = means.utterances.size
    return interval_of_share(min(float(means.mean.sum()), n), n)  # the sum of shares is rounded


def over_groups(
    values: ArrayLike, groups: ArrayLike, *, noun: str = "speaker", confidence: float = 0.95
) -> OverGroups | Unknown:
    """The t interval of the mean of groups' scores: what other groups of this kind (other speakers) would give.

    values: (n,) one an utterance, each utterance once (`per_utterance`): 100 or 0, or its mean over runs, in percent.
    groups: (n,) integers, the speaker (dialogue, scenario) of each. mean of the groups' means +- t(groups - 1) * their
    std / sqrt(groups). Where a protocol tests speakers that it also trains on, these are other speakers that are
    trained on, too. noun: what a group is called. Unknown for fewer than 3 groups, and where their scores have no
    spread, or only that of one utterance (of a group of median size). Raises ValueError for other shapes and values
    that are not finite.
    """
    scores, sizes = group_means(values, groups)
    return mean_over_groups(scores, noun=noun, step=100 / float(np.median(sizes)), confidence=confidence)


def mean_over_groups(
    scores: ArrayLike, *, noun: str = "speaker", step: float = 0.0, confidence: float = 0.95
) -> OverGroups | Unknown:
    """As `over_groups`, of the groups' own scores (G,), whichever they are: the UA of `groups.by_group`, a difference.

    step: what a single utterance makes of a group's score; groups that differ by no more have no spread.
    """
    own = finite(scores, "scores")
    check_confidence(confidence)
    if own.size < FEWEST_GROUPS:
        return Unknown(
            f"an interval over {noun}s needs {FEWEST_GROUPS} of them or more, and there {_are(own.size, noun)}"
        )
    moments = mean_with_spread(own, float(np.abs(own).max()), step, noun)
    if isinstance(moments, Unknown):
        return moments
    mean, std = moments
    half = t_quantile(own.size - 1, confidence) * std / math.sqrt(own.size)
    return OverGroups(mean, std, own.size, Interval(mean - half, mean + half))


def group_means(values: ArrayLike, groups: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean of `values` (n,) in each group that occurs (G,), by the groups' numbers, and its utterances (G,)."""
    scores = finite(values, "values")
    _, member, sizes = np.unique(checked_codes(groups, scores.size, "groups"), return_inverse=True, return_counts=True)
    return np.bincount(member, weights=scores) / sizes, sizes.astype(np.int64)


def _are(number: int, noun: str) -> str:
    return f"{'is' if number == 1 else 'are'} {counted(number, noun)}"
