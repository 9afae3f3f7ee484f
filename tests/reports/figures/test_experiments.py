"""What figures say of the experiments that they show."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from reports.figures.drawn import CLASSES, SEEDS, embedding, experiment, texts
from reports.stored import store_failure

from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.reports.figures.bars import bars
from glam.reports.figures.confusion import confusion
from glam.reports.figures.curves import curves
from glam.reports.figures.experiments import names, same_classes, unlike
from glam.reports.figures.page import Picture
from glam.reports.figures.reliability import reliability
from glam.reports.figures.tsne import tsne
from glam.splits.protocols import KFold
from glam.splits.runs import RunKey

SPACE = "\N{NO-BREAK SPACE}"


def test_a_synthetic_corpus_and_a_control_are_named_in_every_figure(tmp_path: Path) -> None:
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
        drawn = " ".join(texts(picture.figure)).replace("\n", " ")
        for place in (drawn, picture.caption):
            assert "GLAM, synthetic: SYNTHETIC CORPUS" in place
            assert "MHCNN, iemocap: CONTROL: training labels shuffled" in place
    assert "GLAM: SYNTHETIC" not in confusion([synthetic], "test").caption
    assert "SYNTHETIC" not in curves([experiment(tmp_path / "c")]).caption


def test_models_that_repeat_are_told_apart(tmp_path: Path) -> None:
    by_alpha = [experiment(tmp_path / f"{alpha}", alpha=alpha) for alpha in (0.3, 0.5)]
    other = experiment(tmp_path / "other", "aacnn-original")
    assert names([*by_alpha, other]) == [f"GLAM (alpha{SPACE}0.3)", f"GLAM (alpha{SPACE}0.5)", "AACNN"]
    same = [experiment(tmp_path / name) for name in ("glam-iemocap-full-0000000a", "glam-iemocap-full-0000000b")]
    assert names(same) == ["GLAM (0000000a)", "GLAM (0000000b)"]
    with pytest.raises(GlamError, match="given twice"):
        names([other, other])


def test_a_difference_is_the_value_of_the_setting_that_makes_it(tmp_path: Path) -> None:
    plain = experiment(tmp_path / "plain")
    synthetic = experiment(tmp_path / "synthetic", synthetic=True)
    assert names([plain, synthetic]) == ["GLAM (iemocap)", "GLAM (synthetic)"]
    sgd = experiment(tmp_path / "sgd", optimizer={"name": "adam", "eps": 1e-3})
    assert names([plain, sgd]) == [f"GLAM (eps{SPACE}1e-08)", f"GLAM (eps{SPACE}0.001)"]
    two = experiment(tmp_path / "two", alpha=0.3, lr=1e-4)
    assert names([plain, two]) == [
        f"GLAM (lr{SPACE}0.001, alpha{SPACE}0.5)",
        f"GLAM (lr{SPACE}0.0001, alpha{SPACE}0.3)",
    ]


def test_what_is_on_several_corpora_is_headed_by_them_and_not_to_be_compared(tmp_path: Path) -> None:
    first = experiment(tmp_path / "a")
    other = experiment(tmp_path / "b", "mhcnn", synthetic=True)
    five = experiment(tmp_path / "c", "apcnn", classes=(*CLASSES, "fear"))
    assert names([first, other]) == ["GLAM, iemocap", "MHCNN, synthetic"]
    assert unlike([first, other]) == ["Different corpora: do not compare the scores."]
    assert names([first, five]) == ["GLAM", "APCNN"]
    assert unlike([first, five]) == [
        "Different tasks, with classes of their own (GLAM: 4, APCNN: 5): do not compare the scores."
    ]
    assert unlike([first]) == []
    for picture in (
        bars([first, other], METRICS["ua"], "test"),
        reliability([first, other], "test"),
        curves([first, other]),
    ):
        drawn = " ".join(texts(picture.figure)).replace("\n", " ")
        assert "MHCNN, synthetic" in drawn
        assert "do not compare the scores" in drawn


def test_classes_that_differ_are_counted(tmp_path: Path) -> None:
    both = [experiment(tmp_path / "a"), experiment(tmp_path / "b", classes=(*CLASSES, "fear"))]
    assert names(both) == [f"GLAM (4{SPACE}classes)", f"GLAM (5{SPACE}classes)"]


def test_a_model_of_the_user_s_own_goes_by_its_file_and_name(tmp_path: Path) -> None:
    assert names([experiment(tmp_path / "a", "/elsewhere/mine.py:net")]) == ["mine.py:net"]


def test_failed_runs_are_left_out_and_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a", seeds=SEEDS[:2])
    store_failure(stored, RunKey(7), "the loss of step 3 is nan")
    assert "GLAM: 2 runs" in confusion([stored], "test").caption
    empty = experiment(tmp_path / "b", seeds=())
    with pytest.raises(GlamError, match="no run of it is finished"):
        curves([empty])
    store_failure(empty, RunKey(7), "the loss of step 3 is nan")
    with pytest.raises(GlamError, match=r"every run of it failed .the loss of step 3"):
        confusion([empty], "test")


def test_classes_are_the_same_and_in_the_same_order(tmp_path: Path) -> None:
    first, second = experiment(tmp_path / "a"), experiment(tmp_path / "b", "mhcnn")
    assert same_classes([first, second]) == CLASSES
    turned = experiment(tmp_path / "c", "apcnn", classes=CLASSES[::-1], epochs=1)
    with pytest.raises(GlamError, match=r"has the classes happy, angry, sad, neutral, .* has neutral, sad, angry"):
        same_classes([first, turned])


def test_what_is_chosen_by_name_is_called_by_its_section(tmp_path: Path) -> None:
    plain, sgd = experiment(tmp_path / "a"), experiment(tmp_path / "b", schedule="constant")
    assert names([plain, sgd]) == [f"GLAM (schedule{SPACE}decay)", f"GLAM (schedule{SPACE}constant)"]
    split = [replace(of, recipe=of.recipe.model_copy(update={"split": KFold(name="k-fold")})) for of in [plain]]
    assert names([plain, *split]) == [f"GLAM (split{SPACE}random)", f"GLAM (split{SPACE}k-fold)"]


def test_recipes_of_one_model_that_differ_in_much_go_by_their_names_alone(tmp_path: Path) -> None:
    both = [experiment(tmp_path / "a"), experiment(tmp_path / "b", lr=1e-4, alpha=0.3, weight_decay=0)]
    both = [
        replace(of, recipe=of.recipe.model_copy(update={"name": name})) for of, name in zip(both, "xy", strict=True)
    ]
    assert names(both) == ["x", "y"]


def test_words_of_bars_are_never_broken(tmp_path: Path) -> None:
    varied = [experiment(tmp_path / f"{i}", lr=10.0**-i, alpha=0.1 + i / 10, weight_decay=10.0**-i) for i in range(7)]
    stored = [
        replace(of, recipe=of.recipe.model_copy(update={"name": f"glrf-convolutions-{i}"}))
        for i, of in enumerate(varied)
    ]
    picture = bars(stored, METRICS["wa"], "test")
    labels = picture.figure.axes[0].get_xticklabels()
    shown = [label.get_text() for label in labels]
    assert [re.sub(r"-\n", "-", label) for label in shown] == names(stored)


def test_axes_of_curves_begin_at_nothing_or_above(tmp_path: Path) -> None:
    picture = curves([experiment(tmp_path / "a")])
    assert all(axis.get_ylim()[0] >= 0 for axis in picture.figure.axes)
