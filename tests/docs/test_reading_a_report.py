"""The commands of docs/reading-a-report.md, and that what they print has the headings shown there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from papers.runs import recipe_of
from papers.runs import store as store_row

from glam.cli.main import main

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "reading-a-report.md"


def test_commands_and_headings(
    store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DOCS.read_text(encoding="utf-8")
    commands = re.findall(r"^    glam (.+)$", text, re.MULTILINE)
    commands += [command.replace("<A> [<B>]", "A B") for command in re.findall(r"`glam (figure [^`]+)`", text)]
    assert len(commands) == 7
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name in {word for command in commands for word in command.split() if "-iemocap-" in word or word in "AB"}:
        store(tmp_path / "runs" / name)
    store_row(tmp_path / "runs", recipe_of("2", "GLAM", "released", ("training.precision", "bf16")), [(60,), (64,)])
    for command in commands:
        assert main(command.split()) == 0, capsys.readouterr().err
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    shown = [" ".join(line.split()) for line in text.splitlines() if line.startswith("    |")]
    first = {line.split("|")[1].strip() for line in shown} - {"", "first"}
    rows = {line.split("|")[1].strip() for line in printed if line.startswith("|")}
    # what is a number differs from run to run; the rest stands in both
    assert {name for name in first if not re.match(r"[-0-9]", name)} <= rows
    for heading in ("calibration error", "seconds that they cover", "part 1 of 5", "optimism²", "other utterances"):
        assert any(heading in line for line in shown)
        assert any(heading in line for line in printed)
