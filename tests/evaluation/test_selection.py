import numpy as np
import pytest
from evaluation.results import known, reason
from numpy.typing import NDArray

from glam.evaluation.selection import optimism_of_choice, optimism_of_epoch

# --- the epoch


def test_the_optimism_of_an_epoch_by_hand() -> None:
    # gains 1, 2, 3, 2: mean 2, variance 2/3; error sqrt(2/3 / 4)
    shown, honest = [81.0, 82, 83, 80], [80.0, 80, 80, 78]
    result = optimism_of_epoch(shown, honest)
    assert result.points == 2
    assert known(result.error) == pytest.approx(np.sqrt(2 / 3 / 4))


def test_gains_without_spread_have_no_error() -> None:
    result = optimism_of_epoch([81.0, 82], [80.0, 81])
    assert result.points == 1
    assert "the 2 gains are all at 1.00" in reason(result.error)
    assert "one gain" in reason(optimism_of_epoch([81.0], [80.0]).error)
    with pytest.raises(ValueError, match="2 runs shown, 1 honest"):
        optimism_of_epoch([81.0, 82], [80.0])


# --- the best of several rows


def test_a_row_that_is_always_best_is_no_optimism() -> None:
    right = np.zeros((3, 40), dtype=bool)
    right[1] = True
    result = optimism_of_choice(right, np.arange(40))
    assert (result.row, result.shown, result.honest, result.agreed) == (1, 100, 100, 100)
    assert result.optimism.points == 0
    assert reason(result.optimism.error) == "every half of the utterances chooses the same row"


def test_a_row_better_by_a_tenth_of_a_point_is_the_best() -> None:
    right = np.zeros((2, 1000), dtype=bool)
    right[0, :500] = right[1, :501] = True
    assert optimism_of_choice(right, np.arange(1000)).row == 1
    assert optimism_of_choice(right[::-1], np.arange(1000)).row == 0


def test_two_rows_by_hand() -> None:
    """Each is right on two of four utterances, the other two: the half that chooses one is where the other is right.

    Halves {0, 1} and {2, 3} choose the row that is wrong on the other half: 0. Any other pair of halves ties, and so
    chooses the first row, which is right on one utterance of each: 50.
    """
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    result = optimism_of_choice(right, np.arange(4))
    assert (result.row, result.shown) == (0, 50)
    assert result.honest == pytest.approx(50 * 2 / 3, abs=6)
    assert result.optimism.points == pytest.approx(result.shown - result.honest)


def settings(rng: np.random.Generator, chances: list[float], n: int) -> NDArray[np.bool_]:
    """Predictions (k, n) of k rows that are right with these chances, mostly on the same utterances."""
    hardness = 0.7 * rng.random(n) + 0.3 * rng.random((len(chances), n))
    everything = np.sort(0.7 * rng.random(100_000) + 0.3 * rng.random(100_000))
    return np.asarray(hardness < everything[[int(chance * 99_999) for chance in chances]][:, None])


@pytest.mark.parametrize("apart", [0.0, 0.01])
def test_the_optimism_of_a_choice_is_what_it_adds(apart: float) -> None:
    """Of seven rows, the best on the test set is shown: beyond its true score by what the estimate says."""
    rng = np.random.default_rng(14)
    chances = [0.75 - apart * row for row in range(7)]
    choices, added = [], []
    for _ in range(150):
        choice = optimism_of_choice(settings(rng, chances, 300), np.arange(300))
        choices.append(choice)
        added.append(choice.shown - 100 * chances[choice.row])
    points = np.array([choice.optimism.points for choice in choices])
    errors = np.array([known(choice.optimism.error) for choice in choices])
    noise = np.std(added) / np.sqrt(150)
    assert np.mean(points) == pytest.approx(np.mean(added), abs=0.25 + 2 * noise)
    assert np.mean(points) > 1
    assert np.std(points) < np.mean(errors) < 2.2 * np.std(points)


def test_runs_are_averaged_before_the_choice() -> None:
    """Ten runs that repeat themselves say no more than one; ten that do not make the choice surer."""
    rng = np.random.default_rng(15)
    right = settings(rng, [0.75] * 5, 200)
    once = optimism_of_choice(right, np.arange(200))
    again = optimism_of_choice(np.tile(right, 10), np.tile(np.arange(200), 10))
    assert again.optimism == once.optimism
    chance = np.clip(rng.normal(0.75, 0.1, 200), 0, 1)
    many = rng.random((5, 10, 200)) < chance
    surer = optimism_of_choice(many.reshape(5, -1), np.tile(np.arange(200), 10))
    assert surer.optimism.points < once.optimism.points


def test_the_error_by_speakers_is_larger_where_rows_suit_speakers() -> None:
    rng = np.random.default_rng(16)
    speakers = np.repeat(np.arange(10), 40)
    right = rng.random((4, 400)) < 0.6 + rng.normal(0, 0.15, (4, 10))[:, speakers]
    by_utterance = known(optimism_of_choice(right, np.arange(400)).optimism.error)
    assert known(optimism_of_choice(right, np.arange(400), speakers).optimism.error) > by_utterance
    assert "of one group" in reason(optimism_of_choice(right, np.arange(400), np.zeros(400, dtype=int)).optimism.error)


def test_other_input_is_refused() -> None:
    with pytest.raises(ValueError, match="k of 2 or more"):
        optimism_of_choice(np.ones((1, 5), dtype=bool), np.arange(5))
    with pytest.raises(ValueError, match="k of 2 or more"):
        optimism_of_choice(np.ones((2, 5)), np.arange(5))
    with pytest.raises(ValueError, match="3 utterances cannot be halved"):
        optimism_of_choice(np.ones((2, 3), dtype=bool), np.arange(3))
