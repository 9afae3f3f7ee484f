"""The verbs `glam report` and `glam export`: they only read."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from glam.cli.guard import guarded, say
from glam.cli.machine import place
from glam.errors import GlamError


def report(argv: Sequence[str] | None = None) -> int:
    """Report on stored runs: mean ± std, and what it takes to believe it."""
    parser = argparse.ArgumentParser(prog="glam report", description="Report on the stored runs of experiments.")
    parser.add_argument("folder", type=Path, nargs="*", help="of an experiment (every one in the runs folder)")
    parser.add_argument(
        "--select", choices=["test", "validation", "last"], default="test", help="epoch that counts (test)"
    )

    def work() -> None:
        from glam.data.places import runs_folder
        from glam.reports.summary import report as report_on
        from glam.results.run import EXPERIMENT

        args = parser.parse_args(argv)
        folders = args.folder or sorted(path.parent for path in runs_folder().glob(f"*/{EXPERIMENT}"))
        if not folders:
            raise GlamError(f"no experiment lies in {runs_folder()}; train one first (python train.py)")
        print("\n\n".join(report_on(folder, args.select) for folder in folders))

    return guarded(work)


def export(argv: Sequence[str] | None = None) -> int:
    """Write the predictions of a run as CSV: utterance, label, prediction, scores."""
    parser = argparse.ArgumentParser(
        prog="glam export",
        description="Write a run's held-out utterances as CSV: utterance, label, prediction, and the "
        "probability of each class.",
    )
    parser.add_argument("run", type=Path, help="folder of the run: runs/<experiment>/<seed>")
    parser.add_argument("--epoch", type=int, metavar="N", help="from 1 (the best one on the test set)")
    parser.add_argument("-o", "--output", type=place, metavar="FILE", help="where to write (the terminal)")

    def work() -> None:
        from glam.files import replacing
        from glam.reports.export import export as write

        args = parser.parse_args(argv)
        if args.output is None:
            write(args.run, sys.stdout, args.epoch)
            return
        with replacing(args.output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            epoch = write(args.run, file, args.epoch)
        say(f"epoch {epoch} of {args.run} written to {args.output}")

    return guarded(work)
