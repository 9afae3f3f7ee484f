"""What the splits of a protocol share, from groups and classes alone: by hand, and by its definition."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports.stored import experiment_of, recipe_of

from glam.errors import GlamError
from glam.evaluation.metrics import scores_of
from glam.reports.sharing import SHARED, audit_line, look_through, protocol_line, sharing_of
from glam.splits.groups import Grouping, Groups
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import RunKey, runs_of

# Eight utterances: of speaker, scenario, dialogue, and class.
ROWS = [
    ("s1", "a", "d1", 0),
    ("s1", "b", "d2", 1),
    ("s2", "a", "d1", 0),
    ("s2", "b", "d2", 1),
    ("s3", "a", "d3", 0),
    ("s3", "b", "d4", 0),
    ("s4", "a", "d3", 1),
    ("s4", "b", "d4", 1),
]
TARGETS = np.array([target for *_, target in ROWS])
GROUPS: Groups = {
    "speaker": Grouping.of([speaker for speaker, *_ in ROWS]),
    "session": Grouping.of(["1", "1", "1", "1", "2", "2", "2", "2"]),
    "dialogue": Grouping.of([dialogue for _, _, dialogue, _ in ROWS]),
    "scenario": Grouping.of([scenario for _, scenario, _, _ in ROWS]),
    "recording": Grouping.of(["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r1"]),  # the last is the first once more
}


def protocol(name: str, **options: Any) -> AnyProtocol:
    return recipe_of(("neutral", "sad"), split={"name": name, **options}).split


def test_leaving_a_session_out_by_hand() -> None:
    sharing = look_through(protocol("leave-session-out"), GROUPS, TARGETS, 2, runs_of([3], 2))
    assert [sorted(split.scored.tolist()) for split in sharing.splits] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert list(sharing.overlaps) == ["utterances", *(name for name in SHARED if name not in ("texts", "files"))]
    speakers, recordings = sharing.overlaps["speakers"], sharing.overlaps["recordings"]
    # of four speakers two are tested, one validates and one is trained on
    assert (speakers.whole, speakers.train, speakers.test, speakers.both, speakers.seen) == (4, 1, 2, 0, 0)
    assert recordings.whole == 7
    scenarios = sharing.overlaps["scenarios"]
    assert (scenarios.train, scenarios.test, scenarios.both, scenarios.seen) == (2, 2, 2, 100)
    # in sample, the scenario is right about a: 3 of 4, b: 3 of 4; the dialogue about d1, d2 wholly, d3, d4 by half
    assert [reference.in_sample.wa for reference in sharing.references.values()] == [50, 75, 75]
    # no dialogue of a session occurs in another: the four test utterances of each fold
    assert [reference.unseen for reference in sharing.references.values()] == [0, 0, 4]
    # a seed is scored once, on the predictions of all its folds
    assert [len(reference.test) for reference in sharing.references.values()] == [1, 1, 1]


def test_one_line_says_what_is_shared_and_what_that_alone_scores() -> None:
    line = audit_line(look_through(protocol("leave-session-out"), GROUPS, TARGETS, 2, runs_of([3], 2)))
    assert line.startswith("test shares with training 0 of 2 speakers, 0 of 2 dialogues, 2 of 2 scenarios, ")
    assert "identical recordings; WA / UA without hearing anything: majority class " in line
    assert ", of the scenario " in line
    assert ", of the dialogue " in line


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True), st.data())
def test_overlaps_and_references_by_their_definition(seeds: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(8, 30))
    codes = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    targets = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    groups = {"speaker": Grouping.of(["x"] * n), "scenario": Grouping.of([f"c{code}" for code in codes])}
    chosen = protocol("k-fold", folds=4)
    runs = runs_of(seeds, 4)
    sharing = look_through(chosen, groups, targets, 3, runs)
    rows: list[tuple[float, ...]] = []
    unseen: list[int] = []
    predicted: dict[int, np.ndarray[Any, Any]] = {seed: np.full(n, -1) for seed in seeds}
    for run, split in zip(runs, sharing.splits, strict=True):
        trained, tested = set(codes[split.train]), set(codes[split.scored])
        seen = [code in trained for code in codes[split.scored]]
        rows.append((len(trained), len(tested), len(trained & tested), 100 * float(np.mean(seen))))
        unseen.append(len(seen) - sum(seen))
        commonest = int(np.bincount(targets[split.train], minlength=3).argmax())
        for i in split.scored:
            same = targets[split.train][codes[split.train] == codes[i]]
            predicted[run.seed][i] = np.bincount(same, minlength=3).argmax() if len(same) else commonest
    overlap = sharing.overlaps["scenarios"]
    assert (overlap.train, overlap.test, overlap.both, overlap.seen) == pytest.approx(tuple(np.mean(rows, axis=0)))
    assert overlap.whole == len(set(codes))
    reference = sharing.references["the majority of its scenario"]
    assert reference.unseen == pytest.approx(np.mean(unseen))
    was = [scores.wa for scores in reference.test]
    assert was == pytest.approx([100 * np.mean(guess == targets) for guess in predicted.values()])


def test_what_is_known_of_no_utterance_is_left_out() -> None:
    groups = {"speaker": GROUPS["speaker"], "scenario": Grouping.of([""] * 8), "recording": GROUPS["recording"]}
    sharing = look_through(protocol("random"), groups, TARGETS, 2, [RunKey(1)])
    assert list(sharing.overlaps) == ["utterances", "speakers", "recordings"]
    assert list(sharing.references) == ["the majority class"]
    assert "scenario" not in audit_line(sharing)


def test_utterances_of_unknown_speakers_are_of_none() -> None:
    """Taken as one speaker, they would be a speaker more, who is on both sides of nearly every split."""
    speakers = ["s1", "", "s1", "s1", "", "", "s2", ""]
    sharing = look_through(protocol("random"), {"speaker": Grouping.of(speakers)}, TARGETS, 2, [RunKey(1)])
    assert sharing.splits[0].train.tolist() == [7, 2, 1, 6, 0, 4]
    overlap = sharing.overlaps["speakers"]
    assert (overlap.whole, overlap.train, overlap.test, overlap.both, overlap.seen) == (2, 2, 1, 1, 50)


def test_validation_utterances_are_neither_trained_on_nor_tested() -> None:
    (split,) = look_through(protocol("leave-session-out"), GROUPS, TARGETS, 2, [RunKey(3, 1)]).splits
    assert split.validation_only == 2
    sharing = look_through(protocol("leave-session-out"), GROUPS, TARGETS, 2, [RunKey(3, 1)])
    # the majority class of what is trained on alone: two utterances of one speaker
    majority = int(np.bincount(TARGETS[split.train], minlength=2).argmax())
    expected = np.zeros((2, 2), dtype=np.int64)
    expected[:, majority] = np.bincount(TARGETS[split.scored], minlength=2)
    assert sharing.references["the majority class"].test == (scores_of(expected),)


def test_a_protocol_that_the_utterances_have_too_little_for_is_refused() -> None:
    groups = {**GROUPS, "session": Grouping.of(["1"] * 8)}
    with pytest.raises(GlamError, match="leave-session-out needs two sessions"):
        look_through(protocol("leave-session-out"), groups, TARGETS, 2, [RunKey(1, 1)])


def test_the_line_of_a_stored_experiment() -> None:
    recipe = recipe_of(("neutral", "sad"), split="leave-session-out")
    stored = experiment_of(Path("x"), recipe, TARGETS, groups=GROUPS, folds=("1", "2"))
    runs = runs_of([3], 2)
    expected = audit_line(look_through(recipe.split, GROUPS, TARGETS, 2, runs))
    assert protocol_line(stored, sharing_of(stored, runs)) == f"leave one session out; {expected}"
    assert protocol_line(stored, sharing_of(stored, [])) == "leave one session out"
    without = experiment_of(Path("x"), recipe, TARGETS, folds=("1", "2"))
    assert "was not stored with this experiment: glam audit says it" in protocol_line(
        without, sharing_of(without, runs)
    )
