"""The example of docs/adding-a-model.md, as it stands there, trained on a tiny release."""

import re
import sys
import types
from pathlib import Path

import pytest

import glam.models
from glam.recipe import load_recipe
from glam.running.experiment import Places, job, prepare
from glam.running.job import Resources
from glam.running.message import Message
from glam.running.workers import run_alone
from glam.splits.splits import RunKey

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "adding-a-model.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_trains(tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, line = blocks("python")
    (recipe,) = blocks("yaml")
    module = types.ModuleType("glam.models.mine")
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "glam.models.mine", module)
    name, target = re.findall(r'"(.+?)"', line)
    monkeypatch.setitem(glam.models.MODELS, name, target)
    (tmp_path / "statistics.yaml").write_text(recipe)

    small = [("segments.length", 0.5), ("segments.train_overlap", 0.1), ("segments.test_overlap", 0.1)]
    settings = load_recipe(str(tmp_path / "statistics.yaml"), small)
    experiment = prepare(settings, Places(tiny_release, tmp_path / "data", tmp_path / "runs"))
    experiment.folder.mkdir(parents=True)
    heard: list[Message] = []
    run_alone(job(experiment, Resources("cpu", 1, 1, 60)), RunKey(7), heard.append, lambda: False)
    assert heard[-1].kind == "finished"
    assert heard[-1].wa > 60  # four pitches, which it must tell apart
