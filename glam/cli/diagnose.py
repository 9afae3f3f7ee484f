"""The verb `glam diagnose`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from glam.cli.flags import add_flags
from glam.cli.guard import guarded, show
from glam.cli.stored import find


def diagnose(argv: Sequence[str] | None = None) -> int:
    """Say how the class moves within utterances, and whether confidence is accuracy."""
    parser = argparse.ArgumentParser(
        prog="glam diagnose",
        description="Look into stored runs: how the class moves within an utterance, what a majority vote of segments "
        "would have scored, accuracy by position and by length, calibration. Nothing is trained.",
    )
    parser.add_argument(
        "folder", type=Path, help="an experiment or a run of it: its folder, or its name in the runs folder"
    )
    add_flags(parser, "select", "runs-folder")

    def work() -> None:
        from glam.reports.diagnosis import diagnosis

        args = parser.parse_args(argv)
        show(diagnosis(find(args.folder, args.runs_folder), args.select))

    return guarded(work)
