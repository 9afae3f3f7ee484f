import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from glam.cli.figures import figure as verb
from glam.errors import GlamError
from glam.evaluation.calibration import Bins
from glam.reports.diagnosis import calibrated
from glam.reports.embedding import Embedding, first_saved, two_dimensions
from glam.reports.figures import (
    COLUMN,
    PAGE,
    SMALL,
    Picture,
    confusion,
    curve,
    curves,
    default_stem,
    learning_curves,
    mean_confusion,
    names,
    reliability,
    reliability_over_runs,
    tsne,
    write,
)
from glam.reports.summary import read_runs
from glam.reports.views import scored
from glam.results.identity import identity
from glam.results.run import (
    MODEL,
    Epoch,
    Predictions,
    StoredExperiment,
    read_experiment,
    store_experiment,
    write_failure,
    write_run,
)
from glam.splits.population import Composition

CLASSES = ("neutral", "sad", "angry", "happy")
TARGETS = np.arange(60) % 4
SEEDS = (2602656884, 3431165269, 3149797433)  # the first of the release


def experiment(
    folder: Path,
    model: str = "glam",
    seeds: Sequence[int] = SEEDS,
    epochs: int = 4,
    classes: tuple[str, ...] = CLASSES,
    synthetic: bool = False,
    **training: object,
) -> StoredExperiment:
    """An experiment whose runs are right about a share of their 60 utterances that grows with the epochs."""
    recipe = {"name": "mine", "corpus": {"style": "full"}, "model": {"name": model}, "training": training}
    stored = StoredExperiment(
        folder=folder,
        name="mine",
        recipe=recipe,
        identity=identity(recipe, "0" * 64),
        classes=classes,
        composition=Composition(
            corpus="synthetic" if synthetic else "iemocap",
            synthetic=synthetic,
            style="full",
            utterances=60,
            classes={name: {name[:3]: 15} for name in classes},
            too_short=dict.fromkeys(classes, 0),
        ),
        ids=tuple(f"u{i}" for i in range(60)),
        targets=TARGETS,
    )
    store_experiment(stored)
    rng = np.random.default_rng(len(model))
    for seed in seeds:
        logits = rng.normal(size=(epochs, 60, len(classes)))
        logits[:, np.arange(60), TARGETS] += np.linspace(0.5, 3, epochs)[:, None]
        write_run(
            folder / str(seed),
            seed,
            {},
            [Epoch(1e-3, float(2 / (k + 1) + rng.normal(0, 0.1)), 1.0, 1.0) for k in range(epochs)],
            TARGETS,
            len(classes),
            Predictions(
                logits.astype(np.float32),
                logits.argmax(axis=2).astype(np.uint8),
                np.ones(60, dtype=np.int64),
                np.arange(60),
                np.arange(60),
            ),
            {},
        )
    return read_experiment(folder)


def embedding(seed: int = 0, utterances: int = 60) -> Embedding:
    hidden = np.random.default_rng(seed).normal(size=(utterances, 70)) + 2 * np.eye(4, 70)[TARGETS[:utterances]]
    return Embedding(hidden.astype(np.float32), TARGETS[:utterances], SEEDS[0], 3, 75.0)


def png_inches(path: Path) -> tuple[float, float]:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[-12:] == b"\x00\x00\x00\x00IEND\xaeB`\x82"
    width, height = struct.unpack(">II", content[16:24])
    return width / 300, height / 300


