"""What runs do within utterances: by hand on two runs of eight utterances."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports.stored import experiment_of, predicted, recipe_of, store_failure, store_run

from glam.cli.diagnose import diagnose as verb
from glam.errors import GlamError
from glam.evaluation.calibration import calibration
from glam.evaluation.metrics import softmax
from glam.reports.diagnosis import calibrated, diagnose, diagnosis
from glam.reports.views import VIEWS
from glam.results.experiment import StoredExperiment, read_experiment, store_experiment
from glam.results.run import read_run
from glam.splits.runs import RunKey

CLASSES = ("neutral", "sad", "angry")
TARGETS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1])
SEGMENTS = np.array([1, 2, 2, 5, 1, 2, 3, 5])
# the classes of the segments of the eight held-out utterances in the last epoch, and of the utterances
LAST = ["0", "01", "11", "00012", "1", "11", "001", "11111"]
DECIDED = [0, 0, 1, 0, 1, 1, 1, 1]


def experiment(folder: Path, seeds: int = 2, **sections: Any) -> StoredExperiment:
    """Runs of two epochs. In the first, all is neutral; in the last, as above. sections: of the recipe."""
    stored = experiment_of(folder, recipe_of(CLASSES, **sections), TARGETS)
    store_experiment(stored)
    classes = np.array([int(c) for utterance in LAST for c in utterance])
    guesses = np.array([[0] * 8, DECIDED])
    for seed in range(seeds):
        logits = (1 + seed) * np.eye(3, dtype=np.float32)[guesses]
        of_segments = np.stack([np.zeros_like(classes), classes]).astype(np.uint8)
        store_run(stored, RunKey(seed), predicted(logits, np.arange(8), np.arange(8, 10), SEGMENTS, of_segments))
    return read_experiment(folder)


def test_one_run_by_hand(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "x")
    run = read_run(tmp_path / "x" / "0")
    diagnosed = diagnose(stored, run, run.predictions(), "last")
    within = diagnosed.within
    assert within["utterances classified correctly"] == [87.5, 75, 100, None]
    # 0 of 01 and 00012, by truth: 1, 1/2, 0, 3/5 and 1, 1, 1/3, 1
    right = [1, 0.5, 0, 0.6, 1, 1, 1 / 3, 1]
    assert within["segments classified correctly"][:2] == pytest.approx(
        [100 * np.mean(right), 100 * np.mean(right[:4])]
    )
    agree = [1, 0.5, 1, 0.6, 1, 1, 1 / 3, 1]
    assert within["segments that agree with their utterance"][0] == pytest.approx(100 * np.mean(agree))
    assert within["utterances of one class throughout"] == [62.5, 50, 75, None]
    assert within["different classes in an utterance (number)"][0] == (1 + 2 + 1 + 3 + 1 + 1 + 2 + 1) / 8
    # a change in 01, two in 00012, one in 001, of 0+1+1+4+0+1+2+4 neighbours
    assert within["neighbouring segments that differ"] == pytest.approx([400 / 13, 300 / 6, 100 / 7, None], nan_ok=True)
    # the vote of 001 is neutral, though the mean of logits says sad; the tie of 01 is left to the mean
    assert diagnosed.torn.tolist() == [False] * 6 + [True, False]
    assert within["utterances whose majority vote differs"] == [12.5, 0, 25, None]
    assert (diagnosed.decided.wa, diagnosed.voted.wa) == (87.5, 75)
    assert diagnosed.position.utterances == 2
    assert diagnosed.position.parts == pytest.approx([100, 100, 100, 50, 50])
    chances = softmax(np.eye(3)[DECIDED])
    assert calibrated(diagnosed.sure["last"].scored).error == calibration(chances, TARGETS[:8]).error
    assert set(diagnosed.sure) == set(VIEWS)
    assert diagnose(stored, run, run.predictions(), "halves").segments.sum() == SEGMENTS.sum()


def test_the_text(tmp_path: Path) -> None:
    store_failure(experiment(tmp_path / "x"), RunKey(9), "the loss is nan")
    lines = [" ".join(line.split()) for line in diagnosis(tmp_path / "x", "last").splitlines()]
    for line in (
        "runs: 2 (mean ± sample standard deviation)",
        "FAILED, left out: 1 run",
        "epoch: last epoch",
        "| utterances classified correctly | 87.50 ± 0.00 | 75.00 ± 0.00 | 100.00 ± 0.00 | - |",
        "| mean of logits | 87.50 ± 0.00 | 87.50 ± 0.00 |",
        "| majority vote | 75.00 ± 0.00 | 75.00 ± 0.00 |",
        "| difference | -12.50 | -12.50 |",
        "they differ for 2 of 16 predictions of all runs: there the mean is right in 2 and the vote in 0; of classes "
        "with equally many votes, the vote takes the one that the mean puts first",
        # 1.8 s and 3199 samples on for each further segment
        "| 1 | 1.8 | 2.0 | 100.00 ± 0.00 |",
        "| 2 | 2.0 | 3.0 | 66.67 ± 0.00 |",
        "| 3 | 2.2 | 1.0 | 100.00 ± 0.00 |",
        "| 4 to 5 | 2.4 to 2.6 | 2.0 | 100.00 ± 0.00 |",
    ):
        assert line in lines
    assert sum(line.startswith(f"| {view} |") for line in lines for view in VIEWS) == 4


def test_segments_of_another_length_and_hop_cover_other_seconds(tmp_path: Path) -> None:
    experiment(tmp_path / "x", cut={"length": 2, "test_hop": 16_000}, evaluation={"average": "probabilities"})
    lines = [" ".join(line.split()) for line in diagnosis(tmp_path / "x", "last").splitlines()]
    assert "| 4 to 5 | 5.0 to 6.0 | 2.0 | 100.00 ± 0.00 |" in lines
    assert "| mean of probabilities | 87.50 ± 0.00 | 87.50 ± 0.00 |" in lines


def test_a_single_run_has_no_spread(tmp_path: Path) -> None:
    experiment(tmp_path / "x")
    text = diagnosis(tmp_path / "x" / "1", "last")
    assert "±" not in text
    assert "runs: 1\n" in text


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment(tmp_path / "x")
    where = ["--runs-folder", str(tmp_path)]
    assert verb(["x", "--select", "halves", *where]) == 0
    assert "scored on the other half, both ways" in capsys.readouterr().out
    assert verb(["x/0", *where]) == 0
    capsys.readouterr()
    assert verb(["y", *where]) == 2
    assert "no experiment lies here" in capsys.readouterr().err


def test_nothing_to_look_into(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "x", seeds=0)
    with pytest.raises(GlamError, match="it has no runs yet"):
        diagnosis(tmp_path / "x")
    store_failure(stored, RunKey(9), "the loss is nan")
    with pytest.raises(GlamError, match="failed: the loss is nan"):
        diagnosis(tmp_path / "x")
