"""Where no interval for what lies beyond a corpus is possible, none is shown, and the report says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports.printed import cells
from reports.stored import experiment_of, predicted, recipe_of, store_run
from scipy import stats

from glam.evaluation.intervals import OverGroups
from glam.evaluation.utterances import per_utterance
from glam.reports.spread import ua_of_speakers
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
    text = text_of(tmp_path, {"name": "parts", "validation": "dev", "seed": 5}, "uvwxyz", [RunKey(1), RunKey(2)])
    assert "all runs test the same utterances: they differ by their training alone" in text
    assert "protocol: the corpus's own parts (part: train, dev, test)" in text
    assert "the split of seed" not in text, "it is the same for every seed"


def scored_runs(
    folder: Path, right: list[tuple[list[int], int]], split: str = "random", folds: tuple[str, ...] = (), seeds: int = 1
) -> str:
    """A report on runs of 60 utterances of six speakers. right: what each tests, and how many of these, the first ones,
    it has right; by fold, if there are any, and of as many seeds.
    """
    groups = {"speaker": Grouping.of([f"s{i % 6}" for i in range(60)])}
    recipe = recipe_of(("calm", "angry"), split=split)
    experiment = experiment_of(folder / "x", recipe, np.arange(60) // 6 % 2, groups=groups, folds=folds)
    store_experiment(experiment)
    keys = [RunKey(i + 1) for i in range(len(right))]
    if folds:
        keys = [RunKey(seed + 1, i + 1) for seed in range(seeds) for i in range(len(right))]
    for run, (tested, number) in zip(keys, right * seeds, strict=True):
        guess = (experiment.targets[tested] + (np.arange(len(tested)) >= number)) % 2
        rest = np.setdiff1d(np.arange(60), tested)
        store_run(experiment, run, predicted(np.eye(2, dtype=np.float32)[guess][None], tested, rest))
    return report(experiment.folder, "last")


def row_of(text: str, title: str) -> list[str]:
    """The cells of the table of intervals, below its heading, in the row of that title."""
    lines = text[text.index("| 95 % interval") :].splitlines()
    (row,) = (cells(line)[1:] for line in lines if line.startswith(f"| {title} "))
    return row


def test_runs_one_utterance_apart_have_no_interval_and_the_report_says_why(tmp_path: Path) -> None:
    tested = [list(range(start, start + 20)) for start in (0, 20, 40)]
    text = scored_runs(tmp_path / "apart", list(zip(tested, (18, 19, 18), strict=True)))
    assert row_of(text, "WA")[:2] == ["-", "-"]
    none = (
        "none for WA, because the 3 runs lie within what a single utterance can make (5.00 points), too little "
        "to say how far others would be"
    )
    further = text[text.index("interval, further splits") :].splitlines()
    assert none in further[:3]
    assert none in text[text.index("interval, other utterances") :].splitlines()[:3]
    # two apart, there is one: of 90, 95 and 85 %, 90 +- t(2) * 5 / sqrt(3)
    wide = scored_runs(tmp_path / "wide", list(zip(tested, (18, 19, 17), strict=True)))
    low, high = stats.t.interval(0.95, 2, 90, 5 / np.sqrt(3))
    assert row_of(wide, "WA")[0] == f"{low:.2f} to 100.00"
    assert high > 100
    corrected = stats.t.interval(0.95, 2, 90, 5 * np.sqrt(1 / 3 + 20 / 40))
    assert row_of(wide, "WA")[1] == f"{corrected[0]:.2f} to 100.00"
    assert "none for WA" not in wide


def test_equal_runs_have_no_interval_either(tmp_path: Path) -> None:
    tested = [list(range(start, start + 20)) for start in (0, 20, 40)]
    text = scored_runs(tmp_path, [(of, 18) for of in tested])
    assert "none for WA, because the 3 runs are all at 90.00, and no spread is no certainty" in text
    assert row_of(text, "WA")[:2] == ["-", "-"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_fold_is_counted_in_its_own_steps_not_in_those_of_all_folds_together(tmp_path: Path, seeds: int) -> None:
    """Of ten utterances a fold, 90, 80 and 90 % are one apart; of all 60 together, one is 1.67 points."""
    speakers = [[i for i in range(60) if i % 6 == speaker] for speaker in range(6)]
    folds = tuple(f"s{speaker}" for speaker in range(6))
    of_fold = list(zip(speakers, (9, 8, 9, 9, 9, 9), strict=True))
    text = scored_runs(tmp_path, of_fold, "leave-speaker-out", folds, seeds)
    if seeds == 1:
        assert (
            "none for WA, UA, because the 6 folds lie within what a single utterance can make (10.00 points), "
            "too little to say how far others would be"
        ) in text
        assert row_of(text, "WA")[0] == "-"
    else:  # a value is the mean of two seeds here, of which one utterance makes 5 points
        assert "6 folds lie" not in text
        assert row_of(text, "WA")[0] != "-"


def test_speakers_one_utterance_apart_have_no_interval(tmp_path: Path) -> None:
    """All sixty utterances, ten a speaker, are tested once; a single one is wrong."""
    halves = [list(range(30)), list(range(30, 60))]
    text = scored_runs(tmp_path, [(halves[0], 29), (halves[1], 30)])
    assert (
        "none for WA, UA, because the 6 speakers lie within what a single utterance can make (10.00 points), "
        "too little to say how far others would be"
    ) in text[text.index("interval, other speakers") :]


def test_speakers_who_are_not_tested_on_every_class_have_no_ua_to_compare(tmp_path: Path) -> None:
    """Of six speakers, one is angry as well as calm: it is not said that there is a single speaker."""
    groups = {"speaker": Grouping.of([f"s{i % 6}" for i in range(60)])}
    targets = np.where(np.arange(60) % 6 == 0, np.arange(60) // 6 % 2, 0)
    experiment = experiment_of(tmp_path / "x", recipe_of(("calm", "angry")), targets, groups=groups)
    store_experiment(experiment)
    for seed in (1, 2):
        tested = np.arange(0, 60, 2) if seed == 1 else np.arange(30)
        guess = np.where(np.arange(len(tested)) % 4 == seed, 1, 0)
        rest = np.setdiff1d(np.arange(60), tested)
        store_run(experiment, RunKey(seed), predicted(np.eye(2, dtype=np.float32)[guess][None], tested, rest))
    text = report(experiment.folder, "last")
    assert "none for UA, because only 1 of 6 speakers has utterances of every class, and an interval needs 3 of" in text


def test_the_interval_of_a_difference_in_ua_holds_the_truth(tmp_path: Path) -> None:
    """Of 1000 corpora of 10 speakers, some of whom lack a class; A is better by 5 points in every class."""
    rng = np.random.default_rng(0)
    held, speakers = [], np.arange(300) % 10
    for _ in range(1000):
        shares = rng.dirichlet([5, 3, 1.5, 1.5], 10).cumsum(axis=1)
        truth = (rng.random(300)[:, None] > shares[speakers, :3]).sum(axis=1)
        chances = np.array([0.75, 0.7])[:, None, None] + rng.uniform(-0.15, 0.15, (2, 10, 4))
        right = rng.random((2, 300)) < chances[:, speakers, truth]
        experiment = experiment_of(tmp_path, recipe_of(("neutral", "sad", "angry", "happy")), truth)
        differences = per_utterance(100.0 * right[0] - 100.0 * right[1], np.arange(300))
        over = ua_of_speakers(experiment, differences, speakers)
        if isinstance(over, OverGroups):
            held.append(over.interval.low <= 5 <= over.interval.high)
    assert len(held) > 900
    assert 0.93 < np.mean(held) < 0.98
