"""`glam <verb>`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import glam
from glam.words import did_you_mean

VERBS = {
    "train": ("glam.cli.train:train", "train the runs of a recipe that are missing, and report on them"),
    "table": ("glam.cli.tables:table", "train what is missing of one of the paper's tables, and print it"),
    "figure": (
        "glam.cli.figures:figure",
        "draw confusion matrices, t-SNE, learning curves, reliability from stored runs",
    ),
    "report": ("glam.cli.reports:report", "report on stored runs: mean ± std, and what it takes to believe it"),
    "compare": (
        "glam.cli.compare:compare",
        "say whether one experiment is better than another, on other utterances and for other speakers",
    ),
    "diagnose": (
        "glam.cli.diagnose:diagnose",
        "say how the class moves within utterances, and how calibrated runs are",
    ),
    "corpus": ("glam.cli.corpus:corpus", "look through a corpus: what is there beside what should be"),
    "audit": ("glam.cli.audit:audit", "say what a recipe's training and test sets share, and what that alone scores"),
    "test": ("glam.cli.cross:cross", "test saved models on other corpora, and print the matrix"),
    "verify": ("glam.cli.verify:verify", "train a stored run again, and say whether it came out the same"),
    "predict": ("glam.cli.predict:predict", "ask a trained model about recordings"),
    "page": ("glam.cli.page:page", "show a page on which a trained model is asked"),
    "merge": ("glam.cli.merge:merge", "bring runs that were trained in several places into one folder"),
    "doctor": ("glam.cli.doctor:doctor", "say whether this machine can train, and how long tables would take"),
    "list": ("glam.cli.tables:list_all", "show models, inputs, losses, recipes, corpora, tables and their runs"),
    "export": ("glam.cli.reports:export", "write the predictions of a run as CSV, or a model as a folder"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point `glam`."""
    words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    parser = argparse.ArgumentParser(
        prog="glam",
        description="Speech emotion recognition: GLAM (ICASSP 2022) reproduced, and a bench for models like it.",
        epilog="`glam <verb> --help` says more.",
    )
    parser.add_argument("--version", action="version", version=f"glam {glam.__version__}")
    choose = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for verb, (_, summary) in VERBS.items():
        choose.add_parser(verb, help=summary, add_help=False)
    if words[0] not in VERBS:
        if hint := did_you_mean(words[0], VERBS):
            parser.error(f"there is no verb {words[0]!r}.{hint} glam --help lists all")
        parser.parse_args(words)  # says what is wrong, and exits
    module, function = VERBS[words[0]][0].split(":")
    status: int = getattr(import_module(module), function)(words[1:])
    return status
