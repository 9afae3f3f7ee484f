"""What the tests share: where the recorded values lie, and a corpus small enough for every test."""

import json
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

# Before torch is imported: threads that wait for each other are slow where several tests share two cores, and
# rounding depends on their number.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# No test depends on time: neither on a machine that others use nor while coverage is counted.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell without job control, as CI has, starts what runs in its background deaf to Ctrl-C, and that is inherited by
# the processes that tests interrupt. A handler is not: they start with the usual answer.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where corpora, files beside them and results lie on this machine is no business of a test's.
PLACES = ("IEMOCAP", "GLOVE", "ASR", "XVECTORS", "GLAM_DATA", "GLAM_RUNS")
for place in PLACES:
    os.environ.pop(place, None)


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command is given with --file, which sets it for the rest of the process, ends with the test."""
    for place in PLACES:
        monkeypatch.setenv(place, "")


SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded values and real speech beside the project; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the recorded values and real speech in ../shared, which is absent here")
    return SHARED


@pytest.fixture(scope="session")
def emodb(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EmoDB laid out as IEMOCAP."""
    root = tmp_path_factory.mktemp("emodb")
    tool, speech = shared / "tools" / "emodb_as_iemocap.py", shared / "corpora" / "emodb" / "wav"
    subprocess.run([sys.executable, str(tool), str(speech), str(root)], check=True)
    return root


@pytest.fixture
def without_hashes() -> Callable[[Path], None]:
    """Makes results (the folder of a run or of an experiment) as the earliest were stored, which carry no hashes.

    For tests that change what lies there and ask what else is noticed than the change itself.
    """

    def strip(folder: Path) -> None:
        for path in folder.rglob("*.json"):
            record = json.loads(path.read_text())
            del record["files"], record["sha256"]
            path.write_text(json.dumps(record))

    return strip


@pytest.fixture
def training_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands train in this process instead of in workers, which take seconds to start; otherwise for real."""
    from glam.results.experiment import store_experiment
    from glam.running.events import Event
    from glam.running.experiment import Experiment, job
    from glam.running.job import Resources, SaveModel
    from glam.running.training import Todo
    from glam.running.workers import run_alone

    def run_here(
        todo: Todo,
        resources: Resources,
        save_model: SaveModel,
        listen: Callable[[Experiment, Event], None],
        execute: object = None,
    ) -> None:
        for experiment, runs in todo:
            store_experiment(experiment.stored)
            work = job(experiment, resources, save_model)
            for run in runs:
                run_alone(work, run, partial(listen, experiment), lambda: False)

    monkeypatch.setattr("glam.running.training.run_all", run_here)
    monkeypatch.setattr("glam.running.pace.run_seconds", lambda experiments, *_: [1.0] * len(experiments))


@pytest.fixture
def torch_threads() -> Iterator[None]:
    """Torch has as many threads after the test as before."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 40 utterances of about a second in IEMOCAP's layout: four labels, told apart by pitch."""
    root = tmp_path_factory.mktemp("tiny")
    rng = np.random.RandomState(0)
    for session in range(1, 6):
        dialogue = f"Ses0{session}F_impro01"
        wavs = root / f"Session{session}" / "sentences" / "wav" / dialogue
        texts = root / f"Session{session}" / "dialog"
        wavs.mkdir(parents=True)
        labels, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"], []
        for turn in range(8):
            name = f"{dialogue}_{'FM'[turn % 2]}{turn:03d}"
            label = ("neu", "sad", "ang", "exc")[turn // 2]
            n = 14000 + 400 * turn + 100 * session
            time = np.arange(n) / 16000
            sound = 0.3 * np.sin(2 * np.pi * (150 + 300 * (turn // 2)) * time) + 0.02 * rng.randn(n)
            with wave.open(str(wavs / f"{name}.wav"), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes((sound * 32767).astype("<i2").tobytes())
            labels.append(f"\n[{turn:.4f} - {turn + 0.9:.4f}]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n")
            words.append(f"{name} [{turn:08.4f}-{turn + 0.9:08.4f}]: la la\n")
        for folder, lines in (("EmoEvaluation", labels), ("transcriptions", words)):
            (texts / folder).mkdir(parents=True)
            (texts / folder / f"{dialogue}.txt").write_text("".join(lines))
    return root


@pytest.fixture
def store() -> Callable[..., Path]:
    """Stores an experiment of that folder's name: 40 utterances, runs that were never trained."""
    from reports.stored import experiment_of, predicted, store_run

    from glam.recipe import recorded
    from glam.results.experiment import store_experiment
    from glam.splits.runs import RunKey
    from glam.splits.splits import random_split

    targets = np.arange(40) % 4

    def make(folder: Path, seeds: int = 3) -> Path:
        """Runs of two epochs; in the second, they are right where they are wrong in the first."""
        recipe = recorded({"name": folder.name, "model": {"name": folder.name}}, "the recipe of this test")
        experiment = experiment_of(folder, recipe, targets, ids=[f"Ses01F_impro01_F{i:03d}" for i in range(40)])
        store_experiment(experiment)
        for seed in range(seeds):
            split = random_split(40, seed)
            truth = targets[split.held_out]
            right = np.random.default_rng(seed).random(8) < 0.5
            guess = np.where([right, ~right], truth, (truth + 1) % 4)
            predictions = predicted(np.eye(4, dtype=np.float32)[guess], split.held_out, split.train)
            store_run(experiment, RunKey(seed), predictions)
        return folder

    return make
