"""docs/python.md: its lines run, on another corpus, with a smaller model and fewer runs."""

import re
import shutil
from pathlib import Path

import pytest
from docs.pages import PROJECT

PAGE = (PROJECT / "docs" / "python.md").read_text(encoding="utf-8")


def test_its_lines_run(
    tiny_release: Path,
    training_here: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for shown, smaller in (
        ('"emodb", "/data/emodb"', f'"iemocap", {str(tiny_release)!r}'),
        ("glam-released", "mhcnn-released"),
        ('"training.epochs": 5', '"training.epochs": 1, "cut": {"length": 0.5, "train_overlap": 0, "test_overlap": 0}'),
        ("seeds=3", "seeds=1"),
    ):
        assert shown in code
        code = code.replace(shown, smaller)
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(next(tiny_release.rglob("*.wav")), "call.wav")
    names: dict[str, object] = {}
    exec(code, names)
    assert "leave one speaker out" in capsys.readouterr().out
    assert getattr(names["answer"], "predicted") in ("neutral", "sad", "angry", "happy")  # noqa: B009
