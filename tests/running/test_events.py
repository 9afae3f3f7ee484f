"""What is told of runs under way: it crosses from process to process, and comes in order."""

import pickle
import queue
import threading
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from running.small import CPU, stored

from glam.errors import GlamError
from glam.results.run import read_run
from glam.running import one_run, workers
from glam.running.events import (
    Broken,
    Elsewhere,
    Ended,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Note,
    Progress,
    Started,
    Stepped,
    Stopped,
    UnderWay,
)
from glam.running.experiment import Experiment, job
from glam.running.job import Job, Resources
from glam.running.training import run as run_experiment
from glam.running.workers import run_alone, run_jobs
from glam.splits.runs import RunKey

PROGRESS = Progress(2, 5, 10, 0.25, 3)
RUN = RunKey(7, 2)
EVENTS: list[Event] = [
    Started(RUN, PROGRESS),
    Stepped(RUN, PROGRESS),
    EpochEnded(RUN, PROGRESS, 1, 0.5, 60.0, 50.0),
    Finished(RUN, PROGRESS, 2, 60.0, 50.0, "validation"),
    Failed(RUN, "the loss is nan"),
    FinishedElsewhere(RUN),
    Elsewhere(RUN),
    Stopped(RUN),
    Note("memory ran out"),
    Broken("no room is left"),
]
SMALL = [("cut.test_overlap", 0.3), ("training.batches.size", 8), ("training.epochs", 3)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_through_a_queue_as_it_was(event: Event) -> None:
    again = pickle.loads(pickle.dumps(event))
    assert again == event
    assert type(again) is type(event)
    assert hash(again) == hash(event)


def test_every_kind_of_event_is_looked_at_here() -> None:
    kinds = {type(event) for event in EVENTS}
    assert kinds == set(get_args(Event))
    assert set(get_args(UnderWay)) == {Started, Stepped, EpochEnded, Finished}
    assert set(get_args(Ended)) == {Finished, Failed, FinishedElsewhere, Elsewhere, Stopped}


def prepared(release: Path, folder: Path, *more: tuple[str, object]) -> Experiment:
    return stored(release, folder, *SMALL, *more)


def in_order(events: list[Event], experiment: Experiment, run: RunKey) -> None:
    """A run begins, comes further, ends its epochs one after another, and is finished."""
    first, *middle, last = [event for event in events if getattr(event, "run", None) == run]
    assert isinstance(first, Started)
    assert (first.progress.epoch, first.progress.steps) == (1, 0)
    assert all(isinstance(event, Stepped | EpochEnded) for event in middle)
    assert isinstance(last, Finished)
    ended = [event for event in middle if isinstance(event, EpochEnded)]
    assert [event.epoch for event in ended] == [1, 2, 3]
    steps = first.progress.total // 3
    assert [event.progress.steps for event in ended] == [steps, 2 * steps, 3 * steps]
    assert [event.progress.epoch for event in ended] == [2, 3, 4], "the next one is under way"
    under_way = [event for event in (first, *middle, last) if isinstance(event, UnderWay)]
    assert all(before.progress.steps <= after.progress.steps for before, after in pairwise(under_way))
    assert {event.progress.total for event in under_way} == {3 * steps}
    stored = read_run(experiment.folder / run.name)
    assert [event.loss for event in ended] == [epoch.loss for epoch in stored.epochs]
    assert [(event.wa, event.ua) for event in ended] == [(scores.wa, scores.ua) for scores in stored.scores]
    best = stored.scores[last.epoch - 1]
    assert (last.wa, last.ua, last.chosen_on) == (best.wa, best.ua, "test")


def test_a_run_tells_what_happens_to_it_in_order(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "REPORT_SECONDS", 0.0)
    experiment = prepared(tiny_release, tmp_path)
    heard: list[Event] = []
    run_alone(job(experiment, CPU), RunKey(5), heard.append, lambda: False)
    in_order(heard, experiment, RunKey(5))
    stepped = [event.progress for event in heard if isinstance(event, Stepped)]
    assert stepped[0].steps == one_run.PACE_STEPS, "the pace is told as soon as it is steady"
    assert all(progress.seconds_per_step > 0 for progress in stepped)
    assert [progress.steps for progress in stepped] == list(range(stepped[0].steps, stepped[0].total + 1))


def test_workers_tell_of_their_runs_in_order(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path)
    runs = [RunKey(seed) for seed in (5, 6, 7)]
    heard: list[Event] = []
    run_experiment(experiment, runs, Resources("cpu", 1, 2, 60), "none", heard.append)
    for run in runs:
        in_order(heard, experiment, run)
    assert {event.progress.at_once for event in heard if isinstance(event, Started)} == {2}
    again: list[Event] = []
    run_experiment(experiment, runs, Resources("cpu", 1, 2, 60), "none", again.append)
    assert again == [FinishedElsewhere(run) for run in runs], "nothing is left to train"


def half_there(experiment: Experiment) -> Job:
    """A job whose run lies there without being complete, which no worker may overwrite."""
    (experiment.folder / "5").mkdir()
    return job(experiment, CPU)


def test_why_everything_must_stop_is_told(tiny_release: Path, tmp_path: Path) -> None:
    work = half_there(prepared(tiny_release, tmp_path))
    waiting: queue.Queue[tuple[int, RunKey] | None] = queue.Queue()
    events: queue.Queue[tuple[int, Event]] = queue.Queue()
    for given in ((0, RunKey(5)), None):
        waiting.put(given)
    workers._work([work], waiting, events, threading.Event())  # type: ignore[arg-type]
    _, event = events.get_nowait()
    assert isinstance(event, Broken)
    assert "holds no finished run (run.json is missing). Move it away." in event.text


def test_it_is_an_error_to_whoever_asked_for_the_runs(tiny_release: Path, tmp_path: Path) -> None:
    work = half_there(prepared(tiny_release, tmp_path))
    with pytest.raises(GlamError, match=r"run\.json is missing"):
        list(run_jobs([work], [(0, RunKey(5))]))
