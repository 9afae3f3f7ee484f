import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from glam.evaluation.baselines import majority_of_group
from glam.evaluation.paired import pairing


def test_one_run_by_hand() -> None:
    first = np.array([1, 1, 1, 0, 0, 0, 1, 1], dtype=bool)
    second = np.array([1, 1, 0, 1, 1, 0, 0, 0], dtype=bool)
    result = pairing(first, second, np.arange(8), [0, 0, 0, 1, 1, 1, 2, 2])
    assert (result.both, result.only_first, result.only_second, result.neither) == (2, 3, 2, 1)
    assert (result.utterances, result.tests) == (8, 8)
    assert result.difference == pytest.approx(12.5)
    # speakers' differences: 100 / 3, -200 / 3, 100
    over = known(result.over)
    assert over.mean == pytest.approx((100 / 3 - 200 / 3 + 100) / 3)
    assert over.groups == 3
    assert (result.where_right.utterances, result.where_wrong.utterances) == (4, 4)
    assert known(result.where_right.accuracy) == 50
    assert known(result.where_wrong.accuracy) == 75


def test_an_utterance_of_several_runs_counts_once() -> None:
    """Utterance 0 is tested four times, of which the first is right in three and the second in two."""
    first = np.array([1, 1, 1, 0, 0], dtype=bool)
    second = np.array([1, 0, 0, 1, 1], dtype=bool)
    result = pairing(first, second, [0, 0, 0, 0, 1], [5, 5, 5, 5, 6])
    assert (result.both, result.only_first, result.only_second, result.neither) == (0.25, 0.5, 1.25, 0)
    assert result.difference == pytest.approx(100 * (0.25 - 1) / 2)
    assert (result.utterances, result.tests) == (2, 5)
    # second right: half of utterance 0 (first right in half of that), and utterance 1
    assert result.where_right.utterances == 1.5
    assert known(result.where_right.accuracy) == pytest.approx(100 * 0.25 / 1.5)
    assert "needs 3 of them or more" in reason(result.over)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.booleans(), st.booleans()), min_size=1, max_size=80), st.integers(1, 5)
)
def test_the_parts_make_the_whole(tests: list[tuple[int, bool, bool]], speakers: int) -> None:
    utterances, first, second = (np.array(column) for column in zip(*tests, strict=True))
    result = pairing(first, second, utterances, utterances % speakers)
    assert result.both + result.only_first + result.only_second + result.neither == pytest.approx(result.utterances)
    right, wrong = result.where_right, result.where_wrong
    assert right.utterances + wrong.utterances == pytest.approx(result.utterances)
    assert right.utterances == pytest.approx(result.both + result.only_second)
    accuracy = sum(known(part.accuracy) * part.utterances for part in (right, wrong) if part.utterances)
    assert accuracy / result.utterances == pytest.approx(
        100 * np.mean([first[utterances == u].mean() for u in np.unique(utterances)])
    )
    back = pairing(second, first, utterances, utterances % speakers)
    assert back.difference == pytest.approx(-result.difference)
    assert [back.only_first, back.only_second] == pytest.approx([result.only_second, result.only_first])


def test_a_reference_that_is_always_right_leaves_nothing_to_ask() -> None:
    result = pairing(np.array([True, False]), np.array([True, True]), [0, 1], [0, 1])
    assert result.where_wrong.utterances == 0
    assert reason(result.where_wrong.accuracy) == "there is no such utterance"


def test_a_model_that_learns_the_scenario_is_seen_through() -> None:
    """Two models of equal accuracy: one repeats the scenario's commonest class, the other hears."""
    rng = np.random.default_rng(9)
    scenario = rng.integers(0, 12, 3000)
    usual = rng.random(3000) < 0.8
    truth = np.where(usual, scenario % 4, rng.integers(0, 4, 3000))
    reference = majority_of_group(scenario, truth, scenario, 4) == truth
    repeats = np.where(rng.random(3000) < 0.05, rng.random(3000) < 0.25, reference)
    hears = rng.random(3000) < repeats.mean()
    groups = rng.integers(0, 10, 3000)
    blind = pairing(repeats, reference, np.arange(3000), groups)
    able = pairing(hears, reference, np.arange(3000), groups)
    assert abs(repeats.mean() - hears.mean()) < 0.02
    assert known(blind.where_wrong.accuracy) < 5
    assert known(able.where_wrong.accuracy) > 75


def test_the_interval_respects_scenarios() -> None:
    """A model better in some scenarios and worse in others, equal over the population of them."""
    rng = np.random.default_rng(10)
    scenario = np.repeat(np.arange(12), 40)
    held, naive = [], []
    for _ in range(500):
        gain = rng.normal(0, 0.15, 12)[scenario]
        first, second = rng.random(480) < 0.6 + gain / 2, rng.random(480) < 0.6 - gain / 2
        result = pairing(first, second, np.arange(480), scenario, noun="scenario")
        low, high = known(result.over).interval
        held.append(low <= 0 <= high)
        gaps = 1.0 * first - second
        naive.append(abs(gaps.mean()) <= 1.96 * gaps.std() / np.sqrt(480))
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(naive) < 0.8


def test_equal_groups_make_the_difference_the_mean_over_groups() -> None:
    rng = np.random.default_rng(11)
    first, second = rng.random(60) < 0.7, rng.random(60) < 0.5
    result = pairing(first, second, np.arange(60), np.arange(60) % 6)
    assert_allclose(known(result.over).mean, result.difference)


def test_other_input_is_refused() -> None:
    yes = np.array([True, True])
    with pytest.raises(ValueError, match="first is booleans"):
        pairing([1, 0], yes, [0, 1], [0, 1])
    with pytest.raises(ValueError, match="2 predictions of the first, 1 of the second"):
        pairing(yes, yes[:1], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="scenarios: an utterance has two of them"):
        pairing(yes, yes, [3, 3], [0, 1], noun="scenario")
    with pytest.raises(ValueError, match="T of 1 or more"):
        pairing(yes[:0], yes[:0], np.array([], dtype=int), np.array([], dtype=int))
