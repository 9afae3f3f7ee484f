import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glam.errors import GlamError
from glam.results.identity import canonical_json, digest, identity
from glam.results.run import (
    PREDICTIONS,
    RUN,
    Epoch,
    Predictions,
    StoredExperiment,
    read_experiment,
    read_run,
    store_experiment,
    write_failure,
    write_run,
)
from glam.splits.groups import Grouping
from glam.splits.population import Composition
from glam.splits.splits import RunKey

CLASSES = ("neutral", "sad")
IDS = ("Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses02F_impro01_F000", "Ses02F_impro01_F001")
TARGETS = np.array([0, 1, 0, 1])


def experiment(folder: Path, **settings: object) -> StoredExperiment:
    return StoredExperiment(
        folder=folder,
        name="mine",
        recipe={"model": {"name": "glam"}, "training": {}},
        identity=identity(dict(settings), "0" * 64),
        classes=CLASSES,
        composition=Composition(
            corpus="iemocap",
            synthetic=False,
            style="full",
            utterances=4,
            classes={"neutral": {"neu": 2}, "sad": {"sad": 2}},
            too_short={"neutral": 1, "sad": 0},
        ),
        ids=IDS,
        targets=TARGETS,
    )


def predictions() -> Predictions:
    return Predictions(
        logits=np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]]], dtype=np.float32),
        segment_classes=np.zeros((2, 3), dtype=np.uint8),
        segments=np.array([1, 2]),
        held_out=np.array([2, 1]),
        train=np.array([3, 0]),
    )


def store(folder: Path) -> None:
    epochs = [Epoch(1e-3, 2.5, 1.0, 0.5), Epoch(9e-4, 1.5, 1.0, 0.5)]
    write_run(folder, 7, {"torch": "2"}, epochs, TARGETS[[2, 1]], 2, predictions(), {"model.safetensors": b"x"})


def test_a_run_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store(tmp_path / "7")
    run = read_run(tmp_path / "7")
    assert (run.seed, run.failed, run.environment) == (7, None, {"torch": "2"})
    assert [score.wa for score in run.scores] == [50.0, 100.0]
    assert run.confusion.tolist() == [[[1, 0], [1, 0]], [[1, 0], [0, 1]]]
    assert run.epochs[1] == Epoch(9e-4, 1.5, 1.0, 0.5)
    for name, value in vars(predictions()).items():
        stored = getattr(run.predictions(), name)
        np.testing.assert_array_equal(stored, value)
        assert stored.dtype == value.dtype
    assert (tmp_path / "7" / "model.safetensors").read_bytes() == b"x"


def test_what_is_for_validation_alone_is_not_scored(tmp_path: Path) -> None:
    epochs = [Epoch(1e-3, 2.5, 1.0, 0.5)] * 2
    folder = tmp_path / "7-fold2"
    write_run(folder, 7, {}, epochs, TARGETS[[2, 1]], 2, predictions(), {}, fold=2, validation_only=1)
    run = read_run(folder)
    assert run.key == RunKey(7, 2)
    assert run.key.name == folder.name
    assert run.validation_only == 1
    assert run.confusion.tolist() == [[[0, 0], [1, 0]], [[0, 0], [0, 1]]]
    assert run.predictions().held_out.tolist() == [2, 1]


def test_runs_and_experiments_stored_before_there_were_folds(tmp_path: Path) -> None:
    store(tmp_path / "7")
    path = tmp_path / "7" / RUN
    before = json.loads(path.read_text())
    path.write_text(json.dumps({name: before[name] for name in ("seed", "failed", "environment", "epochs")}))
    run = read_run(tmp_path / "7")
    assert (run.key, run.validation_only) == (RunKey(7), 0)
    run.predictions()
    store_experiment(experiment(tmp_path))
    path = tmp_path / "experiment.json"
    content = json.loads(path.read_text())
    for name in ("folds", "files", "sha256"):
        del content[name]
    path.write_text(json.dumps(content))
    assert (read_experiment(tmp_path).folds, dict(read_experiment(tmp_path).groups)) == ((), {})


def test_what_utterances_belong_to_comes_back(tmp_path: Path) -> None:
    sessions = Grouping.of(["Ses01", "Ses01", "Ses02", "Ses02"])
    store_experiment(replace(experiment(tmp_path), groups={"session": sessions}, folds=sessions.names))
    again = read_experiment(tmp_path)
    assert again.folds == again.groups["session"].names == ("Ses01", "Ses02")
    assert again.groups["session"].codes.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("hashed", [True, False])
def test_an_experiment_stored_before_what_utterances_belong_to_was_kept_is_written_anew(
    tmp_path: Path, without_hashes: Callable[[Path], None], hashed: bool
) -> None:
    store_experiment(replace(experiment(tmp_path), name="first"))
    if not hashed:
        without_hashes(tmp_path)
    assert read_experiment(tmp_path).groups == {}
    sessions = Grouping.of(["Ses01", "Ses01", "Ses02", "Ses02"])
    store_experiment(replace(experiment(tmp_path), groups={"session": sessions}))
    again = read_experiment(tmp_path)
    assert again.groups["session"].names == ("Ses01", "Ses02")
    assert again.name == "first", "the rest stays as it was"


