"""A model trained on a corpus small enough for every test, and the run that it is of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from running import small

from glam.prediction.model import Model
from glam.prediction.notebook import load
from glam.results.experiment import StoredExperiment, experiment_of
from glam.results.run import StoredRun, read_run
from glam.splits.runs import RunKey

SMALL = [("cut.test_overlap", 0.46), ("training.epochs", 1)]
OWN = """
from pathlib import Path

from torch import nn

Path({trace!r}).write_text("run")


class Tiny(nn.Module):
    def __init__(self, classes, audio):
        super().__init__()
        self.decide = nn.Linear(audio[0] * audio[1], classes)

    def forward(self, audio):
        return self.decide(audio.flatten(1))


def tiny(classes, audio):
    return Tiny(classes, audio)
"""


class Trained(NamedTuple):
    """A run, its experiment, and its model; the recordings that the run held out."""

    run: StoredRun
    experiment: StoredExperiment
    model: Model
    held_out: list[Path]


Train = Callable[..., Trained]


@pytest.fixture(scope="session")
def train(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a model, once for the same settings."""
    kept: dict[str, Trained] = {}

    def trained(*fields: tuple[str, object], model: str = "mhcnn", code: Path | None = None) -> Trained:
        key = json.dumps([fields, model])
        if key not in kept:
            settings = [*SMALL, ("model", model), *fields]
            experiment = small.stored(tiny_release, tmp_path_factory.mktemp("trained"), *settings)
            small.train(experiment, RunKey(7), save_model="last")
            run = read_run(experiment.folder / "7")
            stored = experiment_of(run.folder)
            wavs = {path.stem: path for path in tiny_release.rglob("*.wav")}
            held_out = [wavs[stored.ids[i]] for i in run.predictions().held_out]
            given = [code] if code is not None else []
            kept[key] = Trained(run, stored, load(run.folder, code=given), held_out)
        return kept[key]

    return trained


@pytest.fixture
def trained(train: Train) -> Trained:
    return train()


@pytest.fixture
def own(train: Train, tmp_path: Path) -> tuple[Trained, Path, Path]:
    """A model of a file of one's own: the run, the file, and what the file leaves behind where it is run."""
    path, trace = tmp_path / "mine.py", tmp_path / "trace"
    path.write_text(OWN.format(trace=str(trace)))
    trained = train(model=f"{path}:tiny", code=path)
    trace.unlink()
    return trained, path, trace
