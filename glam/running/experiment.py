"""An experiment: a recipe on a corpus, run for many seeds.

corpus -> population -> stores -> folder       prepare(): done once, no training
seeds (and folds) -> workers -> runs on disk   run(): trains what is missing
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glam.corpora import load_corpus
from glam.corpora.utterances import Corpus
from glam.inputs.store import SegmentStore, open_store
from glam.models import check_shape
from glam.places import index_folder
from glam.recipe import Recipe
from glam.results.identity import digest, identity
from glam.results.run import RUN, StoredExperiment, experiment_folder, store_experiment
from glam.running.job import Job, Resources, SaveModel
from glam.running.message import Message
from glam.running.processes import with_torch
from glam.running.workers import run_jobs
from glam.splits.population import Population, population
from glam.splits.splits import RunKey, runs_of


@dataclass(frozen=True)
class Places:
    """Where things lie: the corpus, what is derived from it (index, features), and the runs."""

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
        """Where its runs lie."""
        return self.stored.folder

    def runs(self, seeds: Iterable[int]) -> list[RunKey]:
        """The runs of these seeds: of each, all its folds."""
        return runs_of(seeds, len(self.stored.folds))

    def finished(self, run: RunKey) -> bool:
        """Whether that run is stored (or has failed for good)."""
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
    people = population(corpus, recipe.corpus, recipe.segments)
    folds = people.folds(recipe.split)
    with_torch(check_shape, recipe.model, len(recipe.corpus.classes), recipe.features.shape(recipe.segments.samples))
    settings = recipe.scientific()
    who = identity(settings, people.digest)
    stored = StoredExperiment(
        folder=experiment_folder(places.runs, recipe.model.name, corpus.name, recipe.corpus.style, who),
        name=recipe.name,
        recipe=recipe.model_dump(mode="json"),
        identity=who,
        classes=recipe.corpus.classes,
        composition=people.facts(),
        ids=tuple(u.id for u in people.utterances),
        targets=np.array(people.targets, dtype=np.int64),
        split=recipe.split,
        groups=people.groups,
        folds=folds,
    )
    return Experiment(recipe, corpus, people, places, stored)


def open_stores(experiment: Experiment, device: str = "cpu") -> list[SegmentStore]:
    """The features of training segments, of each augmented copy of them, and of test segments.

    What is not kept yet is extracted now.
    """
    segments = experiment.recipe.segments

    def store(hop: int, copy: int = 0) -> SegmentStore:
        return open_store(
            experiment.corpus.root,
            experiment.population.stored,
            experiment.recipe.features,
            segments.samples,
            hop,
            segments.padding,
            experiment.places.data,
            copy=copy,
            device=device,
        )

    copies = range(experiment.recipe.augmentation.vtlp_copies + 1)
    return [*(store(segments.train_hop, copy) for copy in copies), store(segments.test_hop)]


def job(experiment: Experiment, resources: Resources, save_model: SaveModel = "none") -> Job:
    """What a worker must know of the experiment; extracts its features if they are not kept yet."""
    train, *copies, test = open_stores(experiment, resources.device)
    place = {utterance: i for i, utterance in enumerate(train.ids)}
    return Job(
        recipe=experiment.recipe,
        folder=experiment.folder,
        identity=digest(experiment.stored.identity),
        train_stores=(train.path, *(store.path for store in copies)),
        train_offsets=train.offsets,
        test_store=test.path,
        test_offsets=test.offsets,
        positions=np.array([place[utterance] for utterance in experiment.stored.ids], dtype=np.int64),
        targets=experiment.stored.targets,
        groups=experiment.population.groups,
        resources=resources,
        save_model=save_model,
    )


def run(
    experiment: Experiment,
    runs: Sequence[RunKey],
    resources: Resources,
    save_model: SaveModel,
    listen: Callable[[Message], None],
) -> None:
    """Train those of these runs that are not stored yet; `listen` hears what happens.

    An exception of `listen` (Ctrl-C included) stops the workers at their next step, checkpointed.
    """
    store_experiment(experiment.stored)
    missing = [one for one in runs if not experiment.finished(one)]
    if not missing:
        return
    work = job(experiment, resources, save_model)
    for message in run_jobs(work, missing):
        listen(message)


def verify_stores(experiment: Experiment, device: str = "cpu") -> None:
    """Hash the stored features of an experiment again; raises GlamError where they have changed on disk."""
    for store in {store.path: store for store in open_stores(experiment, device)}.values():
        store.verify()
