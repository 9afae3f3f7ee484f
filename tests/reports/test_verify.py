"""Two trainings of one run beside each other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from glam.learning.epoch import Epoch
from glam.reports.verify import compare_runs, environment_differences
from glam.results.run import Predictions, StoredRun, read_run, write_failure, write_run
from glam.splits.runs import RunKey

TRUTH = np.array([0, 1, 1])
EPOCHS = [Epoch(1e-3, 2.5, 1.0, 0.5), Epoch(9e-4, 1.5, 1.0, 0.5), Epoch(8e-4, 1.0, 1.0, 0.5)]
LOGITS = np.array([[[2, 0], [1, 0], [1, 0]], [[2, 0], [0, 1], [1, 0]], [[2, 0], [0, 1], [0, 3]]], dtype=np.float32)
PREDICTIONS = Predictions(
    logits=LOGITS,
    segment_classes=np.zeros((3, 4), dtype=np.uint8),
    segments=np.array([1, 2, 1]),
    held_out=np.array([4, 1, 0]),
    train=np.array([2, 3]),
)


def run(folder: Path, epochs: list[Epoch] = EPOCHS, **changed: NDArray[Any]) -> StoredRun:
    write_run(folder, RunKey(7), "0" * 64, {}, epochs, TRUTH, 2, replace(PREDICTIONS, **changed), {})
    return read_run(folder)


def test_the_same_run_is_the_same(tmp_path: Path) -> None:
    outcome = compare_runs(run(tmp_path / "a"), run(tmp_path / "b", [replace(e, train_seconds=9.0) for e in EPOCHS]))
    assert outcome.same
    assert outcome.lines == (
        "SAME, bit for bit: loss, learning rate, logits, segment classes and confusion of 3 epochs",
    )


def test_only_the_epochs_that_both_have_are_compared(tmp_path: Path) -> None:
    shorter = run(tmp_path / "b", EPOCHS[:1], logits=LOGITS[:1], segment_classes=PREDICTIONS.segment_classes[:1])
    outcome = compare_runs(run(tmp_path / "a"), shorter)
    assert outcome.same
    assert "of 1 epoch" in outcome.lines[0]


def test_the_last_bit_of_one_logit_is_a_difference(tmp_path: Path) -> None:
    logits = LOGITS.copy()
    logits[1, 0, 0] = np.nextafter(logits[1, 0, 0], np.float32(3))
    outcome = compare_runs(run(tmp_path / "a"), run(tmp_path / "b", logits=logits))
    assert not outcome.same
    assert outcome.lines[:3] == (
        "DIFFERENT from epoch 2 of 3 on",
        "largest difference of the loss: 0, in epoch 1",
        "largest difference of a logit: 2.38e-07, in epoch 2",
    )
    assert "utterances decided otherwise: 0 of 9; in the last epoch 0 of 3" in outcome.lines


def test_by_how_much_a_run_came_out_differently(tmp_path: Path) -> None:
    logits, segments = LOGITS.copy(), PREDICTIONS.segment_classes.copy()
    logits[2, 2] = [1, 0.5]
    segments[2, 3] = 1
    epochs = [*EPOCHS[:2], replace(EPOCHS[2], loss=1.25)]
    outcome = compare_runs(run(tmp_path / "a"), run(tmp_path / "b", epochs, logits=logits, segment_classes=segments))
    assert not outcome.same
    assert outcome.lines == (
        "DIFFERENT from epoch 3 of 3 on",
        "largest difference of the loss: 0.25, in epoch 3",
        "largest difference of a logit: 2.5, in epoch 3",
        "utterances decided otherwise: 1 of 9; in the last epoch 1 of 3",
        "segments decided otherwise: 1 of 12; in the last epoch 1 of 4",
        "best epoch: 3 stored, 2 again; WA 100.00 stored, -33.33 again; UA 100.00 stored, -25.00 again",
        "last epoch: 3 stored, 3 again; WA 100.00 stored, -33.33 again; UA 100.00 stored, -25.00 again",
    )


@pytest.mark.parametrize("rate", [2e-3, 1e-3 * (1 + 1e-15)])
def test_another_learning_rate_is_a_difference(tmp_path: Path, rate: float) -> None:
    epochs = [replace(EPOCHS[0], lr=rate), *EPOCHS[1:]]
    outcome = compare_runs(run(tmp_path / "a"), run(tmp_path / "b", epochs))
    assert outcome.lines[0] == "DIFFERENT from epoch 1 of 3 on"


def test_another_split_is_not_compared_further(tmp_path: Path) -> None:
    outcome = compare_runs(run(tmp_path / "a"), run(tmp_path / "b", held_out=np.array([4, 0, 1])))
    assert outcome.lines == ("DIFFERENT: another split, or other segments (held_out differ)",)


def test_runs_that_failed_are_the_same_where_they_failed_alike(tmp_path: Path) -> None:
    for name, reason in (("a", "the loss of step 3 is nan"), ("b", "the loss of step 3 is nan"), ("c", "else")):
        write_failure(tmp_path / name, RunKey(7), "0" * 64, {}, reason)
    a, b, c = (read_run(tmp_path / name) for name in "abc")
    assert compare_runs(a, b).same
    assert not compare_runs(a, c).same
    outcome = compare_runs(a, run(tmp_path / "d"))
    assert not outcome.same
    assert outcome.lines == ("DIFFERENT", "stored: the loss of step 3 is nan", "again: finished")


def test_what_the_environments_differ_in() -> None:
    stored = {"torch": "2.11.0", "device": "cpu", "seconds": 3, "resumed": 1, "revision": "abc"}
    now = {"torch": "2.12.0", "device": "cpu", "seconds": 9, "resumed": 0, "not recorded then": 2}
    assert environment_differences(stored, now) == ["torch 2.11.0, now 2.12.0", "revision abc, now None"]
