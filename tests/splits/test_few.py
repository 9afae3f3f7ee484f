"""Warnings of test sets and speakers that are too few."""

import numpy as np
import pytest
from splits.test_known import groups_of, protocol

from glam.splits.few import few

CLASSES = ("a", "b")


def test_of_enough_nothing_is_said() -> None:
    groups = groups_of(8)
    targets = np.arange(32) % 2
    for chosen in (protocol("leave-speaker-out"), protocol("random"), protocol("k-fold"), protocol("random-speakers")):
        assert few(groups, chosen, [1, 2], targets, CLASSES) == []
    assert few(groups, protocol("random"), [], targets, CLASSES) == []


def test_a_class_of_one_test_utterance() -> None:
    groups, targets = groups_of(8), np.array([1] + [0] * 31)
    (line,) = few(groups, protocol("leave-speaker-out"), [1, 2], targets, CLASSES)
    assert line == ("WARNING: b has at most one test utterance with 1 of 1 seed: it alone moves UA by 50 points")
    (line,) = few(groups, protocol("random"), [1, 2, 3], targets, CLASSES)
    assert "b has at most one test utterance with 3 of 3 seeds" in line


def test_a_fold_of_one_test_utterance() -> None:
    groups = groups_of(6)
    folds = groups_of(6, fold=["x", *"vwyzvwyzvwyzvwyzvwyzvwy"])
    (line,) = few(folds, protocol("published-folds"), [1], np.arange(24) % 2, CLASSES)
    assert line == "WARNING: 1 of 5 folds is tested on a single utterance (x)"
    lines = few(groups, protocol("k-fold", folds=24), [1], np.arange(24) % 2, CLASSES)
    assert lines == ["WARNING: 24 of 24 folds are tested on a single utterance (slice 1, slice 2, slice 3, ...)"]


@pytest.mark.parametrize(
    ("speakers", "name", "message"),
    [
        (2, "random", ["only 2 speakers (s00, s01)"]),
        (1, "random", ["only 1 speaker (s00)"]),
        (3, "leave-speaker-out", ["as few as 1 of 3 speakers"]),
        (4, "leave-speaker-out", ["as few as 2 of 4 speakers"]),
        (4, "random", []),
        (5, "leave-speaker-out", []),
    ],
)
def test_few_speakers(speakers: int, name: str, message: list[str]) -> None:
    lines = few(groups_of(speakers, 40), protocol(name), [1], np.arange(40 * speakers) % 2, CLASSES)
    assert [part in line for part, line in zip(message, lines, strict=True)] == [True] * len(message)
