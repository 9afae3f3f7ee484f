import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from glam.evaluation.statistics import (
    Comparison,
    Interval,
    compare_paired,
    compare_unpaired,
    holm,
    interval_of_mean,
    runs_needed,
    summary,
    welch_from_summaries,
)

scores = st.lists(st.integers(0, 447).map(lambda right: 100 * right / 447), min_size=2, max_size=40)
ratios = st.sampled_from([0.0, 1 / 9, 0.25])


# --- summaries and intervals


def interval(values: ArrayLike, *, ratio: float, confidence: float = 0.95) -> Interval:
    """The interval of the mean of two runs or more, which have one."""
    of_mean = interval_of_mean(values, ratio=ratio, confidence=confidence)
    assert of_mean is not None
    return of_mean


def test_summary_by_hand() -> None:
    # deviations from 4: -3 -2 0 5; squares 38; 38 / 3
    result = summary([1, 2, 4, 9])
    assert (result.n, result.mean, result.median, result.worst) == (4, 4.0, 3.0, 1.0)
    assert result.std == pytest.approx(math.sqrt(38 / 3))


def test_one_run_has_no_spread() -> None:
    assert summary([81.2]) == type(summary([1]))(1, 81.2, None, 81.2, 81.2)
    assert interval_of_mean([81.2], ratio=0.25) is None


def test_equal_runs_have_spread_zero_exactly() -> None:
    assert np.std([0.1] * 3, ddof=1) > 0  # what rounding does
    assert summary([0.1] * 3).std == 0.0
    low, high = interval([0.1] * 3, ratio=0.25)
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("values", [[1.0, np.nan], [np.inf], [], [[1.0, 2.0]]])
def test_failed_runs_and_no_runs_are_refused(values: ArrayLike) -> None:
    refusal = r"not finite: leave failed runs out|one score a run"
    with pytest.raises(ValueError, match=refusal):
        summary(values)
    with pytest.raises(ValueError, match=refusal):
        compare_paired(values, [1.0, 2.0], ratio=0)
    with pytest.raises(ValueError, match=refusal):
        compare_unpaired([1.0, 2.0], values, ratios=(0, 0))


def test_intervals_by_hand() -> None:
    # 1..5: mean 3, variance 2.5, t(4, 97.5 %) = 2.776445
    # this corpus: 2.776445 * sqrt(2.5 / 5) = 1.963243; beyond it: 2.776445 * sqrt(2.5 * 0.45) = 2.944865
    assert_allclose(interval([1, 2, 3, 4, 5], ratio=0), [3 - 1.963243, 3 + 1.963243], atol=1e-6)
    assert_allclose(interval([1, 2, 3, 4, 5], ratio=0.25), [3 - 2.944865, 3 + 2.944865], atol=1e-6)


