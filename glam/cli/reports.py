"""The verbs `glam report` and `glam export`: they only read."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glam.cli.flags import add_flags, file_to_write, place, refuse, refuse_live_without_page
from glam.cli.guard import guarded, show
from glam.cli.stored import find
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.corpora.utterances import Utterance


def report(argv: Sequence[str] | None = None) -> int:
    """Report on stored runs: mean ± std, and what it takes to believe it."""
    parser = argparse.ArgumentParser(prog="glam report", description="Report on the stored runs of experiments.")
    parser.add_argument(
        "folder",
        type=Path,
        nargs="*",
        help="an experiment: its folder, or its name in the runs folder (every one in the runs folder)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--analyses",
        action="store_true",
        help="instead, the model beside the majority of the scenario and dialogue, scores by speaker, session, gender "
        "and whatever else the corpus knows, and the raters' votes",
    )
    what.add_argument(
        "--checklist",
        nargs="?",
        const="md",
        choices=["md", "tex"],
        help="instead, one page that answers a reviewer, in Markdown or LaTeX (md)",
    )
    what.add_argument(
        "--seeds-and-splits",
        action="store_true",
        help="instead, of several experiments that differ in split.seed alone: what of the ± is the split's",
    )
    add_flags(what, "html")
    add_flags(parser, "live", "select", "metric", "runs-folder")
    add_flags(parser, "data-folder", help="where the index lies, for --analyses and --html (GLAM_DATA, else data)")

    def work() -> None:
        args = parser.parse_args(argv)
        refuse_live_without_page(args)
        if args.analyses or args.checklist or args.seeds_and_splits:
            refuse(
                args,
                ["metric"],
                "is a column of the report and its page; --analyses, --checklist and "
                "--seeds-and-splits have columns of their own",
            )
        if not args.analyses and args.html is None:
            refuse(args, ["data_folder"], "only --analyses and --html look at the index of the corpus")
        if args.html is not None:
            _page(args, shlex.join(["glam", "report", *(sys.argv[1:] if argv is None else argv)]))
        else:
            _report(args)

    return guarded(work)


def _asked(args: argparse.Namespace) -> list[Path]:
    """The experiments that are asked for; all in the runs folder where none is named."""
    from glam.places import runs_folder
    from glam.results.experiment import EXPERIMENT

    runs = args.runs_folder or runs_folder()
    asked = args.folder or sorted(path.parent for path in runs.glob(f"*/{EXPERIMENT}"))
    if not asked:
        raise GlamError(f"no experiment lies in {runs}; train one first (python train.py)")
    return asked


def _page(args: argparse.Namespace, command: str) -> None:
    """Write the page of whatever can be read; an error at the end for what cannot, where it was asked for."""
    from glam.reports.page.live import keep_fresh, stored_in

    def write(live: bool) -> list[str]:
        return _write_page(args, command, live)

    def state() -> frozenset[Path]:
        return stored_in(find(given, args.runs_folder) for given in _asked(args))

    # nobody knows how many runs are to come
    problems = keep_fresh(write, lambda _: False, state) if args.live else write(False)
    _tell(problems, args.folder)


def _tell(problems: Sequence[str], asked: Sequence[Path]) -> None:
    """Say what is not shown; GlamError where just that was asked for."""
    if problems and asked:
        raise GlamError("\n".join(problems))
    for problem in problems:
        say(f"not shown: {problem}")


def _write_page(args: argparse.Namespace, command: str, live: bool) -> list[str]:
    """Write the page, and say so; returns why experiments are not shown on it. GlamError where none is."""
    from glam.evaluation.metric import metric
    from glam.progress import bar
    from glam.reports.page.document import write
    from glam.reports.page.experiments import page, sections
    from glam.reports.page.live import about
    from glam.reports.runs import read_results
    from glam.reports.views import default_view
    from glam.results.experiment import read_experiment

    more = [metric(name) for name in args.metric]
    asked, shown, problems = _asked(args), [], []
    with bar(len(asked), "reading runs", "experiment", leave=False) as progress:
        for given in asked:
            try:
                folder = find(given, args.runs_folder)
                experiment = read_experiment(folder)
                read = read_results(experiment, args.select or default_view(experiment))
                shown.append((read, sections(read, more, indexed(folder, args.data_folder))))
            except GlamError as error:
                problems.append(str(error))
            progress.update()
    if not shown:
        raise GlamError("\n".join(problems))
    say(write(page(shown, about(command), more, problems, live=live), args.html))
    return problems


def _report(args: argparse.Namespace) -> None:
    """Report on whatever can be read, and name what cannot; an error where that is what was asked for."""
    from glam.evaluation.metric import metric
    from glam.reports.analyses import analyses
    from glam.reports.checklist import checklist
    from glam.reports.summary import report as report_on

    asked, runs = _asked(args), args.runs_folder
    if args.seeds_and_splits:
        from glam.reports.seeds_and_splits import seeds_and_splits

        show(seeds_and_splits([find(given, runs) for given in asked], args.select))
        return
    more = [metric(name) for name in args.metric]
    reports, problems = [], []
    for given in asked:
        try:
            folder = find(given, runs)
            if args.analyses:
                reports.append(analyses(folder, args.select, indexed(folder, args.data_folder)))
            elif args.checklist:
                reports.append(checklist(folder, args.select, args.checklist))
            else:
                reports.append(report_on(folder, args.select, more=more))
        except GlamError as error:
            problems.append(str(error))
    if reports:
        show("\n\n".join(reports))
    if problems and not reports:
        raise GlamError("\n".join(problems))
    _tell(problems, args.folder)


def indexed(experiment: Path, data: Path | None) -> "tuple[Utterance, ...]":
    """The utterances of the index of an experiment's corpus; none where there is no such index."""
    from glam.corpora.utterances import read_index
    from glam.places import data_folder
    from glam.results.experiment import read_experiment

    corpus = read_index(read_experiment(experiment).recipe.corpus.index(data or data_folder()))
    return corpus.utterances if corpus is not None else ()


