"""`glam train` in this process; tests/test_train.py calls it as a user does."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from cli.test_cross import corpus

from glam.cli.train import train
from glam.running.job import Resources
from glam.running.pace import Timed


def test_one_seed_and_a_file_of_seeds_exclude_each_other(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seeds.txt").write_text("5\n")
    words = ["-d", str(tiny_release), "-g", "-1", "--data-folder", str(tmp_path), "--set", "cut.length=0.5"]
    words += ["--set", "cut.train_overlap=0.3", "--seed", "3", "--seeds", str(tmp_path / "seeds.txt")]
    assert train(words) == 2
    assert "--seed and --seeds exclude each other" in capsys.readouterr().err


def test_a_table_that_is_not_there_is_named_as_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--corpus", "gone.csv"]) == 2
    assert capsys.readouterr().err == "error: there is no file gone.csv, which is given as a corpus\n"


def test_what_is_too_few_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glam.running.training.run", lambda *_: None)
    table = corpus(tmp_path / "own", {"angry": 300, "happy": 900}, "ab")
    words = ["--corpus", str(table), "--protocol", "leave-speaker-out", "--set", "split.validation=utterances"]
    words += ["--set", "cut.length=0.5", "--set", "cut.train_overlap=0.1", "--set", "cut.test_overlap=0.1", "-g", "-1"]
    train([*words, "--data-folder", str(tmp_path / "data"), "--runs-folder", str(tmp_path / "runs")])
    assert "WARNING: only 2 speakers (a, b): scores say little of others" in capsys.readouterr().err


SHORT = ("cut.length=0.5", "cut.train_overlap=0.3", "cut.test_overlap=0.3", "training.epochs=1", "model.name=mhcnn")


def test_threads_are_measured_where_that_is_asked_for(
    tiny_release: Path,
    tmp_path: Path,
    training_here: None,
    torch_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measure(steps: Sequence[Timed], resources: Resources) -> list[float]:
        return [1.0 / resources.threads for _ in steps]

    monkeypatch.setattr("glam.running.pace._measure", measure)
    monkeypatch.setattr("glam.processor.cores", lambda: 2)
    words = ["-d", str(tiny_release), "-g", "-1", "--threads", "auto", "--runs-folder", str(tmp_path / "runs")]
    words += ["--data-folder", str(tmp_path / "data"), *(f"--set={field}" for field in SHORT)]
    assert train(words) == 0
    done = capsys.readouterr()
    assert "device     cpu, fp32, as many CPU threads a run as are fastest" in done.err
    assert "2 a run, 1 at once: 500 ms a step, about " in done.err
    assert "2 a run, 1 at once: chosen; --threads 2 --runs-at-once 1 does the same again" in done.err
    assert "computed: cpu, fp32, 2 CPU threads a run" in done.out
    assert train(words) == 0
    assert "chosen" not in capsys.readouterr().err, "there is nothing left to choose it for"


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_threads_are_a_number_or_auto(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train([f"--threads={given}"])
    assert f"given '{given}', expected a number from 1, or auto" in capsys.readouterr().err


def test_threads_of_a_cluster_are_not_measured_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--recipe=demo", "--cluster=ray", "--threads=auto"]) == 2
    assert "--threads auto: measured on this machine only" in capsys.readouterr().err
