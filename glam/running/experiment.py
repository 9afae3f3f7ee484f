"""An experiment: a recipe on a corpus, run for many seeds. It is made once, and nothing is trained for it.

corpus -> population -> inputs -> folder     prepare(); its runs: training.py
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from glam.corpora.utterances import Corpus, Utterance
from glam.errors import GlamError
from glam.files import only_one, set_aside
from glam.inputs.cut import Part
from glam.inputs.inputs import Input, Shape
from glam.inputs.store import Store, open_store
from glam.named import in_file
from glam.places import file_at
from glam.recipe import Recipe
from glam.results.experiment import StoredExperiment, experiment_folder, run_of
from glam.results.identity import canonical_json, identity
from glam.results.run import RUN
from glam.running.job import Job, Kept, Resources, SaveModel
from glam.running.processes import with_torch
from glam.splits.population import Population, population
from glam.splits.runs import RunKey, runs_of
from glam.splits.votes import Votes, votes_of


@dataclass(frozen=True)
class Places:
    """The folders of the corpus, of what is derived from it (index, features), and of the runs."""

    corpus: Path
    data: Path
    runs: Path


@dataclass(frozen=True)
class Sizes:
    """Sizes of what a network sees: shapes, of a row of each input; lengths, the inputs whose lengths go beside."""

    shapes: dict[str, Shape]
    lengths: frozenset[str]


@dataclass(frozen=True, eq=False)
class Experiment:
    """A recipe with the corpus it runs on. Everything but training has been checked.

    inputs: that looked through it. weights: bytes of its network's.
    """

    recipe: Recipe
    corpus: Corpus
    population: Population
    places: Places
    stored: StoredExperiment
    inputs: Mapping[str, Input]
    weights: int
    votes: Votes | None = None  # where they are trained on

    def __repr__(self) -> str:
        """What a cell of a notebook ends with: no utterance, no settings."""
        return f"Experiment({self.recipe.model.title} on {self.population.composition()}; {self.folder})"

    @property
    def copies(self) -> int:
        """Augmented copies of the training utterances, beside the recordings."""
        return max(made.copies for made in self.inputs.values())

    @cached_property
    def sizes(self) -> Sizes:
        """The sizes of what its network sees."""
        return sizes_of(self.recipe, self.inputs)

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

    def without_model(self, runs: Iterable[RunKey]) -> list[RunKey]:
        """Those of these runs that are stored, and without weights."""
        stored = list(filter(self.finished, runs))
        kept = set(self.stored.with_model()) if stored else set()
        return [run for run in stored if run.name not in kept]


def set_damaged_aside(experiment: Experiment, runs: Sequence[RunKey]) -> list[str]:
    """Set aside what is stored of these runs and is damaged, so that they are trained again; says what, a line each.

    What another process is at is left alone.
    """
    lines = []
    for key in runs:
        folder = experiment.folder / key.name
        if not folder.exists() or not _why_damaged(experiment, key):
            continue
        with only_one(experiment.folder / ".locks" / f"{key.name}.lock") as mine:
            if mine and folder.exists() and (why := _why_damaged(experiment, key)):
                lines.append(f"{why} It lies in {set_aside(folder)} now.")
    return lines


def _why_damaged(experiment: Experiment, key: RunKey) -> str:
    try:
        run_of(experiment.stored, key.name)
    except GlamError as error:
        return str(error)
    return ""


def prepare(recipe: Recipe, places: Places, verify: bool = False) -> Experiment:
    """Read the corpus and check that the recipe can run on it; nothing is extracted or trained yet.

    Raises GlamError where the corpus has too little, or the features for the model, before any long work.
    """
    corpus = recipe.corpus.load(places.corpus, places.data, verify=verify)
    return experiment_on(corpus, recipe, places)


def experiment_on(corpus: Corpus, recipe: Recipe, places: Places) -> Experiment:
    """The experiment of a recipe on a corpus that has been read."""
    own, recipe = recipe.own, recipe.replaced(corpus=recipe.corpus.of(corpus))
    people = population(corpus, recipe.corpus, recipe.cut)
    _check_speakers(recipe, people)
    folds = people.folds(recipe.split)
    inputs = inputs_of(recipe, people.stored, places.data)
    weights = _weights_checked(recipe, sizes_of(recipe, inputs))
    votes = votes_of(people) if recipe.training.labels == "votes" else None
    who = identity(recipe.scientific(), people.digest_with(recipe.groups_used()), outside_of(inputs))
    stored = StoredExperiment(
        folder=experiment_folder(places.runs, recipe, who),
        recipe=recipe,
        identity=who,
        composition=people.facts(),
        ids=tuple(utterance.id for utterance in people.utterances),
        targets=np.array(people.targets, dtype=np.int64),
        groups=people.groups,
        folds=folds,
        remarks=(
            *(line for made in inputs.values() for line in made.remarks(recipe.cut)),
            *([votes.remark] if votes else []),
        ),
        unlike_print="; ".join(filter(None, (made.unlike_print() for made in inputs.values()))),
        own_recipe=own,
    )
    return Experiment(recipe, corpus, people, places, stored, inputs, weights, votes)


def _check_speakers(recipe: Recipe, people: Population) -> None:
    """GlamError where an input is normalised by speaker, and the corpus does not tell of all utterances who speaks."""
    by_speaker = [name for name, settings in recipe.inputs.items() if settings.normalisation == "speaker"]
    unknown = int((~people.groups["speaker"].known).sum())
    if by_speaker and unknown:
        raise GlamError(
            f"inputs.{by_speaker[0]}.normalisation: speaker, but {people.corpus} does not tell who speaks in {unknown} "
            f"of {len(people.utterances)} utterances, which would be normalised as one speaker's; use training or none"
        )


def inputs_of(recipe: Recipe, utterances: Sequence[Utterance], data: Path) -> dict[str, Input]:
    """The inputs of a recipe, each having looked through these utterances, of which its rows will be made.

    data: the folder in which what took long to read is kept. Raises GlamError where an input lacks something.
    """
    inputs = {name: settings.make() for name, settings in recipe.inputs.items()}
    for name, made in inputs.items():
        try:
            made.look_through(utterances, data)
        except GlamError as error:
            raise GlamError(f"inputs.{name}: {error}") from None
    return inputs


def lacking_files(recipe: Recipe) -> list[str]:
    """The places of files that a recipe cannot do without and that nobody has given."""
    named = [place for settings in recipe.inputs.values() for place in settings.make().places()]
    return [place for place in dict.fromkeys(named) if file_at(place) is None]


def outside_of(inputs: Mapping[str, Input]) -> dict[str, dict[str, str]]:
    """Hashes of what decides beside recordings and settings, by input; nothing for inputs that have none."""
    return {name: dict(hashes) for name, made in sorted(inputs.items()) if (hashes := made.outside())}


def sizes_of(recipe: Recipe, inputs: Mapping[str, Input]) -> Sizes:
    """The sizes of what the recipe's network sees; GlamError where an input has no rows of the cut."""
    shapes = {}
    for name, made in inputs.items():
        try:
            shapes[name] = made.entered(made.shape(recipe.cut))
        except ValueError as error:
            raise GlamError(f"inputs.{name} and cut disagree: {recipe.inputs[name].title}: {error}") from None
        except Exception as error:
            if (own := recipe.inputs[name].own_file) is None or isinstance(error, GlamError | MemoryError):
                raise
            raise GlamError(f"the input {recipe.inputs[name].title}, of zeros: {in_file(error, own)}") from None
    return Sizes(shapes, frozenset(name for name, made in inputs.items() if made.padded(recipe.cut)))


