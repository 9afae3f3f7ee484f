"""Shares of runs, with a stand-in for the variables of an array of Slurm jobs, and how they come together again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.cli.merge import merge
from glam.cli.shards import Shard, shard
from glam.cli.train import train
from glam.errors import GlamError
from glam.files import hashed_json
from glam.recipe import load_recipe
from glam.results.experiment import StoredExperiment, experiment_folder, store_experiment
from glam.results.identity import identity
from glam.running.own_code import keep_code, kept_code
from glam.splits.population import Composition


@given(st.integers(1, 20), st.integers(0, 100), st.integers(0, 1000), st.integers(1, 5))
def test_shares_have_every_run_once_whatever_the_array(count: int, items: int, first: int, step: int) -> None:
    shares = []
    for i in range(count):
        numbers = {"ID": first + i * step, "COUNT": count, "MIN": first, "STEP": step}
        of_task = shard("slurm", {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in numbers.items()})
        assert of_task == shard(f"{i + 1}/{count}") == Shard(i + 1, count)
        shares.append(of_task.of(range(items)))
    assert sorted(item for share in shares for item in share) == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", "", "SLURM"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(GlamError, match=r"expected I/N"):
        shard(text)


@pytest.mark.parametrize(
    ("variables", "said"),
    [({}, "is no task of an array"), ({"ID": "3", "COUNT": "2"}, "is none of 2"), ({"ID": "x", "COUNT": "2"}, "'x'")],
)
def test_a_place_outside_an_array_is_refused(variables: dict[str, str], said: str) -> None:
    with pytest.raises(GlamError, match=said):
        shard("slurm", {f"SLURM_ARRAY_TASK_{name}": value for name, value in variables.items()})


@pytest.mark.usefixtures("training_here")
def test_shares_that_are_merged_give_the_report_of_one_machine(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(folder: Path, *more: str) -> str:
        words = ["--recipe=mhcnn-released", "-d", str(tiny_release), "-g=-1", f"--runs-folder={folder}", "--runs=3"]
        words += ["--set=cut.length=0.5", "--set=cut.train_overlap=0.3", "--set=cut.test_overlap=0.3"]
        assert train([*words, "--set=training.epochs=1", f"--data-folder={tmp_path / 'data'}", *more]) == 0
        return capsys.readouterr().out

    def table(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("results:")]

    whole = call(tmp_path / "whole")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    for task in ("1", "2"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        assert call(tmp_path / f"machine{task}", "--shard=slurm") == "", "a share is no sample to report on"
    machines = [str(tmp_path / f"machine{task}") for task in ("1", "2")]
    assert merge([*machines, f"--runs-folder={tmp_path / 'together'}"]) == 0
    assert "3 runs added" in capsys.readouterr().out
    assert table(call(tmp_path / "together")) == table(whole)
    assert merge([*machines, f"--runs-folder={tmp_path / 'whole'}"]) == 0
    assert "3 runs had been there already" in capsys.readouterr().out


def test_doubles_that_differ_and_damaged_runs_are_named_and_stay_out(
    tmp_path: Path, store: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "a" / "glam", 3)
    assert merge([str(tmp_path / "a"), f"--runs-folder={tmp_path / 'all'}"]) == 0
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    record = tmp_path / "b" / "glam" / "1" / "run.json"
    content = json.loads(record.read_text())
    del content["sha256"]
    content["epochs"][0]["loss"] = 2.0
    record.write_text(hashed_json(content))
    (tmp_path / "b" / "glam" / "2" / "run.json").write_text("{}")
    capsys.readouterr()
    before = {path: path.read_bytes() for path in (tmp_path / "all").rglob("*.json")}
    assert merge([str(tmp_path / "b"), f"--runs-folder={tmp_path / 'all'}"]) == 1
    out = capsys.readouterr().out
    assert "1 run had been there already" in out
    assert f"{tmp_path / 'b' / 'glam' / '1'} and " in out
    assert "DIFFERENT from epoch 1" in out
    assert str(tmp_path / "b" / "glam" / "2") in out
    assert before == {path: path.read_bytes() for path in (tmp_path / "all").rglob("*.json")}


def test_code_is_merged_whenever_it_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("def model(classes, audio): ...\n")
    recipe = load_recipe("glam-released", [("model", f"{tmp_path / 'mine.py'}:model")])
    experiment = StoredExperiment(
        folder=experiment_folder(tmp_path / "a", recipe, identity(recipe.scientific(), "0" * 64)),
        recipe=recipe,
        identity=identity(recipe.scientific(), "0" * 64),
        composition=Composition(corpus="iemocap", synthetic=False, part="full", utterances=1, classes={}, too_short={}),
        ids=("Ses01F_impro01_F000",),
        targets=np.zeros(1, dtype=np.int64),
    )
    store_experiment(experiment)
    asked = [str(tmp_path / "a"), f"--runs-folder={tmp_path / 'all'}"]
    assert merge(asked) == 0
    keep_code(recipe, experiment.folder)
    assert merge(asked) == 0
    (copy,) = (tmp_path / "all").rglob("mine.py")
    copy.unlink()
    kept_code(recipe.model, experiment.folder).write_text("edited")
    capsys.readouterr()
    assert merge(asked) == 1
    assert "mine.py is not the file that was recorded" in capsys.readouterr().out
    assert not copy.exists()


def test_what_cannot_be_merged_is_a_message(
    tmp_path: Path, store: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "a" / "glam", 1)
    assert merge([str(tmp_path), f"--runs-folder={tmp_path / 'all'}"]) == 2
    assert "no experiment lies here" in capsys.readouterr().err
    assert merge([str(tmp_path / "a" / "glam"), f"--runs-folder={tmp_path / 'a'}"]) == 2
    assert "into which it would be merged" in capsys.readouterr().err
