"""Experiments on segments of half a second, and runs of them in this process."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.running.experiment import Experiment, Places, job, prepare
from glam.running.job import Job, Resources, SaveModel
from glam.running.workers import run_alone
from glam.splits.runs import RunKey

CPU = Resources("cpu", 1, 1, 60)
SHORT = (("cut.length", 0.5), ("cut.train_overlap", 0.3), ("cut.test_overlap", 0.1))


def prepared(release: Path, folder: Path, *fields: tuple[str, object], recipe: str = "mhcnn-released") -> Experiment:
    """An experiment on a release; its index, features and runs lie in the folder."""
    return prepare(load_recipe(recipe, [*SHORT, *fields]), Places(release, folder / "data", folder / "runs"))


def stored(release: Path, folder: Path, *fields: tuple[str, object]) -> Experiment:
    """The same, stored: runs of it can be trained."""
    experiment = prepared(release, folder, *fields)
    store_experiment(experiment.stored)
    return experiment


def after(times: int) -> Callable[[], bool]:
    """Whether to stop: yes, once this has been asked so often."""
    asked = count(1)
    return lambda: next(asked) > times


def train(experiment: Experiment, *runs: RunKey, save_model: SaveModel = "none") -> Job:
    """Train runs of an experiment that is stored; returns their job."""
    work = job(experiment, CPU, save_model)
    for run in runs:
        run_alone(work, run, lambda _: None, lambda: False)
    return work
