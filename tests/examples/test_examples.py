"""The examples as they stand there, on small corpora."""

import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Example = Callable[..., str]


@pytest.fixture
def example(
    tmp_path: Path, training_here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Example:
    """Runs an example with arguments; gives what it printed."""
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def recordings(release: Path) -> list[Path]:
    return sorted(release.glob("Session*/sentences/wav/*/*.wav"))


def test_one_run(example: Example, tiny_release: Path) -> None:
    text = example("one_run.py", "iemocap", tiny_release, "--epochs", 2, "--length", 0.5)
    assert "40 utterances, 0 that cannot be used; classes: ang, exc, neu, sad" in text
    assert len(re.findall(r"^epoch \d: WA", text, re.MULTILINE)) == 2
    (wa,) = re.findall(r"^test: WA ([\d.]+) \([\d.]+ to [\d.]+\), UA [\d.]+$", text, re.MULTILINE)
    assert 0 <= float(wa) <= 100
    assert "always the commonest class: WA 25.0" in text
    story = (EXAMPLES / "one_run.py").read_text().splitlines()
    assert len(story) < 110


def test_own_corpus(example: Example, tiny_release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i, path in enumerate(recordings(tiny_release)[:24]):
        label = ("calm", "calm", "glad", "glad", "angry", "angry", "sad", "sad")[i % 8]
        shutil.copy(path, folder / f"{'fm'[i % 2]}{i // 8}-{label}-{i}.wav")
    shutil.copy(path, folder / "odd.wav")
    text = example("own_corpus.py", folder, "--epochs", 1)
    assert "leave one speaker out" in text
    assert "own_corpus.py:read" in text
    assert "6 folds" in text
    assert "not used, another name: 1" in text


def test_own_model(example: Example, tiny_release: Path) -> None:
    recording = recordings(tiny_release)[0]
    text = example("own_model.py", "iemocap", tiny_release, recording, "--epochs", 1)
    assert "own_model.py:statistics" in text
    assert "runs: 2" in text
    assert re.search(rf"^{re.escape(str(recording))}: (neutral|sad|angry|happy) \{{", text, re.MULTILINE)
