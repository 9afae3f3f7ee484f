"""Analyses of stored runs against answers by hand: what needs no hearing, groups, votes, seeds and splits, the page."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation.results import known
from numpy.typing import NDArray
from reports.printed import rows_in
from reports.stored import experiment_of, predicted, recipe_of, store_run

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.evaluation.unknown import Unknown
from glam.evaluation.variance import components
from glam.reports.analyses import analyses, beside_majority
from glam.reports.checklist import checklist
from glam.reports.confidence import confidence_of, sure_of
from glam.reports.runs import read_results, read_runs
from glam.reports.seeds_and_splits import seeds_and_splits
from glam.reports.sharing import HEARS_NOTHING, REFERENCES, look_through
from glam.reports.views import Result
from glam.results.experiment import StoredExperiment, read_experiment, store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey
from glam.splits.splits import random_split

CLASSES = ("neutral", "sad")
N = 200
# five speakers in turn; scenario a is neutral and scenario b sad, but for every tenth utterance, the other way round
ODD = np.arange(N) % 10 == 0
SCENARIO = np.arange(N) // 5 % 2
TARGETS = np.where(ODD, 1 - SCENARIO, SCENARIO)


def stored(folder: Path, right: NDArray[np.bool_], seeds: tuple[int, ...] = (1, 2, 3), **sections: Any) -> Path:
    """Runs that are right in the same utterances, with confidence 0.73 (logits 1 and 0)."""
    groups = {
        "speaker": Grouping.of([f"s{i % 5}" for i in range(N)]),
        "scenario": Grouping.of(["ab"[code] for code in SCENARIO]),
        "gender": Grouping.of(["female" if i % 5 < 2 else "male" for i in range(N)]),
    }
    recipe = recipe_of(CLASSES, **sections)
    sizes = np.bincount(TARGETS).tolist()
    counts = {name: {name[:3]: sizes[i]} for i, name in enumerate(CLASSES)}
    experiment = experiment_of(folder, recipe, TARGETS, counts=counts, groups=groups)
    store_experiment(experiment)
    for seed in seeds:
        split = recipe.split.split(groups, RunKey(seed))
        truth = TARGETS[split.held_out]
        guess = np.where(right[split.held_out], truth, 1 - truth)
        logits = np.eye(2, dtype=np.float32)[guess][None]
        store_run(experiment, RunKey(seed), predicted(logits, split.held_out, split.train))
    return folder


def read(folder: Path) -> tuple[StoredExperiment, list[Result]]:
    experiment = read_experiment(folder)
    return experiment, read_results(experiment, "last").results


@pytest.mark.parametrize(("kind", "right", "wrong"), [("repeats", 100.0, 0.0), ("hears", 100.0, 100.0)])
def test_a_model_that_repeats_its_scenario_is_told_from_one_that_hears(
    tmp_path: Path, kind: str, right: float, wrong: float
) -> None:
    """One is right where the label is the scenario's commonest and nowhere else; both have its WA or more."""
    folder = stored(tmp_path / "x", ~ODD if kind == "repeats" else np.ones(N, dtype=bool))
    beside = beside_majority(*read(folder), "scenario")
    assert not isinstance(beside, str)
    pair = beside.pairing
    tested = sorted({int(i) for seed in (1, 2, 3) for i in random_split(N, seed).held_out})
    assert beside.wa == pytest.approx(100 * (~ODD[tested]).mean())
    assert pair.difference == pytest.approx(0 if kind == "repeats" else 100 * ODD[tested].mean())
    assert (known(pair.where_right.accuracy), known(pair.where_wrong.accuracy)) == (right, wrong)
    assert pair.where_wrong.utterances == ODD[tested].sum()
    row = rows_in(analyses(folder, "last"))["the majority of the scenario"]
    assert row[4:] == [f"{right:.2f} ({(~ODD[tested]).sum()})", f"{wrong:.2f} ({ODD[tested].sum()})"]


