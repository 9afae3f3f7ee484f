"""Protocols with folds in reports and comparisons: what is pooled, what is averaged, what is missing."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.results import known
from numpy.typing import NDArray
from reports.printed import rows_in
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run

from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.statistics import compare_paired, interval_of_mean
from glam.learning.epoch import Epoch
from glam.papers.paper import table
from glam.papers.stored import Stored
from glam.papers.table_files import as_csv, as_json
from glam.papers.table_text import markdown
from glam.papers.tables import TableReport, rows_of, table_report
from glam.recipe import Recipe, load_recipe
from glam.reports.compare import _read, bring_together
from glam.reports.comparison_text import compare
from glam.reports.export import export
from glam.reports.figures.confusion import confusion
from glam.reports.figures.curves import learning_curves
from glam.reports.figures.reliability import reliability
from glam.reports.folds import Pooled, fold_values, outcomes, pool
from glam.reports.summary import report
from glam.reports.views import VIEWS, default_view, possible_views, result, scored, value
from glam.results.experiment import StoredExperiment, experiment_folder, read_experiment, store_experiment
from glam.results.identity import identity
from glam.results.run import StoredRun, read_run
from glam.splits.groups import Grouping
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import RunKey, runs_of, seeds

CLASSES = ("neutral", "sad")
SPEAKERS = [f"Ses0{session}{letter}" for session in (1, 2, 3) for letter in "FM"]
# Scenario a is neutral but for one utterance in Ses01, scenario b is sad, c is both.
ROWS = [
    (speaker, scenario, int(scenario == "b" or (scenario == "c" and turn == 1) or (speaker, scenario, turn) == ODD))
    for ODD in [("Ses01F", "a", 0)]
    for speaker in SPEAKERS
    for scenario in "abc"
    for turn in (0, 1)
]
TARGETS = np.array([target for _, _, target in ROWS])
GROUPS = {
    "speaker": Grouping.of([speaker for speaker, _, _ in ROWS]),
    "session": Grouping.of([speaker[:5] for speaker, _, _ in ROWS]),
    "scenario": Grouping.of([scenario for _, scenario, _ in ROWS]),
}
Ints = NDArray[np.int64]
Guesses = Callable[[RunKey, Ints], Ints]


def protocol(name: str) -> AnyProtocol:
    return recipe_of(CLASSES, split=name).split


def store(
    folder: Path, protocol: str, guess: Guesses, keys: Iterable[RunKey], of: Recipe | None = None
) -> StoredExperiment:
    """Runs of two epochs that predict guess(run, utterances), (2, n) classes, for the utterances held out."""
    recipe = of or recipe_of(CLASSES, split=protocol)
    classes = len(recipe.corpus.classes)
    experiment = experiment_of(
        folder,
        recipe,
        TARGETS,
        counts={"neutral": {"neu": 17}, "sad": {"sad": 19}},
        too_short={"neutral": 0, "sad": 0},
        groups=GROUPS,
        folds=recipe.split.folds_of(GROUPS),
    )
    store_experiment(experiment)
    for key in keys:
        split = recipe.split.split(GROUPS, key)
        logits = np.eye(classes, dtype=np.float32)[guess(key, split.held_out)]
        predictions = predicted(logits, split.held_out, split.train)
        store_run(experiment, key, predictions, validation_only=split.validation_only)
    return read_experiment(folder)


def always_sad(run: RunKey, utterances: Ints) -> Ints:
    return np.ones((2, len(utterances)), dtype=np.int64)


def by_seed(run: RunKey, utterances: Ints) -> Ints:
    """Right but for the first `seed` utterances of the corpus and, in folds after the first, one more."""
    wrong = utterances < run.seed + (run.fold or 0)
    return np.stack([np.where(wrong, 1 - TARGETS[utterances], TARGETS[utterances])] * 2)


def intervals(text: str) -> dict[str, list[str]]:
    return rows_in(text[text.index("| 95 % interval") :])


def test_pooled_scores_are_those_of_all_folds_together(tmp_path: Path) -> None:
    stored = store(tmp_path, "leave-scenarios-out", always_sad, runs_of([4, 5], 3))
    results = [result(stored, read_run(tmp_path / name), "last") for name in stored.seeds()]
    folds = pool(stored, results)
    assert [pooled.utterances for pooled in folds.pooled] == [36, 36]
    assert [pooled.scores.ua for pooled in folds.pooled] == [50.0, 50.0], "of single folds it would be 67"
    assert [pooled.scores.wa for pooled in folds.pooled] == pytest.approx([100 * 19 / 36] * 2)
    assert fold_values(stored, folds, METRICS["wa"]) == pytest.approx([100 / 12, 100.0, 50.0]), "each fold, not seed"
    assert [pooled.seed for pooled in outcomes(stored, results) if isinstance(pooled, Pooled)] == [4, 5]
    for pooled in folds.pooled:  # metrics of segments, too, are of all folds' predictions together
        together = pooled.scored()
        assert (together.confusion == pooled.confusion).all()
        assert sorted(together.utterances) == list(range(36))
        assert value(pooled, METRICS["pure_accuracy"]) == pytest.approx(100 * 19 / 36)
    text = report(tmp_path, "last")
    assert rows_in(text)["pooled over the folds"][:2] == ["52.78 ± 0.00", "50.00 ± 0.00"]
    assert rows_in(text)["mean over folds"][0].startswith("52.78 ± 45.9")
    assert rows_in(text)["mean over folds"][1:3] == ["-", "-"]
    assert rows_in(text)["a, 12 utterances"][:2] == ["8.33 ± 0.00", "-"]
    assert rows_in(text)["recall, pooled"] == ["0.00 ± 0.00", "100.00 ± 0.00"]
    assert "UA and F1 are not given fold by fold" in text
    assert "folds: 3, all of them of 2 seeds" in text
    assert "protocol: leave one scenario out; test shares with training" in text
    assert "INCOMPLETE" not in text


def test_folds_of_sessions_by_hand(tmp_path: Path) -> None:
    stored = store(tmp_path, "leave-session-out", by_seed, runs_of([3], 3))
    text = report(tmp_path, "last")
    # of the first twelve utterances (Ses01) 3 + 1 are wrong, of the others none
    assert rows_in(text)["pooled over the folds"][0] == f"{100 * 32 / 36:.2f}"
    was = [100 * 8 / 12, 100.0, 100.0]
    assert rows_in(text)["mean over folds"][0] == f"{np.mean(was):.2f} ± {np.std(was, ddof=1):.2f}"
    assert [rows_in(text)[f"Ses0{n}, 12 utterances"][0] for n in (1, 2, 3)] == ["66.67", "100.00", "100.00"]
    assert (rows_in(text)["median fold"][0], rows_in(text)["lowest fold"][0]) == ("100.00", "66.67")
    low, high = known(interval_of_mean(was, ratio=12 / 18))  # a session is tested, a speaker chooses the epoch
    assert intervals(text)["WA"][0] == f"{max(low, 0):.2f} to {min(high, 100):.2f}"
    assert stored.split.name == "leave-session-out"


def test_k_folds_of_other_seeds_are_other_folds(tmp_path: Path) -> None:
    stored = store(tmp_path, "k-fold", by_seed, runs_of([1, 2], 5))
    results = [result(stored, read_run(tmp_path / name), "last") for name in stored.seeds()]
    of_folds = fold_values(stored, pool(stored, results), METRICS["wa"])
    assert len(of_folds) == 10
    text = report(tmp_path, "last")
    assert "slice 1" not in text
    assert "2 seeds" in text
    low, high = known(interval_of_mean(of_folds, ratio=0.25))
    shown = intervals(text)["WA"][0].split(" to ")
    assert float(shown[0]) == pytest.approx(low, abs=0.3)  # 36 utterances make folds of 7 and 8
    assert float(shown[1]) == pytest.approx(min(high, 100), abs=0.3)


def test_what_is_incomplete_is_said_and_not_pooled(tmp_path: Path) -> None:
    keys = [key for key in runs_of([1, 9], 3) if key != RunKey(9, 2)]
    stored = store(tmp_path, "leave-session-out", by_seed, keys)
    store_failure(stored, RunKey(9, 2), "the loss is nan")
    text = report(tmp_path, "last")
    assert "INCOMPLETE, not pooled: seed 9 has 2 of 3 folds; missing: Ses02" in text
    assert "FAILED, not averaged: 1 run; seed 9, fold 2: the loss is nan" in text
    assert rows_in(text)["pooled over the folds"][0] == f"{100 * 34 / 36:.2f}"
    assert "all of them of 1 seed." in text
    alone = report(tmp_path, "last", seeds=[9])
    assert "pooled over the folds" not in rows_in(alone)
    assert "NO SEED HAS ALL ITS FOLDS" in alone
    assert "Ses02, 12 utterances" not in rows_in(alone)
    assert "Ses01, 12 utterances" in rows_in(alone)


def test_the_epoch_is_chosen_on_the_protocols_own_validation_utterances(tmp_path: Path) -> None:
    def guess(run: RunKey, utterances: Ints) -> Ints:
        """Epoch 1 is right on the validation utterances alone, epoch 2 on the tested ones alone."""
        first = protocol("leave-session-out").split(GROUPS, run).validation_only
        early = np.arange(len(utterances)) < first
        truth = TARGETS[utterances]
        return np.stack([np.where(early, truth, 1 - truth), np.where(early, 1 - truth, truth)])

    stored = store(tmp_path, "leave-session-out", guess, [RunKey(1, 1)])
    run = read_run(tmp_path / "1-fold1")
    results = {view: result(stored, run, view) for view in VIEWS}
    assert {view: (of_view.epochs, of_view.scores.wa) for view, of_view in results.items()} == {
        "test": ((2,), 100.0),
        "halves": ((2, 2), 100.0),
        "validation": ((1,), 0.0),
        "last": ((2,), 100.0),
    }
    assert {of_view.utterances for of_view in results.values()} == {12}
    tested = stored.split.split(GROUPS, run.key).scored
    assert {view: sorted(scored(stored, run, view).utterances) for view in VIEWS} == {view: [*tested] for view in VIEWS}
    assert default_view(stored) == "validation"
    assert rows_in(report(tmp_path))["Ses01, 12 utterances"][0] == "0.00"
    written = io.StringIO()
    assert export(run.folder, written).startswith("epoch 1 (")
    lines = written.getvalue().splitlines()[1:]
    assert len(lines) == 12
    assert all(line.split(",")[1] != line.split(",")[2] for line in lines)
    assert export(run.folder, again := io.StringIO(), epoch=2) == "epoch 2"
    assert len(again.getvalue().splitlines()) == 13


def test_a_single_tested_utterance_can_still_be_validated_on_others() -> None:
    confusion = np.array([[[1, 0], [0, 0]]])
    run = StoredRun(Path("x"), 1, None, {}, (Epoch(1, 1, 1, 1),), (), confusion)
    assert possible_views(run) == ("test", "last")
    assert possible_views(replace(run, validation_only=3)) == ("test", "validation", "last")


def test_optimism_is_that_of_the_pooled_folds(tmp_path: Path) -> None:
    def guess(run: RunKey, utterances: Ints) -> Ints:
        """Epoch 1 is right on the first half of what is tested, and on one more; epoch 2 on the second half."""
        place, truth = np.arange(len(utterances)), TARGETS[utterances]
        half = len(utterances) // 2
        return np.stack([np.where(right, truth, 1 - truth) for right in (place <= half, place >= half)])

    stored = store(tmp_path, "k-fold", guess, runs_of([1], 5))
    text = report(tmp_path)
    results, honest = ([result(stored, read_run(tmp_path / n), v) for n in stored.seeds()] for v in VIEWS[:2])
    (pooled,), (fair,) = pool(stored, results).pooled, pool(stored, honest).pooled
    assert pooled.scores.wa > fair.scores.wa
    assert rows_in(text)["optimism, pooled"][0] == f"{pooled.scores.wa - fair.scores.wa:+.2f}"
    assert "optimism: points" in text
    assert "standard error" not in text, "none is shown"
    for unseen in (report(tmp_path, "last"), report(tmp_path, seeds=[7])):
        assert "optimism:" not in unseen


def test_a_table_pools_the_folds_and_says_which_seed_lacks_some(tmp_path: Path) -> None:
    override = [("split.name", "leave-scenarios-out")]
    recipe = load_recipe("glam-released", [("corpus.where", {"style": "improvised"}), *override])
    ablation = table("2", "released")

    def of_stored() -> TableReport:
        return table_report(ablation, rows_of(ablation, override), override, Stored(tmp_path, None), seeds()[:2])

    def report_with(keys: Iterable[RunKey], guess: Guesses) -> TableReport:
        folder = experiment_folder(tmp_path, recipe, identity(recipe.scientific(), "0" * 64))
        store(folder, "leave-scenarios-out", guess, keys, recipe)
        return of_stored()

    first, second = seeds()[:2]
    report = report_with([RunKey(first, 1), RunKey(first, 2)], always_sad)
    assert "| GLAM              | no seed has all folds " in markdown(report)
    assert report.rows[0].metrics["ua"].ours is None
    report = report_with([RunKey(first, 3), *runs_of([second], 2)], always_sad)
    row, text = report.rows[0], markdown(report)
    assert report.view == "validation"
    assert (len(row.results), len(row.scored), row.test_utterances) == (5, 1, (36,))
    ours = row.metrics["ua"].ours
    assert ours is not None
    assert (ours.mean, ours.n) == (50.0, 1), "of single folds it would be 67"
    assert "| seeds " in text
    assert f"INCOMPLETE, not pooled: GLAM, seed {second} has 2 of 3 folds; missing: c" in text
    assert "protocol, improvised, 36 utterances, 5 runs: leave one scenario out; test shares with training " in text
    assert row.stored.experiment is not None
    store_failure(row.stored.experiment, RunKey(second, 3), "the loss is nan")
    again = of_stored()
    assert f"FAILED, not averaged: GLAM, seed {second}, fold 3: the loss is nan" in markdown(again)
    lines = list(csv.DictReader(io.StringIO(as_csv(again))))
    assert (lines[0]["runs"], lines[0]["seeds"], lines[0]["mean"]) == ("5", "1", str(100 * 19 / 36))
    content = json.loads(as_json(again))["rows"][0]
    assert content["incomplete"] == {str(second): ["c"]}
    assert [run["fold"] for run in content["runs"]] == [1, 2, 3, 1, 2]


def test_figures_count_the_folds_of_a_seed_together(tmp_path: Path) -> None:
    stored = store(tmp_path, "leave-scenarios-out", always_sad, [*runs_of([1, 2], 3), RunKey(3, 1)])
    picture = confusion([stored], "last")
    cells = [text.get_text() for text in picture.figure.axes[0].texts]
    assert cells == ["0.0", "100.0", "0.0", "100.0"]
    assert "2 seeds with 6 folds in all, 36 test utterances each" in picture.caption
    assert "mean over seeds of the matrices of all their folds together" in picture.caption
    assert "no true utterance" not in picture.caption
    whole = learning_curves([read_run(tmp_path / run.name) for run in runs_of([1, 2], 3)])
    assert whole["UA (%)"].mean.tolist() == [50.0, 50.0]
    assert "2 seeds with 6 folds" in reliability([stored], "last").caption
    single = store(tmp_path / "single", "leave-scenarios-out", always_sad, [RunKey(3, 1)])
    with pytest.raises(GlamError, match="no seed has all its 3 folds"):
        confusion([single], "last")


def test_folds_are_paired_and_seeds_that_test_the_same_count_once(tmp_path: Path) -> None:
    keys = runs_of([1, 2], 3)
    a = store(tmp_path / "a", "leave-session-out", by_seed, keys)
    b = store(tmp_path / "b", "leave-session-out", always_sad, keys[:5])
    contest = bring_together(_read(a.folder, "last"), _read(b.folder, "last"), common=False)
    assert contest.paired
    assert len(contest.first) == 5
    assert contest.sets == ((0, 1, 2, 0, 1),) * 2
    of_a, of_b = contest.values("wa")
    assert len(of_a) == len(of_b) == 3
    assert of_a[0] == pytest.approx(np.mean([100 * 10 / 12, 100 * 9 / 12]))
    assert contest.ratios == (12 / 18, 12 / 18)
    step = 100 / 12  # one utterance of a fold; the last fold has a single run
    assert contest.compare("wa") == compare_paired(of_a, of_b, ratio=12 / 18, step=step)
    text = compare(a.folder, b.folder, "last")
    assert "paired: 5 pairs of folds that held out the same utterances" in text
    assert "effect size" not in text, "more seeds make the differences of folds steadier, and are no further folds"
    assert "runs of each that would show" not in text
    assert "count once, with their mean" in text


def test_the_same_folds_of_other_seeds_are_paired(tmp_path: Path) -> None:
    a = store(tmp_path / "a", "leave-session-out", by_seed, runs_of([1, 2], 3))
    b = store(tmp_path / "b", "leave-session-out", always_sad, runs_of([3], 3))
    contest = bring_together(_read(a.folder, "last"), _read(b.folder, "last"), common=False)
    assert contest.paired
    assert not contest.matched
    of_a, of_b = contest.values("wa")
    assert len(of_a) == len(of_b) == 3
    assert of_b == pytest.approx([100 * TARGETS[12 * i : 12 * i + 12].mean() for i in range(3)])
    text = compare(a.folder, b.folder, "last")
    assert "paired: 3 test sets that both have, of folds trained with other seeds" in text


def test_scenarios_are_compared_by_wa_alone(tmp_path: Path) -> None:
    keys = runs_of([1], 3)
    for name in ("a", "b"):
        store(tmp_path / name, "leave-scenarios-out", by_seed if name == "a" else always_sad, keys)
    text = compare(tmp_path / "a", tmp_path / "b")
    assert "UA is left out" in text
    assert "| UA" not in text
    store(tmp_path / "random", "random", always_sad, [RunKey(1), RunKey(2)])
    unpaired = compare(tmp_path / "random", tmp_path / "a")
    assert (
        "no run of one has the seed (and fold) of a run of the other; all 2 runs of A against all 3 folds of B"
        in unpaired
    )
    assert "| UA" not in unpaired


def test_runs_of_one_test_set_are_no_comparison(tmp_path: Path) -> None:
    keys = [RunKey(seed, 1) for seed in (1, 2, 3)]
    for name in ("a", "b"):
        store(tmp_path / name, "leave-session-out", always_sad, keys)
    with pytest.raises(GlamError, match="all 3 runs test the same utterances"):
        compare(tmp_path / "a", tmp_path / "b")


def test_an_experiment_without_groups_says_where_to_look(
    tmp_path: Path, without_hashes: Callable[[Path], None]
) -> None:
    store(tmp_path, "random", always_sad, [RunKey(1)])
    without_hashes(tmp_path)
    path = tmp_path / "utterances.csv"
    path.write_text("\n".join(",".join(line.split(",")[:3]) for line in path.read_text().splitlines()) + "\n")
    assert "glam audit says it" in report(tmp_path)
