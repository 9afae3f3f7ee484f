from itertools import product

import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from glam.evaluation.variance import components

Floats = NDArray[np.float64]


def layout(table: Floats) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Scores, seeds and splits (n,) of a table (seeds, splits) or (seeds, splits, runs of a cell)."""
    places = np.indices(table.shape)
    return table.ravel(), places[0].ravel().astype(np.int64), places[1].ravel().astype(np.int64)


def test_one_run_a_cell_by_hand() -> None:
    # seeds' means 71, 73, splits' means 70, 72, 74, interaction 0.5 -0.5 0 and its opposite:
    # MA = 3 * (1 + 1) / 1 = 6, MB = 2 * (4 + 0 + 4) / 2 = 8, MI = (4 * 0.25) / 2 = 0.5
    # split^2 = (8 - 0.5) / 2 = 3.75, seed^2 = (6 - 0.5) / 3 = 1.8333, rest^2 = 0.5; share 3.75 / 6.0833
    table = np.array([[69.0, 71, 73], [71, 73, 75]]) + np.array([[0.5, -0.5, 0], [-0.5, 0.5, 0]])
    result = known(components(*layout(table)))
    assert result.split**2 == pytest.approx(3.75)
    assert result.seed**2 == pytest.approx(5.5 / 3)
    assert result.rest**2 == pytest.approx(0.5)
    assert result.share == pytest.approx(100 * 3.75 / (3.75 + 5.5 / 3 + 0.5))
    assert result.total**2 == pytest.approx(3.75 + 5.5 / 3 + 0.5)
    assert result.interval.high - result.interval.low > 50  # two seeds and three splits say next to nothing


def test_several_runs_a_cell_by_hand() -> None:
    # runs of a cell 1 above and 1 below: ME = (12 * 1) / 6 = 2, and the mean squares of means are twice the above
    cells = np.array([[69.0, 71, 73], [71, 73, 75]]) + np.array([[2, -2, 0], [-2, 2, 0]])
    result = known(components(*layout(np.stack([cells - 1, cells + 1], axis=2))))
    ma, mb, mi, me = 12.0, 16.0, 2 * 16 / 2, 2.0
    assert result.split**2 == pytest.approx((mb - mi) / 4)
    assert result.seed == 0  # (MA - MI) / 6 is below 0
    assert result.rest**2 == pytest.approx(me + (mi - me) / 2)
    assert ma < mi


@given(st.integers(2, 5), st.integers(2, 6), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_order_numbers_and_level_do_not_matter(a: int, b: int, r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, seeds, splits = layout(rng.normal(75, 3, (a, b, r)))
    result = known(components(scores, seeds, splits))
    order = rng.permutation(scores.size)
    again = known(components(scores[order] - 20, 7 * (a - seeds[order]), 3 * splits[order] + 5))
    for name in ("seed", "split", "rest", "share"):
        assert getattr(again, name) == pytest.approx(getattr(result, name), abs=1e-6)
    assert again.interval == pytest.approx(result.interval, abs=1e-6)
    assert 0 <= result.interval.low <= result.interval.high <= 100
    turned = known(components(scores, splits, seeds))
    assert [turned.seed, turned.split] == pytest.approx([result.split, result.seed])


@pytest.mark.parametrize(
    ("seed", "split", "rest", "shape"),
    [(0.5, 1.5, 0.5, (5, 10)), (1.0, 1.0, 1.0, (4, 20)), (0.3, 1.2, 0.8, (3, 6, 2)), (1.0, 0.0, 1.0, (6, 6))],
)
def test_what_was_put_in_comes_out(seed: float, split: float, rest: float, shape: tuple[int, ...]) -> None:
    """Means of the variances, and the coverage of the share's interval, over simulated layouts."""
    rng = np.random.default_rng(8)
    share = 100 * split**2 / (seed**2 + split**2 + rest**2)
    results = []
    for _ in range(400):
        rows, columns = rng.normal(0, seed, (shape[0], 1)), rng.normal(0, split, (1, shape[1]))
        table = 75 + (rows + columns).reshape(*shape[:2], *[1] * (len(shape) - 2)) + rng.normal(0, rest, shape)
        results.append(known(components(*layout(table))))
    assert np.mean([result.split**2 for result in results]) == pytest.approx(split**2, rel=0.1, abs=0.05)
    assert np.mean([result.seed**2 for result in results]) == pytest.approx(seed**2, rel=0.15, abs=0.05)
    assert np.mean([result.rest**2 for result in results]) == pytest.approx(rest**2, rel=0.1)
    held = [low - 1e-9 <= share <= high + 1e-9 for low, high in (result.interval for result in results)]
    assert np.mean(held) >= 0.92


def test_too_small_and_unbalanced_layouts_are_refused_with_the_reason() -> None:
    every = list(product((11, 22), (1, 2, 3)))

    def refusal(cells: list[tuple[int, int]]) -> str:
        seeds, splits = zip(*cells, strict=True)
        return reason(components(np.arange(len(cells), dtype=float), seeds, splits))

    assert refusal([(seed, seed) for seed in (1, 2, 3)]).startswith("the layout is not balanced: training seed 1 has 0")
    assert "with 1 training seed and 3 splits" in refusal(every[:3])
    assert "with 2 training seeds and 1 split:" in refusal([(11, 1), (22, 1)])
    assert "training seed 22 has 0 of split 3, seed 11 has 1 of split 1" in refusal(every[:-1])
    assert "training seed 11 has 1 of split 1, seed 22 has 2 of split 3" in refusal([*every, (22, 3)])


def test_runs_that_agree_say_nothing() -> None:
    scores, seeds, splits = layout(np.full((3, 3), 81.2))
    assert reason(components(scores, seeds, splits)) == "the 9 runs are all at 81.20, and no spread is no certainty"


def test_other_input_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        components([1, np.nan], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="seeds is integers"):
        components([1, 2], [0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="confidence"):
        components([1, 2], [0, 1], [0, 1], confidence=0)
