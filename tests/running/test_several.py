"""Runs of several experiments from one queue: none waits for another to be done, and none is another for it."""

import multiprocessing
from pathlib import Path

from glam.recipe import load_recipe
from glam.results.transfer import files_of
from glam.running.events import Event, Finished, FinishedElsewhere, Started
from glam.running.experiment import Experiment, Places, job, prepare
from glam.running.job import Resources
from glam.running.training import run_all
from glam.running.workers import run_alone
from glam.splits.runs import RunKey

SMALL = [("cut.length", 0.5), ("cut.train_overlap", 0), ("cut.test_overlap", 0)]
TWO = Resources("cpu", 1, 2, 60)


def prepared(release: Path, data: Path, runs: Path) -> list[Experiment]:
    places = Places(release, data, runs)
    return [prepare(load_recipe("mhcnn-released", [*SMALL, ("training.epochs", n)]), places) for n in (1, 2)]


def test_runs_of_two_experiments_go_on_side_by_side(tiny_release: Path, tmp_path: Path) -> None:
    together = prepared(tiny_release, tmp_path / "data", tmp_path / "together")
    heard: list[tuple[Experiment, Event]] = []
    at_work: list[int] = []

    def listen(experiment: Experiment, event: Event) -> None:
        if isinstance(event, Started) and not at_work:
            at_work.append(len(multiprocessing.active_children()))
        heard.append((experiment, event))

    todo = [(experiment, [RunKey(5)]) for experiment in together]
    run_all(todo, TWO, "none", listen)
    assert at_work == [2]
    assert {experiment for experiment, event in heard if isinstance(event, Finished)} == set(together)

    for with_other, alone in zip(together, prepared(tiny_release, tmp_path / "data", tmp_path / "alone"), strict=True):
        run_alone(job(alone, TWO), RunKey(5), lambda _: None, lambda: False)
        theirs, ours = (files_of(of.folder / "5")["predictions.npz"] for of in (alone, with_other))
        assert theirs == ours

    heard.clear()
    run_all(todo, TWO, "none", listen)
    assert heard == [(experiment, FinishedElsewhere(RunKey(5))) for experiment in together], "nothing is left to train"
