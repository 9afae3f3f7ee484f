"""The verb `glam figure`: the papers' figures, learning curves and reliability, from stored runs."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glam.cli.flags import add_flags, place
from glam.cli.guard import guarded, show
from glam.cli.machine import corpus_folder, say_files_not_used, take_files
from glam.cli.stored import corpus_of, find
from glam.errors import GlamError

if TYPE_CHECKING:
    from glam.reports.figures.page import Picture
    from glam.reports.views import View
    from glam.results.experiment import StoredExperiment


def figure(argv: Sequence[str] | None = None) -> int:
    """Draw stored runs: confusion matrices (Figure 2), t-SNE of hidden layers (Figure 3), curves, reliability, bars."""
    parser = argparse.ArgumentParser(
        prog="glam figure",
        description="Draw figures from stored runs, as PNG, PDF and SVG in the width of a paper's column or page. "
        "Nothing is trained. The caption that belongs below is printed.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="kind", required=True)
    confusion = kinds.add_parser(
        "confusion", help="confusion matrices side by side, mean over runs (Figure 2; GLRF's Figure 3)"
    )
    reliability = kinds.add_parser("reliability", help="accuracy by confidence, and how many utterances have it")
    bars = kinds.add_parser("bars", help="one metric of several experiments as bars (GLRF's Figure 4)")
    of_which = "the metric: pure_accuracy, wa, ua, ..., or one of your own, mine.py:kappa (pure_accuracy)"
    add_flags(bars, "metric", action="store", default="pure_accuracy", metavar="NAME|FILE:NAME", help=of_which)
    for of_one_epoch in (confusion, reliability, bars):
        add_flags(of_one_epoch, "select")
    tsne = kinds.add_parser(
        "tsne", help="t-SNE of the last hidden layer on held-out utterances (Figure 3); needs saved models"
    )
    add_flags(tsne, "moved-corpus", "file", "datadir", "data-folder")
    curves = kinds.add_parser("curves", help="loss, WA and UA after each epoch, with the spread over runs")
    for kind in (confusion, tsne, curves, reliability, bars):
        kind.add_argument(
            "folder", type=Path, nargs="+", help="an experiment: its folder, or its name in the runs folder"
        )
        add_flags(kind, "runs-folder")
        kind.add_argument(
            "-o",
            "--output",
            type=_output,
            metavar="FILE|FOLDER",
            help="name, without an ending or with that of any of the three, all are written; or a folder: one that is "
            "there, or any/ with a slash (figures/<kind>-<models> in the first experiment's folder)",
        )
        kind.add_argument(
            "--font",
            default="sans-serif",
            metavar="NAME",
            help="serif (like Times), sans-serif, monospace, or the name of an installed font (sans-serif)",
        )

    def work() -> None:
        args = parser.parse_args(argv)

        from glam.reports.figures.page import lettering, stem_of, write
        from glam.results.experiment import read_experiment

        experiments = [read_experiment(find(given, args.runs_folder)) for given in args.folder]
        with lettering(args.font):
            picture = _draw(args, experiments)
            written = write(picture, stem_of(args.kind, experiments, args.output))
        show(f"{picture.caption}\n\nwritten: {', '.join(str(path) for path in written)}")

    return guarded(work)


def _output(text: str) -> Path:
    """The path that a flag gives; one with a slash at its end is a folder, and is made."""
    path = place(text)
    if text.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _draw(args: argparse.Namespace, experiments: "Sequence[StoredExperiment]") -> "Picture":
    if args.kind == "curves":
        from glam.reports.figures.curves import curves

        return curves(experiments)
    if args.kind == "tsne":
        return _tsne(args, experiments)
    view = args.select or _view_of_all(experiments)
    match args.kind:
        case "bars":
            from glam.evaluation.metric import metric
            from glam.reports.figures.bars import bars

            return bars(experiments, metric(args.metric), view)
        case "confusion":
            from glam.reports.figures.confusion import confusion

            return confusion(experiments, view)
        case _:
            from glam.reports.figures.reliability import reliability

            return reliability(experiments, view)


def _view_of_all(experiments: "Sequence[StoredExperiment]") -> "View":
    """The view that all of them are read at by themselves; GlamError where they are not read at the same."""
    from glam.reports.views import default_view

    views = {default_view(experiment): experiment.folder.name for experiment in experiments}
    if len(views) > 1:
        by_view = "; ".join(f"{name}: {view}" for view, name in views.items())
        raise GlamError(
            f"the experiments choose their epoch in different ways ({by_view}): side by side they would mislead. Say "
            "one for all of them with --select test, halves, validation or last."
        )
    return next(iter(views))


def _tsne(args: argparse.Namespace, experiments: "Sequence[StoredExperiment]") -> "Picture":
    from glam.places import data_folder
    from glam.reports.embedding import embed, first_saved
    from glam.reports.figures.experiments import names
    from glam.reports.figures.tsne import tsne

    take_files(args)
    names(experiments)
    for experiment in experiments:
        first_saved(experiment)  # all that is missing is said before any long work
    data = args.data_folder or data_folder()
    corpora = [corpus_of(experiment, args.corpus) for experiment in experiments]
    embeddings = []
    for experiment, corpus in zip(experiments, corpora, strict=True):
        where = replace(experiment, recipe=experiment.recipe.model_copy(update={"corpus": corpus}))
        embeddings.append(embed(where, corpus_folder(corpus.name, args.datadir, data), data))
    say_files_not_used()
    return tsne(experiments, embeddings)