@pytest.mark.parametrize("kind", ["text", "scenario", "dialogue"])
def test_utterances_of_unknown_text_are_not_of_one_text(tmp_path: Path, kind: str) -> None:
    """Of the sad ones the text is unknown: taken as one text, its majority would be right in all of them."""
    targets = (np.arange(N) % 10 < 2).astype(np.int64)  # one in five is sad
    groups = {
        "speaker": Grouping.of([f"s{i % 5}" for i in range(N)]),
        kind: Grouping.of(["" if targets[i] else f"t{i % 4}" for i in range(N)]),
    }
    recipe = recipe_of(CLASSES)
    experiment = experiment_of(tmp_path / "x", recipe, targets, groups=groups)
    store_experiment(experiment)
    for seed in (1, 2):
        split = random_split(N, seed)
        logits = np.eye(2, dtype=np.float32)[targets[split.held_out]][None]
        store_run(experiment, RunKey(seed), predicted(logits, split.held_out, split.train))
    beside = beside_majority(*read(tmp_path / "x"), kind)
    assert not isinstance(beside, str)
    splits = [random_split(N, seed) for seed in (1, 2)]
    tested = np.unique(np.concatenate([split.held_out for split in splits]))
    assert beside.wa == pytest.approx(100 * (targets[tested] == 0).mean())
    assert beside.unseen == sum(int(targets[split.held_out].sum()) for split in splits)
    # the line of a report and the page say the same of the same splits
    sharing = look_through(recipe.split, groups, targets, 2, [RunKey(1), RunKey(2)])
    reference = sharing.references[f"the majority of its {kind}"]
    assert [scores.wa for scores in reference.test] == [
        pytest.approx(100 * (targets[split.held_out] == 0).mean()) for split in splits
    ]
    assert reference.unseen == beside.unseen / 2
    assert f"- **the majority of the {kind}**: WA {beside.wa:.2f}; the model " in checklist(tmp_path / "x", "last")


def test_what_the_corpus_does_not_know_is_said(tmp_path: Path) -> None:
    text = analyses(stored(tmp_path / "x", ~ODD), "last")
    assert set(HEARS_NOTHING) == set(REFERENCES.values())
    assert "the majority of the dialogue: cannot be computed, because the corpus knows of no dialogue" in text
    assert "cannot be computed, because no index of the corpus lies in the data folder" in text
    with pytest.raises(GlamError, match="nothing to analyse"):
        analyses(stored(tmp_path / "y", ~ODD, seeds=()))


