"""An experiment: a recipe on a corpus, run for many seeds.

corpus -> population -> stores -> folder       prepare(): done once, no training
seeds (and folds) -> workers -> runs on disk   run(): trains what is missing
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from glam.corpora import load_corpus
from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.inputs.cut import Part
from glam.inputs.inputs import InputSettings, Shape
from glam.inputs.store import Store, open_store
from glam.places import index_folder
from glam.recipe import Recipe
from glam.results.experiment import StoredExperiment, experiment_folder, store_experiment
from glam.results.identity import identity
from glam.results.run import RUN
from glam.running.events import Event, Listen, Note
from glam.running.job import Job, Kept, Resources, SaveModel
from glam.running.processes import with_torch
from glam.running.workers import run_jobs
from glam.splits.population import Population, population
from glam.splits.runs import RunKey, runs_of

GPU_PROCESSES = 4  # side by side on a GPU, of runs that cannot be one pack


@dataclass(frozen=True)
class Places:
    """The folders of the corpus, of what is derived from it (index, features), and of the runs."""

    corpus: Path
    data: Path
    runs: Path


@dataclass(frozen=True, eq=False)
class Experiment:
    """A recipe with the corpus it runs on. Everything but training has been checked."""

    recipe: Recipe
    corpus: Corpus
    population: Population
    places: Places
    stored: StoredExperiment

    @property
    def folder(self) -> Path:
        """The folder of its runs."""
        return self.stored.folder

    def runs(self, seeds: Iterable[int]) -> list[RunKey]:
        """The runs of these seeds: of each, all its folds."""
        return runs_of(seeds, len(self.stored.folds))

    def finished(self, run: RunKey) -> bool:
        """True where that run is stored (or has failed for good)."""
        return (self.folder / run.name / RUN).is_file()


def prepare(recipe: Recipe, places: Places, verify: bool = False) -> Experiment:
    """Read the corpus and check that the recipe can run on it; nothing is extracted or trained yet.

    Raises GlamError where the corpus has too little, or the features for the model, before any long work.
    """
    corpus = load_corpus(
        recipe.corpus.name, places.corpus, index_folder(places.data, recipe.corpus.name), verify=verify
    )
    return experiment_on(corpus, recipe, places)


def experiment_on(corpus: Corpus, recipe: Recipe, places: Places) -> Experiment:
    """The experiment of a recipe on a corpus that has been read."""
    recipe = recipe.replaced(corpus=recipe.corpus.of(corpus))
    people = population(corpus, recipe.corpus, recipe.cut)
    folds = people.folds(recipe.split)
    with_torch(check_recipe, recipe)
    who = identity(recipe.scientific(), people.digest)
    stored = StoredExperiment(
        folder=experiment_folder(places.runs, recipe, who),
        recipe=recipe,
        identity=who,
        composition=people.facts(),
        ids=tuple(utterance.id for utterance in people.utterances),
        targets=np.array(people.targets, dtype=np.int64),
        groups=people.groups,
        folds=folds,
    )
    return Experiment(recipe, corpus, people, places, stored)


def shapes_of(recipe: Recipe) -> dict[str, Shape]:
    """The shape of a row of each input; GlamError where the cut has too few samples for one."""
    shapes = {}
    for name, settings in recipe.inputs.items():
        try:
            shapes[name] = settings.make().shape(recipe.cut)
        except ValueError as error:
            raise GlamError(f"inputs.{name} and cut disagree: {settings.title}: {error}") from None
    return shapes


def check_recipe(recipe: Recipe) -> None:
    """GlamError where inputs, cut, model and loss of the recipe do not fit together: found out on a few zeros."""
    from glam.learning.check import check

    check(recipe.model, recipe.training, recipe.corpus.classes, shapes_of(recipe), recipe.cut.name == "whole")


def open_stores(experiment: Experiment, device: str = "cpu") -> dict[str, list[Store]]:
    """The rows to train on, those of each augmented copy of them, and the rows to test on, by input.

    What is not kept yet is extracted now.
    """
    return {name: _stores(experiment, settings, device) for name, settings in experiment.recipe.inputs.items()}


def _stores(experiment: Experiment, settings: InputSettings, device: str) -> list[Store]:
    def store(part: Part, copy: int = 0) -> Store:
        return open_store(
            experiment.corpus.root,
            experiment.population.stored,
            settings,
            experiment.recipe.cut,
            part,
            experiment.places.data,
            copy=copy,
            device=device,
        )

    return [*(store("train", copy) for copy in range(settings.make().copies + 1)), store("test")]


def job(experiment: Experiment, resources: Resources, save_model: SaveModel = "none") -> Job:
    """The job of a worker on the experiment; extracts the inputs if they are not kept yet."""
    inputs: dict[str, Kept] = {}
    for name, (train, *copies, test) in open_stores(experiment, resources.device).items():
        files = (train.path, *(store.path for store in copies))
        inputs[name] = Kept(files, test.path, train.lengths, test.lengths)
    place = {utterance: i for i, utterance in enumerate(train.ids)}
    return Job(
        recipe=experiment.recipe,
        folder=experiment.folder,
        digest=experiment.stored.digest,
        inputs=inputs,
        train_offsets=train.offsets,
        test_offsets=test.offsets,
        positions=np.array([place[utterance] for utterance in experiment.stored.ids], dtype=np.int64),
        targets=experiment.stored.targets,
        groups=experiment.population.groups,
        resources=resources,
        save_model=save_model,
    )


Executor = Callable[[Experiment, Sequence[RunKey], Resources, SaveModel], Generator[Event, None, None]]
"""Trains these runs and stores them; yields what happens. Closed, or left by an exception, it stops what goes on."""


def on_this_machine(
    experiment: Experiment, runs: Sequence[RunKey], resources: Resources, save_model: SaveModel
) -> Generator[Event, None, None]:
    """The executor that runs processes, or packs, here."""
    return run_jobs(job(experiment, resources, save_model), runs)


def run(
    experiment: Experiment,
    runs: Sequence[RunKey],
    resources: Resources,
    save_model: SaveModel,
    listen: Listen,
    execute: Executor = on_this_machine,
) -> None:
    """Train those of these runs that are not stored yet; `listen` hears what happens.

    execute: where and how they are trained.

    An exception of `listen` (Ctrl-C included) stops the workers at their next step, checkpointed.
    """
    store_experiment(experiment.stored)
    missing = [run for run in runs if not experiment.finished(run)]
    if not missing:
        return
    if resources.packed and (why := with_torch(not_packable, experiment.recipe)):
        processes = resources.at_once or GPU_PROCESSES
        listen(Note(f"{why}: {processes} processes instead of one pack"))
        resources = replace(resources, packed=False, at_once=processes)
    with closing(execute(experiment, missing, resources, save_model)) as events:
        for event in events:
            listen(event)


def not_packable(recipe: Recipe) -> str:
    """The reason why runs of that recipe cannot be one pack; empty where they can."""
    from glam.learning.check import not_packable as why

    return why(recipe.model, recipe.training, recipe.corpus.classes, shapes_of(recipe), recipe.cut.name == "whole")


def verify_stores(experiment: Experiment, device: str = "cpu") -> None:
    """Hash the stored features of an experiment again; raises GlamError where they have changed on disk."""
    stores = [store for of_input in open_stores(experiment, device).values() for store in of_input]
    for store in {store.path: store for store in stores}.values():
        store.verify()
