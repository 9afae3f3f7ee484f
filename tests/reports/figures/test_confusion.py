from pathlib import Path

import numpy as np
import pytest
from reports.figures.drawn import CLASSES, SEEDS, experiment, inside, png_inches, texts

from glam.errors import GlamError
from glam.reports.figures.confusion import confusion, mean_confusion
from glam.reports.figures.page import COLUMN, PAGE, write
from glam.reports.runs import read_runs


def test_a_confusion_matrix_is_normalised_run_by_run_then_averaged() -> None:
    matrices = np.array([[[8, 2], [1, 1]], [[1, 3], [0, 10]]])
    assert mean_confusion(matrices) == pytest.approx(np.array([[52.5, 47.5], [25.0, 75.0]]))


def test_a_run_without_a_class_says_nothing_about_its_row() -> None:
    absent_once = np.array([[[8, 2], [0, 0]], [[1, 3], [1, 3]]])
    assert mean_confusion(absent_once)[1] == pytest.approx([25, 75])
    absent_always = mean_confusion(absent_once[:1])
    assert np.isnan(absent_always[1]).all()
    assert absent_always[0] == pytest.approx([80, 20])


def test_the_diagonal_is_the_mean_recall(tmp_path: Path) -> None:
    runs = read_runs(experiment(tmp_path / "a"))
    last = mean_confusion([run.confusion[-1] for run in runs])
    recalls = np.array([run.scores[-1].recall for run in runs], dtype=np.float64)
    assert last.diagonal() == pytest.approx(recalls.mean(axis=0))
    assert last.sum(axis=1) == pytest.approx(100)


def test_what_is_drawn_is_what_was_computed(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    matrix = mean_confusion([run.confusion[-1] for run in read_runs(stored)])
    picture = confusion([stored], "last")
    assert np.asarray(picture.figure.axes[0].images[0].get_array()) == pytest.approx(matrix)
    assert f"{matrix[1, 2]:.1f}" in texts(picture.figure)
    assert "last epoch" in picture.caption


@pytest.mark.parametrize(("panels", "width"), [(1, COLUMN), (2, COLUMN), (3, PAGE), (5, PAGE)])
def test_it_fits_a_column_or_the_page(tmp_path: Path, panels: int, width: float) -> None:
    models = ("aacnn", "glam", "apcnn", "mhcnn", "multi-scale")[:panels]
    picture = confusion([experiment(tmp_path / m, m, SEEDS[:1], 1) for m in models], "test")
    written = write(picture, tmp_path / "new" / "figure.2")
    assert [path.name for path in written] == ["figure.2.png", "figure.2.pdf", "figure.2.svg"]
    assert png_inches(written[0])[0] == pytest.approx(width, abs=0.01)
    if panels > 1:
        assert "b) GLAM" in texts(picture.figure)
    assert inside(picture.figure, width)


def test_different_classes_do_not_stand_side_by_side(tmp_path: Path) -> None:
    five = experiment(tmp_path / "five", classes=(*CLASSES, "fear"), epochs=1)
    with pytest.raises(GlamError, match="neutral, sad, angry, happy, fear"):
        confusion([experiment(tmp_path / "four", "mhcnn"), five], "test")
    picture = confusion([five], "test")
    assert "–" in texts(picture.figure)  # no run has an utterance of it
    assert "no true utterance: fear in 3" in picture.caption
