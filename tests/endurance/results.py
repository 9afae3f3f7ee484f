"""Damaged results: experiments and runs, of now and of earlier versions."""

import io
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from reports.stored import experiment_of, predicted, store_run

from glam.learning.epoch import Epoch
from glam.recipe import load_recipe
from glam.reports.export import export
from glam.reports.summary import report
from glam.reports.views import View
from glam.results.experiment import store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey

IDS = tuple(f"Ses0{1 + i % 5}F_impro01_{'FM'[i % 2]}{i:03d}" for i in range(20))
VIEWS: tuple[View, ...] = ("test", "validation", "last")
CLASSES = ("neutral", "sad", "angry", "happy")
TARGETS = np.arange(20) % 4
FORMAT1 = Path(__file__).resolve().parents[1] / "results" / "format1"
EARLIEST = "mhcnn-iemocap-improvised-60acf01c"  # of format 1


def make_results(folder: Path) -> None:
    recipe = load_recipe("glam-released")
    where = folder / "glam-iemocap-improvised-0"
    experiment = experiment_of(
        where,
        recipe,
        TARGETS,
        counts={name: {label: 5} for name, label in zip(CLASSES, ("neu", "sad", "ang", "exc"), strict=True)},
        too_short=dict.fromkeys(CLASSES, 1),
        ids=IDS,
        groups={"speaker": Grouping.of([f"{name[:5]}{name[-4]}" for name in IDS])},
    )
    store_experiment(experiment)
    rng = np.random.RandomState(1)
    for seed in (5, 6):
        order = rng.permutation(20)
        logits = (2 * np.eye(4)[TARGETS[order[12:]]] + rng.randn(3, 8, 4)).astype(np.float32)
        segment_classes = rng.randint(0, 4, (3, 16)).astype(np.uint8)
        predictions = predicted(logits, order[12:], order[:12], np.full(8, 2), segment_classes)
        past = [Epoch(1e-3, 1.5 / (e + 1), 1.0, 0.1) for e in range(3)]
        about = {"torch": "2.11.0", "device": "cpu", "threads": 1, "precision": "fp32"}
        store_run(experiment, RunKey(seed), predictions, past, environment=about)


def make_early_results(folder: Path) -> None:
    """Results as they were stored before they carried hashes."""
    make_results(folder)
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text())
        content.pop("files", None)
        content.pop("sha256", None)
        path.write_text(json.dumps(content))


def make_earliest_results(folder: Path) -> None:
    """Results of format 1."""
    shutil.copytree(FORMAT1 / EARLIEST, folder / EARLIEST)


def told(folder: Path, name: str = "glam-iemocap-improvised-0", run: str = "5") -> str:
    """All that is told of stored results."""
    where = folder / name
    texts = [report(where, view).replace(str(folder), "") for view in VIEWS]
    out = io.StringIO()
    export(where / run, out)
    return "\n".join([*texts, out.getvalue()])


@cache
def undamaged() -> str:
    with tempfile.TemporaryDirectory() as folder:
        make_results(Path(folder))
        return told(Path(folder))


def read_results(folder: Path) -> object:
    assert told(folder) == undamaged(), "changed results were reported as if nothing had happened"
    return "report"


def read_early_results(folder: Path) -> object:
    return told(folder)


@cache
def earliest_undamaged() -> str:
    with tempfile.TemporaryDirectory() as folder:
        make_earliest_results(Path(folder))
        return told(Path(folder), EARLIEST, "3431165269")


def read_earliest_results(folder: Path) -> object:
    text = told(folder, EARLIEST, "3431165269")
    assert text == earliest_undamaged(), "changed results were reported as if nothing had happened"
    return "report"


def in_results(name: str) -> str:
    return f"glam-iemocap-improvised-0/{name}"
