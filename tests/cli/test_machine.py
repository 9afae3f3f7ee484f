"""Flags that every verb has."""

import argparse
from pathlib import Path

import pytest

from glam.cli.machine import place
from glam.cli.train import train


@pytest.mark.parametrize("text", ["", "  ", "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        place(text)


def test_the_home_folder_has_a_short_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place("~/a b") == tmp_path / "a b"


@pytest.mark.parametrize("flag", ["--data-folder", "--runs-folder", "-d", "--seeds", "--tensorboard"])
def test_an_empty_name_is_no_folder(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        train([flag, ""])
    assert exit.value.code == 2
    assert "given an empty name, expected a path" in capsys.readouterr().err


def test_one_seed_and_a_file_of_seeds_exclude_each_other(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seeds.txt").write_text("5\n")
    words = ["-d", str(tiny_release), "-g", "-1", "--data-folder", str(tmp_path), "--set", "segments.length=0.5"]
    words += ["--set", "segments.train_overlap=0.3", "--seed", "3", "--seeds", str(tmp_path / "seeds.txt")]
    assert train(words) == 2
    assert "--seed and --seeds exclude each other" in capsys.readouterr().err
