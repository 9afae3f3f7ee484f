"""The spread over runs that stands below a report's row."""

from pathlib import Path

import numpy as np

from glam.evaluation.statistics import interval_of_mean
from glam.reports.summary import report
from glam.results.identity import identity
from glam.results.run import Epoch, Predictions, StoredExperiment, store_experiment, write_run
from glam.splits.population import Composition

TARGETS = np.array([0, 1] * 20 + [2])  # one utterance of the third class, held out in the first run only
CLASSES = ("neutral", "sad", "angry")


def store(folder: Path, wrong: list[int]) -> Path:
    """Runs that hold out eight utterances, and take that many of the neutral ones for sad."""
    store_experiment(
        StoredExperiment(
            folder=folder,
            name="mine",
            recipe={"model": {"name": "glam"}, "training": {}},
            identity=identity({}, "0" * 64),
            classes=CLASSES,
            composition=Composition(
                corpus="iemocap",
                synthetic=False,
                style="full",
                utterances=41,
                classes={"neutral": {"neu": 20}, "sad": {"sad": 20}, "angry": {"ang": 1}},
                too_short={},
            ),
            ids=tuple(f"u{i:02d}" for i in range(41)),
            targets=TARGETS,
        )
    )
    for seed, count in enumerate(wrong):
        held_out = np.arange(8) if seed else np.array([0, 1, 2, 3, 4, 5, 6, 40])
        truth = TARGETS[held_out]
        guess = truth.copy()
        guess[np.flatnonzero(truth == 0)[:count]] = 1
        predictions = Predictions(
            logits=np.eye(3, dtype=np.float32)[guess][None],
            segment_classes=np.zeros((1, 8), dtype=np.uint8),
            segments=np.ones(8, dtype=np.int64),
            held_out=held_out,
            train=np.setdiff1d(np.arange(41), held_out),
        )
        write_run(folder / str(seed), seed, {}, [Epoch(1e-3, 1, 1, 1)], truth, 3, predictions, {})
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
