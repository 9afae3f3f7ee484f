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
from glam.learning.batch import Data
from glam.learning.column import Column, Columns
from glam.learning.course import RunState, Steps, alone, course, initial_objective
from glam.learning.learner import Learner, Learns
from glam.learning.losses import activation_of
from glam.learning.objective import Objective
from glam.learning.pack import Lane, Pack
from glam.learning.settings import BySegments, Precision, TrainingSettings
from glam.learning.side_by_side import together
from glam.recipe import AUDIO
from glam.running.memory import spare_new_pages

SEED = 1


def one_run(problem: Problem, precision: Precision, threads: int) -> Iterator[Seconds]:
    """The one-run engine, on that many CPU threads."""
    device = torch.device(problem.device)
    settings = problem.recipe.training.model_copy(update={"precision": precision})
    data = _data(problem, device)
    learner = Learner(_objective(problem, settings, data, SEED), settings, device)
    state = RunState()
    for epochs in count(1):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        alone(_epochs(learner, learner.objective, problem, settings, data, state, epochs), device)
        evaluation = state.epochs[-1].evaluation_seconds
        yield Seconds(time.perf_counter() - start - evaluation, evaluation)


def fastest_batch(problem: Problem, precision: Precision, batches: tuple[int, ...]) -> dict[int, float]:
    """Segments a second of one run with each of these batch sizes, as far as the device has room for them."""
    rates: dict[int, float] = {}
    for batch in batches:
        size = BySegments(name="segments", size=batch)
        training = problem.recipe.training.model_copy(update={"batches": size})
        steps = max(3, problem.steps * problem.batch // batch)
        larger = replace(problem, recipe=problem.recipe.model_copy(update={"training": training}), steps=steps)
        try:
            epochs = one_run(larger, precision, CORES)
            next(epochs)
            rates[batch] = steps * batch / min(next(epochs).training for _ in range(2))
        except torch.OutOfMemoryError:
            break
    return rates


def packed_steps(problem: Problem, precision: Precision, runs: int, compiled: bool) -> Iterator[Seconds] | None:
    """`runs` runs side by side on the problem's device, as the packed engine computes them: captured.

    compiled: whether they are compiled and fused, too, as long experiments are, which takes a minute more.

    Every `next` takes each of the runs through problem.steps steps of its own on problem.batch segments each, then
    through an evaluation of problem.held_out, and gives the seconds of all of them together. Ends all it started when
    it is closed. Raises torch.OutOfMemoryError where the device has no room for so many. None where runs are not
    packed: on a CPU, where they are processes (`Workers`).
    """
    device = torch.device(problem.device)
    return _packed_epochs(problem, precision, runs, device, compiled) if device.type == "cuda" else None


def _packed_epochs(
    problem: Problem, precision: Precision, runs: int, device: torch.device, compiled: bool = False
) -> Iterator[Seconds]:
    settings = problem.recipe.training.model_copy(update={"precision": precision})
    data = _data(problem, device)
    pack = Pack(_objective(problem, settings, data, SEED), settings, runs, device, compiled)
    states = [RunState() for _ in range(runs)]
    for lane in pack.lanes():
        lane.start(_objective(problem, settings, data, SEED + lane.slot))
    for epochs in count(1):
        coming = iter(states)

        def begin(lane: Lane, coming: Iterator[RunState] = coming, epochs: int = epochs) -> Steps | None:
            state = next(coming, None)
            return None if state is None else _epochs(lane, pack.objective, problem, settings, data, state, epochs)

        start = time.perf_counter()
        together(pack, begin)
        torch.cuda.synchronize(device)
        evaluation = sum(state.epochs[-1].evaluation_seconds for state in states)
        yield Seconds(time.perf_counter() - start - evaluation, evaluation)


def _objective(problem: Problem, settings: TrainingSettings, data: Data, seed: int) -> Objective:
    """The objective that a run of that seed begins with."""
    recipe = problem.recipe
    return initial_objective(
        recipe.model, settings, recipe.corpus.classes, data.train.shapes, seed, targets=data.train_targets
    )


def _epochs(
    learner: Learns,
    objective: Objective,
    problem: Problem,
    settings: TrainingSettings,
    data: Data,
    state: RunState,
    epochs: int,
) -> Steps:
    """The course of a run up to so many epochs."""
    settings = settings.model_copy(update={"epochs": epochs})
    return course(
        learner,
        settings,
        problem.recipe.evaluation,
        activation_of(objective.loss),
        data,
        SEED,
        state,
        lambda _: None,
        lambda: None,
    )


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


def _data(problem: Problem, device: torch.device) -> Data:
    columns = Columns({AUDIO: Column([problem.features], device)})
    rows = problem.rows(problem.steps * problem.batch)
    return Data(
        train=columns,
        train_rows=torch.from_numpy(rows),
        train_targets=torch.from_numpy(problem.targets(rows)),
        train_counts=np.ones(len(rows), dtype=np.int64),
        test=columns,
        test_rows=torch.from_numpy(problem.rows(sum(problem.held_out))),
        test_counts=np.array(problem.held_out, dtype=np.int64),
    )
