import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glam.evaluation.bayes import posterior
from glam.evaluation.statistics import compare_paired

scores = st.lists(st.integers(0, 447).map(lambda right: 100 * right / 447), min_size=3, max_size=30)


def test_the_posterior_by_hand() -> None:
    # differences 1..5: mean 3, variance 2.5; rho 0.2: scale^2 = 2.5 * (1/5 + 0.2 / 0.8) = 1.125, df 4
    result = known(posterior([71, 74, 77, 76, 79], [70, 72, 74, 72, 74], ratio=0.25))
    assert (result.mean, result.df) == (3, 4)
    assert result.scale == pytest.approx(np.sqrt(1.125))
    # F at 4 df: 1/2 + (3/8) t / sqrt(u) (1 - t^2 / (12 u)), u = 1 + t^2/4;
    # t = (3 - 1) / sqrt(1.125) = 1.885618 gives 0.933790, t = -(3 + 1) / sqrt(1.125) = -3.771236 gives 0.009792
    assert result.better == pytest.approx(93.3790, abs=1e-3)
    assert result.worse == pytest.approx(0.9792, abs=1e-3)
    assert result.same == pytest.approx(100 - 93.3790 - 0.9792, abs=2e-3)


def test_the_scale_of_a_published_implementation() -> None:
    """The figures that baycomp, of the paper's authors, tests itself with: two repetitions of two folds.

    Its variance is that of the differences 1, 5, -3, 1 times 1/4 + 1 / (folds - 1).
    """
    result = known(posterior([5, 7, 3, 5], [4, 2, 6, 4], ratio=1, region=0))
    assert (result.mean, result.df) == (1, 3)
    assert result.scale**2 == pytest.approx((4**2 + 4**2) / 3 * (1 / 4 + 1))


@given(scores, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1 / 9, 0.25]), st.floats(0, 5))
def test_the_posterior_against_its_closed_form(first: list[float], seed: int, ratio: float, region: float) -> None:
    second = np.random.default_rng(seed).normal(70, 5, len(first))
    result = known(posterior(first, second, ratio=ratio, region=region))
    gaps = np.array(first) - second
    rho = ratio / (1 + ratio)  # test utterances / all of a split
    scale = np.sqrt((1 / len(first) + rho / (1 - rho)) * gaps.var(ddof=1))
    closed = stats.t(len(first) - 1, gaps.mean(), scale)
    assert result.better == pytest.approx(100 * closed.sf(region), abs=1e-6)
    assert result.worse == pytest.approx(100 * closed.cdf(-region), abs=1e-6)
    assert result.same == pytest.approx(100 * (closed.cdf(region) - closed.cdf(-region)), abs=1e-6)
    back = known(posterior(second, first, ratio=ratio, region=region))
    assert [back.better, back.worse] == pytest.approx([result.worse, result.better])


def test_without_a_region_it_is_the_one_sided_corrected_test() -> None:
    first, second = [71.0, 74, 77, 76, 79], [70.0, 75, 74, 72, 74]
    result = known(posterior(first, second, ratio=0.25, region=0))
    assert 100 - result.better == pytest.approx(100 * known(compare_paired(first, second, ratio=0.25)).p / 2)
    assert result.same == pytest.approx(0, abs=1e-9)


def test_without_spread_nothing_is_certain() -> None:
    assert reason(posterior([72, 73], [71, 72], ratio=0.25)).startswith("the 2 differences are all at 1.00")
    assert "lie within what a single utterance can make" in reason(posterior([72, 76], [72, 72], ratio=0.25, step=4))
    assert "one difference" in reason(posterior([72], [71], ratio=0.25))


@pytest.mark.parametrize("region", [-1.0, float("nan")])
def test_nonsense_is_refused(region: float) -> None:
    with pytest.raises(ValueError, match="region"):
        posterior([1, 2], [2, 1], ratio=0, region=region)
