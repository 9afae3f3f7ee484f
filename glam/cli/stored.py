"""The flags of verbs that read stored runs: which epoch counts, and where the runs lie."""

import argparse
from pathlib import Path

from glam.cli.machine import place
from glam.errors import GlamError

VIEWS = ("test", "halves", "validation", "last")  # those of glam/reports/views.py, which is slow to import


USUALLY = "test, and validation where the protocol has a validation set of its own"


def add_select_flag(parser: argparse._ActionsContainer, otherwise: str = USUALLY) -> None:
    """--select: the epoch that counts; None if it is not given. otherwise: what the help says it is then."""
    parser.add_argument(
        "--select",
        choices=VIEWS,
        help="epoch that counts: the best on the test set, on one half of it and scored on the other (both ways), on "
        f"the validation set (the protocol's own, else 8:1:1), or the last ({otherwise})",
    )


def add_runs_flag(parser: argparse.ArgumentParser) -> None:
    """--runs-folder: where an experiment is looked for that is given by its name."""
    parser.add_argument("--runs-folder", type=place, metavar="FOLDER", help="where results lie (GLAM_RUNS, else runs)")


def find(given: Path, runs_folder: Path | None) -> Path:
    """The folder of an experiment (or run), given as a path or by its name in the runs folder.

    Raises GlamError where it is neither.
    """
    if given.is_dir():
        return given
    from glam.places import runs_folder as usual

    runs = runs_folder or usual()
    if (runs / given).is_dir():
        return runs / given
    raise GlamError(f"{given}: no experiment lies here, nor one of that name in {runs}; glam list shows what is there")
