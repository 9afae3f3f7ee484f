"""A loss that is not finite stops its run, is reported, and is not averaged."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from glam.cli.tables import table
from glam.learning import engine
from glam.recipe import load_recipe
from glam.papers import tables
from glam.reports.summary import report
from glam.results.run import read_run
from glam.running import experiment as module
from glam.running.experiment import Places, prepare
from glam.running.job import Resources
from glam.running.message import Message
from glam.splits.splits import RunKey

SHORT = {"length": 0.5, "train_overlap": 0.1, "test_overlap": 0.1}
CPU = Resources("cpu", 1, 1, 60)
BAD = 3431165269
RUNS = [RunKey(5), RunKey(BAD), RunKey(6)]


@pytest.fixture
def trouble(training_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run of seed BAD meets a loss that is no number in its third step."""
    new_learner, step = engine.new_learner, engine.Learner.step
    steps: dict[engine.Learner, int] = {}  # made so far by the learners of that seed

    def made(*about: Any) -> engine.Learner:
        learner = new_learner(*about)
        if about[4] == BAD:
            steps[learner] = 0
        return learner

    def stepped(self: engine.Learner, *batch: Any) -> Tensor:
        loss = step(self, *batch)
        steps[self] = steps.get(self, -99) + 1
        return torch.tensor(math.nan) if steps[self] == 3 else loss

    monkeypatch.setattr(engine, "new_learner", made)
    monkeypatch.setattr(engine.Learner, "step", stepped)


@pytest.mark.usefixtures("trouble")
def test_the_run_fails_the_others_are_kept_and_averaged(tiny_release: Path, tmp_path: Path) -> None:
    settings = [("segments", SHORT), ("training.epochs", 2), ("model.name", "mhcnn"), ("training.batch_size", 16)]
    experiment = prepare(
        load_recipe("glam-released", settings), Places(tiny_release, tmp_path / "data", tmp_path / "runs")
    )
    heard: list[Message] = []
    module.run(experiment, RUNS, CPU, "none", heard.append)
    assert [message.kind for message in heard if message.kind in ("finished", "failed")] == [
        "finished",
        "failed",
        "finished",
    ]
    failed = read_run(experiment.folder / str(BAD))
    assert failed.failed == "the loss of step 3 of epoch 1 is nan, not a finite number"
    assert not (experiment.folder / str(BAD) / "predictions.npz").exists()
    assert not list(experiment.folder.glob(".checkpoints/*.safetensors"))
    text = report(experiment.folder)
    assert "runs: 2 (mean" in text
    assert f"FAILED, not averaged: 1 run; seed {BAD}: the loss of step 3 of epoch 1 is nan" in text
    assert "nan" not in text.split("runs: 2")[0]
    again: list[Message] = []
    module.run(experiment, RUNS, CPU, "none", again.append)
    assert [message.text for message in again] == ["already"] * 3, "it would fail again"


@pytest.mark.usefixtures("trouble")
def test_a_table_says_which_runs_failed(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(row for row in tables.TABLES[2].rows if row.label == "MHCNN")
    monkeypatch.setitem(tables.TABLES, 2, tables.Table(2, rows, "test"))
    words = ["2", "--runs", "3", "-d", str(tiny_release), "-g", "-1", "--set", f"segments={SHORT}"]
    words += ["--set", "training.epochs=2", "--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path)]
    assert table(words) == 0
    out, err = capsys.readouterr()
    assert f"MHCNN, seed {BAD}: FAILED: the loss of step 1 of epoch 2 is nan" in err
    assert "over 2 runs in all, 1 failed" in out
    assert f"FAILED, not averaged: MHCNN, seed {BAD}: the loss of step 1 of epoch 2 is nan" in out
    (log,) = (tmp_path / "runs").glob("*/log.txt")
    assert f"seed {BAD}: FAILED: the loss of step 1 of epoch 2" in log.read_text()
    assert "2 of 3 finished, 1 failed" in log.read_text()
