"""The verb `glam compare`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from glam.cli.guard import guarded


def compare(argv: Sequence[str] | None = None) -> int:
    """Say whether one experiment is better than another, beyond this corpus."""
    parser = argparse.ArgumentParser(
        prog="glam compare",
        description="Compare two experiments: difference in WA and UA, interval and p-value corrected for overlapping "
        "training sets, effect size, and how many runs would show one point. Runs are paired where both held out the "
        "same utterances. Nothing is trained.",
    )
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="folder of an experiment: runs/<experiment>")
    add("second", type=Path, metavar="B", help="folder of the other")
    add("--select", choices=["test", "validation", "last"], help="epoch that counts (see glam train)")
    add("--common", action="store_true", help="score runs of the same seed on the utterances that both held out")

    def work() -> None:
        from glam.reports.compare import compare as text

        args = parser.parse_args(argv)
        print(text(args.first, args.second, args.select, args.common))

    return guarded(work)
