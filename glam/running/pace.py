"""Durations of runs, found out before they are started.

Runs that are stored already say how long they took, if this machine computed them. For the others a throw-away learner
makes a few steps on noise of the right shape, in as many processes at once as runs will be; nothing of the corpus is
extracted for it.
"""

import time
from collections.abc import Callable, Sequence
from math import ceil
from statistics import mean, median
from typing import TYPE_CHECKING

from glam.errors import GlamError
from glam.inputs.cut import Part
from glam.learning.settings import ByUtterances
from glam.recipe import Recipe
from glam.results.environment import environment
from glam.results.experiment import StoredExperiment
from glam.results.identity import canonical_json
from glam.results.run import StoredRun, read_run
from glam.running.experiment import Experiment, Sizes, not_packable
from glam.running.job import Resources
from glam.running.memory import spare_new_pages
from glam.running.processes import answers
from glam.splits.runs import RUNS

if TYPE_CHECKING:
    from glam.learning.batch import Step
    from glam.learning.objective import Objective

SECONDS, STEPS = 1.5, 5  # of measuring, at least; a slow model is measured for LONGEST, at least one step
LONGEST = 6.0
SAMPLE = 5  # stored runs that are asked
ROWS_AN_UTTERANCE = 16  # of 2 s segments a fifth of a second apart, the mean of IEMOCAP's


Measure = Callable[[Sequence[tuple[Recipe, Sizes]], Resources], list[float]]
"""Seconds of a training step of each recipe, with as many runs side by side as there will be."""


def run_seconds(experiments: Sequence[Experiment], resources: Resources, measure: Measure | None = None) -> list[float]:
    """Seconds that one run of each of these experiments takes, `resources.at_once` of them side by side.

    Of runs that are one pack, the seconds of each are its share of the pack's. measure: on a cluster; None for this
    machine, on which what stored runs took counts first.
    """
    seconds = [recorded(experiment.stored, resources) if measure is None else None for experiment in experiments]
    unknown = {
        _cost(experiment.recipe): (experiment.recipe, experiment.sizes)
        for experiment, known in zip(experiments, seconds, strict=True)
        if known is None
    }
    paces = dict(zip(unknown, (measure or _measure)(list(unknown.values()), resources), strict=True))
    return [
        known if known is not None else work(experiment) * paces[_cost(experiment.recipe)]
        for experiment, known in zip(experiments, seconds, strict=True)
    ]


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
    return experiment.recipe.training.epochs * sum(work_of_an_epoch(experiment))


def work_of_an_epoch(experiment: Experiment) -> tuple[int, float]:
    """Training steps of an epoch, and its evaluation in such steps: a forward pass alone is a third of one."""
    recipe, utterances = experiment.recipe, experiment.population.utterances

    def total(part: Part) -> int:
        return sum(recipe.cut.rows(utterance.samples, part) for utterance in utterances)

    first = recipe.split.split(experiment.population.groups, experiment.runs([0])[0])
    trained = len(first.train) / len(utterances) * (experiment.copies + 1)
    batches = recipe.training.batches
    if isinstance(batches, ByUtterances):
        steps = ceil(trained * len(utterances) / batches.size)
        batch = trained * total("train") / steps
    else:
        steps, batch = ceil(trained * total("train") / batches.size), batches.size
    return steps, len(first.held_out) / len(utterances) * total("test") / batch / 3


def seconds_a_step(recipe: Recipe, sizes: Sizes, device: str, threads: int) -> float:
    """Seconds of a training step of that recipe, measured now in this process."""
    import torch

    from glam.learning.learner import Learner

    torch.set_num_threads(threads)
    learner = Learner(_objective(recipe, sizes), recipe.training, torch.device(device))
    step = _noise(recipe, sizes, device)
    learner.step(step).item()  # the first one allocates, and is not counted
    return _seconds_of(lambda: learner.step(step).item())  # item() waits for the device


def share_of_a_step(recipe: Recipe, sizes: Sizes, resources: Resources) -> float:
    """Seconds of a training step of a pack divided by its runs, measured now in this process."""
    import torch

    from glam.learning.pack import Pack
    from glam.learning.side_by_side import fitting

    place = torch.device(resources.device)

    def pack(slots: int) -> Pack:
        return Pack(_objective(recipe, sizes), recipe.training, slots, place)

    step = _noise(recipe, sizes, resources.device)
    slots = resources.at_once or fitting(pack, step, RUNS)
    several = pack(slots)
    several.step([step] * slots).sum().item()
    return _seconds_of(lambda: several.step([step] * slots).sum().item()) / slots


def _objective(recipe: Recipe, sizes: Sizes) -> "Objective":
    from glam.learning.course import initial_objective

    return initial_objective(recipe.model, recipe.training, recipe.corpus.classes, sizes.shapes, seed=0)


def _noise(recipe: Recipe, sizes: Sizes, device: str) -> "Step":
    """A step of that recipe on noise; of whole utterances, on as many rows as a batch has on IEMOCAP, about."""
    from glam.learning.batch import Step, noise, rows_like

    batches = recipe.training.batches
    rows = min(batches.size * ROWS_AN_UTTERANCE, batches.most) if isinstance(batches, ByUtterances) else batches.size
    like = rows_like(sizes.shapes, sizes.lengths)
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


def _measure(recipes: Sequence[tuple[Recipe, Sizes]], resources: Resources) -> list[float]:
    """Seconds of a step of each recipe, the mean over as many processes as there will be, measuring side by side."""
    if not recipes:
        return []
    try:
        paces = answers(paces_of, recipes, resources, processes=1 if resources.packed else resources.at_once)
    except EOFError:
        raise GlamError(
            "a process that measured how long runs take ended unexpectedly, which usually means that memory ran out. "
            "Use --runs-at-once 1."
        ) from None
    return [mean(same) for same in zip(*paces, strict=True)]


def paces_of(recipes: Sequence[tuple[Recipe, Sizes]], resources: Resources) -> list[float]:
    """Seconds of a step of each recipe, measured in this process."""
    spare_new_pages()  # as a worker does
    return [
        share_of_a_step(recipe, sizes, resources)
        if resources.packed and not not_packable(recipe, sizes)
        else seconds_a_step(recipe, sizes, resources.device, resources.threads)
        for recipe, sizes in recipes
    ]


def _cost(recipe: Recipe) -> str:
    """A text that recipes have in common whose steps cost the same."""
    training, cut = recipe.training, recipe.cut
    settings = [recipe.model, recipe.inputs, training.optimizer, training.batches, training.precision]
    return canonical_json([str(setting) for setting in settings] + [cut.samples, training.alpha > 0])


def _same_way(run: StoredRun, resources: Resources) -> bool:
    of_run = run.environment
    here = {
        "processor": environment()["processor"],
        "device": resources.device,
        "threads": resources.threads,
    } | ({} if resources.packed else {"runs_at_once": resources.at_once})
    return all(of_run.get(name) == value for name, value in here.items())