def export(argv: Sequence[str] | None = None) -> int:
    """Write the predictions of a run as CSV: utterance, label, prediction, scores; or a model as a folder."""
    parser = argparse.ArgumentParser(
        prog="glam export",
        description="glam export RUN: write a run's held-out utterances as CSV: utterance, label, prediction, and the "
        "probability of each class. glam export EXPERIMENT: the same of all its runs, the run in the first column. "
        "glam export MODEL FOLDER: write a trained model as a folder that is used without "
        "this package: weights, ONNX graphs from inputs and from samples to logits, checked with onnxruntime, and a "
        "model card.",
    )
    parser.add_argument(
        "run", type=Path, help="<experiment>/<seed> or <experiment>: its folder, or that in the runs folder"
    )
    parser.add_argument("folder", type=place, nargs="?", help="where to write the model of the run (or model file)")
    add_flags(parser, "code")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--epoch", type=int, metavar="N", help="the epoch, from 1 (the one that --select chooses)")
    add_flags(which, "select")
    parser.add_argument("-o", "--output", type=file_to_write, metavar="FILE", help="where to write (the terminal)")
    add_flags(parser, "runs-folder")

    def work() -> None:
        from glam.files import replacing
        from glam.reports.export import export as of_run
        from glam.reports.export import export_all
        from glam.results.experiment import EXPERIMENT

        args = parser.parse_intermixed_args(argv)
        if args.folder is not None:
            _export_model(args)
            return
        refuse(args, ["code"], "is run to export a model; give the folder to write that to, too")
        run = find(args.run, args.runs_folder)
        write = export_all if (run / EXPERIMENT).is_file() else of_run
        if args.output is None:
            what = write(run, sys.stdout, args.epoch, args.select)
            if write is export_all:
                say(f"{what} of {args.run}")
            return
        with replacing(args.output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            what = write(run, file, args.epoch, args.select)
        say(f"{what} of {args.run} written to {args.output}")

    return guarded(work)


def _export_model(args: argparse.Namespace) -> None:
    from glam.prediction.exported import export as write
    from glam.prediction.notebook import load
    from glam.prediction.origin import cautions

    csv = {"--epoch": args.epoch, "--select": args.select, "--output": args.output}
    if given := [flag for flag, value in csv.items() if value is not None]:
        raise GlamError(f"{given[0]} cannot be given with a folder: a model is exported, not predictions as CSV")
    model = load(args.run if args.run.exists() else find(args.run, args.runs_folder), code=args.code)
    check = write(model, args.folder)
    for graph, difference in check.differences.items():
        say(f"{graph}: logits of {len(check.samples)} segments within {difference:.1e} of the model's (onnxruntime)")
    say(f"{model.path} exported to {args.folder}; README.md there says what it is")
    for line in cautions(model):
        say(line)
