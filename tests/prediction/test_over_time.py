"""The emotion over time as a picture."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.prediction.model import Prediction
from glam.prediction.over_time import _drawable, over_time, runs


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_stretches_of_a_class(classes: list[int]) -> None:
    stretches = runs(np.array(classes))
    assert [i for first, last in stretches for i in range(first, last + 1)] == list(range(len(classes)))
    assert all(len(set(classes[first : last + 1])) == 1 for first, last in stretches)
    assert all(classes[a[1]] != classes[b[0]] for a, b in pairwise(stretches))


@pytest.mark.parametrize(("count", "end", "unit"), [(1, 2.0, "seconds"), (5, 3.0, "seconds"), (40, 1200.0, "minutes")])
def test_what_is_drawn(count: int, end: float, unit: str) -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(9), count)  # more classes than colours
    names = tuple(f"class {i}" for i in range(9))
    starts = np.linspace(0, end - 2, count)
    answer = Prediction("a/b.wav", end, names, np.zeros(9, np.float32), chances.mean(0), starts, 2.0, chances)
    picture = over_time(answer)
    above, below = picture.figure.axes
    assert len(above.lines) == 9
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in above.lines}
    assert len(looks) == 9, "every class is told from the others"
    for i, line in enumerate(above.lines):
        np.testing.assert_allclose(np.asarray(line.get_ydata(), dtype=np.float64), chances[:, i])
    assert below.get_xlabel() == f"Time in {unit}"
    assert f"taken for {answer.predicted}" in picture.caption
    assert "in b.wav" in picture.caption
    assert above.get_title() == "b.wav"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a call.wav", "a call.wav"),
        ("a very long name of a recording.wav", "a very l...ding.wav"),
        ("\u8bed\u97f3\x1b\n.wav", "????.wav"),
        ("$x_{1}.wav", "$x_{1}.wav"),
    ],
)
def test_names_that_cannot_be_drawn(name: str, shown: str) -> None:
    assert _drawable(name, 20) == shown
