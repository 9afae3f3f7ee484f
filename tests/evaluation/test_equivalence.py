import math

import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glam.evaluation.equivalence import equivalence
from glam.evaluation.statistics import compare_paired, compare_unpaired, welch_from_summaries


def test_equivalence_with_a_print_by_hand() -> None:
    # error sqrt(2 * 1.5^2 / 100) = 0.212132, df 198; (1 - 0.5) / 0.212132 = 2.357023, (1 + 0.5) / 0.212132 = 7.07
    result = known(equivalence(welch_from_summaries(81.5, 1.5, 100, 81, 1.5, 100), margin=1))
    assert (result.difference, result.margin) == (0.5, 1)
    assert result.p == pytest.approx(stats.t.sf(2.357023, 198), abs=1e-7)
    half = stats.t.ppf(0.95, 198) * 0.2121320
    assert result.interval == pytest.approx((0.5 - half, 0.5 + half))


def test_paired_equivalence_is_scipys_two_one_sided_tests() -> None:
    first, second = [71.0, 70.5, 72.0, 71.2], [70.8, 70.9, 71.5, 71.4]
    result = known(equivalence(compare_paired(first, second, ratio=0), margin=0.8))
    gaps = np.subtract(first, second)
    above = stats.ttest_1samp(gaps, -0.8, alternative="greater").pvalue
    below = stats.ttest_1samp(gaps, 0.8, alternative="less").pvalue
    assert result.p == pytest.approx(max(above, below))


@given(
    st.floats(-3, 3), st.floats(0.1, 3), st.integers(2, 100), st.floats(0.1, 3), st.integers(2, 100), st.floats(0.1, 4)
)
def test_the_interval_lies_within_the_margin_exactly_where_the_test_rejects(
    difference: float, std1: float, n1: int, std2: float, n2: int, margin: float
) -> None:
    result = known(equivalence(welch_from_summaries(80 + difference, std1, n1, 80, std2, n2), margin=margin))
    within = -margin < result.interval.low and result.interval.high < margin
    if abs(result.p - 0.05) > 1e-9:
        assert within == (result.p < 0.05)
    assert 0 <= result.p <= 1


def test_no_difference_found_is_not_equivalence() -> None:
    """Three runs eight points below a print: no test tells them apart, and none calls them the same."""
    comparison = known(welch_from_summaries(73.2, 5.0, 3, 81.18, 1.47, 100))
    assert comparison.p > 0.05
    assert known(equivalence(comparison, margin=1)).p > 0.9


def test_equivalence_is_found_at_the_level_where_the_difference_is_the_margin() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(2000):
        first, second = rng.normal(1.0, 1.0, 20), rng.normal(0, 1.0, 20)
        result = known(equivalence(compare_unpaired(first, second, ratios=(0, 0)), margin=1.0))
        found.append(result.p <= 0.05)
    assert np.mean(found) == pytest.approx(0.05, abs=0.02)


def test_without_spread_there_is_no_equivalence() -> None:
    assert "no spread is no certainty" in reason(equivalence(compare_paired([70, 70], [70, 70], ratio=0), margin=1))


@pytest.mark.parametrize(("margin", "alpha"), [(0, 0.05), (math.nan, 0.05), (1, 0.5), (1, 0)])
def test_nonsense_is_refused(margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"margin|alpha"):
        equivalence(welch_from_summaries(80, 1, 5, 80, 1, 5), margin=margin, alpha=alpha)