def texts(drawn: Figure) -> list[str]:
    from matplotlib.text import Text

    found = [text for text in drawn.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert min(text.get_fontsize() for text in found) >= SMALL
    return [text.get_text() for text in found]


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
    assert last.diagonal() == pytest.approx(np.mean([run.scores[-1].recall for run in runs], axis=0))
    assert last.sum(axis=1) == pytest.approx(100)


def test_the_spread_of_curves_is_the_sample_standard_deviation_over_runs(tmp_path: Path) -> None:
    runs = read_runs(experiment(tmp_path / "a"))
    found = learning_curves(runs)
    wa = np.array([[score.wa for score in run.scores] for run in runs])
    loss = np.array([[epoch.loss for epoch in run.epochs] for run in runs])
    assert found["WA (%)"].mean == pytest.approx(wa.mean(axis=0))
    assert found["WA (%)"].std == pytest.approx(wa.std(axis=0, ddof=1))
    assert found["Training loss"].mean == pytest.approx(loss.mean(axis=0))
    assert found["UA (%)"].mean == pytest.approx(np.mean([[s.ua for s in run.scores] for run in runs], axis=0))
    assert curve([[1.0, 2.0]]).std is None


def test_what_is_drawn_is_what_was_computed(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    expected = learning_curves(read_runs(stored))["WA (%)"]
    axis = curves([stored]).figure.axes[1]
    assert axis.lines[0].get_xdata() == pytest.approx([1, 2, 3, 4])
    assert axis.lines[0].get_ydata() == pytest.approx(expected.mean)
    band = axis.collections[0].get_paths()[0].vertices
    assert expected.std is not None
    assert band[:, 1].max() == pytest.approx((expected.mean + expected.std).max())
    matrix = mean_confusion([run.confusion[-1] for run in read_runs(stored)])
    picture = confusion([stored], "last")
    assert np.asarray(picture.figure.axes[0].images[0].get_array()) == pytest.approx(matrix)
    assert f"{matrix[1, 2]:.1f}" in texts(picture.figure)
    assert "last epoch" in picture.caption


@pytest.mark.parametrize(("panels", "width"), [(1, COLUMN), (2, COLUMN), (3, PAGE), (5, PAGE)])
def test_confusion_fits_a_column_or_the_page(tmp_path: Path, panels: int, width: float) -> None:
    models = ("aacnn", "glam", "apcnn", "mhcnn", "multi-scale")[:panels]
    picture = confusion([experiment(tmp_path / m, m, SEEDS[:1], 1) for m in models], "test")
    written = write(picture, tmp_path / "new" / "figure.2")
    assert [path.name for path in written] == ["figure.2.png", "figure.2.pdf"]
    assert png_inches(written[0])[0] == pytest.approx(width, abs=0.01)
    if panels > 1:
        assert "b) GLAM" in texts(picture.figure)
    drawn = picture.figure.get_tightbbox()  # of everything: nothing may stick out
    assert drawn.x0 >= 0
    assert drawn.x1 <= width
    assert drawn.y0 >= 0
    assert drawn.y1 <= picture.figure.get_figheight()


def test_pdf_has_letters_in_truetype_and_is_the_same_every_time(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / m, m) for m in ("mhcnn", "glam")]
    first = [path.read_bytes() for path in write(curves(stored), tmp_path / "a")]
    again = [path.read_bytes() for path in write(curves(stored), tmp_path / "a")]
    assert first == again
    pdf = first[1]
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert png_inches(tmp_path / "a.png")[0] == pytest.approx(PAGE, abs=0.01)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.pdf", "a.png"]


def test_a_users_matplotlibrc_changes_nothing(tmp_path: Path) -> None:
    import matplotlib

    stored = [experiment(tmp_path / "a")]
    expected = write(confusion(stored, "test"), tmp_path / "x")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "figure.dpi": 50, "savefig.bbox": "tight", "axes.grid": True}):
        assert write(confusion(stored, "test"), tmp_path / "y")[0].read_bytes() == expected


def test_curves_say_what_line_and_band_are(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / "a", "mhcnn"), experiment(tmp_path / "b", "glam", SEEDS[:1])]
    said = texts(curves(stored).figure)
    assert any("band: ± 1 standard deviation" in text for text in said)
    assert {"MHCNN, 3 runs", "GLAM, 1 run"} <= set(said)
    assert any("no spread" in text for text in texts(curves(stored[1:]).figure))


def test_tsne_colours_every_utterance_by_its_class(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / m, m, SEEDS[:1], 3) for m in ("mhcnn", "glam")]
    picture = tsne(stored, [embedding(0), embedding(1)])
    assert [len(points.get_offsets()) for points in picture.figure.axes[0].collections] == [15] * 4
    assert {"a) MHCNN", "b) GLAM", *CLASSES} <= set(texts(picture.figure))
    assert "weights of epoch 3 (WA 75.00 %)" in picture.caption
    assert png_inches(write(picture, tmp_path / "t")[0])[0] == pytest.approx(COLUMN, abs=0.01)


