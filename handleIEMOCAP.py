#!/usr/bin/env python3
"""Look through an IEMOCAP release, print what is there beside what is known to be there, and index it."""

import argparse
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (the message is for those)
    sys.exit("error: this is Python " + sys.version.split()[0] + "; 3.11 to 3.13 is needed: ./run makes it in .venv")

from glam.cli.flags import place
from glam.cli.guard import guarded


def main() -> int:
    """Print the inventory of the corpus; 2 where it cannot be read."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__} The corpus is only read: nothing in it is written, renamed or moved.",
        epilog="The index, which training uses, goes to the folder in the environment variable GLAM_DATA, "
        "else to data/ beside the project.",
    )
    parser.add_argument(
        "root",
        metavar="ROOT",
        type=place,
        nargs="?",
        help="folder with Session1 ... Session5 in it, or the one above (default: the environment variable "
        "IEMOCAP, else path.py)",
    )
    parser.add_argument(
        "--verify-corpus", action="store_true", help="open every audio file, also those already in the index"
    )
    args = parser.parse_args()

    return guarded(lambda: index(args))


def index(args: argparse.Namespace) -> None:
    """Read the corpus, leave its index, print the inventory."""
    from glam.corpora import load_corpus  # here, so that --help is immediate
    from glam.corpora.inventory import inventory
    from glam.places import corpus_root, data_folder, index_folder

    for stream in (sys.stdout, sys.stderr):  # a terminal may be unable to show a file's name
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    root = args.root or corpus_root("iemocap", data_folder())
    folder = index_folder(data_folder(), "iemocap")
    corpus = load_corpus("iemocap", root, folder, verify=args.verify_corpus)
    print(inventory(corpus, folder / "index.csv"))


if __name__ == "__main__":
    sys.exit(main())
