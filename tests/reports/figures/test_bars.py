from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from reports.figures.drawn import SEEDS, experiment, inside, perfect, texts

from glam.evaluation.metric import METRICS, Metric
from glam.reports.figures.bars import bars
from glam.reports.figures.page import COLUMN


def whiskers(figure: Figure) -> list[list[float]]:
    """The lower and upper end of each bar's whisker."""
    drawn = [line for line in figure.axes[0].collections if isinstance(line, LineCollection)]
    return [np.asarray(line.get_segments())[0, :, 1].tolist() for line in drawn]


def test_whiskers_and_axis_end_at_100(tmp_path: Path) -> None:
    figure = bars([perfect(tmp_path / "a"), perfect(tmp_path / "b", (30, 33, 36))], METRICS["wa"], "last").figure
    mean, std = np.mean([100, 100, 95]), np.std([100, 100, 95], ddof=1)
    assert mean + std > 100
    assert whiskers(figure) == [pytest.approx([mean - std, 100]), pytest.approx([50, 60])]
    assert figure.axes[0].get_ylim() == (0, 100)
    figure.draw_without_rendering()
    assert inside(figure, COLUMN), "the number above a whisker that ends at 100"
    written = [" ".join(text.split()) for text in texts(figure)]
    assert {"98.3", "55.0", "Whiskers: ± 1 standard deviation over runs, within 0 and 100."} <= set(written)


def test_a_single_run_has_no_whisker(tmp_path: Path) -> None:
    figure = bars([experiment(tmp_path / "a", seeds=SEEDS[:1])], METRICS["wa"], "last").figure
    assert whiskers(figure) == []
    assert "One run each: no spread." in texts(figure)


def test_a_metric_of_ones_own_is_drawn_where_it_is(tmp_path: Path) -> None:
    own = Metric("mine.py:kappa", "kappa", lambda scored: -20.0)
    stored = [perfect(tmp_path / "a")]
    assert bars(stored, own, "last").figure.axes[0].get_ylim()[0] == pytest.approx(-23)
    high = Metric("mine.py:points", "points", lambda scored: 140.0)
    assert bars(stored, high, "last").figure.axes[0].get_ylim() == pytest.approx((0, 161))


def test_whiskers_that_reach_neither_end_are_said_to_be_whole(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / "a"), perfect(tmp_path / "b", (30, 33, 37))]
    assert "Whiskers: ± 1 standard deviation over runs." in texts(bars(stored, METRICS["wa"], "last").figure)