def test_an_experiment_comes_back_and_is_not_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "glam-iemocap-full-0"
    store_experiment(experiment(folder))
    before = (folder / "experiment.json").stat().st_mtime_ns
    store_experiment(experiment(folder))
    assert (folder / "experiment.json").stat().st_mtime_ns == before
    again = read_experiment(folder)
    assert again.ids == IDS
    assert again.targets.tolist() == TARGETS.tolist()
    assert again.composition == experiment(folder).composition


def test_another_experiment_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    store_experiment(experiment(tmp_path))
    with pytest.raises(GlamError, match="belongs to another experiment"):
        store_experiment(experiment(tmp_path, lr=2))


def test_seeds_lists_complete_runs_in_numerical_order(tmp_path: Path) -> None:
    one = experiment(tmp_path)
    store_experiment(one)
    for name in ("30", "7", "100", "8-fold10", "8-fold9"):
        store(tmp_path / name)
    (tmp_path / "5").mkdir()  # nothing in it
    (tmp_path / ".8.tmp-1").mkdir()
    (tmp_path / ".8.tmp-1" / RUN).write_text("{}")
    write_failure(tmp_path / "9", 9, {}, "the loss is nan")
    assert one.seeds() == ["7", "8-fold9", "8-fold10", "9", "30", "100"]
    assert read_run(tmp_path / "9").failed == "the loss is nan"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"seed": 1}', '{"seed": 1, "failed": null, "environment": 3, "epochs": [{}]}']
)
def test_a_damaged_run_is_one_message(tmp_path: Path, content: str) -> None:
    store(tmp_path / "7")
    (tmp_path / "7" / RUN).write_text(content)
    with pytest.raises(GlamError, match="damaged") as error:
        read_run(tmp_path / "7")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_damaged_predictions_are_one_message(tmp_path: Path, keep: int) -> None:
    store(tmp_path / "7")
    path = tmp_path / "7" / PREDICTIONS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(GlamError, match=r"predictions\.npz: damaged"):
        read_run(tmp_path / "7").predictions()


def test_identity_does_not_depend_on_the_order_of_fields() -> None:
    assert digest(identity({"a": 1, "b": 2}, "x")) == digest(identity({"b": 2, "a": 1}, "x"))
    assert digest(identity({"a": 1}, "x")) != digest(identity({"a": 1}, "y"))
    assert json.loads(canonical_json({"b": 0.1, "a": "é"})) == {"a": "é", "b": 0.1}


def test_arrays_that_do_not_belong_together_are_noticed(tmp_path: Path, without_hashes: Callable[[Path], None]) -> None:
    store(tmp_path / "7")
    np.savez_compressed(tmp_path / "7" / PREDICTIONS, **(vars(predictions()) | {"segments": np.array([1, 1])}))
    with pytest.raises(GlamError, match="not what was written"):
        read_run(tmp_path / "7").predictions()
    without_hashes(tmp_path / "7")
    with pytest.raises(GlamError, match=r"segment_classes is \(2, 3\), expected \(2, 2\)"):
        read_run(tmp_path / "7").predictions()


def test_runs_stored_before_there_were_hashes_are_read(tmp_path: Path, without_hashes: Callable[[Path], None]) -> None:
    store(tmp_path / "7")
    without_hashes(tmp_path / "7")
    assert read_run(tmp_path / "7").predictions().held_out.tolist() == [2, 1]


@pytest.mark.parametrize(("found", "instead"), [('"lr": 0.001', '"lr": 0.002'), ("[1, 0]", "[0, 1]"), ("2.5", "NaN")])
def test_a_changed_figure_is_noticed(tmp_path: Path, found: str, instead: str) -> None:
    store(tmp_path / "7")
    path = tmp_path / "7" / RUN
    assert found in path.read_text()
    path.write_text(path.read_text().replace(found, instead, 1))
    with pytest.raises(GlamError, match=r"run\.json: damaged.*that run is trained again"):
        read_run(tmp_path / "7")


def test_a_changed_class_is_noticed_and_written_anew(tmp_path: Path) -> None:
    store_experiment(experiment(tmp_path))
    table = tmp_path / "utterances.csv"
    whole = table.read_text()
    table.write_text(whole.replace("2,Ses02F_impro01_F000,neutral", "2,Ses02F_impro01_F000,sad"))
    with pytest.raises(GlamError, match=r"utterances\.csv is not what was written.*finished runs stay"):
        read_experiment(tmp_path)
    store_experiment(experiment(tmp_path))
    assert table.read_text() == whole
    assert read_experiment(tmp_path).targets.tolist() == TARGETS.tolist()


def test_a_damaged_experiment_is_one_message(tmp_path: Path) -> None:
    store_experiment(experiment(tmp_path))
    path = tmp_path / "experiment.json"
    path.write_text(path.read_text().replace('"mine"', '"yours"'))
    for act in (lambda: read_experiment(tmp_path), lambda: store_experiment(experiment(tmp_path))):
        with pytest.raises(GlamError, match=r"Delete experiment\.json there"):
            act()


def test_flipped_bytes_are_noticed_or_harmless(tmp_path: Path, without_hashes: Callable[[Path], None]) -> None:
    store(tmp_path / "7")
    without_hashes(tmp_path / "7")
    path = tmp_path / "7" / PREDICTIONS
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with suppress(GlamError):  # any other exception is what this test is about
            read_run(tmp_path / "7").predictions()
