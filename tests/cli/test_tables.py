from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from reports.stored import predicted, store_failure, store_run

from glam.cli.tables import list_all, table
from glam.cli.train import train
from glam.results.experiment import store_experiment
from glam.running.events import Event, Failed, Finished, Listen, Progress, Started, Stepped
from glam.running.experiment import Experiment
from glam.running.job import Resources
from glam.running.training import Todo
from glam.splits.runs import RunKey
from glam.splits.splits import random_split

SHORT = ["--set", "cut={length: 0.5, train_overlap: 0.25, test_overlap: 0.25}"]


class FakeTraining:
    """Stands in for the training: stores runs at once, notes what was asked, stops where it is told to."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.trained: list[tuple[str, int, str]] = []
        self.left = stop_after

    def __call__(
        self,
        todo: Todo,
        resources: Resources,
        save_model: str,
        listen: Callable[[Experiment, Event], None],
        execute: object = None,
    ) -> None:
        for experiment, runs in todo:
            store_experiment(experiment.stored)
            self.train(experiment, runs, save_model, partial(listen, experiment))

    def train(self, experiment: Experiment, runs: Sequence[RunKey], save_model: str, listen: Listen) -> None:
        for run in runs:
            if experiment.finished(run):
                continue
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            split = random_split(len(experiment.stored.ids), run.seed)
            truth = experiment.stored.targets[split.held_out]
            logits = np.eye(4, dtype=np.float32)[truth][None]
            store_run(experiment.stored, run, predicted(logits, split.held_out, split.train))
            self.trained.append((experiment.recipe.model.name, run.seed, save_model))
            listen(Started(run, Progress(1, 0, 10)))
            listen(Stepped(run, Progress(1, 5, 10)))
            listen(Finished(run, Progress(2, 10, 10), epoch=1, wa=100.0, ua=100.0))


class FailingTraining(FakeTraining):
    """Stores every run as failed, but for those of one model."""

    def __init__(self, but: str = "") -> None:
        super().__init__()
        self.but = but

    def train(self, experiment: Experiment, runs: Sequence[RunKey], save_model: str, listen: Listen) -> None:
        if experiment.recipe.model.name == self.but:
            return super().train(experiment, runs, save_model, listen)
        for run in runs:
            store_failure(experiment.stored, run, "the loss is nan")
            listen(Failed(run, "the loss is nan"))
        return None


@pytest.fixture
def command(tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`glam table` on the tiny release, its training faked, a run costing 90 s."""
    folders = ["--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path / "data")]

    def run(training: FakeTraining, *words: str, datadir: bool = True) -> int:
        monkeypatch.setattr("glam.running.training.run_all", training)
        monkeypatch.setattr("glam.running.pace.run_seconds", lambda experiments, resources: [90.0] * len(experiments))
        place = ["-d", str(tiny_release), "-g", "-1", "--runs-at-once", "2"] if datadir else []
        return table([*words, *SHORT, *folders, *place])

    return run


def test_a_table_is_trained_estimated_interrupted_and_finished(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = FakeTraining(stop_after=3)
    assert command(broken, "2", "--runs", "2") == 130
    out = capsys.readouterr()
    assert "estimate   about 9 min for 12 runs, 2 at once" in out.err
    assert "Multi-scale + MHA  2 runs of 90 s" in out.err
    assert "the same command goes on" in out.err
    assert out.out == ""

    rest = FakeTraining()
    assert command(rest, "2", "--runs", "2") == 0
    out = capsys.readouterr()
    assert "12, of which 3 are stored already" in out.err
    assert "estimate   about 8 min for 9 runs" in out.err
    done = broken.trained + rest.trained
    assert len(done) == len(set(done)) == 12
    assert "run 9 of 9" in out.err
    assert out.out.count("100.00±0.00") == 6 * (5 + 4), "five scores, and WA and UA with those of halves"
    assert "NOT the complete IEMOCAP" in out.out


def test_a_table_of_which_every_run_failed_is_no_success(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(FailingTraining(), "2", "--runs", "1") == 2
    out = capsys.readouterr()
    assert "FAILED, not averaged: GLAM, seed 2602656884: the loss is nan" in out.out
    assert out.err.endswith("error: nothing to average: every run failed (6 runs), as said above\n")
    assert command(FakeTraining(), "2", "--runs", "1", "--report") == 0, "a report reads, whatever there is to read"


def test_a_table_of_which_some_runs_failed_is_shown(command: Callable[..., int]) -> None:
    assert command(FailingTraining(but="glam"), "2", "--runs", "1") == 0


@pytest.mark.parametrize(("training", "status"), [(FailingTraining(), 2), (FailingTraining(but="glam"), 0)])
def test_training_of_which_every_run_failed_is_no_success(
    tiny_release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    training: FailingTraining,
    status: int,
) -> None:
    monkeypatch.setattr("glam.running.training.run_all", training)
    folders = ["--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path / "data")]
    words = [*SHORT, *folders, "-d", str(tiny_release), "--gpu", "-1", "--runs", "1"]
    assert train(words) == status
    out = capsys.readouterr()
    assert ("FAILED, not averaged: 1 run; seed 2602656884: the loss is nan" in out.out) == (status == 2)
    assert ("every run failed (1 run)" in out.err) == (status == 2)


def test_a_damaged_experiment_leaves_the_other_rows(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command(FakeTraining(), "2", "--runs", "2") == 0
    (folder,) = (tmp_path / "runs").glob("mhcnn-*")
    (folder / "experiment.json").write_text("{")
    capsys.readouterr()
    assert command(FakeTraining(stop_after=0), "2", "--report", datadir=False) == 2
    out = capsys.readouterr()
    assert out.out.count("100.00±0.00") == 5 * (5 + 4)
    assert f"DAMAGED, not shown: MHCNN: {folder}" in out.out
    assert out.err.startswith(f"error: left out of the table, as it is damaged: MHCNN: {folder}")
    assert "Traceback" not in out.err
    # another table has no such row
    assert command(FakeTraining(stop_after=0), "3", "--report", datadir=False) == 0


def test_tables_share_their_runs(command: Callable[..., int]) -> None:
    assert command(FakeTraining(), "2", "--runs", "1") == 0
    training = FakeTraining()
    assert command(training, "3", "--runs", "1") == 0
    assert len(training.trained) == 6, "alpha 0.5 is GLAM's row of Table 2"
    again = FakeTraining()
    assert command(again, "3", "--runs", "1") == 0
    assert again.trained == []


def test_a_report_trains_nothing_and_needs_no_corpus(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command(FakeTraining(), "2", "--runs", "2") == 0
    capsys.readouterr()
    nothing = FakeTraining(stop_after=0)
    assert command(nothing, "2", "--report", "-o", str(tmp_path / "out"), datadir=False) == 0
    out = capsys.readouterr()
    assert out.out.count("100.00±0.00") == 6 * (5 + 4), "five scores, and WA and UA with those of halves"
    assert "table2-released.tex" in out.err
    assert " bold, " not in (tmp_path / "out" / "table2-released.tex").read_text()
    assert command(nothing, "2", "--report", "-o", str(tmp_path / "out"), "--bold", datadir=False) == 0
    assert "% no row in bold, because " in (tmp_path / "out" / "table2-released.tex").read_text()
    capsys.readouterr()
    assert command(nothing, "2", "--report", "--bold", datadir=False) == 2
    assert "--bold is about the LaTeX file: say with --output where to write it" in capsys.readouterr().err
    assert (tmp_path / "out" / "table2-released.csv").is_file()
    assert list_all(["--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path / "data")]) == 0
    listed = capsys.readouterr().out
    assert "40 utterances" in listed
    assert "glam-iemocap-improvised-" in listed
    for name in ("aacnn-original", "mhcnn-paper", "glam/4", "synthetic"):
        assert name in listed


def test_a_protocol_is_that_of_all_rows(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(FakeTraining(), "2", "--report", "--protocol", "leave-session-out") == 0
    assert "CHANGED for all rows: split.name=leave-session-out" in capsys.readouterr().out


def test_a_report_refuses_the_index_of_another_corpus(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command(FakeTraining(), "2", "--runs", "1") == 0
    assert command(FakeTraining(), "2", "--report", "-d", str(tmp_path), datadir=False) == 2
    assert f"not of {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1", "--runs", "0"], "--runs 0: expected 1 to 100"),
        (["1", "--runs", "101"], "--runs 101: expected 1 to 100"),
        (["3", "--set", "training.alpha=1"], "the rows of Table 3 fix it themselves"),
        (["1", "--set", "training.epochs=0"], "training.epochs: given 0"),
        (["1", "--corpus", "timit"], "timit"),
        (["5"], "there is no table '5'; the tables of glam are glam/1, glam/2, glam/3, glam/4"),
        (["nobody/1"], "there is no paper 'nobody'"),
        (["1", "--setting", "mine"], "--setting mine: no setting of the tables of glam; there are released, paper"),
        (["2", "--rows", "nothing of it"], "nothing of it"),
    ],
)
def test_mistakes_are_one_message(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command(FakeTraining(stop_after=0), *words) == 2
    assert message in capsys.readouterr().err


def test_what_does_nothing_is_said(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["2", "--runs", "1", "--file", f"GLOVE={tmp_path}/glove.txt"]
    assert command(FakeTraining(), *words) == 0
    assert "--file GLOVE: not used: no input here reads a file of that name" in capsys.readouterr().err
    assert command(FakeTraining(), *words, "--tensorboard", str(tmp_path)) == 0
    assert f"--tensorboard: nothing is left to train, so nothing is written to {tmp_path}" in capsys.readouterr().err
