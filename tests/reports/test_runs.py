"""Runs that are reported on: the predictions of each are read once, whatever is asked of them."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run

from glam.reports.analyses import analyses
from glam.reports.checklist import checklist
from glam.reports.comparison_text import compare
from glam.reports.diagnosis import diagnosis
from glam.reports.export import export_all
from glam.reports.runs import read_results, sound_runs
from glam.reports.summary import report
from glam.results.experiment import store_experiment
from glam.results.run import PREDICTIONS, StoredRun
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey
from glam.splits.splits import random_split

TARGETS = np.arange(60) % 2


def stored(folder: Path, name: str) -> Path:
    """Three finished runs and a failed one."""
    recipe = recipe_of(("calm", "angry"), name=name)
    groups = {"speaker": Grouping.of([f"s{i % 5}" for i in range(60)]), "scenario": Grouping.of(["a", "b"] * 30)}
    experiment = experiment_of(folder / name, recipe, TARGETS, groups=groups)
    store_experiment(experiment)
    rng = np.random.default_rng(len(name))
    for seed in (1, 2, 3):
        split = random_split(60, seed)
        logits = rng.normal(size=(4, len(split.held_out), 2)).astype(np.float32)
        store_run(experiment, RunKey(seed), predicted(logits, split.held_out, split.train))
    store_failure(experiment, RunKey(4), "the loss is nan")
    return experiment.folder


ASKED: dict[str, Callable[[Path, Path], object]] = {
    "report": lambda a, b: report(a, "test"),
    "analyses": lambda a, b: analyses(a, "test"),
    "checklist": lambda a, b: checklist(a, "validation"),
    "diagnosis": lambda a, b: diagnosis(a, "halves"),
    "compare": lambda a, b: compare(a, b, "test"),
    "export": lambda a, b: export_all(a, StringIO()),
}


@pytest.mark.parametrize("name", ASKED)
def test_predictions_are_read_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = stored(tmp_path, "first"), stored(tmp_path, "second")
    read: list[Path] = []
    was = StoredRun.read

    def counting(run: StoredRun, file: str) -> bytes:
        read.append(run.folder / file)
        return was(run, file)

    monkeypatch.setattr(StoredRun, "read", counting)
    assert ASKED[name](*folders)
    both = folders if name == "compare" else folders[:1]
    assert sorted(read) == sorted(folder / seed / PREDICTIONS for folder in both for seed in "123")


def test_what_is_read_of_an_experiment(tmp_path: Path) -> None:
    from glam.results.experiment import read_experiment

    folder = stored(tmp_path, "x")
    (folder / "2" / PREDICTIONS).write_bytes(b"")
    experiment = read_experiment(folder)
    read = read_results(experiment, "test")
    assert [run.seed for run in read.runs] == [1, 3, 4]
    assert [run.failed for run in read.failed] == ["the loss is nan"]
    assert [outcome.seed for outcome in read.results] == [outcome.seed for outcome in read.honest] == [1, 3]
    assert [len(outcome.epochs) for outcome in read.honest] == [2, 2]
    (reason,) = read.left_out
    assert str(folder / "2") in reason
    assert not read_results(experiment, "last").honest
    assert [stored is None for _, stored in sound_runs(experiment, [3, 4], read.left_out.append)] == [False, True]
