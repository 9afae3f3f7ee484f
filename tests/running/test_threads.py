"""Threads and runs at once are chosen by what was measured; here the measurements are given."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from running.small import prepared

from glam.results.experiment import store_experiment
from glam.results.run import read_run
from glam.running.events import Event, Note
from glam.running.experiment import Experiment, job
from glam.running.job import Resources
from glam.running.one_run import checkpoint_of
from glam.running.pace import Measure, Timed, run_seconds, work
from glam.running.threads import choose, threads_of, ways
from glam.running.workers import run_alone
from glam.splits.runs import RunKey
from glam.words import duration

AUTO = Resources("cpu", 0, 0, 0.0)
SMALL = [
    ("cut.test_overlap", 0.3),
    ("training.epochs", 3),
    ("inputs.audio.coefficients", 8),
]


@pytest.fixture
def experiment(tiny_release: Path, tmp_path: Path) -> Experiment:
    return prepared(tiny_release, tmp_path, *SMALL)


def told(seconds: dict[tuple[int, int], float], asked: list[tuple[int, int]] | None = None) -> Measure:
    """Measures a step as given, by threads and runs at once."""

    def measure(steps: Sequence[Timed], resources: Resources) -> list[float]:
        way = resources.threads, resources.at_once
        if asked is not None:
            asked.append(way)
        return [seconds[way]] * len(steps)

    return measure


def runs(count: int) -> list[RunKey]:
    return [RunKey(seed) for seed in range(1, count + 1)]


@pytest.mark.parametrize(
    ("cores", "at_once", "missing", "expected"),
    [
        (1, 0, 100, [(1, 1)]),
        (2, 0, 100, [(1, 2), (2, 1)]),
        (2, 0, 1, [(1, 1), (2, 1)]),
        (6, 0, 100, [(1, 6), (3, 2), (6, 1)]),
        (8, 0, 3, [(1, 3), (2, 3), (4, 2), (8, 1)]),
        (8, 2, 100, [(1, 2), (2, 2), (4, 2)]),
        (2, 4, 100, [(1, 4)]),
        (8, 4, 1, [(1, 4), (2, 4), (4, 4), (8, 4)]),
    ],
)
def test_the_cores_are_shared_out(cores: int, at_once: int, missing: int, expected: list[tuple[int, int]]) -> None:
    tried = ways(cores, at_once, missing)
    assert [way for way in tried if way in expected] == expected
    assert all(threads * min(runs, missing) <= cores or threads == 1 for threads, runs in tried)


def test_what_is_done_first_is_chosen(experiment: Experiment) -> None:
    measure = told({(1, 2): 0.2, (2, 1): 0.12})
    even = choose([(experiment, runs(4))], AUTO, 2, measure)
    assert (even.resources.threads, even.resources.at_once) == (1, 2)
    odd = choose([(experiment, runs(3))], AUTO, 2, measure)
    assert (odd.resources.threads, odd.resources.at_once) == (2, 1), "the last of three would have a core alone"
    steps = work(experiment)
    assert odd.lines == [
        f"1 a run, 2 at once: 200 ms a step, about {duration(2 * 0.2 * steps)} for 3 runs",
        f"2 a run, 1 at once: 120 ms a step, about {duration(3 * 0.12 * steps)} for 3 runs",
        "2 a run, 1 at once: chosen; --threads 2 --runs-at-once 1 does the same again",
    ]


@pytest.mark.parametrize(("two", "threads"), [(0.0951, 1), (0.0949, 2)])
def test_more_threads_must_save_five_percent(two: float, threads: int, experiment: Experiment) -> None:
    choice = choose([(experiment, runs(1))], AUTO, 2, told({(1, 1): 0.1, (2, 1): two}))
    assert choice.resources.threads == threads


def test_experiments_of_a_table_are_weighed_together(
    experiment: Experiment, tiny_release: Path, tmp_path: Path
) -> None:
    other = prepared(tiny_release, tmp_path, *SMALL, recipe="glam-released")

    def measure(steps: Sequence[Timed], resources: Resources) -> list[float]:
        seconds = {("mhcnn", 1): 0.1, ("mhcnn", 2): 0.1, ("glam", 1): 1.0, ("glam", 2): 0.4}
        return [seconds[step.recipe.model.name, resources.threads] for step in steps]

    choice = choose([(experiment, runs(2)), (other, runs(2))], AUTO, 2, measure)
    assert choice.resources.threads == 2
    assert choice.lines[1].startswith("2 a run, 1 at once: 100 to 400 ms a step, about ")
    expected = [0.1 * work(experiment), 0.4 * work(other)]
    assert run_seconds([experiment, other], choice.resources, choice.measure) == pytest.approx(expected)


def test_a_run_under_way_keeps_its_threads(experiment: Experiment, torch_threads: None) -> None:
    store_experiment(experiment.stored)
    key, asked = RunKey(1), list[tuple[int, int]]()
    assert threads_of(checkpoint_of(experiment.folder, key)) == 0
    stops = iter([False, False, True])
    two = job(experiment, Resources("cpu", 2, 1, 0.0))
    run_alone(two, key, lambda _: None, lambda: next(stops))
    assert threads_of(checkpoint_of(experiment.folder, key)) == 2
    choice = choose([(experiment, runs(5))], AUTO, 8, told({}, asked))
    assert (choice.resources.threads, choice.resources.at_once, asked) == (2, 4, [])
    assert choice.lines == ["2 a run, 4 at once, as runs under way were begun"]

    heard: list[Event] = []
    run_alone(job(experiment, Resources("cpu", 1, 1, 0.0)), key, heard.append, lambda: False)
    assert heard[0] == Note("seed 1: goes on with 1 CPU thread, was begun with 2: rounded like neither alone")
    assert read_run(experiment.folder / "1").environment["parts"] == {"threads": [2, 1]}


def test_a_checkpoint_that_cannot_be_read_is_left_to_who_resumes_it(experiment: Experiment) -> None:
    checkpoint = checkpoint_of(experiment.folder, RunKey(1))
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"nothing")
    assert threads_of(checkpoint) == 0
