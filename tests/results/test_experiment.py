"""What the runs of an experiment share, on the disk."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glam.errors import GlamError
from glam.recipe import recorded
from glam.results.experiment import (
    StoredExperiment,
    experiment_folder,
    experiment_of,
    read_experiment,
    stem,
    store_experiment,
)
from glam.results.identity import FORMAT, digest, identity
from glam.results.run import RUN, write_failure
from glam.splits.groups import Grouping
from glam.splits.population import Composition
from glam.splits.runs import RunKey

IDS = ("Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses02F_impro01_F000", "Ses02F_impro01_F001")
TARGETS = np.array([0, 1, 0, 1])
LABELS = {"neutral": ["neu"], "sad": ["sad"]}


def experiment_in(folder: Path, name: str = "mine", **settings: object) -> StoredExperiment:
    return StoredExperiment(
        folder=folder,
        recipe=recorded({"name": name, "corpus": {"labels": LABELS}, "model": {"name": "glam"}}, "this test"),
        identity=identity(dict(settings), "0" * 64),
        composition=Composition(
            corpus="iemocap",
            synthetic=False,
            part="full",
            utterances=4,
            classes={"neutral": {"neu": 2}, "sad": {"sad": 2}},
            too_short={"neutral": 1, "sad": 0},
        ),
        ids=IDS,
        targets=TARGETS,
    )


def store_run(folder: Path, name: str) -> None:
    """A folder of that name with what says that a run is complete."""
    (folder / name).mkdir()
    (folder / name / RUN).write_text("{}")


def test_experiments_stored_before_there_were_folds(tmp_path: Path) -> None:
    store_experiment(experiment_in(tmp_path))
    path = tmp_path / "experiment.json"
    content = json.loads(path.read_text())
    for name in ("folds", "files", "sha256"):
        del content[name]
    path.write_text(json.dumps(content))
    assert (read_experiment(tmp_path).folds, dict(read_experiment(tmp_path).groups)) == ((), {})


def test_what_utterances_belong_to_comes_back(tmp_path: Path) -> None:
    sessions, own = Grouping.of(["Ses01", "Ses01", "Ses02", "Ses02"]), Grouping.of(["a", "b,c", "", "ü"])
    groups = {"session": sessions, "kind of my own": own}
    store_experiment(replace(experiment_in(tmp_path), groups=groups, folds=sessions.names))
    again = read_experiment(tmp_path)
    assert again.folds == again.groups["session"].names == ("Ses01", "Ses02")
    assert again.groups["session"].codes.tolist() == [0, 0, 1, 1]
    assert list(again.groups) == list(groups)
    assert again.groups["kind of my own"].names == own.names
    assert again.groups["kind of my own"].codes.tolist() == own.codes.tolist()


@pytest.mark.parametrize("hashed", [True, False])
def test_an_experiment_stored_before_what_utterances_belong_to_was_kept_is_written_anew(
    tmp_path: Path, without_hashes: Callable[[Path], None], hashed: bool
) -> None:
    store_experiment(experiment_in(tmp_path, "first"))
    if not hashed:
        without_hashes(tmp_path)
    assert read_experiment(tmp_path).groups == {}
    sessions = Grouping.of(["Ses01", "Ses01", "Ses02", "Ses02"])
    store_experiment(replace(experiment_in(tmp_path, "second"), groups={"session": sessions}))
    again = read_experiment(tmp_path)
    assert again.groups["session"].names == ("Ses01", "Ses02")
    assert again.name == "first", "the rest stays as it was"


def test_an_experiment_comes_back_and_is_not_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "glam-iemocap-full-0"
    store_experiment(experiment_in(folder))
    before = (folder / "experiment.json").stat().st_mtime_ns
    store_experiment(experiment_in(folder))
    assert (folder / "experiment.json").stat().st_mtime_ns == before
    again = read_experiment(folder)
    assert again.ids == IDS
    assert again.targets.tolist() == TARGETS.tolist()
    assert again.composition == experiment_in(folder).composition
    assert again.recipe == experiment_in(folder).recipe
    assert (again.name, again.classes, again.format) == ("mine", ("neutral", "sad"), FORMAT)
    assert again.digest == experiment_in(folder).digest == digest(again.identity)


def test_another_experiment_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    store_experiment(experiment_in(tmp_path))
    with pytest.raises(GlamError, match="belongs to another experiment"):
        store_experiment(experiment_in(tmp_path, lr=2))


def test_seeds_lists_complete_runs_in_numerical_order(tmp_path: Path) -> None:
    experiment = experiment_in(tmp_path)
    store_experiment(experiment)
    for name in ("30", "7", "100", "8-fold10", "8-fold9"):
        store_run(tmp_path, name)
    (tmp_path / "5").mkdir()  # nothing in it
    store_run(tmp_path, ".8.tmp-1")
    write_failure(tmp_path / "9", RunKey(9), "", {}, "the loss is nan")
    assert experiment.seeds() == ["7", "8-fold9", "8-fold10", "9", "30", "100"]


def test_the_experiment_of_a_run_is_the_folder_that_it_is_reached_by(tmp_path: Path) -> None:
    store_experiment(experiment_in(tmp_path / "here"))
    store_run(tmp_path, "moved")
    (tmp_path / "here" / "5").symlink_to(tmp_path / "moved")
    assert experiment_of(tmp_path / "here" / "5").folder == tmp_path / "here"


@pytest.mark.parametrize(
    ("model", "where", "expected"),
    [
        ("mhcnn", {"style": ["improvised"]}, "mhcnn-iemocap-improvised"),
        ("mhcnn", {"style": ["improvised", "scripted"], "gender": ["F"]}, "mhcnn-iemocap-improvised-scripted-F"),
        ("/some/where/mine.py:best", {}, "mine.py-best-iemocap-full"),
        ("mhcnn", {"text": ["../a b/ü"]}, "mhcnn-iemocap--a-b-ü"),
        ("mhcnn", {"text": [".."]}, "mhcnn-iemocap-"),
    ],
)
def test_a_folder_is_called_by_model_corpus_and_part(
    tmp_path: Path, model: str, where: dict[str, list[str]], expected: str
) -> None:
    recipe = recorded({"model": {"name": model}, "corpus": {"where": where}}, "this test")
    who = identity({}, "0" * 64)
    assert stem(recipe) == expected
    assert experiment_folder(tmp_path, recipe, who) == tmp_path / f"{expected}-{digest(who)[:8]}"


@pytest.mark.parametrize("speaker", ["Ses01F", "音" * 30])
def test_a_part_of_many_groups_makes_a_name_that_the_disk_takes(tmp_path: Path, speaker: str) -> None:
    where = {"speaker": [f"{speaker}{i}" for i in range(100)]}
    recipe = recorded({"name": "mine", "corpus": {"labels": LABELS, "where": where}}, "this test")
    folder = experiment_folder(tmp_path, recipe, experiment_in(tmp_path).identity)
    store_experiment(replace(experiment_in(folder), recipe=recipe))
    assert read_experiment(folder).recipe.corpus.where == recipe.corpus.where


def test_a_changed_class_is_noticed_and_written_anew(tmp_path: Path) -> None:
    store_experiment(experiment_in(tmp_path))
    table = tmp_path / "utterances.csv"
    whole = table.read_text()
    table.write_text(whole.replace("2,Ses02F_impro01_F000,neutral", "2,Ses02F_impro01_F000,sad"))
    with pytest.raises(GlamError, match=r"utterances\.csv is not what was written.*finished runs stay"):
        read_experiment(tmp_path)
    store_experiment(experiment_in(tmp_path))
    assert table.read_text() == whole
    assert read_experiment(tmp_path).targets.tolist() == TARGETS.tolist()


def test_a_damaged_experiment_is_one_message(tmp_path: Path) -> None:
    store_experiment(experiment_in(tmp_path))
    path = tmp_path / "experiment.json"
    path.write_text(path.read_text().replace('"mine"', '"yours"'))
    for act in (lambda: read_experiment(tmp_path), lambda: store_experiment(experiment_in(tmp_path))):
        with pytest.raises(GlamError, match=r"Delete experiment\.json there"):
            act()


@pytest.mark.parametrize("what", ["{", "[]", '{"identity": {}}', '{"identity": {"format": 9}}', '{"identity": 3}'])
def test_what_is_no_experiment_is_one_message(tmp_path: Path, what: str) -> None:
    store_experiment(experiment_in(tmp_path))
    (tmp_path / "experiment.json").write_text(what)
    with pytest.raises(GlamError, match=r"experiment\.json or utterances\.csv: damaged") as error:
        read_experiment(tmp_path)
    assert "\n" not in str(error.value)


def test_a_recipe_that_names_what_is_gone_is_read(tmp_path: Path) -> None:
    """A model of the user's own that was deleted, or changed since: what is stored is still reported on."""
    settings = {"name": "mine", "model": {"name": "/nowhere/mine.py:best", "sha256": "0" * 64, "width": 7}}
    recipe = recorded(settings | {"corpus": {"labels": LABELS}}, "this test")
    store_experiment(replace(experiment_in(tmp_path), recipe=recipe))
    again = read_experiment(tmp_path)
    assert again.recipe.model.title == "mine.py:best"
    assert again.recipe.model.options() == {"width": 7}
