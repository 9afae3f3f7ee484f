"""Where no interval for what lies beyond a corpus is possible, none is shown, and the report says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports.stored import experiment_of, predicted, recipe_of, store_run

from glam.reports.summary import report
from glam.results.experiment import store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey

FEW = "interval, other speakers: none, because an interval over speakers needs 3 of them or more"


def text_of(folder: Path, split: dict[str, Any], speakers: str, runs: list[RunKey], folds: tuple[str, ...] = ()) -> str:
    """A report on runs of 12 utterances by these speakers in turn, of which each run tests six."""
    groups = {
        "speaker": Grouping.of([speakers[i % len(speakers)] for i in range(12)]),
        "part": Grouping.of(["test", "dev", *["test", "train"] * 5]),
    }
    recipe = recipe_of(("calm", "angry"), split=split)
    experiment = experiment_of(folder / "x", recipe, np.arange(12) % 4 // 2, groups=groups, folds=folds)
    store_experiment(experiment)
    for number, run in enumerate(runs):
        tested = np.arange(12)[(run.fold or 1) - 1 :: 2]
        logits = np.eye(2, dtype=np.float32)[(experiment.targets[tested] + (np.arange(6) <= number)) % 2][None]
        rest = np.setdiff1d(np.arange(12), tested)
        chosen = rest[:1] if split["name"] != "random" else rest[:0]
        logits = np.concatenate([np.eye(2, dtype=np.float32)[experiment.targets[chosen]][None], logits], axis=1)
        held_out = np.concatenate([chosen, tested])
        store_run(experiment, run, predicted(logits, held_out, rest[len(chosen) :]), validation_only=len(chosen))
    return report(experiment.folder)


@pytest.mark.parametrize(("speakers", "beyond"), [("xy", False), ("xyz", True)])
def test_random_splits(speakers: str, beyond: bool, tmp_path: Path) -> None:
    text = text_of(tmp_path, {"name": "random"}, speakers, [RunKey(1), RunKey(2)])
    assert (FEW in text) != beyond


def test_leaving_out_one_of_two_speakers(tmp_path: Path) -> None:
    split = {"name": "leave-speaker-out", "validation": "utterances"}
    text = text_of(tmp_path, split, "xy", [RunKey(1, 1), RunKey(1, 2)], ("x", "y"))
    assert "| x, 6 utterances" in text
    assert FEW in text


def test_two_folds_of_many_speakers(tmp_path: Path) -> None:
    split = {"name": "group-folds", "folds": 2}
    text = text_of(tmp_path, split, "uvwxyz", [RunKey(1, 1), RunKey(1, 2)], ("1: u, w, y", "2: v, x, z"))
    assert "| 1: u, w, y, 6 utterances" in text
    assert FEW not in text


def test_the_parts_of_a_corpus(tmp_path: Path) -> None:
    text = text_of(tmp_path, {"name": "parts", "validation": "dev"}, "uvwxyz", [RunKey(1), RunKey(2)])
    assert "all runs test the same utterances: they differ by their training alone" in text
