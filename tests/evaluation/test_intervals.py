import math

import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

from glam.evaluation.intervals import interval_from_counts, interval_of_share, mean_over_groups, over_groups
from glam.evaluation.spread import Interval

# --- shares, from counts


def test_ten_of_ten_right_is_no_certainty() -> None:
    # 0.025^(1/10) = 0.691503
    assert interval_of_share(10, 10) == pytest.approx((69.1503, 100), abs=1e-4)
    assert interval_of_share(0, 10) == pytest.approx((0, 30.8497), abs=1e-4)
    assert interval_of_share(1, 1) == pytest.approx((2.5, 100))


@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_share_is_scipys_exact_one(n: int, data: st.DataObject, confidence: float) -> None:
    right = data.draw(st.integers(0, n))
    expected = stats.binomtest(right, n).proportion_ci(confidence, method="exact")
    assert_allclose(interval_of_share(right, n, confidence=confidence), [100 * expected.low, 100 * expected.high])


def exact_coverage(intervals: list[Interval], n: int, chance: float) -> float:
    """The chance, in percent, that the interval of what is seen holds the true share."""
    seen = np.arange(n + 1)
    held = [low <= 100 * chance <= high for low, high in intervals]
    return 100 * float(stats.binom.pmf(seen, n, chance)[held].sum())


@pytest.mark.parametrize("n", [3, 10, 30])
def test_it_never_covers_less_than_it_says_and_wilsons_does(n: int) -> None:
    """Which is why it is not Wilson's: recalls of few utterances lie near 0 and 100."""
    ours = [interval_of_share(right, n) for right in range(n + 1)]
    wilson = [
        Interval(*(100 * np.array(stats.binomtest(right, n).proportion_ci(method="wilson"))).tolist())
        for right in range(n + 1)
    ]
    chances = np.linspace(0.001, 0.999, 999)
    assert min(exact_coverage(ours, n, chance) for chance in chances) >= 95
    assert min(exact_coverage(wilson, n, chance) for chance in chances) < 87
    if n == 10:
        assert exact_coverage(wilson, n, 0.983) == pytest.approx(84, abs=0.5)


@given(st.integers(1, 30), st.data())
def test_more_right_is_a_higher_interval_also_between_whole_numbers(n: int, data: st.DataObject) -> None:
    less, more = sorted(data.draw(st.floats(0, n)) for _ in range(2))
    low, high = interval_of_share(less, n), interval_of_share(more, n)
    assert 0 <= low.low <= high.low + 1e-6  # the quantile's own rounding
    assert low.high <= high.high + 1e-6
    assert high.high <= 100
    assert low.low - 1e-6 <= 100 * less / n <= low.high + 1e-6


def test_an_utterance_tested_in_many_runs_counts_once() -> None:
    """Forty predictions of ten utterances are worth ten."""
    utterances = np.tile(np.arange(10), 4)
    repeated = interval_from_counts(np.ones(40, dtype=bool), utterances)
    assert repeated == interval_of_share(10, 10)
    assert interval_from_counts(np.ones(40, dtype=bool), np.arange(40)).low > repeated.low


def test_repeated_predictions_are_covered_as_stated() -> None:
    """Utterances that are hard in every run: intervals of all predictions would hold the share far too rarely."""
    rng = np.random.default_rng(6)
    held, naive = [], []
    for _ in range(600):
        chance = rng.beta(0.8, 0.2, 30)
        utterances = np.tile(np.arange(30), 10)
        right = rng.random(300) < chance[utterances]
        low, high = interval_from_counts(right, utterances)
        held.append(low <= 80 <= high)
        low, high = interval_of_share(int(right.sum()), 300)
        naive.append(low <= 80 <= high)
    assert np.mean(held) >= 0.94
    assert np.mean(naive) < 0.7


@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0), (math.nan, 5)])
def test_other_counts_are_refused(right: float, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to as many"):
        interval_of_share(right, n)


# --- means over speakers


def test_over_speakers_by_hand() -> None:
    # speakers' means 50, 100, 75, 25: mean 62.5, variance 3125 / 3, t(3, 97.5 %) = 3.182446
    values = [100, 0, 100, 100, 100, 50, 25, 25]
    speakers = [4, 4, 7, 7, 8, 8, 2, 2]
    result = known(over_groups(values, speakers))
    assert (result.mean, result.groups) == (62.5, 4)
    assert result.std == pytest.approx(math.sqrt(3125 / 3))
    half = 3.182446 * math.sqrt(3125 / 3 / 4)
    assert_allclose(result.interval, [62.5 - half, 62.5 + half], atol=1e-4)


@given(st.lists(st.floats(0, 100), min_size=3, max_size=30), st.sampled_from([0.8, 0.95]))
def test_it_is_scipys_t_interval_of_the_speakers(scores: list[float], confidence: float) -> None:
    if np.ptp(scores) > 0.01:
        expected = stats.ttest_1samp(scores, 0).confidence_interval(confidence)
        result = known(mean_over_groups(scores, confidence=confidence))
        assert_allclose(result.interval, expected, rtol=1e-7, atol=1e-7)


def test_two_speakers_allow_no_interval() -> None:
    """As TESS has: whatever the number of utterances."""
    right, speakers = np.tile([100.0, 0, 100, 100], 700), np.repeat([0, 1], 1400)
    assert reason(over_groups(right, speakers)) == (
        "an interval over speakers needs 3 of them or more, and there are 2 speakers"
    )
    assert "there is 1 scenario" in reason(over_groups([100, 0], [5, 5], noun="scenario"))


def test_speakers_that_agree_allow_none_either() -> None:
    everyone = np.arange(3).repeat(20)
    assert (
        reason(over_groups(np.full(60, 100.0), everyone))
        == "the 3 speakers are all at 100.00, and no spread is no certainty"
    )
    one_wrong = np.full(60, 100.0)
    one_wrong[7] = 0
    assert reason(over_groups(one_wrong, everyone)) == (
        "the 3 speakers lie within what a single utterance can make (5.00 points), too little to say how far "
        "others would be"
    )
    one_wrong[27] = one_wrong[28] = 0  # two of the second speaker
    assert known(over_groups(one_wrong, everyone)).groups == 3


def test_the_step_of_speakers_is_that_of_a_speaker_of_median_size() -> None:
    """A single speaker of two utterances would hide every difference of the others."""
    values, speakers = np.full(142, 100.0), np.array([0] * 20 + [1] * 20 + [2] * 100 + [3] * 2)
    values[:4] = 0
    known(over_groups(values, speakers))


def corpora(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Right or wrong (count, 600), in percent, of 10 speakers whose accuracies have mean 75 and sd 8 points."""
    speakers = np.repeat(np.arange(10), 60)
    accuracy = rng.beta(21.2, 7.07, (count, 10))[:, speakers]
    return np.asarray(100.0 * (rng.random(accuracy.shape) < accuracy)), speakers.astype(np.int64)


def test_it_covers_other_speakers_where_utterances_as_a_unit_do_not() -> None:
    right, speakers = corpora(np.random.default_rng(7), 2000)
    intervals = [known(over_groups(values, speakers)).interval for values in right]
    held = 100 * np.mean([low <= 75 <= high for low, high in intervals])
    assert 93 <= held <= 97
    mean, half = right.mean(axis=1), 1.96 * right.std(axis=1) / math.sqrt(600)
    assert 100 * np.mean(np.abs(mean - 75) <= half) < 85
