"""The verb `glam corpus`."""

import argparse
from collections.abc import Sequence

from glam.cli.flags import add_flags, columns_of, refuse
from glam.cli.guard import guarded
from glam.cli.machine import corpus_folder


def corpus(argv: Sequence[str] | None = None) -> int:
    """Look through a corpus: what is there, beside what is known to be in the release."""
    parser = argparse.ArgumentParser(
        prog="glam corpus",
        description="Look through a corpus: utterances of each label and speaker beside those known of the release, "
        "what is missing, twice there, unreadable, silent or resampled. The corpus is only read; its index goes to the "
        "data folder. Without a name: the corpora there are, and what is known of each.",
    )
    parser.add_argument("name", metavar="NAME|FILE", nargs="?", help="a corpus, or a table of utterances (my.csv)")
    add_flags(parser, "datadir", "columns", "label-set", "data-folder")
    parser.add_argument(
        "--verify-corpus", action="store_true", help="open every recording again, also those in the index"
    )
    return guarded(lambda: _corpus(parser.parse_args(argv)), "nothing is half-written")


def _corpus(args: argparse.Namespace) -> None:
    from glam.places import data_folder
    from glam.recipe import corpus_settings
    from glam.reports.corpus import known_corpora, look_through

    if args.name is None:
        refuse(
            args, ("datadir", "columns", "label_set", "data_folder", "verify_corpus"), "is of a corpus; name it, too"
        )
        print(known_corpora())
        return
    data = args.data_folder or data_folder()
    settings = corpus_settings(args.name, args.label_set or "", columns_of(args.columns))
    corpus = settings.load(corpus_folder(settings.name, args.datadir, data), data, verify=args.verify_corpus)
    print(look_through(corpus, settings, settings.index(data)))
