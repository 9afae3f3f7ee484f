"""The benchmark of MSCNN-SPU-ATT takes names of what it measures. No time is tested."""

import sys
from pathlib import Path

import pytest

from benchmarks import mscnn


def run(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[int, list[str]]:
    """The exit status of the command, and what it measured."""
    measured: list[str] = []

    def noting(name: str) -> None:
        def measure(folder: Path) -> None:
            assert not any(folder.iterdir())
            measured.append(name)

        monkeypatch.setattr(mscnn, name, measure)

    for name in ("glove", "store", "step"):
        noting(name)
    monkeypatch.setattr(sys, "argv", ["mscnn.py", *names])
    return mscnn.main(), measured


def test_all_is_measured_or_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch) == (0, ["glove", "store", "step"])
    assert run(monkeypatch, "step", "store") == (0, ["store", "step"])


def test_an_unknown_name_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "step", "bert") == (2, [])
    assert capsys.readouterr().err == "error: bert: expected some of glove, store, step\n"
