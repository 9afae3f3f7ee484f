"""docs/trained-models.md: its Python runs, and its verbs and files are there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prediction.conftest import Trained, train, trained

from glam.cli.main import VERBS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trained-models.md").read_text(encoding="utf-8")

__all__ = ["train", "trained"]


def test_its_python_runs(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes((trained.run.folder / "model.safetensors").read_bytes())
    (tmp_path / "call.wav").write_bytes(trained.held_out[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    code, service = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    exec(service, names)
    answer = json.loads(names["answered"](Path("call.wav").read_bytes()))
    assert answer["predicted"] in trained.model.classes
    assert answer["segments"]
    first, *segments = capsys.readouterr().out.splitlines()
    assert first.split()[0] in trained.model.classes
    assert segments[1].startswith("  0.5 s")


def test_its_commands_are_there() -> None:
    commands = re.findall(r"^    glam (\w+)", PAGE, re.MULTILINE)
    assert set(commands) == {"predict", "export", "page"} <= VERBS.keys()
