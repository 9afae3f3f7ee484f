"""Flags that several verbs have."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from glam.cli.flags import FLAGS, MACHINE, VIEWS, add_flags, place
from glam.cli.main import VERBS
from glam.cli.train import train
from glam.reports.views import View


@pytest.mark.parametrize("text", ["", "  ", "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        place(text)


def test_the_home_folder_has_a_short_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place("~/a b") == tmp_path / "a b"


@pytest.mark.parametrize("flag", ["--data-folder", "--runs-folder", "-d", "--seeds", "--tensorboard"])
def test_an_empty_name_is_no_folder(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        train([flag, ""])
    assert ending.value.code == 2
    assert "given an empty name, expected a path" in capsys.readouterr().err


def test_the_views_are_those_of_the_reports() -> None:
    assert get_args(View) == VIEWS


def test_what_is_changed_of_a_flag_is_of_the_last() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, *MACHINE)
    add_flags(parser, "set", "select", help="another help")
    words = parser.format_help()
    assert words.count("another help") == 1
    assert FLAGS["set"][1]["help"] in " ".join(words.split())
    assert parser.parse_args(["--set", "a=1", "--set", "b=2", "--threads", "3"]).set == ["a=1", "b=2"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    words = [sys.executable, "-c", f"from glam.cli.main import main; main([{verb!r}, '--help'])"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: glam {verb}")
