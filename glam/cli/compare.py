"""The verb `glam compare`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from glam.cli.flags import add_flags
from glam.cli.guard import guarded, show
from glam.cli.stored import find


def compare(argv: Sequence[str] | None = None) -> int:
    """Say whether one experiment is better than another, on other utterances and for other speakers."""
    parser = argparse.ArgumentParser(
        prog="glam compare",
        description="Compare two experiments: difference in WA and UA; interval and p-value for other utterances of "
        "these speakers, corrected for test sets that overlap; interval over the speakers; how probable it is that one "
        "is better; how many runs would show one point. Runs are paired where both held out the same utterances. "
        "Nothing is trained.",
    )
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="an experiment: its folder, or its name in the runs folder")
    add("second", type=Path, metavar="B", help="the other")
    add("--common", action="store_true", help="score runs of the same seed on the utterances that both held out")
    add_flags(parser, "select", "runs-folder")

    def work() -> None:
        from glam.reports.comparison_text import compare as text

        args = parser.parse_args(argv)
        first, second = (find(given, args.runs_folder) for given in (args.first, args.second))
        show(text(first, second, args.select, args.common))

    return guarded(work)
