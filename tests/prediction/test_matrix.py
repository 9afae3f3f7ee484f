"""The matrix of corpora trained on and tested on, as a picture."""

from pathlib import Path

import numpy as np
import pytest
from reports.figures.drawn import CLASSES, SEEDS, TARGETS, experiment, inside, png_inches, texts

from glam.corpora.utterances import Corpus
from glam.prediction.cross_corpus import Asked, CrossTest
from glam.prediction.matrix import matrix
from glam.reports.figures.page import COLUMN, PAGE, write
from glam.reports.runs import read_runs
from glam.results.experiment import StoredExperiment


def crossed(stored: StoredExperiment, corpus: str, right: int, heard: int = 0, synthetic: bool = False) -> CrossTest:
    """The models of an experiment on a corpus of 60 utterances, of which they get so many of each class right."""
    answers = np.where(np.arange(60) // 4 < right, TARGETS, (TARGETS + 1) % 4)
    logits = np.eye(len(stored.classes), dtype=np.float32)[answers]
    asked = tuple(Asked(run, 1, tuple(map(str, range(60))), TARGETS, logits, heard) for run in read_runs(stored))
    mapped = {name: name for name in CLASSES}
    return CrossTest(stored, Corpus(corpus, Path(corpus), synthetic=synthetic), mapped, {}, 0, True, asked)


def test_cells_have_their_numbers_and_rows_their_chance(tmp_path: Path) -> None:
    four = experiment(tmp_path / "a", synthetic=True)
    five = experiment(tmp_path / "b", "mhcnn", classes=(*CLASSES, "fear"), seeds=SEEDS[:1])
    picture = matrix(
        [
            [crossed(four, "synthetic", 12, heard=9, synthetic=True), crossed(four, "other", 3)],
            [crossed(five, "synthetic", 6, synthetic=True), crossed(five, "other", 15)],
        ]
    )
    axis, scale = picture.figure.axes
    cells = [text.get_text() for text in axis.texts]
    assert cells == ["80.0\n± 0.0", "20.0\n± 0.0", "40.0", "100.0"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["synthetic\nchance 25.0", "iemocap\nchance 20.0"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["synthetic", "other"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("Tested on", "Trained on")
    assert sorted(float(np.asarray(line.get_xdata())[0]) for line in scale.lines) == [20, 25]
    assert axis.images[0].get_clim() == (0, 100)
    assert len(axis.patches) == 1, "a frame, where some was trained on"
    drawn = " ".join(texts(picture.figure)).replace("\n", " ")
    assert drawn.count("SYNTHETIC CORPUS") == 1
    assert "synthetic: 3 saved models of 4 classes; 60 utterances of synthetic" in picture.caption


@pytest.mark.parametrize(("columns", "width"), [(2, COLUMN), (3, COLUMN), (6, PAGE)])
def test_it_fits_a_column_or_the_page_whatever_corpora_are_called(tmp_path: Path, columns: int, width: float) -> None:
    stored = experiment(tmp_path / "a", seeds=SEEDS[:1])
    for name in ("emodb", "a_table_of_a_long_name.csv"):
        picture = matrix([[crossed(stored, f"{name}{i}", 5) for i in range(columns)]])
        assert png_inches(write(picture, tmp_path / "m")[0])[0] == pytest.approx(width, abs=0.01)
        assert inside(picture.figure, width)
