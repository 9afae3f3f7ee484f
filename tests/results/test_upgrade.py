"""Experiments of format 1, as glam 0.1 stored them (`format1/`): read, said to be what they are, never trained on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from glam.cli.figures import figure
from glam.cli.tables import list_all, table
from glam.cli.train import train
from glam.cli.verify import verify
from glam.errors import GlamError
from glam.evaluation.metrics import scores_of
from glam.papers.stored import Stored
from glam.recipe import Recipe, load_recipe, recipe_names, recorded
from glam.reports.comparison_text import compare
from glam.reports.diagnosis import diagnosis
from glam.reports.summary import report
from glam.reports.views import VIEWS
from glam.results.experiment import StoredExperiment, read_experiment, store_experiment
from glam.results.identity import FORMAT, identity
from glam.results.run import read_run
from glam.results.upgrade import recipe, upgraded

FORMAT1 = Path(__file__).parent / "format1"
RECIPES: dict[str, dict[str, Any]] = json.loads((FORMAT1 / "recipes.json").read_text())
SEEDS = ("3431165269", "3149797433")  # the second and the third of the release
FIELDS = [
    ("cut", {"length": 0.5, "train_overlap": 0.3, "test_overlap": 0.3}),
    ("training.batches.size", 8),
    ("training.lr", 5e-3),
    ("training.alpha", 0),
    ("inputs.audio.coefficients", 8),
]
OF_RANDOM = [*FIELDS, ("model.heads", 2), ("model.hidden", 4), ("training.epochs", 2)]
OF_RANDOM += [("inputs.audio.normalisation", "speaker")]


class Early(NamedTuple):
    """An experiment that was stored in format 1.

    now: its recipe as it would be written today. scores: WA and UA of its runs, pooled over folds, as reported then.
    """

    folder: str
    now: Recipe
    folds: int
    scores: str


RANDOM = Early(
    "mhcnn-iemocap-improvised-60acf01c",
    load_recipe("mhcnn-released", OF_RANDOM),
    0,
    "| WA             | 81.25 ± 8.84  |",
)
FOLDS = Early(
    "apcnn-iemocap-improvised-0d33b0ff",
    load_recipe(
        "apcnn-released",
        [
            ("inputs.audio", "mfcc"),
            *FIELDS,
            ("split.name", "leave-session-out"),
            ("training.epochs", 1),
            ("training.schedule.every", 1),
        ],
    ),
    5,
    "| pooled over the folds | 35.00         | 35.00         | 34.84         | 35.00         | 34.84         |",
)
each_experiment = pytest.mark.parametrize("early", [RANDOM, FOLDS], ids=["random", "folds"])


def early_experiment(early: Early) -> StoredExperiment:
    return read_experiment(FORMAT1 / early.folder)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_of_then_is_the_one_of_now(name: str) -> None:
    """All recipes that came with glam 0.1: written in the terms of now, they are those that come with it now."""
    now, then = load_recipe(name), recorded(recipe(RECIPES[name]), name)
    assert then == now
    assert then.scientific() == now.scientific()


def test_no_recipe_of_then_is_gone() -> None:
    assert set(RECIPES) <= set(recipe_names())


def changed(name: str, **sections: dict[str, Any]) -> Recipe:
    """A recipe of then with other fields, in the terms of now."""
    then = RECIPES[name]
    return recorded(recipe(then | {section: then[section] | fields for section, fields in sections.items()}), name)


SETTINGS: list[tuple[dict[str, dict[str, Any]], list[tuple[str, Any]]]] = [
    ({"corpus": {"style": "scripted"}}, [("corpus.where", {"style": "scripted"})]),
    ({"corpus": {"style": "full", "min_length": 2.0}}, [("corpus.where", {}), ("corpus.min_length", 2.0)]),
    ({"features": {"kind": "fbank"}}, [("inputs.audio", "fbank")]),
    ({"features": {"kind": "melspectrogram"}}, [("inputs.audio", "melspectrogram")]),
    (
        {"features": {"coefficients": 13, "pad_mode": "constant"}},
        [("inputs.audio.coefficients", 13), ("inputs.audio.pad_mode", "constant")],
    ),
    ({"augmentation": {"vtlp_copies": 2}}, [("inputs.audio.vtlp_copies", 2)]),
    ({"segments": {"padding": "repeat"}}, [("cut.padding", "repeat")]),
    ({"split": {"protocol": "k-fold", "folds": 7}}, [("split", {"name": "k-fold", "folds": 7})]),
    ({"split": {"protocol": "leave-speaker-out"}}, [("split", "leave-speaker-out")]),
    (
        {"split": {"protocol": "random-speakers", "train_share": 0.7}},
        [("split", {"name": "random-speakers", "train_share": 0.7})],
    ),
    (
        {"training": {"optimizer": "sgd", "momentum": 0.5}},
        [("training.optimizer", {"name": "sgd", "momentum": 0.5})],
    ),
    ({"training": {"schedule": "constant"}}, [("training.schedule", "constant")]),
    (
        {"training": {"schedule": "cosine", "lr_every": 7, "lr_min": 0.0}},
        [("training.schedule", {"name": "cosine", "every": 7, "least": 0.0})],
    ),
    (
        {"training": {"lr_factor": 0.5, "lr_every": 3, "lr_min": 1e-4}},
        [("training.schedule", {"name": "decay", "factor": 0.5, "every": 3, "least": 1e-4})],
    ),
    ({"training": {"normalisation": "training"}}, [("inputs.audio.normalisation", "training")]),
    (
        {"training": {"shuffle_labels": True, "upsampling": True}},
        [("training.shuffle_labels", True), ("training.upsampling", True)],
    ),
    (
        {"training": {"class_weights": "share", "precision": "bf16", "batch_size": 7}},
        [("training.class_weights", "share"), ("training.precision", "bf16"), ("training.batches.size", 7)],
    ),
    ({"evaluation": {"average": "probabilities"}}, [("evaluation.average", "probabilities")]),
]


@pytest.mark.parametrize(("then", "now"), SETTINGS)
def test_every_setting_of_then_is_one_of_now(then: dict[str, dict[str, Any]], now: list[tuple[str, Any]]) -> None:
    upgraded_recipe, expected = changed("glam-released", **then), load_recipe("glam-released", now)
    assert upgraded_recipe == expected
    assert upgraded_recipe.scientific() == expected.scientific()


def test_the_earliest_recipes_lack_what_came_later() -> None:
    then = {name: RECIPES["glam-released"][name] for name in ("name", "model", "training")}
    assert recorded(recipe(then), "here") == load_recipe("glam-released")


@each_experiment
def test_an_early_experiment_is_read(early: Early) -> None:
    experiment = early_experiment(early)
    assert experiment.format == 1
    assert experiment.folder.name.endswith(experiment.digest[:8]), "its identity is what it was"
    assert experiment.recipe == early.now.replaced(name=experiment.name)
    assert experiment.recipe.scientific() == early.now.scientific()
    assert experiment.classes == ("neutral", "sad", "angry", "happy")
    assert experiment.composition.part == "improvised"
    assert len(experiment.ids) == experiment.composition.utterances == 40
    assert set(experiment.groups) >= {"speaker", "session", "dialogue", "scenario", "recording"}
    assert len(experiment.folds) == early.folds
    for name in experiment.seeds():
        run = read_run(experiment.folder / name)
        predictions = run.predictions()
        scored = slice(run.validation_only, None)
        truth = experiment.targets[predictions.held_out[scored]]
        right = predictions.logits[:, scored].argmax(axis=2) == truth
        assert [scores_of(matrix).wa for matrix in run.confusion] == pytest.approx(100 * right.mean(axis=1))


@each_experiment
def test_the_report_says_what_it_is(early: Early) -> None:
    text = report(FORMAT1 / early.folder)
    assert "FORMAT 1: stored by an earlier version; it is only read, never trained on" in text
    assert early.scores in text, "the very scores that it reported"
    assert "pad_mode" not in text, "what was at its default is no change"
    assert "changed from" in text
    for view in VIEWS:
        if not (early.folds and view == "halves"):
            assert "FORMAT 1" in report(FORMAT1 / early.folder, view)


def test_whatever_reads_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "calibrat" in diagnosis(FORMAT1 / RANDOM.folder).lower()
    with pytest.raises(GlamError, match="is compared with itself"):  # once both are read
        compare(FORMAT1 / RANDOM.folder, FORMAT1 / RANDOM.folder)
    assert list_all(["--runs-folder", str(FORMAT1), "--data-folder", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert f"- {RANDOM.folder}: mhcnn-released; 2 runs; " in listed
    assert f"- {FOLDS.folder}: apcnn-released; 5 runs; " in listed


def words(fields: list[tuple[str, Any]]) -> list[str]:
    return [word for field, value in fields for word in ("--set", f"{field}={json.dumps(value)}")]


def test_a_figure_shows_it_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("confusion", "curves", "reliability"):
        assert figure([kind, str(FORMAT1 / RANDOM.folder), "-o", str(tmp_path / kind)]) == 0
        assert "stored by an earlier version." in capsys.readouterr().out


def test_a_table_shows_it_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--runs-folder", str(FORMAT1), "--data-folder", str(tmp_path)]
    assert table(["2", "--rows", "MHCNN", "--report", "--runs", "3", *words(OF_RANDOM), *where]) == 0
    shown = capsys.readouterr().out
    assert "81.25±8.84" in shown
    assert "MHCNN: runs of format 1, stored by an earlier version; only read" in shown


def test_it_is_found_by_its_settings_unless_there_is_a_newer_one(tmp_path: Path) -> None:
    shutil.copytree(FORMAT1 / RANDOM.folder, tmp_path / RANDOM.folder)
    experiment = Stored(tmp_path, None).find(RANDOM.now).experiment
    assert experiment is not None
    assert experiment.format == 1
    assert Stored(tmp_path, None).find(load_recipe("mhcnn-released")).experiment is None
    who = identity(RANDOM.now.scientific(), "0" * 64)
    store_experiment(
        StoredExperiment(
            tmp_path / "mhcnn-iemocap-improvised-00000000",
            RANDOM.now,
            who,
            experiment.composition,
            experiment.ids,
            experiment.targets,
        )
    )
    newer = Stored(tmp_path, None).find(RANDOM.now).experiment
    assert newer is not None
    assert newer.format == FORMAT


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_trained_on_it(
    training_here: None, tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(FORMAT1 / RANDOM.folder, runs / RANDOM.folder)
    before = files_of(runs)
    (tmp_path / "seeds.txt").write_text("".join(f"{seed}\n" for seed in SEEDS))
    places = ["-d", str(tiny_release), "--runs-folder", str(runs), "--data-folder", str(tmp_path / "data"), "-g", "-1"]
    asked = ["--recipe", "mhcnn-released", *words(OF_RANDOM), "--seeds", str(tmp_path / "seeds.txt"), "--runs", "2"]
    assert train([*asked, *places]) == 0
    out = capsys.readouterr()
    assert "2, of which 0 are stored already" in out.err
    assert "FORMAT 1" not in out.out
    assert {path: files_of(runs)[path] for path in before} == before
    (folder,) = [path for path in runs.iterdir() if path.name != RANDOM.folder]
    assert read_experiment(folder).format == FORMAT
    for seed in SEEDS:  # rounding depends on the processor, but no more than that may differ
        then, now = (read_run(each / seed).predictions() for each in (runs / RANDOM.folder, folder))
        for name in ("held_out", "train", "segments"):
            np.testing.assert_array_equal(getattr(now, name), getattr(then, name))
        np.testing.assert_allclose(now.logits, then.logits, atol=0.02)


@each_experiment
def test_it_is_not_verified(
    early: Early, tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = early_experiment(early).seeds()[0]
    where = ["-d", str(tiny_release), "--data-folder", str(tmp_path)]
    assert verify([str(FORMAT1 / early.folder / run), *where]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert "is of format 1, which this version reads, but does not train on" in out.err


@pytest.fixture
def copy(tmp_path: Path, without_hashes: Callable[[Path], None]) -> Path:
    """An early experiment without hashes, to be changed."""
    shutil.copytree(FORMAT1 / RANDOM.folder, tmp_path / "copy")
    without_hashes(tmp_path / "copy")
    return tmp_path / "copy"


def put(folder: Path, **changes: Any) -> None:
    """Change fields of experiment.json; None takes one away."""
    path = folder / "experiment.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


@pytest.mark.parametrize("form", [0, 3, None, "1"])
def test_a_format_that_nobody_knows_is_refused(copy: Path, form: object) -> None:
    put(copy, identity={"format": form, "settings": {}, "corpus_digest": "0" * 64})
    with pytest.raises(GlamError, match=f"format {form}, which this version does not know"):
        read_experiment(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": None},
        {"recipe": {}},
        {"recipe": []},
        {"recipe": {"name": "mine", "model": {"name": "glam"}, "corpus": {"style": "sung"}}},
        {"recipe": {"name": "mine", "model": {"name": "glam"}, "training": {"schedule": "random"}}},
        {"recipe": {"name": "mine", "model": {"name": "glam"}, "split": 3}},
        {"composition": {}},
        {"composition": None},
    ],
)
def test_damage_is_one_message(copy: Path, changes: dict[str, Any]) -> None:
    put(copy, **changes)
    with pytest.raises(GlamError, match=r"experiment\.json") as error:
        read_experiment(copy)
    assert "\n" not in str(error.value)


def test_what_is_not_asked_for_stays_as_it_is() -> None:
    content = json.loads((FORMAT1 / RANDOM.folder / "experiment.json").read_text())
    now = upgraded(content)
    assert {name for name in now if now[name] != content[name]} == {"recipe", "composition"}
    assert content["composition"]["style"] == "improvised", "what was given is not changed"
