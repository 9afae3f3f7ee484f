"""The spread over runs that stands below a report's row."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation.results import known
from reports.printed import tables_in
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run

from glam.errors import GlamError
from glam.evaluation.intervals import interval_of_share, mean_over_groups
from glam.evaluation.metric import metric
from glam.evaluation.statistics import interval_of_mean
from glam.recipe import load_recipe
from glam.reports.checklist import checklist
from glam.reports.runs import read_runs, refuse_if_all_failed
from glam.reports.summary import SYNTHETIC, changed_settings, heading, report
from glam.results.experiment import read_experiment, store_experiment
from glam.splits.groups import Grouping
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


def rows_of(text: str, start: int = 0) -> dict[str, list[str]]:
    """The rows of the table of that number, by their first cell."""
    return {title: rest for title, *rest in tables_in(text)[start]}


def test_scores_and_their_spread_by_hand(tmp_path: Path) -> None:
    text = report(store(tmp_path / "x", [1, 0, 2, 1]), "last")
    rows = rows_of(text)
    was = [87.5, 100.0, 75.0, 87.5]
    assert rows[""] == ["mean ± std", "median", "lowest"]
    assert rows["WA"] == [f"87.50 ± {np.std(was, ddof=1):.2f}", "87.50", "75.00"]
    assert [rows[f"recall {name}"][0].split()[0] for name in CLASSES] == ["75.00", "100.00", "100.00"]
    intervals = rows_of(text, 1)
    assert intervals["95 % interval"] == ["further splits", "other utterances"], "nobody knows who speaks"
    for i, ratio in enumerate((0.0, 8 / 33)):
        low, high = known(interval_of_mean(was, ratio=ratio, step=12.5))
        assert intervals["WA"][i] == f"{low:.2f} to {min(high, 100):.2f}"
    # sad is right in every run, and angry occurs in one run only: no spread; from counts there is an interval
    assert intervals["recall sad"][0] == intervals["recall angry"][0] == "-"
    low, high = interval_of_share(4, 4)  # 1, 3, 5 and 7, in several runs each
    assert intervals["recall sad"][1] == f"{low:.2f} to {high:.2f}"
    assert "100.00 to 100.00" not in text
    assert "interval, further splits: of this corpus; Student's t over 4 runs (3 df)" in text
    assert "Nadeau and Bengio; test / training 0.242, 4 runs, 3 df" in text
    assert "none for recall sad, because the 4 runs are all at 100.00, and no spread is no certainty" in text
    assert "interval, other speakers: none, because it is not stored who speaks in every utterance" in text


def test_the_interval_over_speakers_is_that_of_their_own_scores(tmp_path: Path) -> None:
    """Four speakers of ten utterances each, all tested: 6, 7, 8 and 10 of them are right."""
    speakers = np.repeat(np.arange(5), 10)  # the fifth is trained on
    targets = np.tile([0, 1], 25)
    experiment = experiment_of(
        tmp_path / "x", recipe_of(CLASSES[:2]), targets, groups={"speaker": Grouping.of([f"s{i}" for i in speakers])}
    )
    store_experiment(experiment)
    right = np.concatenate([np.arange(10) < count for count in (6, 7, 8, 10)])
    for seed in (0, 1):
        held_out = np.arange(40)
        guess = np.where(right, targets[:40], 1 - targets[:40])
        logits = np.eye(2, dtype=np.float32)[guess][None]
        store_run(experiment, RunKey(seed), predicted(logits, held_out, np.arange(40, 50)))
    text = report(tmp_path / "x", "last", seeds=[0])
    intervals = rows_of(text, 1)
    low, high = known(mean_over_groups([60, 70, 80, 100])).interval
    assert intervals["95 % interval"] == ["other utterances", "other speakers"], "a single run has no further splits"
    assert intervals["WA"][1] == f"{low:.2f} to {min(high, 100):.2f}"
    assert intervals["UA"][1] == intervals["WA"][1], "each speaker has five of each class"
    share = interval_of_share(31, 40)
    assert intervals["WA"][0] == f"{share.low:.2f} to {share.high:.2f}"
    assert "interval, other speakers: Student's t over 4 speakers, each counting the same" in text


def test_one_run_has_a_score_and_no_spread(tmp_path: Path) -> None:
    text = report(store(tmp_path / "x", [1]), "last")
    assert rows_of(text)[""] == ["score"]
    assert "runs: 1 (no spread), 8 test utterances\n" in text
    assert "±" not in text
    assert "interval, further splits: none, because one run says nothing about the spread" in text


def test_a_class_that_no_run_held_out_has_no_recall(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [0, 1, 2])
    (tmp_path / "x" / "0" / "run.json").unlink()
    text = report(folder, "last")
    assert rows_of(text)["recall angry"] == ["-"] * 3
    assert set(rows_of(text, 1)["recall angry"]) == {"-"}


def test_8_1_1_counts_all_held_out_as_not_trained_on(tmp_path: Path) -> None:
    text = report(store(tmp_path / "x", [1, 3, 4]), "validation")
    half = [100.0, 75.0, 50.0]  # the last four of eight, in which neutral ones stand third and fourth of theirs
    low, high = known(interval_of_mean(half, ratio=4 / 33))
    assert rows_of(text)["WA"][0].startswith("75.00 ± ")
    assert rows_of(text, 1)["WA"][1] == f"{max(low, 0):.2f} to {min(high, 100):.2f}"


def test_a_class_absent_from_training_is_said(tmp_path: Path) -> None:
    """The one angry utterance is held out in the first run: nothing of it is trained on there."""
    text = report(store(tmp_path / "x", [1, 0, 2, 1]), "last")
    assert "ABSENT FROM TRAINING: angry in 1 of 4 runs" in text


def test_a_copy_and_a_run_of_another_experiment_do_not_count_and_are_named(tmp_path: Path) -> None:
    folder, other = store(tmp_path / "x", [1, 0]), store(tmp_path / "y", [1, 0, 2], training={"lr": 0.5})
    shutil.copytree(folder / "0", folder / "0 copy")
    shutil.copytree(folder / "0", folder / "5")
    shutil.copytree(other / "2", folder / "2")
    text = report(folder, "last")
    assert "runs: 2 (mean" in text
    assert "LEFT OUT: " + str(folder / "0 copy") + ": is no run's name" in text
    assert "LEFT OUT: " + str(folder / "5") + ": holds the run of seed 0, so this is a copy" in text
    assert "LEFT OUT: " + str(folder / "2") + ": holds a run of another experiment" in text


def test_a_confusion_matrix_that_is_not_that_of_the_logits_is_noticed(
    tmp_path: Path, without_hashes: Callable[[Path], None]
) -> None:
    folder = store(tmp_path / "x", [1, 0, 2])
    without_hashes(folder)
    path = folder / "1" / "run.json"
    content = json.loads(path.read_text())
    content["epochs"][0]["confusion"] = [[3, 1, 0], [0, 4, 0], [0, 0, 0]]
    path.write_text(json.dumps(content))
    text = report(folder, "last")
    assert "the confusion matrix of epoch 1 in run.json is not that of its logits" in text
    assert "runs: 2 (mean" in text


def test_the_row_has_every_metric_and_says_how_utterances_were_cut(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [1, 0, 2, 1])
    lines = report(folder, "last").splitlines()
    rows = rows_of("\n".join(lines))
    assert list(rows)[1:7] == ["WA", "UA", "macro F1", "micro F1", "weighted F1", "pure accuracy"]
    # an utterance is one segment, of its class
    assert rows["WA"][0] == rows["micro F1"][0] == rows["pure accuracy"][0] == "87.50 ± 10.21"
    assert max(len(line) for line in lines if line.startswith("|")) <= 80
    assert any(
        line.startswith("pure accuracy: ") and line.endswith("or neutral; segments of 1.8 s, 0.2 s apart")
        for line in lines
    )
    whole = store(tmp_path / "whole", [1], cut="whole")
    assert "or neutral; whole utterances of up to 7.5 s" in report(whole, "last")


def test_metrics_of_the_user_s_own_stand_beside_the_usual_ones(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def sad(scored):\n    return 100 * (scored.predicted == 1).mean()\n")
    text = report(store(tmp_path / "x", [1, 0]), "last", more=[metric(f"{mine}:sad")])
    assert rows_of(text)["sad"][0] == f"{(50 + 50) / 2:.2f} ± 0.00"


def test_only_the_seeds_that_are_asked_for_are_reported(tmp_path: Path) -> None:
    folder = store(tmp_path / "x", [1, 0, 2, 1])
    assert [run.seed for run in read_runs(read_experiment(folder), [3, 9, 1])] == [3, 1]
    text = report(folder, "last", seeds=[1])
    assert "runs: 1 (no spread)" in text
    assert rows_of(text)["WA"] == ["100.00"]


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


def test_what_was_changed_of_a_recipe_of_one_s_own_is_told_and_kept(tmp_path: Path) -> None:
    """Its file may be changed or gone: what it said is stored with the experiment."""
    file = tmp_path / "mine.yaml"
    file.write_text("extends: glam-released\ntraining: {lr: 5e-4}\ncorpus: {name: synthetic}\n")
    recipe = load_recipe(str(file), [("training.alpha", 0), ("training.lr", 5e-4)])
    made = replace(experiment_of(tmp_path / "x", recipe, np.arange(40) % 4), own_recipe=recipe.own)
    store_experiment(made)
    file.unlink()
    experiment = read_experiment(tmp_path / "x")
    assert changed_settings(experiment) == ["training.alpha 0.0 (0.5)"]
    lines = heading(experiment).splitlines()
    assert "changed from mine: training.alpha 0.0 (0.5)" in lines
    assert lines[1].startswith("settings of mine, a file of the user's: corpus.name synthetic, ")
    assert "training.lr 0.0005" in lines[1]
    assert "corpus.labels" not in lines[1]
    logits = np.eye(4, dtype=np.float32)[np.arange(8) % 4][None]
    store_run(experiment, RunKey(1), predicted(logits, np.arange(8), np.arange(8, 40)))
    page = checklist(tmp_path / "x", "last")
    assert "python train.py --recipe mine.yaml --runs 1 --set training.alpha=0.0 (mine.yaml is a file of the" in page
    # stored before that was kept, nothing is claimed
    assert changed_settings(replace(experiment, own_recipe=None)) == []


def test_options_of_another_choice_are_left_out_unless_they_were_given(tmp_path: Path) -> None:
    def changed(*fields: tuple[str, object]) -> list[str]:
        recipe = load_recipe("glam-released", fields)
        return changed_settings(experiment_of(tmp_path / "x", recipe, np.arange(40) % 4))

    assert changed(("split", "k-fold")) == ["split.name k-fold (random)"]
    assert changed(("split", {"name": "k-fold", "folds": 7})) == ["split.name k-fold (random)", "split.folds 7"]
    assert changed(("training.schedule", "constant")) == ["training.schedule.name constant (decay)"]
    assert changed(("model", "mhcnn")) == ["model.name mhcnn (glam)"]
    assert changed(("model", {"name": "mhcnn", "heads": 2})) == ["model.name mhcnn (glam)", "model.heads 2"]
    assert changed(("training.schedule.factor", 0.5)) == ["training.schedule.factor 0.5 (0.95)"]


def test_an_option_at_its_default_has_its_value(tmp_path: Path) -> None:
    recipe = load_recipe("glam-released", [("inputs.audio.coefficients", 8)])
    experiment = experiment_of(tmp_path / "x", recipe, np.arange(40) % 4)
    assert changed_settings(experiment) == ["inputs.audio.coefficients 8 (26)"]
    released = load_recipe("glam-released").replaced(name="mine")
    experiment = replace(experiment, recipe=released, own_recipe=recipe)
    assert changed_settings(experiment) == ["inputs.audio.coefficients 26 (8)"]


def test_a_control_a_synthetic_corpus_and_an_earlier_format_are_named(tmp_path: Path) -> None:
    recipe = recipe_of(CLASSES, corpus={"name": "synthetic"}, training={"shuffle_labels": True})
    experiment = experiment_of(tmp_path / "x", recipe, TARGETS)
    text = heading(experiment)
    assert SYNTHETIC in text
    assert "CONTROL: the training labels were shuffled" in text
    assert "FORMAT" not in text
    old = replace(experiment, identity=experiment.identity | {"format": 1})
    assert "FORMAT 1: stored by an earlier version; it is only read, never trained on" in heading(old)
