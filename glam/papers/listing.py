"""A list of all there is: models, recipes, corpora, tables and how many of their runs exist."""

import os
from collections.abc import Sequence
from pathlib import Path

from glam.corpora import CORPORA
from glam.corpora.audio import RATE
from glam.corpora.made import MADE
from glam.corpora.utterances import Corpus, read_index
from glam.inputs.cut import Segments
from glam.models import MODELS
from glam.named import source
from glam.papers.paper import Table, paper_names, read_paper
from glam.papers.stored import Stored
from glam.papers.tables import distinct, rows_of
from glam.places import index_folder
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.reports.grid import grid
from glam.reports.summary import changed_settings
from glam.results.experiment import EXPERIMENT
from glam.results.identity import canonical_json
from glam.splits.runs import seeds
from glam.words import counted


def listing(runs: Path, data: Path) -> str:
    """Everything that can be named on the command line, and what is stored of it, as Markdown."""
    corpora = {name: read_index(index_folder(data, name)) for name in CORPORA}
    known = [load_recipe(name) for name in recipe_names()]
    stored = Stored(runs, corpora["iemocap"])
    return "\n\n".join([_models(known), _recipes(known), _corpora(corpora), _tables(stored), _experiments(stored)])


def _section(title: str, headings: list[str], rows: list[list[str]]) -> str:
    return f"## {title}\n\n" + grid(headings, rows)


def _models(known: list[Recipe]) -> str:
    rows = []
    for name in MODELS:
        options = ", ".join(
            f"{name}={option.default}" for name, option in source(name, MODELS, "model").signature().options.items()
        )
        rows.append([name, options, ", ".join(recipe.name for recipe in known if recipe.model.name == name)])
    return _section("Models", ["model", "options", "recipes"], rows)


def _recipes(known: list[Recipe]) -> str:
    headings = ["recipe", "model", "inputs", "cut", "hop", "epochs", "batch", "optimizer", "alpha"]
    rows = []
    for recipe in known:
        cut, training = recipe.cut, recipe.training
        rows.append(
            [
                recipe.name,
                recipe.model.name,
                ", ".join(settings.title for settings in recipe.inputs.values()),
                cut.title,
                f"{cut.hop('train') / RATE:.2f} s" if isinstance(cut, Segments) else "",
                str(training.epochs),
                f"{training.batches.size} {training.batches.name}",
                f"{training.optimizer.name} {training.lr:g}",
                f"{training.alpha:g}",
            ]
        )
    return _section("Recipes", headings, rows)


def _corpora(corpora: dict[str, Corpus | None]) -> str:
    rows = []
    for name, corpus in corpora.items():
        if corpus is None:
            place = os.environ.get(name.upper().replace("-", "_"), "")
            rows.append([name, place, "made when first used" if name in MADE else "not read yet"])
        else:
            rows.append([name, str(corpus.root), counted(len(corpus.utterances), "utterance")])
    return _section("Corpora", ["corpus", "lies in", "index"], rows)


def _tables(stored: Stored) -> str:
    rows = []
    for paper in map(read_paper, paper_names()):
        for number in paper.tables:
            for variant in paper.variants or ("",):
                table = Table(paper, number, variant)
                rows.append([f"{paper.name}/{number}", variant, *_counted(table, stored), table.printed.caption])
    return _section("Tables", ["table", "setting", "runs", "asked for", ""], rows)


def _counted(table: Table, stored: Stored) -> tuple[str, str]:
    names = {str(seed) for seed in seeds()[: table.paper.seeds]}
    asked = distinct(row.recipe for row in rows_of(table) if row.recipe is not None)
    runs, changed = 0, _with_other_settings(asked, stored)
    for recipe in asked:
        experiment = stored.find(recipe).experiment
        runs += sum(name.partition("-")[0] in names for name in experiment.seeds()) if experiment is not None else 0
    return str(runs) + (f", and {changed} with --set" if changed else ""), f"{len(asked)} x {len(names)}"


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
    rows = []
    for folder in _folders(stored):
        experiment = stored.read(folder)
        if experiment is None:
            rows.append([folder.name, "cannot be read, see below", "", ""])
        else:
            changes = ", ".join(changed_settings(experiment))
            rows.append([folder.name, experiment.name, str(len(experiment.seeds())), changes])
    damaged = "\n".join(f"- {why}" for why in stored.damaged.values())
    return _section(
        f"Experiments in {stored.runs}", ["experiment", "recipe", "runs", "changed from the recipe"], rows
    ) + (damaged and f"\n\n{damaged}")
