"""The spread over runs that stands below a report's row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run

from glam.errors import GlamError
from glam.evaluation.metric import metric
from glam.evaluation.statistics import interval_of_mean
from glam.recipe import load_recipe
from glam.reports.summary import SYNTHETIC, changed_settings, heading, read_runs, refuse_if_all_failed, report
from glam.results.experiment import read_experiment, store_experiment
from glam.splits.runs import RunKey

TARGETS = np.array([0, 1] * 20 + [2])  # one utterance of the third class, held out in the first run only
CLASSES = ("neutral", "sad", "angry")


def store(folder: Path, wrong: list[int], **sections: Any) -> Path:
    """Runs that hold out eight utterances, and take that many of the neutral ones for sad. sections: of the recipe."""
    experiment = experiment_of(
        folder,
        recipe_of(CLASSES, **sections),
        TARGETS,
        counts={"neutral": {"neu": 20}, "sad": {"sad": 20}, "angry": {"ang": 1}},
    )
    store_experiment(experiment)
    for seed, count in enumerate(wrong):
        held_out = np.arange(8) if seed else np.array([0, 1, 2, 3, 4, 5, 6, 40])
        truth = TARGETS[held_out]
        guess = truth.copy()
        guess[np.flatnonzero(truth == 0)[:count]] = 1
        logits = np.eye(3, dtype=np.float32)[guess][None]
        store_run(experiment, RunKey(seed), predicted(logits, held_out, np.setdiff1d(np.arange(41), held_out)))
    return folder


def spread(text: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    start = next(i for i, row in enumerate(rows) if row[0] == "")
    return {row[0]: row[1:] for row in rows[start:]}


def test_spread_by_hand(tmp_path: Path) -> None:
    rows = spread(report(store(tmp_path / "x", [1, 0, 2, 1]), "last"))
    was = [87.5, 100.0, 75.0, 87.5]
    assert rows[""] == ["WA", "UA", "recall neutral", "recall sad", "recall angry"]
    assert [row[0] for row in rows.values()][1:4] == ["87.50", "87.50", "75.00"]
    for name, ratio in (("95 % interval, this corpus", 0.0), ("95 % interval, beyond it", 8 / 33)):
        low, high = interval_of_mean(was, ratio=ratio) or (0, 0)
        assert rows[name][0] == f"{low:.2f} to {min(high, 100):.2f}"
    assert rows["mean"][2:] == ["75.00", "100.00", "100.00"]
    # angry occurs in one run only: no spread to speak of
    assert rows["95 % interval, beyond it"][3:] == ["100.00 to 100.00", "-"]


def test_one_run_has_no_intervals(tmp_path: Path) -> None:
    text = report(store(tmp_path / "x", [1]), "last")
    assert list(spread(text)) == ["", "mean", "median", "worst run"]
    assert "runs: 1 (no spread), 8 test utterances\n" in text
    assert "±" not in text


def test_a_class_that_no_run_held_out_has_no_recall(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [0, 1, 2])
    (tmp_path / "x" / "0" / "run.json").unlink()
    assert [row[-1] for row in spread(report(folder, "last")).values()][1:] == ["-"] * 5


def test_8_1_1_counts_all_held_out_as_not_trained_on(tmp_path: Path) -> None:
    rows = spread(report(store(tmp_path / "x", [1, 3, 4]), "validation"))
    half = [100.0, 75.0, 50.0]  # the last four of eight, in which neutral ones stand third and fourth of theirs
    low, high = interval_of_mean(half, ratio=4 / 33) or (0, 0)
    assert rows["mean"][0] == "75.00"
    assert rows["95 % interval, beyond it"][0] == f"{max(low, 0):.2f} to {min(high, 100):.2f}"


def test_the_row_has_every_metric_and_says_how_utterances_were_cut(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [1, 0, 2, 1])
    lines = report(folder, "last").splitlines()
    headings = [cell.strip() for cell in next(line for line in lines if "WA" in line).split("|")[1:-1]]
    assert headings == ["WA", "UA", "macro F1", "micro F1", "weighted F1", "pure accuracy"]
    row = [cell.strip() for cell in next(line for line in lines if "87.50" in line).split("|")[1:-1]]
    # an utterance is one segment, of its class
    assert row[0] == row[3] == row[5] == "87.50 ± 10.21"
    assert any(
        line.startswith("pure accuracy: ") and line.endswith("of segments of 1.8 s, 0.2 s apart") for line in lines
    )
    whole = store(tmp_path / "whole", [1], cut="whole")
    assert "right class; of whole utterances of up to 7.5 s" in report(whole, "last")


def test_metrics_of_the_user_s_own_stand_beside_the_usual_ones(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def sad(scored):\n    return 100 * (scored.predicted == 1).mean()\n")
    text = report(store(tmp_path / "x", [1, 0]), "last", more=[metric(f"{mine}:sad")])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert rows[0][-1] == "sad"
    assert rows[1][-1] == f"{(50 + 50) / 2:.2f} ± 0.00"


def test_only_the_seeds_that_are_asked_for_are_reported(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [1, 0, 2, 1])
    assert [run.seed for run in read_runs(read_experiment(folder), [3, 9, 1])] == [3, 1]
    text = report(folder, "last", seeds=[1])
    assert "runs: 1 (no spread)" in text
    assert spread(text)["mean"][0] == "100.00"


def test_failed_runs_are_named_and_not_averaged(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [1])
    store_failure(read_experiment(folder), RunKey(9), "the loss is nan")
    text = report(folder, "last")
    assert "FAILED, not averaged: 1 run; seed 9: the loss is nan" in text
    assert "runs: 1 (no spread)" in text
    refuse_if_all_failed(1, 1)
    with pytest.raises(GlamError, match=r"every run failed \(2 runs\), as said above"):
        refuse_if_all_failed(0, 2)


def test_what_was_changed_of_the_recipe_of_that_name_is_told(tmp_path: Path) -> None:
    recipe = load_recipe("glam-released", [("training.alpha", 0), ("corpus.where", {}), ("cut.length", 2)])
    experiment = experiment_of(tmp_path / "x", recipe, np.arange(40) % 4)
    assert changed_settings(experiment) == [
        "corpus.where {} ({'style': ['improvised']})",
        "cut.length 2.0 (1.8)",
        "training.alpha 0.0 (0.5)",
    ]
    assert heading(experiment).splitlines()[1].startswith("changed from glam-released: corpus.where {}")
    assert changed_settings(experiment_of(tmp_path / "x", load_recipe("glam-released"), np.arange(40) % 4)) == []


def test_a_control_a_synthetic_corpus_and_an_earlier_format_are_named(tmp_path: Path) -> None:
    recipe = recipe_of(CLASSES, corpus={"name": "synthetic"}, training={"shuffle_labels": True})
    experiment = experiment_of(tmp_path / "x", recipe, TARGETS)
    text = heading(experiment)
    assert SYNTHETIC in text
    assert "CONTROL: the training labels were shuffled" in text
    assert "FORMAT" not in text
    old = replace(experiment, identity=experiment.identity | {"format": 1})
    assert "FORMAT 1: stored by an earlier version; it is only read, never trained on" in heading(old)
