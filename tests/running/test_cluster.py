"""What the driver of a cluster does with what its machines answer; tests/endurance/test_cluster.py has real ones."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running.small import stored
from running.small import train as train_here
from running.standin_ray import StandIn

from glam.errors import GlamError
from glam.results.transfer import files_of
from glam.running import cluster
from glam.running.cluster import Cluster
from glam.running.cluster_task import Introduction, Returned, versions
from glam.running.events import Elsewhere, Event, Finished, Note, Progress, Started
from glam.running.experiment import Experiment, Places, prepare
from glam.running.job import Resources
from glam.running.one_run import claimed
from glam.running.pace import timed_step
from glam.running.ray_api import connected
from glam.running.training import run, run_all
from glam.splits.runs import RunKey

AUTO = Resources("cpu", 1, 0, 60)
RUNS = [RunKey(seed) for seed in range(1, 7)]
Train = Callable[..., Iterator[Any]]


@pytest.fixture(scope="module")
def trained(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment with all the runs, for stand-ins of workers to give back."""
    small = [("cut.train_overlap", 0), ("cut.test_overlap", 0), ("training.epochs", 1)]
    experiment = stored(tiny_release, tmp_path_factory.mktemp("trained"), *small)
    train_here(experiment, *RUNS)
    return experiment


@pytest.fixture
def experiment(trained: Experiment, tmp_path: Path) -> Experiment:
    """The same without runs."""
    places = Places(trained.places.corpus, trained.places.data, tmp_path / "runs")
    return prepare(trained.recipe, places)


def giving(trained: Experiment, seconds: float = 0.0) -> Train:
    """A worker's `train` that gives what was trained."""

    def train(work: Any, runs: Sequence[RunKey], resources: Resources, folder: Any) -> Iterator[Any]:
        for key in runs:
            yield Started(key, Progress(1, 0, 4))
            time.sleep(seconds)
            yield Returned(key, files_of(trained.folder / key.name))
            yield Finished(key, Progress(2, 4, 4), 1, 50.0, 50.0)

    return train


def play(monkeypatch: pytest.MonkeyPatch, nodes: list[str], train: Train) -> StandIn:
    ray = StandIn(nodes)
    ray.introduced = lambda node, works: Introduction(node, versions(), [""] * len(works))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "remote", ray.task)
    monkeypatch.setattr(cluster, "train", train)
    monkeypatch.setattr(cluster, "REFRESH", 0.05)
    return ray


def trained_by(experiment: Experiment, heard: list[Event]) -> None:
    run(experiment, RUNS, AUTO, "none", heard.append, Cluster())


def notes(heard: list[Event]) -> str:
    return "\n".join(event.text for event in heard if isinstance(event, Note))


def test_every_run_comes_back_once_and_few_tasks_wait(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(trained, 0.02))
    heard: list[Event] = []
    trained_by(experiment, heard)
    assert sorted(event.run.seed for event in heard if isinstance(event, Finished)) == [key.seed for key in RUNS]
    assert all(files_of(experiment.folder / key.name) == files_of(trained.folder / key.name) for key in RUNS)
    assert ray.most_given == cluster.PENDING
    assert {event.progress.at_once for event in heard if isinstance(event, Started)} == {2}


def test_what_a_dead_machine_had_is_handed_out_again(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(trained, 0.05))
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Started):
            ray.dead.add("b")

    run(experiment, RUNS, AUTO, "none", listen, Cluster())
    assert "b (b): lost (NodeDiedError)" in notes(heard)
    assert all(map(experiment.finished, RUNS))


def test_a_run_that_every_machine_dies_of_is_given_up(monkeypatch: pytest.MonkeyPatch, experiment: Experiment) -> None:
    def dying(work: Any, runs: Sequence[RunKey], *_: Any) -> Iterator[Any]:
        yield Started(runs[0], Progress(1, 0, 4))  # and its task ends without a result

    play(monkeypatch, ["a"], dying)
    with pytest.raises(GlamError, match="seed 1: was lost 3 times, the last time on a"):
        run(experiment, RUNS[:1], AUTO, "none", lambda _: None, Cluster())


