"""A loss that is not finite stops its run, is reported, and is not averaged."""

import math
from pathlib import Path

import pytest
import torch
from running.small import CPU, prepared
from torch import Tensor

from glam.cli.tables import table
from glam.learning.batch import Data, Step
from glam.learning.learner import Learner
from glam.learning.objective import Objective
from glam.reports.summary import report
from glam.results.run import read_run
from glam.running.events import Event, Failed, Finished, FinishedElsewhere
from glam.running.job import Job, objective_of
from glam.running.training import run
from glam.splits.runs import RunKey

SHORT = {"length": 0.5, "train_overlap": 0.1, "test_overlap": 0.1}
BAD = 3431165269
RUNS = [RunKey(5), RunKey(BAD), RunKey(6)]


@pytest.fixture
def trouble(training_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run of seed BAD meets a loss that is no number in its third step."""
    take = Learner.step
    steps: dict[Objective, int] = {}  # taken so far by the objectives of that seed

    def made(work: Job, run: RunKey, data: Data) -> Objective:
        objective = objective_of(work, run, data)
        if run.seed == BAD:
            steps[objective] = 0
        return objective

    def taken(self: Learner, step: Step) -> Tensor:
        loss = take(self, step)
        steps[self.objective] = steps.get(self.objective, -99) + 1
        return torch.tensor(math.nan) if steps[self.objective] == 3 else loss

    monkeypatch.setattr("glam.running.one_run.objective_of", made)
    monkeypatch.setattr(Learner, "step", taken)


@pytest.mark.usefixtures("trouble")
def test_the_run_fails_the_others_are_kept_and_averaged(tiny_release: Path, tmp_path: Path) -> None:
    settings = [("cut", SHORT), ("training.epochs", 2), ("model.name", "mhcnn"), ("training.batches.size", 16)]
    experiment = prepared(tiny_release, tmp_path, *settings, recipe="glam-released")
    heard: list[Event] = []
    run(experiment, RUNS, CPU, "none", heard.append)
    ends = [(event.run, type(event)) for event in heard if isinstance(event, Finished | Failed)]
    assert ends == list(zip(RUNS, (Finished, Failed, Finished), strict=True))
    failed = read_run(experiment.folder / str(BAD))
    assert failed.failed == "the loss of step 3 of epoch 1 is nan, not a finite number"
    assert not (experiment.folder / str(BAD) / "predictions.npz").exists()
    assert not list(experiment.folder.glob(".checkpoints/*.safetensors"))
    text = report(experiment.folder)
    assert "runs: 2 (mean" in text
    assert f"FAILED, not averaged: 1 run; seed {BAD}: the loss of step 3 of epoch 1 is nan" in text
    assert "nan" not in text.split("runs: 2")[0]
    again: list[Event] = []
    run(experiment, RUNS, CPU, "none", again.append)
    assert again == [FinishedElsewhere(run) for run in RUNS], "it would fail again"


@pytest.mark.usefixtures("trouble")
def test_a_table_says_which_runs_failed(tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["2", "--rows", "MHCNN", "--runs", "3", "-d", str(tiny_release), "-g", "-1", "--set", f"cut={SHORT}"]
    words += ["--set", "training.epochs=2", "--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path)]
    assert table(words) == 0
    out, err = capsys.readouterr()
    assert f"MHCNN, seed {BAD}: FAILED: the loss of step 1 of epoch 2 is nan" in err
    assert "over the runs of a row (2 in all), 1 failed" in out
    assert f"FAILED, not averaged: MHCNN, seed {BAD}: the loss of step 1 of epoch 2 is nan" in out
    (log,) = (tmp_path / "runs").glob("*/log.txt")
    assert f"seed {BAD}: FAILED: the loss of step 1 of epoch 2" in log.read_text()
    assert "2 of 3 finished, 1 failed" in log.read_text()
