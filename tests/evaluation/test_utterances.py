import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from glam.evaluation.utterances import of_each, per_utterance


def test_an_utterance_counts_once_with_its_mean() -> None:
    means = per_utterance([100, 0, 0, 100, 100], [7, 3, 7, 9, 7])
    assert_array_equal(means.utterances, [3, 7, 9])
    assert_allclose(means.mean, [0, 200 / 3, 100])
    assert_array_equal(of_each([5, 2, 5, 2, 5], [7, 3, 7, 9, 7], means, "speakers"), [2, 5, 2])


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_rows_are_averaged_each_on_its_own(tests: list[tuple[int, bool, bool]]) -> None:
    utterances, first, second = (np.array(column) for column in zip(*tests, strict=True))
    means = per_utterance(np.stack([first, second]), utterances)
    for row, values in zip(means.mean, (first, second), strict=True):
        for utterance, mean in zip(means.utterances, row, strict=True):
            assert mean == pytest.approx(values[utterances == utterance].mean())


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="T of 1 or more"):
        per_utterance([], np.array([], dtype=int))
    with pytest.raises(ValueError, match=r"utterances is integers \(2,\)"):
        per_utterance([1, 0], [0, 1, 2])
    with pytest.raises(ValueError, match="utterances is integers"):
        per_utterance([1, 0], [0.0, 1.0])
    with pytest.raises(ValueError, match="from 0, found -1"):
        per_utterance([1, 0], [0, -1])
    with pytest.raises(ValueError, match="not all finite"):
        per_utterance([1, np.nan], [0, 1])
    means = per_utterance([1, 0, 1], [4, 4, 5])
    with pytest.raises(ValueError, match="speakers: an utterance has two of them"):
        of_each([1, 2, 2], [4, 4, 5], means, "speakers")
