"""Lines and bars that share a terminal."""

import io
import sys

import pytest

from glam.progress import bar, say


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_does_not_run_into_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with bar(3, "training", "run") as progress:
        progress.update()
        say("extracting \x1b[31mmfcc")
    lines = [line.rpartition("\r")[2] for line in screen.getvalue().split("\n")]
    assert r"extracting \x1b[31mmfcc" in lines


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(3, "training", "run") as progress:
        progress.update()
        say("a line")
    assert capsys.readouterr().err == "a line\n"
