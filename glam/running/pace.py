"""Durations of runs, found out before they are started.

Runs that are stored already say how long they took, if this machine computed them. For the others a throw-away learner
makes a few steps on noise of the right shape, in as many processes at once as runs will be; nothing of the corpus is
extracted for it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count, repeat
from math import ceil
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from glam.errors import GlamError
from glam.inputs.cut import Part
from glam.learning.settings import ByUtterances
from glam.named import in_file
from glam.progress import bar
from glam.recipe import Recipe
from glam.results.environment import environment
from glam.results.experiment import StoredExperiment
from glam.results.identity import canonical_json
from glam.results.run import StoredRun, read_run
from glam.running.experiment import Experiment, Sizes
from glam.running.job import Resources
from glam.running.memory import spare_new_pages
from glam.running.processes import answers
from glam.running.training import not_packable
from glam.splits.runs import RUNS

if TYPE_CHECKING:
    from glam.learning.batch import Step
    from glam.learning.objective import Objective

SECONDS, STEPS = 1.5, 5  # of measuring, at least; a slow model is measured for LONGEST, at least one step
LONGEST = 6.0
SAMPLE = 5  # stored runs that are asked


class Timed(NamedTuple):
    """A training step that is timed: of a recipe, on a batch of so many rows of these sizes."""

    recipe: Recipe
    sizes: Sizes
    rows: int


class Work(NamedTuple):
    """The work of an epoch: training steps, rows of each (the mean), and the evaluation, in such steps."""

    steps: int
    rows: float
    evaluation: float


Measure = Callable[[Sequence[Timed], Resources], list[float]]
"""Seconds of each of these steps, with as many runs side by side as there will be."""


def run_seconds(experiments: Sequence[Experiment], resources: Resources, measure: Measure | None = None) -> list[float]:
    """Seconds that one run of each of these experiments takes, `resources.at_once` of them side by side.

    Of runs that are one pack, the seconds of each are its share of the pack's. measure: on a cluster; None for this
    machine, on which what stored runs took counts first.
    """
    seconds = [recorded(experiment.stored, resources) if measure is None else None for experiment in experiments]
    unknown = [experiment for experiment, known in zip(experiments, seconds, strict=True) if known is None]
    measured = iter(paces([timed_step(experiment) for experiment in unknown], resources, measure))
    return [
        known if known is not None else work(experiment) * next(measured)
        for experiment, known in zip(experiments, seconds, strict=True)
    ]


def paces(steps: Sequence[Timed], resources: Resources, measure: Measure | None = None) -> list[float]:
    """Seconds of each of these steps; those that cost the same are measured once. measure: None for this machine."""
    different = {cost(step): step for step in steps}
    every = list(different.values())
    one_by_one = measure is None and not resources.packed  # a process begins at once, but for a GPU
    measured: list[float] = []
    with bar(len(every), "timing steps", "step", leave=False) as progress:
        for part in ([step] for step in every) if one_by_one else [every]:
            measured += (measure or _measure)(part, resources)
            progress.update(len(part))
    seconds = dict(zip(different, measured, strict=True))
    return [seconds[cost(step)] for step in steps]


def ends(seconds: Iterable[float], at_once: int) -> list[float]:
    """Ends of runs that take these seconds: each begins, in this order, as soon as one of `at_once` slots is free."""
    slots, done = [0.0] * max(1, at_once), []
    for cost in seconds:
        done.append(heappop(slots) + cost)
        heappush(slots, done[-1])
    return done


def recorded(experiment: StoredExperiment, resources: Resources) -> float | None:
    """Seconds of a run (the median) by the stored ones that were computed in the same way on this machine."""
    if not experiment.folder.is_dir():
        return None
    runs = [read_run(experiment.folder / name) for name in experiment.seeds()[:SAMPLE]]
    seconds = [
        sum(epoch.train_seconds + epoch.evaluation_seconds for epoch in run.epochs)
        / (run.environment["runs_at_once"] if resources.packed else 1)
        for run in runs
        if run.failed is None and _same_way(run, resources)
    ]
    return median(seconds) if seconds else None


def work(experiment: Experiment) -> float:
    """Cost of a run in training steps."""
    epoch = work_of_an_epoch(experiment)
    return experiment.recipe.training.epochs * (epoch.steps + epoch.evaluation)


def work_of_an_epoch(experiment: Experiment) -> Work:
    """The work of an epoch of the first run: a forward pass alone is a third of a step."""
    recipe, utterances = experiment.recipe, experiment.population.utterances

    def total(part: Part) -> int:
        return sum(recipe.cut.rows(utterance.samples, part) for utterance in utterances)

    first = recipe.split.split(experiment.population.groups, experiment.runs([0])[0])
    trained = len(first.train) / len(utterances) * (experiment.copies + 1)
    batches = recipe.training.batches
    if isinstance(batches, ByUtterances):
        steps = ceil(trained * len(utterances) / batches.size)
        rows = trained * total("train") / steps
    else:
        steps, rows = ceil(trained * total("train") / batches.size), batches.size
    return Work(steps, rows, len(first.held_out) / len(utterances) * total("test") / rows / 3)


def timed_step(experiment: Experiment) -> Timed:
    """The step that is timed of an experiment; batches of utterances go through the network `most` rows at a time."""
    rows, batches = work_of_an_epoch(experiment).rows, experiment.recipe.training.batches
    most = batches.most if isinstance(batches, ByUtterances) else batches.size
    return Timed(experiment.recipe, experiment.sizes, min(round(rows), most))


def seconds_a_step(timed: Timed, device: str, threads: int) -> float:
    """Seconds of a training step, measured now in this process."""
    import torch

    from glam.learning.learner import Learner

    torch.set_num_threads(threads)
    learner = Learner(_objective(timed), timed.recipe.training, torch.device(device))
    steps = _steps(timed, device)
    learner.step(next(steps)).item()  # the first one allocates, and is not counted
    return _seconds_of(lambda: learner.step(next(steps)).item())  # item() waits for the device


def share_of_a_step(timed: Timed, resources: Resources) -> float:
    """Seconds of a training step of a pack divided by its runs, measured now in this process."""
    import torch

    from glam.learning.pack import Pack
    from glam.learning.side_by_side import fitting

    place = torch.device(resources.device)

    def pack(slots: int) -> Pack:
        return Pack(_objective(timed), timed.recipe.training, slots, place)

    step = _noise(timed, timed.rows, resources.device)
    slots = resources.at_once or fitting(pack, step, RUNS)
    several = pack(slots)
    several.step([step] * slots).sum().item()
    return _seconds_of(lambda: several.step([step] * slots).sum().item()) / slots


def _objective(timed: Timed) -> "Objective":
    from glam.learning.course import initial_objective

    recipe = timed.recipe
    return initial_objective(recipe.model, recipe.training, recipe.corpus.classes, timed.sizes.shapes, seed=0)


def _steps(timed: Timed, device: str) -> "Iterator[Step]":
    """Steps on noise, without end; of utterances each of another size, for which oneDNN makes itself ready anew."""
    batches = timed.recipe.training.batches
    if not isinstance(batches, ByUtterances):
        yield from repeat(_noise(timed, timed.rows, device))
        return
    for apart in count(1):
        for rows in (timed.rows - apart, timed.rows + apart):
            yield _noise(timed, min(max(rows, 1), batches.most), device)


def _noise(timed: Timed, rows: int, device: str) -> "Step":
    """A step on so many rows of noise."""
    from glam.learning.batch import Step, noise, rows_like

    recipe, like = timed.recipe, rows_like(timed.sizes.shapes, timed.sizes.lengths)
    votes = recipe.training.labels == "votes"
    return Step(noise(rows, like, len(recipe.corpus.classes), recipe.training.alpha > 0, device, votes), 1e-4)


def _seconds_of(step: Callable[[], object]) -> float:
    """The mean of several steps."""
    begun, steps = time.perf_counter(), 0
    while True:
        step()
        steps += 1
        seconds = time.perf_counter() - begun
        if (seconds >= SECONDS and steps >= STEPS) or seconds >= LONGEST:
            return seconds / steps


def _measure(steps: Sequence[Timed], resources: Resources) -> list[float]:
    """Seconds of each of these steps, the mean over as many processes as there will be, measuring side by side."""
    if not steps:
        return []
    try:
        of_processes = answers(paces_of, steps, resources, processes=1 if resources.packed else resources.at_once)
    except EOFError:
        models = ", ".join(dict.fromkeys(step.recipe.model.title for step in steps))
        raise GlamError(
            f"a process that measured how long runs of {models} take ended unexpectedly, which usually means that "
            "memory ran out. Use --runs-at-once 1."
        ) from None
    return [mean(same) for same in zip(*of_processes, strict=True)]


def paces_of(steps: Sequence[Timed], resources: Resources) -> list[float]:
    """Seconds of each of these steps, measured in this process; GlamError where a model or loss of one's own raises."""
    spare_new_pages()  # as a worker does
    return [_pace_of(step, resources) for step in steps]


def _pace_of(step: Timed, resources: Resources) -> float:
    model, loss = step.recipe.model, step.recipe.training.loss
    try:
        if resources.packed and not not_packable(step.recipe, step.sizes):
            return share_of_a_step(step, resources)
        return seconds_a_step(step, resources.device, resources.threads)
    except Exception as error:
        own = model.own_file or loss.own_file
        if own is None or isinstance(error, GlamError | MemoryError):
            raise
        raise GlamError(f"{model.title}, a step of training on noise: {in_file(error, own)}") from None


def cost(step: Timed) -> str:
    """A text that steps have in common which cost the same."""
    training, cut = step.recipe.training, step.recipe.cut
    settings = [step.recipe.model, step.recipe.inputs, training.optimizer, training.batches, training.precision]
    return canonical_json([str(setting) for setting in settings] + [cut.samples, step.rows, training.alpha > 0])


def _same_way(run: StoredRun, resources: Resources) -> bool:
    of_run = run.environment
    here = {
        "processor": environment()["processor"],
        "device": resources.device,
        "threads": resources.threads,
    } | ({} if resources.packed else {"runs_at_once": resources.at_once})
    return all(of_run.get(name) == value for name, value in here.items())
