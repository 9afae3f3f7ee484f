"""What there is: models, recipes, corpora, tables and how many of their runs exist."""

import os
from pathlib import Path

from tabulate import tabulate

from glam.corpora import CORPORA
from glam.corpora.utterances import Corpus, read_index
from glam.models import MODELS, OPTIONS
from glam.papers.tables import SETTINGS, TABLES, Setting, Stored, Table, distinct, recipes
from glam.places import index_folder
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.results.run import EXPERIMENT
from glam.splits.splits import seeds
from glam.words import counted


def listing(runs: Path, data: Path) -> str:
    """Everything that can be named on the command line, and what is stored of it, as Markdown."""
    corpora = {name: read_index(index_folder(data, name)) for name in CORPORA}
    known = [load_recipe(name) for name in recipe_names()]
    stored = Stored(runs, corpora["iemocap"])
    return "\n\n".join([_models(known), _recipes(known), _corpora(corpora), _tables(stored), _experiments(stored)])


def _section(title: str, headings: list[str], rows: list[list[str]]) -> str:
    return f"## {title}\n\n" + tabulate(rows, headings, tablefmt="github", disable_numparse=True)


def _models(known: list[Recipe]) -> str:
    rows = []
    for name in MODELS:
        options = ", ".join(f"{option}={value}" for option, value in OPTIONS.get(name, {}).items())
        rows.append([name, options, ", ".join(recipe.name for recipe in known if recipe.model.name == name)])
    return _section("Models", ["model", "options", "recipes"], rows)


def _recipes(known: list[Recipe]) -> str:
    headings = ["recipe", "model", "features", "segments", "overlap", "epochs", "batch", "optimizer", "alpha"]
    rows = []
    for recipe in known:
        segments, training = recipe.segments, recipe.training
        rows.append(
            [
                recipe.name,
                recipe.model.name,
                recipe.features.kind,
                f"{segments.length:g} s",
                f"{segments.train_overlap:g} s",
                str(training.epochs),
                str(training.batch_size),
                f"{training.optimizer} {training.lr:g}",
                f"{training.alpha:g}",
            ]
        )
    return _section("Recipes", headings, rows)


def _corpora(corpora: dict[str, Corpus | None]) -> str:
    rows = []
    for name, corpus in corpora.items():
        if corpus is None:
            place = os.environ.get(name.upper(), "")
            rows.append([name, place, "made when first used" if name == "synthetic" else "not read yet"])
        else:
            rows.append([name, str(corpus.root), counted(len(corpus.utterances), "utterance")])
    return _section("Corpora", ["corpus", "lies in", "index"], rows)


def _tables(stored: Stored) -> str:
    rows = [
        [f"table {table.number}", setting, *_counted(table, setting, stored), table.printed.caption]
        for table in TABLES.values()
        for setting in SETTINGS
    ]
    return _section("Tables", ["table", "setting", "runs", "of", ""], rows)


def _counted(table: Table, setting: Setting, stored: Stored) -> tuple[str, str]:
    names = {str(seed) for seed in seeds()}
    asked = distinct(recipes(table, setting))
    there = 0
    for recipe in asked:
        experiment = stored.find(recipe).experiment
        there += len(names & set(experiment.seeds())) if experiment is not None else 0
    return str(there), str(len(asked) * len(names))


def _experiments(stored: Stored) -> str:
    rows = []
    for path in sorted(stored.runs.glob(f"*/{EXPERIMENT}")):
        experiment = stored.read(path.parent)
        if experiment is None:
            rows.append([path.parent.name, "cannot be read, see below", ""])
        else:
            rows.append([path.parent.name, experiment.name, str(len(experiment.seeds()))])
    damaged = "\n".join(f"- {why}" for why in stored.damaged.values())
    return _section(f"Experiments in {stored.runs}", ["experiment", "recipe", "runs"], rows) + (
        damaged and f"\n\n{damaged}"
    )
