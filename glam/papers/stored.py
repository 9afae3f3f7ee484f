"""The runs folder, in which the experiments of recipes are looked for."""

import glob
from dataclasses import dataclass
from pathlib import Path

from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.recipe import Recipe
from glam.results.experiment import EXPERIMENT, StoredExperiment, experiment_folder, read_experiment, stem
from glam.results.identity import FORMAT, canonical_json, identity
from glam.running.experiment import inputs_of, lacking_files, outside_of
from glam.splits.population import Composition, Population, population


@dataclass(frozen=True)
class StoredRecipe:
    """The experiment of a recipe in the runs folder, if there is one.

    experiment: the stored one. composition: of its set; known without an experiment where the corpus is known.
    elsewhere: folders of experiments with the same settings on another corpus. damaged: why what is stored cannot be
    read.
    """

    experiment: StoredExperiment | None
    composition: Composition | None
    elsewhere: tuple[Path, ...] = ()
    damaged: str | None = None


class Stored:
    """The runs folder, in which experiments are looked for.

    corpus: the experiments on this corpus. None, where no index says what the corpus holds: whatever experiments
    have the settings, provided that they are all on one corpus. data: the folder of what is derived from corpora; with
    it, of experiments that read files beside the corpus, the one with the files that are given now.
    damaged: the folders that were looked into and cannot be read, and why.
    """

    def __init__(self, runs: Path, corpus: Corpus | None, data: Path | None = None) -> None:
        self.runs, self.corpus, self.data = runs, corpus, data
        self.damaged: dict[Path, str] = {}
        self._read: dict[Path, StoredExperiment | None] = {}
        self._populations: dict[str, tuple[Population, str] | None] = {}

    def find(self, recipe: Recipe) -> StoredRecipe:
        """The experiment of a recipe, in this format or else in an earlier one; GlamError where that is ambiguous."""
        if self.corpus is not None:
            recipe = recipe.replaced(corpus=recipe.corpus.of(self.corpus))
        same = self._with_settings(recipe)
        if self.corpus is None:
            current = [experiment for experiment in same if experiment.format == FORMAT] or same
            if len(current) > 1:
                raise GlamError(
                    f"{current[0].folder} and {current[1].folder} are one recipe on two corpora, and there is no index "
                    "that says which is meant: read the corpus first (python handleIEMOCAP.py ROOT), or move one away."
                )
            return StoredRecipe(current[0], current[0].composition) if current else StoredRecipe(None, None)
        known = self._population(self.corpus, recipe)
        if known is None:
            return StoredRecipe(None, None, tuple(experiment.folder for experiment in same))
        people, digest = known
        here = [experiment for experiment in same if experiment.identity["corpus_digest"] == digest]
        outside: dict[str, dict[str, str]] = {}
        if self.data and any("outside" in experiment.identity for experiment in here) and not lacking_files(recipe):
            outside = outside_of(inputs_of(recipe, people.stored, self.data))
            here = [experiment for experiment in here if experiment.identity.get("outside", {}) == outside]
        place = experiment_folder(self.runs, recipe, identity(recipe.scientific(), digest, outside))
        here.sort(key=lambda experiment: (-experiment.format, not experiment.seeds()))
        mine = here[0] if here else None
        others = tuple(experiment.folder for experiment in same if experiment not in here)
        return StoredRecipe(mine, people.facts(), others, self.damaged.get(place))

    def read(self, folder: Path) -> StoredExperiment | None:
        """The experiment of a folder; None, and an entry in `damaged`, where it cannot be read."""
        if folder not in self._read:
            try:
                self._read[folder] = read_experiment(folder)
            except GlamError as error:
                self._read[folder], self.damaged[folder] = None, str(error)
        return self._read[folder]

    def _with_settings(self, recipe: Recipe) -> list[StoredExperiment]:
        wanted = canonical_json(recipe.scientific())
        pattern = f"{glob.escape(stem(recipe))}-????????"
        stored = [self.read(path.parent) for path in sorted(self.runs.glob(f"{pattern}/{EXPERIMENT}"))]
        return [
            experiment
            for experiment in stored
            if experiment is not None and canonical_json(experiment.recipe.scientific()) == wanted
        ]

    def _population(self, corpus: Corpus, recipe: Recipe) -> tuple[Population, str] | None:
        """A recipe's set and its digest; None where the corpus has none, and so there are no runs."""
        used = recipe.groups_used()
        key = recipe.corpus.model_dump_json() + recipe.cut.model_dump_json() + " ".join(used)
        if key not in self._populations:
            try:
                people = population(corpus, recipe.corpus, recipe.cut)
            except GlamError:
                self._populations[key] = None
            else:
                self._populations[key] = people, people.digest_with(used)
        return self._populations[key]