@given(scores, st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_for_this_corpus_is_scipys(values: list[float], confidence: float) -> None:
    if len(set(values)) > 1:
        expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
        assert_allclose(interval(values, ratio=0, confidence=confidence), expected, rtol=1e-9, atol=1e-9)


def test_more_runs_do_not_shrink_the_interval_beyond_the_corpus_below_its_floor() -> None:
    many = np.tile([79.0, 81.0], 50_000)
    low, high = interval(many, ratio=0.25)
    assert (high - low) / 2 == pytest.approx(1.96 * 1 * math.sqrt(0.25), rel=1e-3)


# --- two summaries


def test_welch_by_hand() -> None:
    # 1.5 * sqrt(2 / 100) = 0.2121; 1 / 0.2121 = 4.714; equal variances and runs: df = 2 * 99; d = 1 / 1.5
    result = welch_from_summaries(81, 1.5, 100, 80, 1.5, 100)
    assert result.difference == 1.0
    assert result.df == pytest.approx(198)
    assert result.t == pytest.approx(4.714045, abs=1e-6)
    assert result.effect == pytest.approx(2 / 3)


@given(*[st.tuples(st.floats(0, 100), st.floats(0.01, 9), st.integers(2, 200))] * 2)
def test_welch_from_summaries_is_scipys(first: tuple[float, float, int], second: tuple[float, float, int]) -> None:
    result = welch_from_summaries(*first, *second)
    expected = stats.ttest_ind_from_stats(*first, *second, equal_var=False)
    assert result.t == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@given(scores, scores)
def test_unpaired_without_correction_is_scipys(first: list[float], second: list[float]) -> None:
    if len(set(first)) > 1 and len(set(second)) > 1:
        result = compare_unpaired(first, second, ratios=(0, 0))
        expected = stats.ttest_ind(first, second, equal_var=False)
        assert result.t == pytest.approx(expected.statistic, rel=1e-7, abs=1e-9)
        assert result.df == pytest.approx(expected.df)
        assert result.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
        assert_allclose(result.interval, expected.confidence_interval(), rtol=1e-7, atol=1e-9)


def test_unpaired_corrected_by_hand() -> None:
    # variances 2.5 and 10, n 5 and 5; 80/20 and 8:1:1 splits: 2.5 * (0.2 + 0.25) + 10 * (0.2 + 0.125) = 4.375
    # df = 4.375^2 / (1.125^2 / 4 + 3.25^2 / 4) = 6.4728; d = 3 / sqrt((2.5 + 10) / 2) = 1.2
    result = compare_unpaired([7, 8, 9, 10, 11], [2, 4, 6, 8, 10], ratios=(0.25, 0.125))
    assert result.difference == 3.0
    assert result.t == pytest.approx(3 / math.sqrt(4.375))
    assert result.df == pytest.approx(4 * 4.375**2 / (1.125**2 + 3.25**2))
    assert result.effect == pytest.approx(1.2)


# --- paired runs


def test_paired_by_hand() -> None:
    # differences 1..5: mean 3, variance 2.5, df 4.
    # corrected: 2.5 * (1/5 + 1/4) = 1.125, t = 3 / sqrt(1.125) = sqrt(8)
    # naive:     2.5 / 5 = 0.5,              t = 3 / sqrt(0.5)   = sqrt(18)
    # p at df 4: 1 - (3/4) t / sqrt(1 + t^2/4) (1 - t^2 / (12 (1 + t^2/4))): 0.047421 and 0.013236
    first, second = [71, 74, 77, 76, 79], [70, 72, 74, 72, 74]
    corrected, naive = compare_paired(first, second, ratio=0.25), compare_paired(first, second, ratio=0)
    assert corrected.difference == naive.difference == 3.0
    assert corrected.df == naive.df == 4
    assert corrected.t == pytest.approx(math.sqrt(8))
    assert naive.t == pytest.approx(math.sqrt(18))
    assert corrected.p == pytest.approx(0.047421, abs=1e-6)
    assert naive.p == pytest.approx(0.013236, abs=1e-6)
    assert_allclose(corrected.interval, [3 - 2.944865, 3 + 2.944865], atol=1e-6)
    assert corrected.effect == naive.effect == pytest.approx(3 / math.sqrt(2.5))  # dz
    assert corrected.runs_needed == math.inf
    assert naive.runs_needed == 22  # see test_runs_needed_against_the_noncentral_t


@given(st.data(), st.integers(2, 30), ratios)
def test_paired_is_symmetric_and_naive_is_scipys(data: st.DataObject, n: int, ratio: float) -> None:
    first, second = (data.draw(st.lists(st.integers(0, 447), min_size=n, max_size=n)) for _ in range(2))
    a, b = np.array(first) / 4.47, np.array(second) / 4.47
    forth, back = compare_paired(a, b, ratio=ratio), compare_paired(b, a, ratio=ratio)
    assert (forth.difference, forth.t, forth.effect) == (-back.difference, -back.t, -back.effect)
    assert (forth.p, forth.runs_needed) == (back.p, back.runs_needed)
    significant = not forth.interval.low <= 0 <= forth.interval.high
    assert significant == (forth.p < 0.05)
    if len({x - y for x, y in zip(first, second, strict=True)}) > 1:
        expected = stats.ttest_rel(a, b)
        naive = compare_paired(a, b, ratio=0)
        assert naive.t == pytest.approx(expected.statistic, rel=1e-7, abs=1e-9)
        assert naive.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
        assert forth.p >= naive.p - 1e-12
    else:
        assert forth.p == (1.0 if first == second else 0.0)


def test_zero_variance_is_defined() -> None:
    same = compare_paired([70, 80, 90], [70, 80, 90], ratio=0.25)
    assert (same.t, same.p, same.effect, same.interval, same.runs_needed) == (0, 1, 0, (0, 0), 2)
    lower = compare_paired([69, 79, 89], [70, 80, 90], ratio=0.25)
    assert (lower.t, lower.p, lower.effect, lower.interval) == (-math.inf, 0, -math.inf, (-1, -1))
    fixed = welch_from_summaries(80, 0, 3, 80, 0, 5)
    assert (fixed.t, fixed.p, fixed.df) == (0, 1, 6)
    # one side fixed: only the other side's runs count
    assert welch_from_summaries(80, 0, 3, 81, 2, 5).df == pytest.approx(4)


def test_rounding_is_no_difference() -> None:
    a = np.array([0.3, 0.6, 0.6])
    b = np.array([0.1 + 0.2, 0.2 + 0.4, 0.6])  # equal but for the last bits
    assert np.std(a - b) > 0
    result = compare_paired(a, b, ratio=0.25)
    assert (result.difference, result.t, result.p) == (0, 0, 1)
    assert welch_from_summaries(0.3, 1, 5, 0.1 + 0.2, 1, 5).difference == 0


def test_too_few_or_unequal_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        compare_paired([1.0], [2.0], ratio=0.25)
    with pytest.raises(ValueError, match="3 of the first, 2 of the second"):
        compare_paired([1, 2, 3], [1, 2], ratio=0.25)
    with pytest.raises(ValueError, match="two or more"):
        compare_unpaired([1.0], [2.0, 3.0], ratios=(0.25, 0.25))
    with pytest.raises(ValueError, match="two or more"):
        welch_from_summaries(1, 1, 1, 2, 1, 100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_paired([1, 2], [1, 3], ratio=-0.1), "ratio"),
        (lambda: compare_unpaired([1, 2], [1, 3], ratios=(0, math.nan)), "ratio"),
        (lambda: interval_of_mean([1, 2], ratio=0, confidence=95), "confidence"),
        (lambda: interval_of_mean([1], ratio=-1), "ratio"),
        (lambda: welch_from_summaries(1, -1, 5, 1, 1, 5), "standard deviation"),
        (lambda: welch_from_summaries(math.nan, 1, 5, 1, 1, 5), "means must be finite"),
        (lambda: runs_needed([1], [0, 0]), "expected one or two of each"),
        (lambda: runs_needed([1], [0], to_show=0), "to_show must be above 0"),
        (lambda: runs_needed([1], [0], power=1), "power"),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- several tests, several runs


def test_holm_by_hand() -> None:
    # in order: 4 * 0.005, 3 * 0.01, 2 * 0.03 = 0.06, then 0.04 is raised to 0.06
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0
    assert_allclose(holm([0.7, 0.9]), [1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p: list[float]) -> None:
    rejected, alpha = set(), 0.05
    for step, at in enumerate(np.argsort(p, kind="stable")):
        if p[at] * (len(p) - step) > alpha:
            break
        rejected.add(int(at))
    adjusted = holm(p)
    assert set(np.flatnonzero(adjusted <= alpha)) == rejected
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


@pytest.mark.parametrize("p", [[0.1, np.nan], [1.1], [-0.1], [[0.1]]])
def test_holm_refuses(p: ArrayLike) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm(p)


@pytest.mark.parametrize(
    ("stds", "known"),
    [
        # the textbook numbers at 5 %, 80 % (Cohen 1988; G*Power): effects 0.2, 0.5, 0.8
        ([5], 199),
        ([2], 34),
        ([1.25], 15),
        ([5, 5], 394),
        ([2, 2], 64),
        ([1.25, 1.25], 26),
    ],
)
def test_runs_needed_of_the_textbooks(stds: list[float], known: int) -> None:
    assert runs_needed(stds, [0] * len(stds)) == known


@pytest.mark.parametrize(("std", "ratio"), [(math.sqrt(2.5), 0), (0.5, 0.25), (0.7, 0.25), (0.71, 0.25), (0.9, 1 / 9)])
def test_runs_needed_against_the_noncentral_t(std: float, ratio: float) -> None:
    n = runs_needed([std], [ratio])

    def power(n: float) -> float:
        error = std * math.sqrt(1 / n + ratio)
        return float(stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, 1 / error))

    assert power(n) >= 0.8
    assert power(n - 1) < 0.8


def test_no_number_of_runs_shows_what_one_corpus_cannot() -> None:
    # the error never falls below std / 2 at 80/20, and 80 % power needs 1 >= (1.95996 + 0.84162) * std / 2:
    # std must be below 0.71388
    assert runs_needed([0.715], [0.25]) == math.inf
    assert 1000 < runs_needed([0.713], [0.25]) < math.inf
    assert runs_needed([0.715], [0.25], to_show=1.01) < math.inf
    assert runs_needed([1.5, 1.5], [0.25, 0.25]) == math.inf


def test_runs_needed_at_the_ends() -> None:
    assert runs_needed([0], [0.25]) == 2
    assert runs_needed([1e-200], [0]) == 2
    assert runs_needed([1e5], [0]) == pytest.approx(7.849e10, rel=1e-3)  # (1.95996 + 0.84162)^2 * 1e10


# --- does the corrected test keep its promise?


def simulate(seed: int, datasets: int, examples: int = 200, features: int = 5, splits: int = 30) -> NDArray[np.float64]:
    """Accuracies (2, datasets, splits), percent, of two learners that are equal in expectation.

    Each data set is drawn afresh: two classes, `features` + `features` independent normal features, of
    which the first of either half tells the classes apart. Both learners are nearest-centroid classifiers;
    one sees the first half, the other the second. Both are trained and scored on the same random 80/20
    splits.
    """
    rng = np.random.default_rng(seed)
    training = examples * 4 // 5
    accuracy = np.empty((2, datasets, splits))
    for at in range(datasets):
        truth = rng.integers(0, 2, examples)
        x = rng.standard_normal((2, examples, features))
        x[:, :, 0] += 1.5 * truth
        order = rng.random((splits, examples)).argsort(1)
        train = np.zeros((splits, examples))
        np.put_along_axis(train, order[:, :training], 1.0, 1)
        held_out = np.take_along_axis(np.broadcast_to(truth, train.shape), order[:, training:], 1)
        for learner in range(2):
            first_mean, second_mean = (
                (train * of) @ x[learner] / (train @ of)[:, None] for of in (1.0 - truth, 1.0 * truth)
            )
            middle = (second_mean**2 - first_mean**2).sum(1) / 2
            nearer = x[learner] @ (second_mean - first_mean).T > middle  # (examples, splits)
            answer = np.take_along_axis(nearer.T, order[:, training:], 1)
            accuracy[learner, at] = 100 * (answer == held_out).mean(1)
    return accuracy


def test_the_corrected_test_rejects_at_its_level_and_the_naive_one_far_too_often(
    record_property: Callable[[str, object], None],
) -> None:
    first, second = simulate(seed=2022, datasets=4000)
    half = first.shape[1] // 2  # unpaired: the runs of the two learners held out different examples

    def rejected(test: Callable[[Any, Any], Comparison]) -> float:
        return 100 * float(np.mean([test(a, b).p < 0.05 for a, b in zip(first, second, strict=True)]))

    rates = {
        "corrected": rejected(lambda a, b: compare_paired(a, b, ratio=0.25)),
        "naive": rejected(lambda a, b: compare_paired(a, b, ratio=0)),
        "unpaired": rejected(lambda a, b: compare_unpaired(a[:half], b[half:], ratios=(0.25, 0.25))),
        "unpaired naive": rejected(lambda a, b: compare_unpaired(a[:half], b[half:], ratios=(0, 0))),
    }
    for name, rate in rates.items():
        record_property(f"{name} rejects %", rate)
        print(f"{name}: {rate:.1f} % of {first.shape[0]} data sets rejected at the 5 % level")
    assert abs(first.mean() - second.mean()) < 0.5
    assert 3 <= rates["corrected"] <= 7
    assert rates["naive"] > 30
    assert rates["unpaired"] <= 7  # cautious: see compare_unpaired
    assert rates["unpaired naive"] > 15
