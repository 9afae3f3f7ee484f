"""Runs that another process has are waited for, and taken over where it leaves them."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.running import waiting
from glam.running.events import Elsewhere, Event, Finished, FinishedElsewhere, Note
from glam.running.experiment import Experiment, Places, job, prepare
from glam.running.job import Resources, SaveModel
from glam.running.one_run import claimed
from glam.running.training import Happens, Todo
from glam.running.waiting import train_and_wait
from glam.running.workers import run_alone
from glam.splits.runs import RunKey

ONE = Resources("cpu", 1, 1, 60)
RUNS = [RunKey(1), RunKey(2)]


@pytest.fixture
def experiments(tiny_release: Path, tmp_path: Path) -> list[Experiment]:
    small = [("cut.length", 0.5), ("cut.train_overlap", 0), ("cut.test_overlap", 0)]
    places = Places(tiny_release, tmp_path / "data", tmp_path / "runs")
    made = [prepare(load_recipe("mhcnn-released", [*small, ("training.epochs", n)]), places) for n in (1, 2)]
    for experiment in made:
        store_experiment(experiment.stored)
    return made


@pytest.fixture
def experiment(experiments: list[Experiment]) -> Experiment:
    return experiments[0]


def here(todo: Todo, resources: Resources, save: SaveModel) -> Happens:
    """An executor in this process."""
    told: list[Event] = []
    for experiment, runs in todo:
        for key in runs:
            run_alone(job(experiment, resources, save), key, told.append, lambda: False)
        for event in told:
            yield experiment, event
        told.clear()


def test_what_the_other_finishes_is_awaited_and_what_it_leaves_is_trained(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "POLL", 0.05)
    begun, leave = threading.Event(), threading.Event()

    def other() -> None:
        """Has both runs; finishes the first and leaves the second, once it is waited for."""
        with claimed(experiment.folder, RUNS[1]):
            with claimed(experiment.folder, RUNS[0]):
                begun.set()
                leave.wait(20)
            run_alone(job(experiment, ONE), RUNS[0], lambda _: None, lambda: False)

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait(20)
    heard: list[Event] = []

    def listen(_: Experiment, event: Event) -> None:
        heard.append(event)
        leave.set()

    # Between the other's claims the first is free for a moment: it is trained there or here, and lost by neither.
    train_and_wait([(experiment, RUNS)], ONE, "none", listen, here)
    thread.join()
    assert all(map(experiment.finished, RUNS))
    assert heard[0] == Note("waiting for 2 runs that another process has (Ctrl-C ends this)")
    ended = {event.run for event in heard if isinstance(event, Finished | FinishedElsewhere)}
    assert ended == set(RUNS)
    assert not any(isinstance(event, Elsewhere) for event in heard)


def test_no_experiment_waits_for_another(experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL", 0.05)
    first, second = experiments
    with ExitStack() as long, ExitStack() as short:
        for has, experiment in ((long, first), (short, second)):
            has.enter_context(claimed(experiment.folder, RUNS[0]))
        finished: list[Experiment] = []

        def listen(experiment: Experiment, event: Event) -> None:
            short.close()  # once both are waited for
            if isinstance(event, Finished):
                finished.append(experiment)
                long.close()

        train_and_wait([(first, RUNS[:1]), (second, RUNS[:1])], ONE, "none", listen, here)
    assert finished == [second, first]


def test_what_the_other_finishes_while_this_one_trains_is_not_waited_for(experiment: Experiment) -> None:
    heard: list[Event] = []
    with ExitStack() as has:
        has.enter_context(claimed(experiment.folder, RUNS[0]))

        def listen(_: Experiment, event: Event) -> None:
            heard.append(event)
            if isinstance(event, Finished):
                has.close()
                run_alone(job(experiment, ONE), RUNS[0], lambda _: None, lambda: False)

        train_and_wait([(experiment, RUNS)], ONE, "none", listen, here)
    assert heard[-1] == FinishedElsewhere(RUNS[0])
    assert not any(isinstance(event, Note) for event in heard)


def test_what_is_stored_by_the_time_that_it_is_trained_has_ended(experiment: Experiment) -> None:
    for key in RUNS:
        run_alone(job(experiment, ONE), key, lambda _: None, lambda: False)
    heard: list[Event] = []
    train_and_wait([(experiment, RUNS)], ONE, "none", lambda _, event: heard.append(event), here)
    assert heard == [FinishedElsewhere(run) for run in RUNS]
