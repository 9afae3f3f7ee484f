"""Damaged weights: checkpoints, saved models, models of the release."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from endurance.results import CLASSES, TARGETS, make_results

from glam.learning.batch import Batch, Step
from glam.learning.checkpoint import load_checkpoint, save_checkpoint
from glam.learning.course import RunState, initial_objective
from glam.learning.epoch import Epoch
from glam.learning.learner import Learner
from glam.learning.settings import BySegments, TrainingSettings
from glam.models import ModelSettings, build
from glam.models.checkpoints import LAYERS, load_released
from glam.recipe import load_recipe
from glam.results.run import MODEL, read_run, write_run
from glam.running.saved import SavedModel, load_model, pack_model
from glam.splits.runs import RunKey

CPU = torch.device("cpu")
SHAPES: dict[str, tuple[int, ...]] = {"audio": (8, 12)}
OPTIONS = {"heads": 1, "hidden": 4}


def learner(seed: int) -> Learner:
    training = TrainingSettings(batches=BySegments(name="segments", size=4))
    model = ModelSettings.model_validate({"name": "mhcnn", **OPTIONS})
    return Learner(initial_objective(model, training, CLASSES, SHAPES, seed), training, CPU)


@cache
def trained() -> Learner:
    first = learner(1)
    for step in range(2):
        torch.manual_seed(step)
        batch = Batch({"audio": torch.randn(4, 8, 12)}, torch.arange(4), torch.arange(4))
        first.step(Step(batch, 1e-3, step))
    return first


def state() -> RunState:
    return RunState(
        epoch=1,
        step=2,
        losses=[torch.tensor(1.25), torch.tensor(1.5)],
        seconds=3.0,
        epochs=[Epoch(1e-3, 1.5, 1.0, 0.1)],
        logits=[np.ones((3, 4), dtype=np.float32)],
        segment_classes=[np.ones(6, dtype=np.uint8)],
    )


def make_checkpoint(folder: Path) -> None:
    save_checkpoint(folder / "5.safetensors", trained(), state(), "me/5", {"w": torch.ones(3)}, {"resumed": 2})


def read_checkpoint(folder: Path) -> object:
    other = learner(2)
    checkpoint = load_checkpoint(folder / "5.safetensors", other, "me/5")
    assert checkpoint is not None
    back, extra, notes = checkpoint
    expected = state()
    assert (back.epoch, back.step, back.seconds, back.epochs) == (1, 2, 3.0, expected.epochs)
    assert [loss.item() for loss in back.losses] == [1.25, 1.5]
    np.testing.assert_array_equal(back.logits, expected.logits)
    np.testing.assert_array_equal(back.segment_classes, expected.segment_classes)
    assert extra["w"].tolist() == [1, 1, 1]
    assert notes == {"resumed": 2}
    for mine, theirs in zip(other.weights().items(), trained().weights().items(), strict=True):
        assert mine[0] == theirs[0]
        assert torch.equal(mine[1], theirs[1]), mine[0]
    assert_equal_states(other.optimiser.state_dict()["state"], trained().optimiser.state_dict()["state"])
    return "resumed"


def assert_equal_states(mine: Any, theirs: Any) -> None:
    assert mine.keys() == theirs.keys()
    for key in mine:
        for name in theirs[key]:
            assert torch.equal(torch.as_tensor(mine[key][name]), torch.as_tensor(theirs[key][name])), (key, name)


def saved() -> bytes:
    recipe = load_recipe("mhcnn-released", [(f"model.{name}", value) for name, value in OPTIONS.items()])
    return pack_model(trained().weights(), recipe, SHAPES, RunKey(5), 2)


def make_saved_model(folder: Path) -> None:
    """A model in the folder of its run, which knows its hash."""
    make_results(folder)
    where = folder / "glam-iemocap-improvised-0" / "5"
    run = read_run(where)
    predictions = run.predictions()
    shutil.rmtree(where)
    truth = TARGETS[predictions.held_out]
    write_run(where, RunKey(5), run.experiment, {}, run.epochs, truth, 4, predictions, {MODEL: saved()})


def read_saved_model(folder: Path) -> object:
    run = read_run(folder / "glam-iemocap-improvised-0" / "5")
    run.read(MODEL)  # as whoever draws with it does
    model = load_model(run.folder / MODEL)
    assert (model.recipe.model.name, model.shapes, model.epoch, model.seed) == ("mhcnn", SHAPES, 2, 5)
    for name, tensor in trained().weights().items():
        assert torch.equal(model.objective.state_dict()[name], tensor), name
    return "weights"


def make_model_alone(folder: Path) -> None:
    (folder / MODEL).write_bytes(saved())


def read_model_alone(folder: Path) -> SavedModel:
    """Without its run, nothing has a hash: changed values are read as written."""
    return load_model(folder / MODEL)


@cache
def released_state() -> dict[str, torch.Tensor]:
    """A released MHCNN: its names, and a convolution for each head."""
    torch.manual_seed(0)
    ours = build(ModelSettings(name="mhcnn"), 4, {"audio": (26, 57)}).state_dict()
    released = {}
    for theirs, layer in LAYERS["mhcnn"].items():
        for name, tensor in ours.items():
            if name.startswith(f"{layer}."):
                leaf = name.removeprefix(f"{layer}.")
                if theirs.startswith("attention_"):
                    for head, part in enumerate(tensor.chunk(4)):
                        released[f"{theirs}.{head}.{leaf}"] = part.clone()
                else:
                    released[f"{theirs}.{leaf}"] = tensor.clone()
    return released


def make_released(folder: Path) -> None:
    torch.save(released_state(), folder / "model.pth")


def make_old_released(folder: Path) -> None:
    torch.save(released_state(), folder / "model.pth", _use_new_zipfile_serialization=False)


@cache
def released_whole() -> dict[str, torch.Tensor]:
    return load_released(released_state()).model.state_dict()


def read_released(folder: Path) -> object:
    weights = load_released(folder / "model.pth").model.state_dict()
    for name, tensor in released_whole().items():
        assert torch.equal(weights[name], tensor), f"{name} is other than in the file that was saved"
    return "weights"


def read_old_released(folder: Path) -> object:
    """The format of torch before 1.6, which has no checksums: changed values are read as written."""
    return load_released(folder / "model.pth").name