def test_two_dimensions_are_the_same_twice_and_keep_groups_apart() -> None:
    groups = np.repeat([0, 1], 30)
    hidden = np.random.default_rng(0).normal(size=(60, 200)) + 10 * groups[:, None]
    points = two_dimensions(hidden.astype(np.float32))
    assert points.shape == (60, 2)
    assert (points == two_dimensions(hidden.astype(np.float32))).all()
    middles = np.stack([points[groups == group].mean(axis=0) for group in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == groups).all()


def test_what_tsne_cannot_show_is_refused() -> None:
    with pytest.raises(GlamError, match="at least 5 held-out utterances, this run has 4"):
        two_dimensions(np.zeros((4, 3), dtype=np.float32))
    with pytest.raises(GlamError, match="diverged"):
        two_dimensions(np.full((9, 3), np.nan, dtype=np.float32))


def test_every_run_counts_the_same_in_a_bin_in_which_it_has_utterances() -> None:
    none = np.nan
    runs = [
        Bins(np.array([0, 50, 75, 100]), np.array([0, 1, 3]), np.array([none, 60, 90]), np.array([none, 0, 80])),
        Bins(np.array([0, 50, 75, 100]), np.array([0, 0, 5]), np.array([none, none, 80]), np.array([none, none, 60])),
    ]
    found = reliability_over_runs(runs)
    assert found.accuracy == pytest.approx([none, 0, 70], nan_ok=True)
    assert found.confidence == pytest.approx([none, 60, 85], nan_ok=True)
    assert found.spread == pytest.approx([none, none, np.std([80, 60], ddof=1)], nan_ok=True)
    assert found.share == pytest.approx([0, 12.5, 87.5])


def test_a_reliability_diagram_shows_what_was_computed(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    bins = [calibrated(scored(stored, run, "last")).bins for run in read_runs(stored)]
    expected = reliability_over_runs(bins)
    picture = reliability([stored], "last")
    upper, lower = picture.figure.axes
    bars, gaps = (np.array([patch.get_height() for patch in upper.patches[i : i + 15]]) for i in (0, 15))
    assert bars == pytest.approx(expected.accuracy, nan_ok=True)
    assert gaps == pytest.approx(expected.confidence - expected.accuracy, nan_ok=True)
    assert [patch.get_height() for patch in lower.patches] == pytest.approx(expected.share)
    assert sum(patch.get_height() for patch in lower.patches) == pytest.approx(100)
    assert "last epoch" in picture.caption
    assert "3 runs, ECE" in picture.caption


@pytest.mark.parametrize(("panels", "width"), [(1, COLUMN), (2, COLUMN), (4, PAGE)])
def test_reliability_fits_a_column_or_the_page(tmp_path: Path, panels: int, width: float) -> None:
    models = ("glam", "multi-scale-mha", "apcnn", "mhcnn")[:panels]
    picture = reliability([experiment(tmp_path / m, m) for m in models], "test")
    assert png_inches(write(picture, tmp_path / "r")[0])[0] == pytest.approx(width, abs=0.01)
    said = texts(picture.figure)
    assert any("whiskers: ± 1 standard deviation" in text for text in said)
    drawn = picture.figure.get_tightbbox()
    assert drawn.x0 >= 0
    assert drawn.x1 <= width
    assert drawn.y0 >= 0
    assert drawn.y1 <= picture.figure.get_figheight()


def test_too_many_reliability_diagrams_are_refused(tmp_path: Path) -> None:
    many = [experiment(tmp_path / str(i), f"model-{i}", SEEDS[:1], 1) for i in range(5)]
    with pytest.raises(GlamError, match="5 experiments: on a page, 4 reliability diagrams fit"):
        reliability(many, "last")
    assert any("no spread" in text for text in texts(reliability(many[:1], "last").figure))


def test_a_synthetic_corpus_and_a_control_are_said_in_every_figure(tmp_path: Path) -> None:
    synthetic = experiment(tmp_path / "a", "glam", synthetic=True)
    control = experiment(tmp_path / "b", "mhcnn", shuffle_labels=True)
    both = [synthetic, control]
    pictures: list[Picture] = [
        confusion(both, "test"),
        curves(both),
        tsne(both, [embedding(), embedding()]),
        reliability(both, "halves"),
    ]
    for picture in pictures:
        said = " ".join(texts(picture.figure)).replace("\n", " ")
        for place in (said, picture.caption):
            assert "GLAM: SYNTHETIC CORPUS" in place
            assert "MHCNN: CONTROL: training labels shuffled" in place
    assert "GLAM: SYNTHETIC" not in confusion([synthetic], "test").caption
    assert "SYNTHETIC" not in curves([experiment(tmp_path / "c")]).caption


def test_models_that_repeat_are_told_apart(tmp_path: Path) -> None:
    space = "\N{NO-BREAK SPACE}"
    by_alpha = [experiment(tmp_path / f"{alpha}", alpha=alpha) for alpha in (0.3, 0.5)]
    other = experiment(tmp_path / "other", "aacnn-original")
    assert names([*by_alpha, other]) == [f"GLAM (alpha{space}0.3)", f"GLAM (alpha{space}0.5)", "AACNN"]
    same = [experiment(tmp_path / name) for name in ("glam-iemocap-full-0000000a", "glam-iemocap-full-0000000b")]
    assert names(same) == ["GLAM (0000000a)", "GLAM (0000000b)"]
    with pytest.raises(GlamError, match="given twice"):
        names([other, other])


def test_failed_runs_are_left_out_and_nothing_to_draw_is_said(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a", seeds=SEEDS[:2])
    write_failure(stored.folder / "7", 7, {}, "the loss of step 3 is nan")
    assert "GLAM: 2 runs" in confusion([stored], "test").caption
    empty = experiment(tmp_path / "b", seeds=())
    with pytest.raises(GlamError, match="no run of it is finished"):
        curves([empty])
    write_failure(empty.folder / "7", 7, {}, "the loss of step 3 is nan")
    with pytest.raises(GlamError, match=r"every run of it failed .the loss of step 3"):
        confusion([empty], "test")


def test_different_classes_do_not_stand_side_by_side(tmp_path: Path) -> None:
    five = experiment(tmp_path / "five", classes=(*CLASSES, "fear"), epochs=1)
    with pytest.raises(GlamError, match="neutral, sad, angry, happy, fear"):
        confusion([experiment(tmp_path / "four", "mhcnn"), five], "test")
    picture = confusion([five], "test")
    assert "–" in texts(picture.figure)  # no run has an utterance of it
    assert "no true utterance: fear in 3" in picture.caption


def test_the_first_saved_model_in_the_order_of_the_seeds(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    with pytest.raises(GlamError, match=r"of its 3 runs, none kept its model.*--save-model best"):
        first_saved(stored)
    for seed in (3149797433, 3431165269):  # the third and the second of the release
        (stored.folder / str(seed) / MODEL).write_bytes(b"x")
    assert first_saved(stored).seed == 3431165269


def test_the_verb_writes_both_files_and_prints_the_caption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored = [experiment(tmp_path / m, m) for m in ("mhcnn", "glam")]
    folders = [str(one.folder) for one in stored]
    assert default_stem("confusion", stored) == Path("confusion-mhcnn-glam")
    assert verb(["confusion", *folders, "--select", "last"]) == 0
    assert "a) MHCNN: 3 runs, 60 test utterances each" in capsys.readouterr().out
    assert {"confusion-mhcnn-glam.png", "confusion-mhcnn-glam.pdf"} <= {path.name for path in tmp_path.iterdir()}
    assert verb(["curves", *folders, "-o", str(tmp_path / "mine.pdf")]) == 0
    assert (tmp_path / "mine.png").is_file()
    assert verb(["reliability", *folders, "--select", "halves"]) == 0
    assert (tmp_path / "reliability-mhcnn-glam.pdf").is_file()
    assert verb(["curves", "glam", "--runs-folder", str(tmp_path)]) == 0
    assert verb(["tsne", *folders]) == 2
    assert "kept its model" in capsys.readouterr().err
    assert verb(["confusion", str(tmp_path / "nowhere")]) == 2
    assert "no experiment lies here" in capsys.readouterr().err
