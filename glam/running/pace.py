"""How long runs take, found out before they are started.

A run that is stored on this machine says so itself. For the others a throw-away learner makes a few steps on noise of
the right shape, in as many processes at once as runs will be; nothing of the corpus is extracted for it.
"""

import time
from collections.abc import Callable, Sequence
from math import ceil
from statistics import mean, median

from glam.errors import GlamError
from glam.inputs.cut import padded_length
from glam.recipe import Recipe
from glam.results.environment import environment
from glam.results.identity import canonical_json
from glam.results.run import StoredExperiment, StoredRun, read_run
from glam.running.experiment import Experiment
from glam.running.job import Resources
from glam.running.memory import spare_new_pages
from glam.running.processes import answers
from glam.splits.splits import RUNS, split

SECONDS = 1.5  # of measuring, at least one step
SAMPLE = 5  # stored runs that are asked


def run_seconds(experiments: Sequence[Experiment], resources: Resources) -> list[float]:
    """Seconds that one run of each of these experiments takes, `resources.at_once` of them side by side.

    Of runs that are one pack, the seconds of each are its share of the pack's.
    """
    seconds = [recorded(experiment.stored, resources) for experiment in experiments]
    unknown = {_cost(one.recipe): one.recipe for one, known in zip(experiments, seconds, strict=True) if known is None}
    paces = dict(zip(unknown, _measure(list(unknown.values()), resources), strict=True))
    return [
        known if known is not None else work(one) * paces[_cost(one.recipe)]
        for one, known in zip(experiments, seconds, strict=True)
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
    """What a run costs, in training steps: a forward pass alone is a third of a step."""
    recipe, segments = experiment.recipe, experiment.recipe.segments

    def total(hop: int) -> int:
        return sum(
            (padded_length(one.samples, segments.samples, segments.padding) - segments.samples) // hop + 1
            for one in experiment.population.utterances
        )

    batch = recipe.training.batch_size
    first = split(recipe.split, experiment.population.groups, experiment.runs([0])[0])
    share = len(first.train) / len(experiment.population.utterances)
    copies = recipe.augmentation.vtlp_copies + 1
    training = ceil(share * copies * total(segments.train_hop) / batch)
    evaluation = (1 - share) * total(segments.test_hop) / batch / 3
    return recipe.training.epochs * (training + evaluation)


def seconds_a_step(recipe: Recipe, device: str, threads: int) -> float:
    """Seconds of a training step of that recipe, measured now in this process."""
    import torch

    from glam.learning.engine import Learner, initial_model, noise
    from glam.learning.losses import cross_entropy

    torch.set_num_threads(threads)
    place = torch.device(device)
    classes = len(recipe.corpus.classes)
    shape = recipe.features.shape(recipe.segments.samples)
    model = initial_model(recipe.model, classes, shape, seed=0)
    learner = Learner(model, recipe.training, cross_entropy(None), place)
    batch = noise(recipe.training.batch_size, shape, classes, recipe.training.alpha > 0, place)
    learner.step(batch).item()  # the first one allocates, and is not counted
    return _seconds_of(lambda: learner.step(batch).item())  # item() waits for the device


def share_of_a_step(recipe: Recipe, resources: Resources) -> float:
    """Seconds of a training step of a pack divided by its runs, measured now in this process."""
    import torch

    from glam.learning.engine import initial_model, noise
    from glam.learning.pack import Pack, fitting

    place = torch.device(resources.device)
    classes = len(recipe.corpus.classes)
    shape = recipe.features.shape(recipe.segments.samples)

    def pack(slots: int) -> Pack:
        return Pack(initial_model(recipe.model, classes, shape, seed=0), recipe.training, slots, classes, place)

    batch = noise(recipe.training.batch_size, shape, classes, recipe.training.alpha > 0, place)
    slots = resources.at_once or fitting(pack, batch, RUNS)
    several = pack(slots)
    several.step([batch] * slots).sum().item()
    return _seconds_of(lambda: several.step([batch] * slots).sum().item()) / slots


def _seconds_of(step: Callable[[], object]) -> float:
    """The mean of several steps."""
    begun, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - begun < SECONDS:
        step()
        steps += 1
    return (time.perf_counter() - begun) / steps


def _measure(recipes: Sequence[Recipe], resources: Resources) -> list[float]:
    """Seconds of a step of each recipe, the mean over as many processes as there will be, measuring side by side."""
    if not recipes:
        return []
    try:
        paces = answers(_paces, recipes, resources, processes=1 if resources.packed else resources.at_once)
    except EOFError:
        raise GlamError(
            "a process that measured how long runs take ended unexpectedly, which usually means that memory ran out. "
            "Use --runs-at-once 1."
        ) from None
    return [mean(same) for same in zip(*paces, strict=True)]


def _paces(recipes: Sequence[Recipe], resources: Resources) -> list[float]:
    if resources.packed:
        return [share_of_a_step(recipe, resources) for recipe in recipes]
    spare_new_pages()  # as a worker does
    return [seconds_a_step(recipe, resources.device, resources.threads) for recipe in recipes]


def _cost(recipe: Recipe) -> str:
    """Recipes with the same text here cost the same a step."""
    training = recipe.training
    settings = [recipe.model, recipe.features, training.optimizer, training.precision]
    shape = [recipe.segments.samples, len(recipe.corpus.classes), training.batch_size, training.alpha > 0]
    return canonical_json([str(setting) for setting in settings] + shape)


def _same_way(run: StoredRun, resources: Resources) -> bool:
    there = run.environment
    here = {
        "processor": environment()["processor"],
        "device": resources.device,
        "threads": resources.threads,
    } | ({} if resources.packed else {"runs_at_once": resources.at_once})
    return all(there.get(name) == value for name, value in here.items())
