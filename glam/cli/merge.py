"""The verb `glam merge`."""

import argparse
from collections.abc import Sequence

from glam.cli.flags import add_flags, place
from glam.cli.guard import guarded


def merge(argv: Sequence[str] | None = None) -> int:
    """Bring runs that were trained in several places into one runs folder."""
    parser = argparse.ArgumentParser(
        prog="glam merge",
        description="Bring runs that were trained on several machines (--shard) into one runs folder, each to the "
        "experiment with the same settings and corpus. The given folders are only read. A run that is there already "
        "stays; where the two differ, both are named. Exit status 1 where anything was not merged.",
    )
    parser.add_argument(
        "folders", nargs="+", type=place, metavar="FOLDER", help="a runs folder, or one experiment, from elsewhere"
    )
    add_flags(parser, "runs-folder")

    def work() -> int:
        from glam.places import runs_folder
        from glam.reports.merge import merge as merge_into

        args = parser.parse_args(argv)
        merged = merge_into(args.folders, args.runs_folder or runs_folder())
        print("\n".join(merged.lines()))
        return 1 if merged.troubles else 0

    return guarded(work, "what was merged stays, and the same command goes on")
