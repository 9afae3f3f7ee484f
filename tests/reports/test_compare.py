"""Comparisons of stored experiments: what is paired with what, and the numbers by the tested statistics."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation.results import known
from numpy.typing import NDArray
from reports.printed import rows_in
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run
from scipy import stats

from glam.errors import GlamError
from glam.evaluation.statistics import compare_paired, compare_unpaired
from glam.reports.compare import Contest, _read, bring_together
from glam.reports.comparison_text import compare
from glam.reports.runs import sound_runs
from glam.reports.summary import report
from glam.reports.views import View
from glam.results.experiment import read_experiment, store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey
from glam.splits.splits import Split, random_split

CLASSES = ("neutral", "sad", "angry", "happy")
SEEDS = range(6)


def store(
    folder: Path,
    accuracy: float,
    utterances: Sequence[int] = range(400),
    seeds: Sequence[int] = SEEDS,
    classes: tuple[str, ...] = CLASSES,
) -> Path:
    """An experiment whose runs classify about that share of the held-out utterances correctly, in both epochs."""
    targets = np.array(utterances) % 4
    experiment = experiment_of(
        folder,
        recipe_of(classes, name=folder.name),
        targets,
        counts={name: {name[:3]: int((targets == i).sum())} for i, name in enumerate(classes)},
        ids=[f"Ses01F_impro01_F{i:03d}" for i in utterances],
    )
    store_experiment(experiment)
    for seed in seeds:
        split = random_split(len(targets), seed)
        truth = targets[split.held_out]
        rng = np.random.default_rng([seed, int(100 * accuracy)])
        guess = np.where(rng.random((2, truth.size)) < accuracy, truth, (truth + 1) % 4)
        predictions = predicted(np.eye(4, dtype=np.float32)[guess], split.held_out, split.train)
        store_run(experiment, RunKey(seed), predictions)
    return folder


def contest(a: Path, b: Path, view: View = "last", common: bool = False) -> Contest:
    return bring_together(_read(a, view), _read(b, view), common)


def was(of: Contest) -> tuple[list[float], list[float]]:
    return [arm.scores.wa for arm in of.first], [arm.scores.wa for arm in of.second]


def test_runs_that_held_out_the_same_are_paired(tmp_path: Path) -> None:
    paired = contest(store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7))
    assert paired.paired
    assert paired.ratios == (0.25, 0.25)
    first, second = was(paired)
    assert paired.compare("wa") == compare_paired(first, second, ratio=0.25, step=1.25)
    assert paired.compare("wa", corrected=False) == compare_paired(first, second, ratio=0, step=1.25)
    assert known(paired.compare("wa")).p > known(paired.compare("wa", corrected=False)).p


def test_a_pair_is_of_one_seed_and_the_rest_is_left_out(tmp_path: Path) -> None:
    a, b = store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.8, seeds=(9, 4, 2, 3))
    paired = contest(a, b)
    first, second = was(paired)
    assert first == second, "same seeds, same accuracy: the same predictions"
    assert len(first) == 3
    assert "left out, as they have no partner: 3 runs of A, 1 of B" in paired.remarks


def test_equal_seeds_on_other_utterances_are_not_paired(tmp_path: Path) -> None:
    unpaired = contest(store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7, utterances=range(1, 400)))
    assert not unpaired.paired
    assert "of 6 seeds in common, 0 held out the same utterances" in unpaired.remarks[0]
    assert "--common" in unpaired.remarks[1]
    first, second = was(unpaired)
    assert unpaired.compare("wa") == compare_unpaired(first, second, ratios=unpaired.ratios)
    apart = contest(tmp_path / "a", store(tmp_path / "c", 0.7, utterances=range(1000, 1400)))
    assert not any("--common" in remark for remark in apart.remarks), "it would be refused"


def test_the_order_of_utterances_does_not_matter_but_for_8_1_1(
    tmp_path: Path, without_hashes: Callable[[Path], None]
) -> None:
    a, b = store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.8)
    for seed in SEEDS:  # the held-out utterances in another order, so that the halves differ
        path = b / str(seed) / "predictions.npz"
        with np.load(path) as file:
            arrays = dict(file)
        arrays["held_out"], arrays["logits"] = arrays["held_out"][::-1], arrays["logits"][:, ::-1]
        np.savez_compressed(path, **arrays)
    without_hashes(b)  # so that the change is not taken for damage
    assert contest(a, b).paired
    assert not contest(a, b, "validation").paired


def test_8_1_1_is_half_of_what_was_held_out(tmp_path: Path) -> None:
    halved = contest(store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7), "validation")
    assert halved.paired
    assert halved.ratios == (0.125, 0.125)


def test_on_common_utterances_both_are_scored_again(tmp_path: Path) -> None:
    a, b = store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7, utterances=range(1, 400))
    on_common = contest(a, b, common=True)
    assert on_common.paired
    sides = [_read(folder, "last") for folder in (a, b)]
    shared = [sorted(sides[0].runs[str(s)].guesses.keys() & sides[1].runs[str(s)].guesses.keys()) for s in SEEDS]
    for side, scores in zip(sides, was(on_common), strict=True):
        truth = {i: CLASSES[t] for i, t in zip(side.experiment.ids, side.experiment.targets, strict=True)}
        for seed, ids, wa in zip(SEEDS, shared, scores, strict=True):
            right = sum(side.runs[str(seed)].guesses[name] == truth[name] for name in ids)
            assert wa == pytest.approx(100 * right / len(ids))
    assert on_common.ratios[0] == pytest.approx(np.mean([len(ids) for ids in shared]) / 320)
    same = contest(a, store(tmp_path / "c", 0.7), common=True)
    assert was(same) == was(contest(a, tmp_path / "c")), "where all is common, nothing changes"


def test_the_text(tmp_path: Path) -> None:
    a, b = store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7)
    store_failure(read_experiment(b), RunKey(99), "the loss is nan")
    text = compare(a, b, "last")
    for part in (
        "paired: 6 pairs of runs that held out the same utterances",
        "6 runs, 1 more FAILED and left out",
        "| 95 % interval, other utterances",
        "| p, naive",
        "effect size (dz)",
        "test / training utterances 0.250",
        "epoch: last epoch",
    ):
        assert part in text
    back = compare(b, a, "last")
    difference = next(line for line in text.splitlines() if "points" in line)
    turned = next(line for line in back.splitlines() if "points" in line)
    assert difference.replace("+", "-") == turned


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    a = store(tmp_path / "a", 0.8)
    with pytest.raises(GlamError, match="1 finished run; to compare, two or more"):
        compare(a, store(tmp_path / "one", 0.8, seeds=[0]))
    with pytest.raises(GlamError, match="of 6 seeds in common, 0 with utterances that both experiments held out"):
        compare(a, store(tmp_path / "elsewhere", 0.8, utterances=range(400, 800)), common=True)
    with pytest.raises(GlamError, match="different classes"):
        compare(a, store(tmp_path / "classes", 0.8, classes=("neutral", "sad", "angry", "calm")))
    with pytest.raises(GlamError, match="not scores of the same task"):
        compare(a, store(tmp_path / "labels", 0.8, classes=("sad", "neutral", "angry", "happy")))
    with pytest.raises(GlamError, match="no experiment lies here"):
        compare(a, tmp_path)


def test_runs_that_do_not_differ_are_not_tested(tmp_path: Path) -> None:
    """The same predictions on both sides: as equal as can be, and no proof of anything."""
    text = compare(store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.8), "last")
    row = rows_in(text)
    assert row["A - B, points"] == ["+0.00", "+0.00"]
    for name in ("95 % interval, other utterances", "p, other utterances", "p, naive", "effect size (dz)"):
        assert row[name] == ["-", "-"]
    assert row["A better / same / worse, 1 point"] == ["-", "-"]
    assert "no test of WA: the 6 differences are all at 0.00, and no spread is no certainty" in text


def test_an_experiment_and_its_copy_are_called_one(tmp_path: Path) -> None:
    """A copy lies elsewhere, or other machines had its other runs: no two experiments are compared."""
    a = store(tmp_path / "a", 0.8)
    shutil.copytree(a, tmp_path / "b")
    assert "THE SAME EXPERIMENT: A and B have the same settings and corpus" in compare(a, tmp_path / "b", "last")


def test_the_case_of_two_pairs_one_utterance_apart(shared: Path) -> None:
    folder = shared / "findings" / "cases" / "zero-spread"
    a, b = sorted(path for path in folder.iterdir() if path.is_dir())
    text = compare(a, b)
    assert rows_in(text)["95 % interval, other utterances"] == ["-", "-"] or "no test of WA" in text
    assert "+4.00 to +4.00" not in text
    assert "inf" not in text.split("settings that differ")[-1]
    assert "100.00 to 100.00" not in report(a)
    with pytest.raises(GlamError, match="is compared with itself"):
        compare(a, a)


def test_what_is_probable_is_said_and_n_and_df_are(tmp_path: Path) -> None:
    text = compare(store(tmp_path / "a", 0.8), store(tmp_path / "b", 0.7), "last")
    shares = [int(part.split()[0]) for part in rows_in(text)["A better / same / worse, 1 point"][0].split(" / ")]
    assert 99 <= sum(shares) <= 101
    assert rows_in(text)["degrees of freedom"] == ["5", "5"]
    assert (
        "Student's t over 6 pairs, corrected (Nadeau and Bengio) with test / training utterances 0.250: the larger"
        in text
    )


def test_utterances_that_one_alone_gets_right_are_counted(tmp_path: Path) -> None:
    """Of 400 utterances, A is right in all, B wrong in every fourth: over the speakers, 25 points each."""
    targets = np.arange(400) % 4
    speakers = Grouping.of([f"s{i % 5}" for i in range(400)])
    folders = []
    for name, wrong in (("a", np.zeros(400, dtype=bool)), ("b", np.arange(400) // 5 % 4 == 0)):
        recipe = recipe_of(CLASSES, name=name, training={"lr": 0.5 if name == "a" else 0.25})
        experiment = experiment_of(tmp_path / name, recipe, targets, groups={"speaker": speakers})
        store_experiment(experiment)
        for seed in range(3):
            split = random_split(400, seed)
            truth = targets[split.held_out]
            guess = np.where(wrong[split.held_out], (truth + 1) % 4, truth)
            store_run(experiment, RunKey(seed), predicted(np.eye(4, dtype=np.float32)[guess][None], *_parts(split)))
        folders.append(experiment.folder)
    text = compare(folders[0], folders[1], "last")
    tested = {i for seed in range(3) for i in random_split(400, seed).held_out.tolist()}
    alone = sum(i // 5 % 4 == 0 for i in tested)
    assert f"of {len(tested)} utterances, tested 240 times, each with the share of its runs: A alone is" in text
    assert f"A alone is right in {alone:.1f}, B alone in 0.0, both in {len(tested) - alone:.1f}, neither in" in text
    assert "differences in WA of the 5 speakers (4 df)" in text
    assert "settings that differ, of A and B: training.lr 0.5 and 0.25" in text
    assert "THE SAME EXPERIMENT" not in text


def _parts(split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return split.held_out, split.train


def pair_of_speakers(folder: Path, speakers: Sequence[str], targets: NDArray[np.int64]) -> tuple[Path, Path]:
    """Two experiments of 4 runs of these utterances, A right in about 80 % and B in 60 %."""
    folders = []
    for name, accuracy in (("a", 0.8), ("b", 0.6)):
        groups = {"speaker": Grouping.of(list(speakers))}
        experiment = experiment_of(folder / name, recipe_of(CLASSES, name=name), targets, groups=groups)
        store_experiment(experiment)
        for seed in range(4):
            split = random_split(len(targets), seed)
            rng = np.random.default_rng([seed, int(100 * accuracy)])
            truth = targets[split.held_out]
            guess = np.where(rng.random(truth.size) < accuracy, truth, (truth + 1) % 4)
            store_run(experiment, RunKey(seed), predicted(np.eye(4, dtype=np.float32)[guess][None], *_parts(split)))
        folders.append(experiment.folder)
    return folders[0], folders[1]


def ua_by_speaker(folder: Path) -> dict[int, float]:
    """The UA of each speaker who is tested on every class, each utterance with its mean over the runs."""
    experiment = read_experiment(folder)
    right: dict[int, list[bool]] = {}
    for _, stored in sound_runs(experiment):
        assert stored is not None
        guesses = stored.logits[-1].argmax(axis=1).tolist()
        for utterance, guess in zip(stored.held_out.tolist(), guesses, strict=True):
            right.setdefault(utterance, []).append(guess == experiment.targets[utterance])
    cells: dict[tuple[int, int], list[float]] = {}
    for utterance, of_runs in right.items():
        cell = int(experiment.groups["speaker"].codes[utterance]), int(experiment.targets[utterance])
        cells.setdefault(cell, []).append(100 * float(np.mean(of_runs)))
    recalls: dict[int, list[float]] = {}
    for (speaker, _), of_utterances in cells.items():
        recalls.setdefault(speaker, []).append(float(np.mean(of_utterances)))
    return {speaker: float(np.mean(of_classes)) for speaker, of_classes in recalls.items() if len(of_classes) == 4}


def test_ua_over_the_speakers_who_have_every_class(tmp_path: Path) -> None:
    speakers = [f"s{i % 7}" for i in range(560)]
    targets = np.arange(560) // 7 % 4
    targets[(np.arange(560) % 7 < 2) & (targets == 3)] = 0  # two of the seven are never happy
    a, b = pair_of_speakers(tmp_path, speakers, targets)
    first, second = ua_by_speaker(a), ua_by_speaker(b)
    own = np.array([first[speaker] - second[speaker] for speaker in sorted(first)])
    assert own.size == 5
    low, high = stats.t.interval(0.95, 4, own.mean(), stats.sem(own))
    text, back = compare(a, b, "last"), compare(b, a, "last")
    assert rows_in(text)["95 % interval, other speakers"][1] == f"{low:+.2f} to {high:+.2f}"
    assert rows_in(back)["95 % interval, other speakers"][1] == f"{-high:+.2f} to {-low:+.2f}"
    assert (
        "differences in WA of the 7 speakers (6 df) and in UA of the 5 speakers with utterances of every class (4 df)"
        in text
    )


def test_where_too_few_speakers_have_every_class_there_is_no_interval_of_ua(tmp_path: Path) -> None:
    speakers = [f"s{i % 6}" for i in range(480)]
    targets = np.arange(480) // 6 % 4
    targets[(np.arange(480) % 6 < 4) & (targets == 3)] = 0
    a, b = pair_of_speakers(tmp_path, speakers, targets)
    why = (
        "none for UA, because only 2 of 6 speakers have utterances of every class, and an interval needs 3 of them or "
        "more"
    )
    text = compare(a, b, "last")
    assert f"other speakers: {why}" in text
    assert why in report(a)
    wa, ua = rows_in(text)["95 % interval, other speakers"]
    assert (wa == "-", ua) == (False, "-")
    assert "differences in WA of the 6 speakers (5 df), each counting the same" in text


def test_protocols_and_parts_that_differ_are_said(tmp_path: Path) -> None:
    a = store(tmp_path / "a", 0.8)
    experiment = read_experiment(a)
    changes: dict[str, dict[str, Any]] = {
        "k": {"split": {"name": "k-fold"}},
        "s": {"corpus": {"where": {"style": "scripted"}}},
    }
    for name, change in changes.items():
        other = experiment_of(
            tmp_path / name,
            recipe_of(CLASSES, name=name, **change),
            experiment.targets,
            ids=experiment.ids,
            folds=tuple(f"slice {i}" for i in range(1, 6)) if name == "k" else (),
        )
        store_experiment(other)
        for seed in SEEDS:
            for fold in range(1, 6) if name == "k" else [None]:
                key = RunKey(seed, fold)
                split = other.split.split({"": Grouping.of([""] * 400)}, key)
                guess = np.eye(4, dtype=np.float32)[
                    (experiment.targets[split.held_out] + (split.held_out % 5 == seed)) % 4
                ]
                store_run(other, key, predicted(guess[None], split.held_out, split.train))
        text = compare(a, tmp_path / name, "last")
        difference = (
            "protocol (random splits of utterances and folds of utterances)" if name == "k" else "part of the corpus"
        )
        assert f"NOT LIKE WITH LIKE: A and B differ in {difference}" in text
