"""A list of all there is: models, inputs, losses, recipes, corpora, tables and how many of their runs exist."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from glam.corpora import CORPORA
from glam.corpora.audio import RATE
from glam.corpora.made import MADE
from glam.corpora.utterances import Corpus, read_index
from glam.inputs.cut import Segments
from glam.inputs.inputs import INPUTS
from glam.learning.settings import LOSSES
from glam.models import MODELS
from glam.named import Chosen, source
from glam.papers.paper import Table, paper_names, read_paper
from glam.papers.stored import Stored
from glam.papers.tables import distinct, rows_of
from glam.places import index_folder
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.reports.summary import changed_settings, own_settings
from glam.results.experiment import EXPERIMENT
from glam.results.identity import canonical_json
from glam.splits.runs import seeds
from glam.words import counted


def listing(runs: Path, data: Path) -> str:
    """Everything that can be named on the command line, and what is stored of it, as Markdown."""
    corpora = {name: read_index(index_folder(data, name)) for name in CORPORA}
    known = [load_recipe(name) for name in recipe_names()]
    stored = Stored(runs, corpora["iemocap"])
    sections = [
        _named("Models", MODELS, known),
        _named("Inputs", INPUTS),
        _named("Losses", LOSSES),
        _recipes(known),
        _corpora(corpora),
        _tables(stored),
        _experiments(stored),
    ]
    return "\n\n".join(sections)


def _section(title: str, entries: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A list of names and of what is said of each: a terminal of any width can fold it, unlike a table."""
    return "\n".join([f"## {title}", "", *(f"- {name}: {'; '.join(filter(None, parts))}" for name, parts in entries)])


def _named(title: str, ours: Mapping[str, str], known: Sequence[Recipe] = ()) -> str:
    """What recipes name: what each is, its options with their defaults and, of models, the recipes that have it."""
    entries = []
    for name in ours:
        where = source(name, ours, title)
        options = ", ".join(f"{option}={of.default}" for option, of in where.signature().options.items())
        recipes = ", ".join(recipe.name for recipe in known if recipe.model.name == name)
        told = f"in {recipes or 'no recipe'}" if known else ""
        entries.append((name, [where.purpose(), options or "no options", told]))
    return _section(title, entries)


def _recipes(known: list[Recipe]) -> str:
    entries = []
    for recipe in known:
        cut, training = recipe.cut, recipe.training
        apart = f", {cut.hop('train') / RATE:.2f} s apart" if isinstance(cut, Segments) else ""
        parts = [
            f"{_with_options(recipe.model)} of {', '.join(map(_with_options, recipe.inputs.values()))}",
            cut.title + apart,
            f"{training.epochs} epochs",
            f"{training.batches.size} {training.batches.name if apart else 'utterances'} a batch",
            f"{training.optimizer.name} {training.lr:g}",
            f"mixup {training.alpha:g}" if training.alpha else "",
            "" if training.loss.name == "cross-entropy" else _with_options(training.loss),
            "" if recipe.corpus.name == "iemocap" else f"on {recipe.corpus.title}",
        ]
        entries.append((recipe.name, parts))
    return _section("Recipes", entries)


def _with_options(chosen: Chosen) -> str:
    """What it is called, with the options that are not at their default."""
    options = ", ".join(f"{name}={value}" for name, value in chosen.options().items())
    return f"{chosen.title}({options})" if options else chosen.title


def _corpora(corpora: dict[str, Corpus | None]) -> str:
    entries = []
    for name, corpus in corpora.items():
        if corpus is None:
            place = os.environ.get(name.upper().replace("-", "_"), "")
            entries.append((name, ["made when first used" if name in MADE else "not read yet", place]))
        else:
            entries.append((name, [counted(len(corpus.utterances), "utterance"), str(corpus.root)]))
    return _section("Corpora", entries)


def _tables(stored: Stored) -> str:
    entries = []
    for paper in map(read_paper, paper_names()):
        for number, printed in paper.tables.items():
            variants = [Table(paper, number, variant) for variant in paper.variants or ("",)]
            parts = [f"{of.variant}: {_counted(of, stored)}".removeprefix(": ") for of in variants]
            entries.append((f"{paper.name}/{number}", [printed.caption, *parts]))
    return _section("Tables", entries)


def _counted(table: Table, stored: Stored) -> str:
    names = {str(seed) for seed in seeds()[: table.paper.seeds]}
    asked = distinct(row.recipe for row in rows_of(table) if row.recipe is not None)
    runs, changed = 0, _with_other_settings(asked, stored)
    for recipe in asked:
        experiment = stored.find(recipe).experiment
        runs += sum(name.partition("-")[0] in names for name in experiment.seeds()) if experiment is not None else 0
    return f"{counted(runs, 'run')} of {counted(len(asked), 'row')} x {len(names)} seeds" + (
        f", and {changed} of the same recipes with other settings" if changed else ""
    )


def _with_other_settings(asked: Sequence[Recipe], stored: Stored) -> int:
    """Number of stored runs of recipes of these names with other settings, which no table of the paper counts."""
    named = {recipe.name for recipe in asked}
    settings = {canonical_json(recipe.scientific()) for recipe in asked}
    others = [
        experiment for experiment in map(stored.read, _folders(stored)) if experiment and experiment.name in named
    ]
    return sum(
        len(experiment.seeds())
        for experiment in others
        if canonical_json(experiment.recipe.scientific()) not in settings
    )


def _folders(stored: Stored) -> list[Path]:
    return [path.parent for path in sorted(stored.runs.glob(f"*/{EXPERIMENT}"))]


def _experiments(stored: Stored) -> str:
    entries = []
    for folder in _folders(stored):
        experiment = stored.read(folder)
        if experiment is None:
            entries.append((folder.name, ["cannot be read, see below"]))
        else:
            own, changes = ", ".join(own_settings(experiment)), ", ".join(changed_settings(experiment))
            runs = counted(len(experiment.seeds()), "run")
            told = [own and f"its file: {own}", changes and f"changed: {changes}"]
            entries.append((folder.name, [experiment.name, runs, *told]))
    damaged = "\n".join(f"- {why}" for why in stored.damaged.values())
    return _section(f"Experiments in {stored.runs}", entries or [("none", ["train one: glam train"])]) + (
        damaged and f"\n\n{damaged}"
    )
