"""Runs that another process has are waited for, and taken over where it leaves them."""

import threading
from pathlib import Path

import pytest

from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.running import waiting
from glam.running.events import Elsewhere, Event, Finished, FinishedElsewhere, Note, Progress
from glam.running.experiment import Experiment, Happens, Places, Todo, job, prepare
from glam.running.job import Resources, SaveModel
from glam.running.one_run import claimed
from glam.running.waiting import wait_for, without_elsewhere
from glam.running.workers import run_alone
from glam.splits.runs import RunKey

ONE = Resources("cpu", 1, 1, 60)
RUNS = [RunKey(1), RunKey(2)]


@pytest.fixture
def experiment(tiny_release: Path, tmp_path: Path) -> Experiment:
    small = [("cut.length", 0.5), ("cut.train_overlap", 0), ("cut.test_overlap", 0), ("training.epochs", 1)]
    made = prepare(load_recipe("mhcnn-released", small), Places(tiny_release, tmp_path / "data", tmp_path / "runs"))
    store_experiment(made.stored)
    return made


def here(todo: Todo, resources: Resources, save: SaveModel) -> Happens:
    """An executor in this process."""
    told: list[Event] = []
    ((experiment, runs),) = todo
    for key in runs:
        run_alone(job(experiment, resources, save), key, told.append, lambda: False)
    for event in told:
        yield experiment, event


def test_what_the_other_finishes_is_awaited_and_what_it_leaves_is_trained(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "POLL", 0.05)
    begun, leave = threading.Event(), threading.Event()

    def other() -> None:
        """Has both runs; finishes the first and leaves the second, once it is waited for."""
        with claimed(experiment.folder, RUNS[1]):
            begun.set()
            leave.wait(20)
            run_alone(job(experiment, ONE), RUNS[0], lambda _: None, lambda: False)

    thread = threading.Thread(target=other)
    with claimed(experiment.folder, RUNS[0]):
        thread.start()
        begun.wait(20)
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        leave.set()

    # The first is not free while the other is at it: so long, it is taken for free or finished, never for lost.
    wait_for(experiment, RUNS, ONE, "none", listen, here)
    thread.join()
    assert all(map(experiment.finished, RUNS))
    assert heard[0] == Note("waiting for 2 runs that another process has (Ctrl-C ends this)")
    ended = {event.run for event in heard if isinstance(event, Finished | FinishedElsewhere)}
    assert ended == set(RUNS)
    assert not any(isinstance(event, Elsewhere) for event in heard)


def test_nothing_is_said_where_all_is_stored(experiment: Experiment) -> None:
    for key in RUNS:
        run_alone(job(experiment, ONE), key, lambda _: None, lambda: False)
    heard: list[Event] = []
    wait_for(experiment, RUNS, ONE, "none", heard.append, here)
    assert heard == []


def test_a_listener_that_waits_does_not_hear_that_another_has_a_run() -> None:
    heard: list[Event] = []
    hear = without_elsewhere(heard.append)
    finished = Finished(RUNS[0], Progress(1, 1, 1), 1, 50.0, 50.0)
    for event in (Elsewhere(RUNS[0]), finished):
        hear(event)
    assert heard == [finished]
