"""No certainty from zero spread, nor from a spread that is only that of whole utterances."""

from collections.abc import Sequence

import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from glam.evaluation.spread import mean_with_spread
from glam.evaluation.statistics import compare_paired, compare_unpaired, interval_of_mean
from glam.evaluation.unknown import Unknown


def moments(values: Sequence[float], step: float = 0.0) -> tuple[float, float] | Unknown:
    return mean_with_spread(np.array(values), 100.0, step, "run")


def test_mean_and_std_where_there_is_spread() -> None:
    assert known(moments([70, 80])) == pytest.approx((75.0, np.sqrt(50)))


def test_values_that_say_nothing_of_their_spread() -> None:
    assert reason(moments([80.0])) == "one run says nothing about the spread"
    assert reason(moments([80.0, 80.0, 80.0])) == "the 3 runs are all at 80.00, and no spread is no certainty"
    assert reason(moments([0.1 + 0.2, 0.3])) == "the 2 runs are all at 0.30, and no spread is no certainty"
    counting = (
        "the 3 runs lie within what a single utterance can make (4.00 points), too little to say how far others "
        "would be"
    )
    assert reason(moments([80, 84, 84], step=4)) == counting
    assert "are all at 0.00," in reason(moments([-1e-16, 0]))  # not -0.00
    assert (
        str(moments([1, 1])) == "cannot be computed, because the 2 runs are all at 1.00, and no spread is no certainty"
    )


def test_two_steps_or_five_values_at_either_end_are_a_spread() -> None:
    known(moments([80, 84, 88], step=4))
    known(moments([80] * 5 + [84] * 5, step=4))
    reason(moments([80] * 4 + [84] * 50, step=4))
    reason(moments([80] * 50 + [84] * 4, step=4))
    known(moments([80] * 4 + [84] * 50))


@given(st.integers(2, 500), st.integers(0, 500), st.integers(2, 6))
def test_runs_one_utterance_apart_are_never_compared(utterances: int, right: int, runs: int) -> None:
    """Whatever the number of utterances: 100/n is not exact, and its rounding is no spread."""
    step = 100 / utterances
    first = step * np.array([right % utterances] * runs)
    second = first + step * np.arange(runs).clip(max=1)
    for result in (
        compare_paired(first, second, ratio=0.25, step=step),
        compare_unpaired(first, second, ratios=(0.25, 0.25), steps=(step, step)),
        interval_of_mean(second, ratio=0, step=step),
    ):
        assert isinstance(result, Unknown)


def equally_good(rng: np.random.Generator, utterances: int, tests: int) -> NDArray[np.float64]:
    """WA (2, tests, 2 runs) of two models that are right with the same chance, in percent."""
    chance = 0.6 * (rng.random((1, tests, 2, utterances)) < 0.9)
    right = rng.random((2, tests, 2, utterances)) < 0.3 + chance
    return np.asarray(100 * right.mean(axis=-1))


@pytest.mark.parametrize("utterances", [25, 448])
def test_equally_good_models_are_rarely_told_apart(utterances: int) -> None:
    """Two pairs agree exactly in one of ten comparisons, and a test of them would reject each of these."""
    first, second = equally_good(np.random.default_rng(5), utterances, 2000)
    step = 100 / utterances
    agree = np.isclose(np.ptp(first - second, axis=1), 0, atol=1e-9) & ~np.isclose(first[:, 0], second[:, 0])
    if utterances == 25:
        assert 0.05 < agree.mean() < 0.2
    rejected = [
        not isinstance(result := compare_paired(a, b, ratio=0, step=step), Unknown) and result.p < 0.05
        for a, b in zip(first, second, strict=True)
    ]
    assert np.mean(rejected) < 0.06
    assert not (np.array(rejected) & agree).any()


def test_each_side_is_counted_in_its_own_steps() -> None:
    fine, coarse = [60.0, 66.1], [40.0, 60.0, 80.0]
    known(compare_unpaired(fine, coarse, ratios=(0.25, 0.25), steps=(2.9, 14.29)))
    assert "of the first" in reason(compare_unpaired(fine, coarse, ratios=(0.25, 0.25), steps=(14.29, 2.9)))
