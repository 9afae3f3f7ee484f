from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from reports.figures.drawn import SEEDS, experiment, inside, png_inches, texts

from glam.errors import GlamError
from glam.evaluation.calibration import Bins
from glam.reports.diagnosis import calibrated
from glam.reports.figures.page import COLUMN, PAGE, write
from glam.reports.figures.reliability import reliability, reliability_over_runs
from glam.reports.runs import read_runs
from glam.reports.views import scored


def heights(bars: Iterable[Patch]) -> NDArray[np.float64]:
    return np.array([bar.get_height() for bar in bars if isinstance(bar, Rectangle)])


def test_every_run_counts_the_same_in_a_bin_in_which_it_has_utterances() -> None:
    none = np.nan
    runs = [
        Bins(np.array([0, 50, 75, 100]), np.array([0, 1, 3]), np.array([none, 60, 90]), np.array([none, 0, 80])),
        Bins(np.array([0, 50, 75, 100]), np.array([0, 0, 5]), np.array([none, none, 80]), np.array([none, none, 60])),
    ]
    together = reliability_over_runs(runs)
    assert together.accuracy == pytest.approx([none, 0, 70], nan_ok=True)
    assert together.confidence == pytest.approx([none, 60, 85], nan_ok=True)
    assert together.spread == pytest.approx([none, none, np.std([80, 60], ddof=1)], nan_ok=True)
    assert together.share == pytest.approx([0, 12.5, 87.5])


def test_a_diagram_shows_what_was_computed(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    bins = [calibrated(scored(stored, run, "last")).bins for run in read_runs(stored)]
    expected = reliability_over_runs(bins)
    picture = reliability([stored], "last")
    upper, lower = picture.figure.axes
    bars, gaps = (heights(upper.patches[i : i + 15]) for i in (0, 15))
    assert bars == pytest.approx(expected.accuracy, nan_ok=True)
    assert gaps == pytest.approx(expected.confidence - expected.accuracy, nan_ok=True)
    assert heights(lower.patches) == pytest.approx(expected.share)
    assert heights(lower.patches).sum() == pytest.approx(100)
    assert "last epoch" in picture.caption
    assert "3 runs, ECE" in picture.caption


@pytest.mark.parametrize(("panels", "width"), [(1, COLUMN), (2, COLUMN), (4, PAGE)])
def test_it_fits_a_column_or_the_page(tmp_path: Path, panels: int, width: float) -> None:
    models = ("glam", "multi-scale-mha", "apcnn", "mhcnn")[:panels]
    picture = reliability([experiment(tmp_path / m, m) for m in models], "test")
    assert png_inches(write(picture, tmp_path / "r")[0])[0] == pytest.approx(width, abs=0.01)
    assert any("whiskers: ± 1 standard deviation" in text for text in texts(picture.figure))
    assert inside(picture.figure, width)


def test_too_many_diagrams_are_refused(tmp_path: Path) -> None:
    many = [experiment(tmp_path / str(i), f"model-{i}", SEEDS[:1], 1) for i in range(5)]
    with pytest.raises(GlamError, match="5 experiments: on a page, 4 reliability diagrams fit"):
        reliability(many, "last")
    assert any("no spread" in text for text in texts(reliability(many[:1], "last").figure))
