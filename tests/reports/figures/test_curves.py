from pathlib import Path

import numpy as np
import pytest
from reports.figures.drawn import SEEDS, experiment, perfect, texts
from reports.stored import experiment_of, predicted, recipe_of, store_run

from glam.reports.figures.curves import curve, curves, learning_curves
from glam.reports.runs import read_runs
from glam.results.experiment import store_experiment
from glam.splits.runs import RunKey


def test_the_spread_of_curves_is_the_sample_standard_deviation_over_runs(tmp_path: Path) -> None:
    runs = read_runs(experiment(tmp_path / "a"))
    of_runs = learning_curves(runs)
    wa = np.array([[score.wa for score in run.scores] for run in runs])
    ua = np.array([[score.ua for score in run.scores] for run in runs])
    loss = np.array([[epoch.loss for epoch in run.epochs] for run in runs])
    assert of_runs["WA (%)"].mean == pytest.approx(wa.mean(axis=0))
    assert of_runs["WA (%)"].std == pytest.approx(wa.std(axis=0, ddof=1))
    assert of_runs["Training loss"].mean == pytest.approx(loss.mean(axis=0))
    assert of_runs["UA (%)"].mean == pytest.approx(ua.mean(axis=0))
    assert curve([[1.0, 2.0]]).std is None


def test_what_is_drawn_is_what_was_computed(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    expected = learning_curves(read_runs(stored))["WA (%)"]
    axis = curves([stored]).figure.axes[1]
    assert axis.lines[0].get_xdata() == pytest.approx([1, 2, 3, 4])
    assert axis.lines[0].get_ydata() == pytest.approx(expected.mean)
    band = np.asarray(axis.collections[0].get_paths()[0].vertices)
    assert expected.std is not None
    assert band[:, 1].max() == pytest.approx((expected.mean + expected.std).max())


@pytest.mark.parametrize("column", [False, True])
def test_no_curve_is_cut_off(column: bool, tmp_path: Path) -> None:
    stored = experiment_of(tmp_path / "a", recipe_of(("often", "seldom")), [0] * 9 + [1])
    store_experiment(stored)
    always_often = np.tile(np.array([1, 0], dtype=np.float32), (3, 10, 1))  # WA 90, UA 50
    store_run(stored, RunKey(1), predicted(always_often, np.arange(10), np.arange(10)))
    for axis in curves([stored], column=column).figure.axes:
        low, high = axis.get_ylim()
        drawn = np.asarray(axis.lines[0].get_ydata())
        assert low <= drawn.min()
        assert drawn.max() <= high


def test_they_say_what_line_and_band_are(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / "a", "mhcnn"), experiment(tmp_path / "b", "glam", SEEDS[:1])]
    written = texts(curves(stored).figure)
    assert any("band: ± 1 standard deviation" in text for text in written)
    assert {"MHCNN, 3 runs", "GLAM, 1 run"} <= set(written)
    assert any("no spread" in text for text in texts(curves(stored[1:]).figure))


def test_runs_that_stopped_earlier_than_others_are_drawn_as_far_as_all_go(tmp_path: Path) -> None:
    experiment(tmp_path / "a", seeds=SEEDS[:2], epochs=6)
    stored = experiment(tmp_path / "a", seeds=SEEDS[2:], epochs=4)
    runs = read_runs(stored)
    assert {len(run.epochs) for run in runs} == {4, 6}
    of_runs = learning_curves(runs)
    assert of_runs["WA (%)"].mean == pytest.approx(np.mean([[s.wa for s in run.scores[:4]] for run in runs], axis=0))
    assert len(of_runs["Training loss"].mean) == 4
    written = [" ".join(text.split()) for text in texts(curves([stored]).figure)]
    assert any("Some runs stopped earlier than others" in text for text in written)


def test_runs_of_one_epoch_are_points_with_whiskers(tmp_path: Path) -> None:
    picture = curves([experiment(tmp_path / "a", epochs=1)])
    for axis in picture.figure.axes:
        assert [tick for tick in axis.get_xticks() if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]] == [1]
        assert len(axis.containers) == 1, "the spread is a whisker: a band of one epoch has no width"
    assert any("Mean; whisker: ± 1 standard deviation" in text for text in texts(picture.figure))


def test_axes_of_scores_end_at_100(tmp_path: Path) -> None:
    stored = perfect(tmp_path / "a")
    loss, wa, ua = curves([stored]).figure.axes
    assert wa.get_ylim()[1] == ua.get_ylim()[1] == 100
    assert not wa.lines[0].get_clip_on(), "a marker at 100 is drawn whole"
    assert loss.get_ylim()[1] < 100
