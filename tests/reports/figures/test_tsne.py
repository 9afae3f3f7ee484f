from pathlib import Path

import numpy as np
import pytest
from reports.figures.drawn import CLASSES, SEEDS, embedding, experiment, png_inches, texts

from glam.errors import GlamError
from glam.reports.figures.page import COLUMN, write
from glam.reports.figures.tsne import tsne


def test_every_utterance_has_the_colour_of_its_class(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / m, m, SEEDS[:1], 3) for m in ("mhcnn", "glam")]
    picture = tsne(stored, [embedding(0), embedding(1)])
    assert [len(np.asarray(points.get_offsets())) for points in picture.figure.axes[0].collections] == [15] * 4
    assert {"a) MHCNN", "b) GLAM", *CLASSES} <= set(texts(picture.figure))
    assert "weights of epoch 3 (WA 75.00 %)" in picture.caption
    assert png_inches(write(picture, tmp_path / "t")[0])[0] == pytest.approx(COLUMN, abs=0.01)


def test_points_fill_their_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.stack([np.linspace(0, 100, 60), np.linspace(0, 1, 60) ** 2], axis=1)
    monkeypatch.setattr("glam.reports.figures.tsne.two_dimensions", lambda hidden: points)
    picture = tsne([experiment(tmp_path / "a", "glam", SEEDS[:1], 3)], [embedding()])
    (axis,) = picture.figure.axes
    assert axis.get_xlim() == pytest.approx((-3, 103))
    assert axis.get_ylim() == pytest.approx((-0.03, 1.03))


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    four, five = experiment(tmp_path / "four"), experiment(tmp_path / "five", "mhcnn", classes=(*CLASSES, "fear"))
    with pytest.raises(GlamError, match="neutral, sad, angry, happy, fear"):
        tsne([four, five], [embedding(), embedding()])
    with pytest.raises(GlamError, match="at least 5 held-out utterances, this run has 4"):
        tsne([four], [embedding(utterances=4)])
