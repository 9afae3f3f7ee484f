"""A run that was interrupted goes on to the bit, and a file that is not what was written is noticed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from learning.small import CPU, SETTINGS, data_of, learner_of, run, same, steps_of, write_store

from glam.learning.batch import Data
from glam.learning.checkpoint import DamagedCheckpoint, load_checkpoint, save_checkpoint
from glam.learning.course import RunState, alone
from glam.learning.settings import TrainingSettings

RAGGED = np.array([3, 1, 6, 2, 4, 3, 5, 1, 2, 4, 4, 4])  # segments of each utterance
WHOLE = {"name": "utterances", "size": 3, "most": 5}


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store") / "features.npy")


def interrupted_and_resumed(data: Data, path: Path, settings: TrainingSettings, stop: int) -> bool:
    """Whether a run that is stopped after so many steps ends as one that is not."""
    learner, state = learner_of(settings=settings), RunState()
    steps = 0

    def interrupt(_: int) -> None:
        nonlocal steps
        steps += 1
        if steps == stop:
            save_checkpoint(path, learner, state, "mine/5", {"best": torch.ones(2)}, {"resumed": 0})
            raise Interrupted

    with pytest.raises(Interrupted):
        alone(steps_of(learner, data, state, settings, after_step=interrupt), CPU)

    again = learner_of(77, settings)  # other initial weights: all must come from the checkpoint
    loaded = load_checkpoint(path, again, "mine/5")
    assert loaded is not None
    state, extra, notes = loaded
    assert extra["best"].tolist() == [1, 1]
    assert notes == {"resumed": 0}
    alone(steps_of(again, data, state, settings), CPU)
    return same((state, again.weights()), run(data, settings))


@pytest.mark.parametrize("stop", [1, 4, 5, 9, 14])
def test_a_run_goes_on_from_any_step(store: Path, tmp_path: Path, stop: int) -> None:
    assert interrupted_and_resumed(data_of(store), tmp_path / "c", SETTINGS, stop)


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_a_run_goes_on_within_an_epoch_of_ragged_batches(store: Path, tmp_path: Path, stop: int) -> None:
    settings = TrainingSettings.model_validate({"epochs": 2, "alpha": 0, "batches": WHOLE})
    assert interrupted_and_resumed(data_of(store, RAGGED), tmp_path / "c", settings, stop)


@pytest.mark.parametrize("optimizer", [{"name": "sgd", "momentum": 0.9}, {"name": "sgd", "momentum": 0.0}, "adam"])
def test_every_optimiser_goes_on(store: Path, tmp_path: Path, optimizer: object) -> None:
    settings = TrainingSettings.model_validate(
        {"epochs": 2, "lr": 1e-2, "batches": {"size": 8}, "optimizer": optimizer, "decayed": ["trunk"]}
    )
    assert interrupted_and_resumed(data_of(store), tmp_path / "c", settings, 3)


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", learner_of(), RunState(), "me", {"best": torch.ones(2)}, {"resumed": 0})
    whole = (tmp_path / "c").read_bytes()
    for position in (len(whole) // 3, len(whole) // 2, len(whole) - 10, whole.index(b"resumed")):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        (tmp_path / "c").write_bytes(damaged)
        with pytest.raises(DamagedCheckpoint, match="a damaged checkpoint"):
            load_checkpoint(tmp_path / "c", learner_of(), "me")


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", learner_of(), RunState(), "me", {}, {})
    with pytest.raises(DamagedCheckpoint, match="of another experiment"):
        load_checkpoint(tmp_path / "c", learner_of(), "you")
    assert load_checkpoint(tmp_path / "none", learner_of(), "me") is None
