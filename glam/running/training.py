"""Runs of experiments: those that are not stored yet are trained, here or wherever an executor says.

stores; seeds (and folds) -> workers -> runs on disk     run(), of several experiments run_all()
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby

from glam.recipe import Recipe
from glam.results.experiment import store_experiment
from glam.running.events import Event, FinishedElsewhere, Listen, Note
from glam.running.experiment import Experiment, Sizes, job
from glam.running.job import Resources, SaveModel
from glam.running.own_code import keep_code
from glam.running.processes import with_torch
from glam.running.workers import run_jobs
from glam.splits.runs import RunKey

GPU_PROCESSES = 4  # side by side on a GPU, of runs that cannot be one pack

Todo = Sequence[tuple[Experiment, Sequence[RunKey]]]
"""Runs to be trained, by experiment, in this order."""

Happens = Generator[tuple[Experiment, Event], None, None]
"""What happens, and to which experiment's runs."""

Executor = Callable[[Todo, Resources, SaveModel], Happens]
"""Trains these runs and stores them. Closed, or left by an exception, it stops what goes on."""


def on_this_machine(todo: Todo, resources: Resources, save_model: SaveModel) -> Happens:
    """The executor that runs processes here, of all experiments from one queue, or packs, one after another."""
    for together in [[of] for of in todo] if resources.packed else [todo]:
        jobs = [job(experiment, resources, save_model) for experiment, _ in together]
        runs = [(place, run) for place, (_, runs) in enumerate(together) for run in runs]
        with closing(run_jobs(jobs, runs)) as events:
            for place, event in events:
                yield together[place][0], event


def run(
    experiment: Experiment,
    runs: Sequence[RunKey],
    resources: Resources,
    save_model: SaveModel,
    listen: Listen,
    execute: Executor = on_this_machine,
) -> None:
    """Train those of these runs that are not stored yet; `listen` hears what happens, and of each that it has ended.

    execute: where and how they are trained.

    An exception of `listen` (Ctrl-C included) stops the workers at their next step, checkpointed.
    """
    run_all([(experiment, runs)], resources, save_model, lambda _, event: listen(event), execute)


def run_all(
    todo: Todo,
    resources: Resources,
    save_model: SaveModel,
    listen: Callable[[Experiment, Event], None],
    execute: Executor = on_this_machine,
) -> None:
    """Train what is not stored yet of several experiments, so that none waits for another to be done; see `run`."""
    missing: list[tuple[Experiment, list[RunKey]]] = []
    for experiment, runs in todo:
        store_experiment(experiment.stored)
        keep_code(experiment.recipe, experiment.folder)
        left = []
        for run in runs:
            if experiment.finished(run):
                listen(experiment, FinishedElsewhere(run))
            else:
                left.append(run)
        if left:
            missing.append((experiment, left))

    def resources_of(of: tuple[Experiment, object]) -> Resources:
        experiment = of[0]
        if not resources.packed or not (why := with_torch(not_packable, experiment.recipe, experiment.sizes)):
            return resources
        processes = resources.at_once or GPU_PROCESSES
        listen(experiment, Note(f"{why}: {processes} processes instead of one pack"))
        return replace(resources, packed=False, at_once=processes)

    for given, together in groupby(missing, resources_of):
        with closing(execute(list(together), given, save_model)) as events:
            for experiment, event in events:
                listen(experiment, event)


def not_packable(recipe: Recipe, sizes: Sizes) -> str:
    """The reason why runs of that recipe cannot be one pack; empty where they can."""
    from glam.learning.check import not_packable as why

    return why(recipe.model, recipe.training, recipe.corpus.classes, sizes.shapes, sizes.lengths)
