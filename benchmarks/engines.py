"""Our engines on a Problem. Each is an endless iterator: every `next` is one more epoch of the same runs."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import count
from multiprocessing import get_context
from types import TracebackType
from typing import Self

import numpy as np
import torch

from benchmarks.problem import CORES, Problem, Seconds
from glam.errors import GlamError
from glam.learning.column import Feed
from glam.learning.engine import (
    Learns,
    RunData,
    RunState,
    Steps,
    alone,
    class_weights,
    course,
    initial_model,
    new_learner,
)
from glam.learning.pack import Lane, Pack, together
from glam.learning.settings import Precision, TrainingSettings
from glam.running.memory import spare_new_pages

SEED = 1


def one_run(problem: Problem, precision: Precision, threads: int) -> Iterator[Seconds]:
    """The one-run engine, on that many CPU threads."""
    device = torch.device(problem.device)
    settings = problem.recipe.training.model_copy(update={"precision": precision})
    data = _run_data(problem, device)
    learner = new_learner(problem.recipe.model, settings, problem.classes, data, SEED, device)
    state = RunState()
    for epochs in count(1):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        alone(_epochs(learner, problem, settings, data, state, epochs), device)
        evaluation = state.epochs[-1].evaluation_seconds
        yield Seconds(time.perf_counter() - start - evaluation, evaluation)


def fastest_batch(problem: Problem, precision: Precision, batches: tuple[int, ...]) -> dict[int, float]:
    """Segments a second of one run with each of these batch sizes, as far as the device has room for them."""
    rates: dict[int, float] = {}
    for batch in batches:
        training = problem.recipe.training.model_copy(update={"batch_size": batch})
        steps = max(3, problem.steps * problem.batch // batch)
        larger = replace(problem, recipe=problem.recipe.model_copy(update={"training": training}), steps=steps)
        try:
            epochs = one_run(larger, precision, CORES)
            next(epochs)
            rates[batch] = steps * batch / min(next(epochs).training for _ in range(2))
        except torch.OutOfMemoryError:
            break
    return rates


def packed_steps(problem: Problem, precision: Precision, runs: int) -> Iterator[Seconds] | None:
    """`runs` runs side by side on the problem's device, as the packed engine computes them.

    Every `next` takes each of the runs through problem.steps steps of its own on problem.batch segments each, then
    through an evaluation of problem.held_out, and gives the seconds of all of them together. Ends all it started when
    it is closed. Raises torch.OutOfMemoryError where the device has no room for so many. None where runs are not
    packed: on a CPU, where they are processes (`Workers`).
    """
    device = torch.device(problem.device)
    return _packed_epochs(problem, precision, runs, device) if device.type == "cuda" else None


def _packed_epochs(problem: Problem, precision: Precision, runs: int, device: torch.device) -> Iterator[Seconds]:
    settings = problem.recipe.training.model_copy(update={"precision": precision})
    data = _run_data(problem, device)
    model = initial_model(problem.recipe.model, problem.classes, problem.shape, SEED)
    pack = Pack(model, settings, runs, problem.classes, device)
    states = [RunState() for _ in range(runs)]
    for lane in pack.lanes():
        first = initial_model(problem.recipe.model, problem.classes, problem.shape, SEED + lane.slot)
        lane.start(first, class_weights(settings, problem.classes, data))
    for epochs in count(1):
        coming = iter(states)

        def begin(lane: Lane, coming: Iterator[RunState] = coming, epochs: int = epochs) -> Steps | None:
            state = next(coming, None)
            return None if state is None else _epochs(lane, problem, settings, data, state, epochs)

        start = time.perf_counter()
        together(pack, begin)
        torch.cuda.synchronize(device)
        evaluation = sum(state.epochs[-1].evaluation_seconds for state in states)
        yield Seconds(time.perf_counter() - start - evaluation, evaluation)


def _epochs(
    learner: Learns, problem: Problem, settings: TrainingSettings, data: RunData, state: RunState, epochs: int
) -> Steps:
    """The course of a run up to so many epochs."""
    settings = settings.model_copy(update={"epochs": epochs})
    return course(learner, settings, problem.recipe.evaluation, data, SEED, state, lambda _: None, lambda: None)


class Workers:
    """Runs on a CPU: a process each, with the one-run engine in it."""

    def __init__(self, processes: int) -> None:
        spawn = get_context("spawn")
        self._pools = [ProcessPoolExecutor(1, spawn, spare_new_pages) for _ in range(processes)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools:
            pool.shutdown()

    def epochs(self, problem: Problem, precision: Precision, runs: int, threads: int) -> Iterator[Seconds]:
        """One run in each of the first `runs` processes, of so many threads; the seconds of the slowest.

        Raises GlamError where a process ended unexpectedly.
        """
        while True:
            try:
                parts = [pool.submit(_epoch_here, problem, precision, threads) for pool in self._pools[:runs]]
                seconds = [part.result() for part in parts]
            except BrokenProcessPool:
                raise GlamError(
                    f"{problem.recipe.model.name}, {precision}, {runs} at once: a process ended unexpectedly, which "
                    "usually means that memory ran out. Leave that model out (--models), or run one at once (--runs 1)."
                ) from None
            yield Seconds(max(s.training for s in seconds), max(s.evaluation for s in seconds))


_here: dict[tuple[str, int, Precision, int], Iterator[Seconds]] = {}  # a worker's runs, which go on from call to call


def _epoch_here(problem: Problem, precision: Precision, threads: int) -> Seconds:
    key = (str(problem.features), problem.steps, precision, threads)
    if key not in _here:
        for old in [old for old in _here if old[:2] != key[:2]]:
            del _here[old]
        _here[key] = one_run(problem, precision, threads)
    return next(_here[key])


def _run_data(problem: Problem, device: torch.device) -> RunData:
    feed = Feed([problem.features], device)
    rows = problem.rows(problem.steps * problem.batch)
    return RunData(
        train=feed,
        train_rows=torch.from_numpy(rows),
        train_targets=torch.from_numpy(problem.targets(rows)),
        train_groups=torch.from_numpy(rows),
        test=feed,
        test_rows=torch.from_numpy(problem.rows(sum(problem.held_out))),
        test_segments=np.array(problem.held_out, dtype=np.int64),
    )
