"""The verb `glam audit`."""

import argparse
from collections.abc import Sequence

from glam.cli.flags import CORPUS, add_flags, corpus_fields
from glam.cli.guard import guarded, show
from glam.cli.machine import corpus_folder
from glam.errors import GlamError


def audit(argv: Sequence[str] | None = None) -> int:
    """Say what a recipe's splits share between training and test, and what scores without hearing anything."""
    parser = argparse.ArgumentParser(
        prog="glam audit",
        description="Look through the splits of a recipe: what training and test share, class balance, what was left "
        "out and why, and what answering by class, scenario or dialogue alone would score. Nothing is trained.",
    )
    add = parser.add_argument
    add("recipe", metavar="NAME|FILE", help="the recipe, as for glam train")
    add(
        "--runs", type=int, default=100, metavar="N", help="the splits, or folds, of the first N of the 100 seeds (100)"
    )
    add_flags(parser, *CORPUS, "set", "protocol", "datadir", "data-folder")
    return guarded(lambda: _audit(parser.parse_args(argv)))


def _audit(args: argparse.Namespace) -> None:
    from glam.places import data_folder
    from glam.recipe import load_recipe, parse_override
    from glam.reports.audit import audit as look_through
    from glam.reports.audit import audit_text
    from glam.splits.runs import seeds

    fields = corpus_fields(args) + ([("split.name", args.protocol)] if args.protocol is not None else [])
    recipe = load_recipe(args.recipe, [*fields, *(parse_override(text) for text in args.set)])
    known = seeds()
    if not 1 <= args.runs <= len(known):
        raise GlamError(f"--runs {args.runs}: expected 1 to {len(known)}, the number of the paper's runs")
    data = args.data_folder or data_folder()
    corpus = recipe.corpus.load(corpus_folder(recipe.corpus.name, args.datadir, data), data)
    show(audit_text(look_through(corpus, recipe, known[: args.runs])))