def test_groups_have_their_scores_the_worst_and_the_gap(tmp_path: Path) -> None:
    """Speaker s0 is wrong in half of what he or she says, everyone else always right."""
    wrong = (np.arange(N) % 5 == 0) & (np.arange(N) // 5 % 4 < 2)
    text = analyses(stored(tmp_path / "x", ~wrong, seeds=(1, 2, 3, 4, 5, 6)), "last")
    rows = rows_in(text)
    tested = np.array(sorted({int(i) for seed in range(1, 7) for i in random_split(N, seed).held_out}))
    own = tested[tested % 5 == 0]
    assert rows["s0"][0] == str(len(own))
    assert rows["s0"][3] == f"{100 * (~wrong[own]).mean():.2f}"
    assert [rows[f"s{i}"][3] for i in range(1, 5)] == ["100.00"] * 4
    assert "points between s0 and s" in text
    assert "are to be expected by chance" in text
    female = tested[tested % 5 < 2]
    assert rows["female"][3] == f"{100 * (~wrong[female]).mean():.2f}"


def test_utterances_of_an_unknown_group_are_no_group(tmp_path: Path) -> None:
    """Those of unknown style are all wrong: the gap is between the groups that are known."""
    unknown = np.arange(N) % 3 == 0
    groups = {
        "speaker": Grouping.of([f"s{i % 5}" for i in range(N)]),
        "style": Grouping.of(["" if unknown[i] else "xy"[i // 7 % 2] for i in range(N)]),
    }
    recipe = recipe_of(CLASSES)
    experiment = experiment_of(tmp_path / "x", recipe, TARGETS, groups=groups)
    store_experiment(experiment)
    splits = [random_split(N, seed) for seed in (1, 2, 3)]
    for seed, split in enumerate(splits):
        truth = TARGETS[split.held_out]
        logits = np.eye(2, dtype=np.float32)[np.where(unknown[split.held_out], 1 - truth, truth)][None]
        store_run(experiment, RunKey(seed), predicted(logits, split.held_out, split.train))
    tested = np.unique(np.concatenate([split.held_out for split in splits]))
    text = analyses(tmp_path / "x", "last")
    rows = rows_in(text[text.index("## By style") : text.index("## The raters")])
    assert set(rows) == {"style", "x", "y"}
    assert [rows[name][-2] for name in "xy"] == ["100.00", "100.00"]
    assert f"left out, as their style is not known: {unknown[tested].sum()} utterances" in text


def test_groups_of_a_few_utterances_are_no_table(tmp_path: Path) -> None:
    """Forty test utterances of five speakers are eight each: a line says so, in place of a table of noise."""
    text = analyses(stored(tmp_path / "x", ~ODD, seeds=(1,)), "last")
    assert "## By speaker\n\n5 groups, none of 20 utterances or more: too small to be compared\n" in text
    assert "s0" not in rows_in(text)


def test_a_group_that_training_never_has_is_no_reference_of_its_own(tmp_path: Path) -> None:
    """Every text is said once: its majority is the majority class, which stands in the table already."""
    groups = {
        "speaker": Grouping.of([f"s{i % 5}" for i in range(N)]),
        "text": Grouping.of([f"t{i}" for i in range(N)]),
    }
    recipe = recipe_of(CLASSES)
    experiment = experiment_of(tmp_path / "x", recipe, TARGETS, groups=groups)
    store_experiment(experiment)
    split = random_split(N, 1)
    logits = np.eye(2, dtype=np.float32)[TARGETS[split.held_out]][None]
    store_run(experiment, RunKey(1), predicted(logits, split.held_out, split.train))
    alone = "the majority class alone, as no text of a test utterance occurs in training"
    text = analyses(tmp_path / "x", "last")
    assert f"the majority of the text: {alone}" in text
    commonest = np.bincount(TARGETS[split.train]).argmax()
    assert rows_in(text)["the majority class"][0] == f"{100 * (TARGETS[split.held_out] == commonest).mean():.2f}"
    assert "the majority of the text" not in rows_in(text)
    assert f"- **the majority of the text**: {alone}" in checklist(tmp_path / "x", "last")


def test_votes_give_accuracy_by_agreement_and_a_ceiling(tmp_path: Path) -> None:
    """Three raters, of whom the third names the other class in every fifth utterance, where the model is wrong."""
    torn = np.arange(N) % 5 == 3
    folder = stored(tmp_path / "x", ~torn)
    words = ("Neutral", "Sadness")
    indexed = [
        Utterance(
            f"u{i:02d}",
            "",
            "",
            "",
            votes=(f"E1:{words[TARGETS[i]]}", f"E2:{words[TARGETS[i]]}", f"E3:{words[TARGETS[i] ^ int(torn[i])]}"),
        )
        for i in range(N)
    ]
    text = analyses(folder, "last", indexed)
    rows = rows_in(text)
    tested = np.array(sorted({int(i) for seed in (1, 2, 3) for i in random_split(N, seed).held_out}))
    assert rows["all raters"][:2] == [str((~torn[tested]).sum()), "100.00"]
    assert rows["two thirds or more"][:2] == [str(torn[tested].sum()), "0.00"]
    assert rows["half or fewer"][:2] == ["0", "-"]
    # left out in turn: of a torn utterance, E1 and E2 are held against a tie (half right), E3 against both (wrong)
    expected = 100 * (1 - torn[tested].mean() * (1 - (0.5 + 0.5 + 0) / 3))
    assert f"a rater against the others: WA {expected:.2f}" in text


def test_calibration_of_all_runs_together_and_a_temperature(tmp_path: Path) -> None:
    """Right in nine of ten utterances, with confidence 0.73: the model is less sure than it should be."""
    folder = stored(tmp_path / "x", ~ODD)
    experiment, results = read(folder)
    runs = read_runs(experiment)
    whole = confidence_of([sure_of(experiment, run, run.predictions(), "last") for run in runs])
    right = np.concatenate([of.scored().predicted == of.scored().truth for of in results])
    assert whole.whole.gap == pytest.approx(100 * (right.mean() - 1 / (1 + np.exp(-1))), abs=1e-4)
    assert isinstance(whole.tempered, Unknown)
    fitted = confidence_of([sure_of(experiment, run, run.predictions(), "validation") for run in runs])
    assert all(value < 1 for value in fitted.temperatures)
    assert abs(known(fitted.tempered).gap) < abs(fitted.whole.gap)


def test_seeds_and_splits_are_told_apart(tmp_path: Path) -> None:
    """Splits differ by how many of their odd utterances they test, trainings not at all."""
    folders = [stored(tmp_path / f"s{n}", ~ODD, split={"name": "random", "seed": n}) for n in (5, 6, 7)]
    text = seeds_and_splits(folders, "last")
    was = [100 * (~ODD[random_split(N, n).held_out]).mean() for n in (5, 6, 7)]
    parts = known(components(np.repeat(was, 3), [1, 2, 3] * 3, np.repeat([0, 1, 2], 3)))
    row = rows_in(text)["WA"]
    assert row[0] == f"{np.mean(was):.2f}"
    assert row[1:6] == ["0.00", f"{parts.split:.2f}", "0.00", f"{parts.total:.2f}", "100 %"]
    assert "layout: 3 training seeds x 3 splits (split.seed 5, 6, 7)" in text
    with pytest.raises(GlamError, match=r"differ in more than split\.seed"):
        seeds_and_splits([folders[0], stored(tmp_path / "o", ~ODD, split={"name": "random", "seed": 9}, cut="whole")])
    with pytest.raises(GlamError, match=r"has no split\.seed: a run's seed chooses its split, too"):
        seeds_and_splits([stored(tmp_path / "r", ~ODD), folders[0]])
    with pytest.raises(GlamError, match="two or more are needed"):
        seeds_and_splits(folders[:1])
    parted = [stored(tmp_path / f"p{n}", ~ODD, (), split={"name": "parts", "seed": n}) for n in (5, 6)]
    with pytest.raises(GlamError, match="its protocol has one split, whatever the seed"):
        seeds_and_splits(parted)


def test_runs_of_one_split_are_no_further_splits(tmp_path: Path) -> None:
    from glam.reports.summary import report

    text = report(stored(tmp_path / "x", ~ODD, split={"name": "random", "seed": 5}), "last")
    assert "interval, further splits: none, because all runs test the same utterances" in text
    assert "random splits of utterances, in every run the split of seed 5" in text


def test_the_page_for_a_reviewer_answers_every_question(tmp_path: Path) -> None:
    folder = stored(tmp_path / "x", ~ODD)
    text = checklist(folder, "last")
    for part in (
        "## Data",
        "utterances of 5 speakers**: s0 40, s1 40",
        "licence of the corpus",
        "who chose the epoch**: last epoch",
        "**seeds**: 3 seeds, 3 runs in all; 0 failed",
        "**WA**: ",
        "95 % intervals, WA**: further splits",
        "mean recall over the classes that are tested",
        "**the majority of the scenario**: WA ",
        "by gender (WA / UA)",
        "accuracy minus confidence +",
        "parameters**: not known: no run kept its model",
        "identity " + read_experiment(folder).digest,
    ):
        assert part in text, part
    page = checklist(folder, "last", "tex")
    assert page.count(r"\toprule") == page.count(r"\bottomrule") == 1
    # of a text of any width: the two columns and what is between them fit, no word is longer than its column, and what
    # is typed is printed as it is
    left, right = (float(width) for width in re.findall(r"p\{([0-9.]+)\\linewidth\}", page))
    assert left + right <= 0.965
    assert page.startswith(r"% the preamble needs \usepackage{array,booktabs,longtable}")
    words = re.sub(r"\\allowbreak\{\}", " ", page).split()
    assert max(len(word) for word in words if not word.startswith(r"\begin")) <= 40
    assert "--" not in page.replace("-{}-", "")
    assert "python train.py -{}-recipe" in page or "the recipe mine" in page
    assert r"$\pm$" in page
    assert page.isascii()
    with pytest.raises(GlamError, match="nothing to report on"):
        checklist(stored(tmp_path / "y", ~ODD, seeds=()))