def test_an_exception_of_the_code_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, experiment: Experiment) -> None:
    calls: list[int] = []

    def wrong(*_: Any) -> Iterator[Any]:
        calls.append(1)
        raise ZeroDivisionError("by zero")
        yield

    play(monkeypatch, ["a"], wrong)
    with pytest.raises(GlamError, match="by zero"):
        run(experiment, RUNS[:1], AUTO, "none", lambda _: None, Cluster())
    assert calls == [1]
    with claimed(experiment.folder, RUNS[0]) as taken:
        assert taken is None, "nothing stays claimed"


def test_refused_machines_are_named_and_get_nothing(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(trained))
    ray.introduced = lambda node, works: Introduction(
        node, versions() | {"torch": "0"}, ["another code" if node == "b" else ""] * len(works)
    )
    heard: list[Event] = []
    trained_by(experiment, heard)
    assert "refused: b (b): another code" in notes(heard)
    assert "torch 0 (here" in notes(heard)
    assert {stream.node for stream in ray.streams} == {"a"}
    ray.introduced = lambda node, works: Introduction(node, versions(), ["another code"] * len(works))
    with pytest.raises(GlamError, match=r"is refused:\na \(a\): another code\nb \(b\): another code$"):
        run(experiment, [RunKey(99)], AUTO, "none", lambda _: None, Cluster())


def test_experiments_share_the_machines_but_those_that_refuse_one(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(trained, 0.02))
    other = prepare(trained.recipe, replace(experiment.places, runs=experiment.places.runs / "others"))
    ray.introduced = lambda node, works: Introduction(node, versions(), ["", "no GloVe" if node == "b" else ""])
    heard: list[tuple[Experiment, Event]] = []
    todo = [(experiment, RUNS[:2]), (other, RUNS[2:])]
    run_all(todo, AUTO, "none", lambda of, event: heard.append((of, event)), Cluster())
    finished = [(of, event.run) for of, event in heard if isinstance(event, Finished)]
    assert sorted(finished, key=lambda pair: pair[1].seed) == [(of, key) for of, keys in todo for key in keys]
    assert all(files_of(of.folder / key.name) == files_of(trained.folder / key.name) for of, key in finished)
    assert f"refused for {other.folder.name}: b (b): no GloVe" in notes([event for _, event in heard])
    of_a, of_b = ([stream.runs for stream in ray.streams if stream.node == node] for node in "ab")
    assert of_b == [[RUNS[1]]] or not of_b, "of the second experiment it gets nothing"
    assert len(of_a) + len(of_b) == len(RUNS)

    ray.introduced = lambda node, works: Introduction(node, versions(), ["", "no GloVe"])
    late = [(experiment, [RunKey(98)]), (other, [RunKey(99)])]
    with pytest.raises(
        GlamError, match=rf"^{other.folder.name}: every machine of the cluster is refused:\na \(a\): no"
    ):
        run_all(late, AUTO, "none", lambda of, event: None, Cluster())


def test_a_step_is_measured_on_a_machine_that_can_take_it(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(experiment))
    ray.introduced = None
    monkeypatch.setattr(cluster, "paces_of", lambda steps, resources: [0.5] * len(steps))
    steps = [timed_step(experiment)] * 2
    ray.lacking = {"a"}
    assert Cluster().measure(steps, AUTO) == [0.5, 0.5]
    ray.lacking = {"a", "b"}
    with pytest.raises(GlamError, match=r"measured on the cluster:\na: no file on a\nb: no file on b$"):
        Cluster().measure(steps, AUTO)
    ray.dead = {"a", "b"}
    with pytest.raises(GlamError, match="no machine of the cluster can take a task yet"):
        Cluster().measure(steps, AUTO)


def test_two_drivers_do_not_train_a_run_twice(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    play(monkeypatch, ["a"], giving(trained))
    heard: list[Event] = []
    with claimed(experiment.folder, RUNS[0]):  # as another driver has it
        trained_by(experiment, heard)
    assert Elsewhere(RUNS[0]) in heard
    assert [experiment.finished(key) for key in RUNS] == [False, *[True] * 5]


def test_an_interrupted_driver_cancels_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch, trained: Experiment, experiment: Experiment
) -> None:
    ray = play(monkeypatch, ["a", "b"], giving(trained, 0.1))

    def interrupted(event: Event) -> None:
        if isinstance(event, Started):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment, RUNS, AUTO, "none", interrupted, Cluster())
    assert all(stream.cancelled and stream.ended for stream in ray.streams)


def test_an_address_that_nobody_answers_at_is_a_message() -> None:
    with pytest.raises(GlamError, match="expected host:port"), connected("ray://head:10001"):
        pass
