import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from glam.errors import GlamError
from glam.learning.epoch import Epoch
from glam.results.run import PREDICTIONS, RUN, Predictions, read_run, write_failure, write_run
from glam.splits.runs import RunKey

TARGETS = np.array([0, 1, 0, 1])
EXPERIMENT = "e" * 64


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
    about, held_out = {"torch": "2"}, TARGETS[[2, 1]]
    write_run(folder, RunKey(7), EXPERIMENT, about, epochs, held_out, 2, predictions(), {"model.safetensors": b"x"})


def test_a_run_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store(tmp_path / "7")
    run = read_run(tmp_path / "7")
    assert (run.seed, run.failed, run.environment, run.experiment) == (7, None, {"torch": "2"}, EXPERIMENT)
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
    write_run(folder, RunKey(7, 2), EXPERIMENT, {}, epochs, TARGETS[[2, 1]], 2, predictions(), {}, validation_only=1)
    run = read_run(folder)
    assert run.key == RunKey(7, 2)
    assert run.key.name == folder.name
    assert run.validation_only == 1
    assert run.confusion.tolist() == [[[0, 0], [1, 0]], [[0, 0], [0, 1]]]
    assert run.predictions().held_out.tolist() == [2, 1]


def test_runs_stored_before_there_were_folds(tmp_path: Path) -> None:
    store(tmp_path / "7")
    path = tmp_path / "7" / RUN
    before = json.loads(path.read_text())
    path.write_text(json.dumps({name: before[name] for name in ("seed", "failed", "environment", "epochs")}))
    run = read_run(tmp_path / "7")
    assert (run.key, run.validation_only, run.experiment) == (RunKey(7), 0, "")
    run.predictions()


@pytest.mark.parametrize("key", [RunKey(9), RunKey(9, 4)])
def test_a_failed_run_says_why(tmp_path: Path, key: RunKey) -> None:
    write_failure(tmp_path / key.name, key, EXPERIMENT, {"torch": "2"}, "the loss is nan")
    run = read_run(tmp_path / key.name)
    assert (run.key, run.failed, run.epochs, run.experiment) == (key, "the loss is nan", (), EXPERIMENT)


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


@pytest.mark.parametrize(("before", "after"), [('"lr": 0.001', '"lr": 0.002'), ("[1, 0]", "[0, 1]"), ("2.5", "NaN")])
def test_a_changed_figure_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    store(tmp_path / "7")
    path = tmp_path / "7" / RUN
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(GlamError, match=r"run\.json: damaged.*that run is trained again"):
        read_run(tmp_path / "7")


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
