"""`glam train`, as far as it trains nothing; tests/test_train.py calls it as a user does."""

from pathlib import Path

import pytest
from cli.test_cross import corpus

from glam.cli.train import train


def test_one_seed_and_a_file_of_seeds_exclude_each_other(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seeds.txt").write_text("5\n")
    words = ["-d", str(tiny_release), "-g", "-1", "--data-folder", str(tmp_path), "--set", "cut.length=0.5"]
    words += ["--set", "cut.train_overlap=0.3", "--seed", "3", "--seeds", str(tmp_path / "seeds.txt")]
    assert train(words) == 2
    assert "--seed and --seeds exclude each other" in capsys.readouterr().err


def test_what_is_too_few_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glam.running.experiment.run", lambda *_: None)
    table = corpus(tmp_path / "own", {"angry": 300, "happy": 900}, "ab")
    words = ["--corpus", str(table), "--protocol", "leave-speaker-out", "--set", "split.validation=utterances"]
    words += ["--set", "cut.length=0.5", "--set", "cut.train_overlap=0.1", "--set", "cut.test_overlap=0.1", "-g", "-1"]
    train([*words, "--data-folder", str(tmp_path / "data"), "--runs-folder", str(tmp_path / "runs")])
    assert "WARNING: only 2 speakers (a, b): scores say little of others" in capsys.readouterr().err