_CHECKED: dict[str, int] = {}  # bytes of the weights, by all that the check is of


def _weights_checked(recipe: Recipe, sizes: Sizes) -> int:
    """What `check_recipe` returns, which is asked once where rows of a table differ in their utterances alone."""
    settings = [part.model_dump(mode="json") for part in (recipe.model, recipe.training, recipe.cut)]
    of = canonical_json([settings, recipe.corpus.classes, sizes.shapes, sorted(sizes.lengths)])
    if of not in _CHECKED:
        _CHECKED[of] = with_torch(check_recipe, recipe, sizes)
    return _CHECKED[of]


def check_recipe(recipe: Recipe, sizes: Sizes) -> int:
    """Bytes of the weights of the recipe's network.

    Raises GlamError where inputs, cut, model and loss of the recipe do not fit together: found out on a few zeros.
    """
    from glam.learning.check import check
    from glam.learning.course import initial_objective

    whole, classes = recipe.cut.name == "whole", recipe.corpus.classes
    check(recipe.model, recipe.training, classes, sizes.shapes, whole, sizes.lengths)
    network = initial_objective(recipe.model, recipe.training, classes, sizes.shapes, seed=0).network
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def open_stores(experiment: Experiment, device: str = "cpu") -> dict[str, list[Store]]:
    """The rows to train on, those of each augmented copy of them, and the rows to test on, by input.

    What is not kept yet is extracted now.
    """
    return {name: _stores(experiment, name, device) for name in experiment.recipe.inputs}


def _stores(experiment: Experiment, name: str, device: str) -> list[Store]:
    return [
        open_store(
            experiment.corpus.root,
            experiment.population.stored,
            experiment.recipe.inputs[name],
            experiment.inputs[name],
            experiment.recipe.cut,
            part,
            experiment.places.data,
            copy=copy,
            device=device,
        )
        for part, copy in parts_of(experiment.inputs[name])
    ]


def parts_of(made: Input) -> list[tuple[Part, int]]:
    """What is kept of an input: the rows to train on, those of each augmented copy of them, the rows to test on."""
    train: list[tuple[Part, int]] = [("train", copy) for copy in range(made.copies + 1)]
    return [*train, ("test", 0)]


def job(experiment: Experiment, resources: Resources, save_model: SaveModel = "none") -> Job:
    """The job of a worker on the experiment; extracts the inputs if they are not kept yet."""
    inputs: dict[str, Kept] = {}
    for name, (train, *copies, test) in open_stores(experiment, resources.device).items():
        files = (train.path, *(store.path for store in copies))
        inputs[name] = Kept(files, test.path, train.lengths, test.lengths, vars(experiment.inputs[name]))
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
        shares=experiment.votes.shares if experiment.votes else None,
    )


def verify_stores(experiment: Experiment, device: str = "cpu") -> None:
    """Hash the stored features of an experiment again; raises GlamError where they have changed on disk."""
    stores = [store for of_input in open_stores(experiment, device).values() for store in of_input]
    for store in {store.path: store for store in stores}.values():
        store.verify()
