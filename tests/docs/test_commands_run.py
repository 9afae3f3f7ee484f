"""The commands of the pages that only read are run as they stand there, on stored runs and a small trained model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from docs.pages import COMMANDS, Command
from prediction.conftest import Trained, train, trained

from glam.cli.main import main

__all__ = ["train", "trained"]

READING = ("compare", "corpus", "diagnose", "export", "figure", "list", "merge", "predict", "report", "table")
EXPERIMENTS = {"A", "B", "C", "EXPERIMENT"}
MODELS = {"MODEL", "<experiment>/<seed>"}
# Commands that read and are not run here, and why.
NOT_HERE = {
    "/data/": "a corpus that is not here",
    "--words": "asks a model of words: tests/prediction/test_given.py",
    "glam export MODEL": "needs onnxruntime: tests/prediction/test_exported.py",
    "MODEL - ": "asks standard input: tests/cli/test_predict.py",
    "my-model": "needs onnxruntime: tests/prediction/test_exported.py",
    "-iemocap-": "runs of that name: tests/docs/test_reading_a_report.py",
    "--seeds-and-splits": "of experiments that differ in split.seed: tests/reports/test_analyses.py",
}


def reads(command: Command) -> bool:
    program, verb = (*command.words, "")[:2]
    only = verb in READING and (verb != "table" or "--report" in command.words)
    return program == "glam" and only and not command.mention


READ = sorted({" ".join(command.words) for command in COMMANDS if reads(command)})
RUN = [line for line in READ if not any(part in line for part in NOT_HERE)]


@pytest.fixture
def folder(
    trained: Trained, store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A folder with experiments, recordings and the shares of a cluster; the model of a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    for name in EXPERIMENTS:
        store(tmp_path / "runs" / name)
    for share in ("glam-1", "glam-2"):
        store(tmp_path / "scratch" / share / "A")
    (tmp_path / "calls").mkdir()
    for recording in trained.held_out[:3]:
        shutil.copy(recording, tmp_path / "calls")
    samples, rate = soundfile.read(trained.held_out[0])
    soundfile.write(tmp_path / "call.wav", np.stack([samples, samples], axis=1), rate)
    return tmp_path, trained.run.folder


@pytest.mark.parametrize("line", RUN)
def test_it_runs(line: str, folder: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    here, model = folder
    words: list[str] = []
    for word in line.split()[1:]:
        shares = sorted(map(str, (here / "scratch").glob("glam-*"))) if word == "$SCRATCH/glam-*" else []
        words += shares or [str(model) if word in MODELS else word]
    assert main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert printed.out or printed.err


def test_what_is_not_run_is_still_on_a_page() -> None:
    assert {part for part in NOT_HERE if not any(part in line for line in READ)} == set()
