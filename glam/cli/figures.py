"""The verb `glam figure`: the paper's Figures 2 and 3, learning curves and reliability, from stored runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glam.cli.guard import guarded
from glam.cli.machine import corpus_folder, place
from glam.cli.stored import add_runs_flag, add_select_flag, find

if TYPE_CHECKING:
    from glam.reports.figures import Picture
    from glam.results.run import StoredExperiment


def figure(argv: Sequence[str] | None = None) -> int:
    """Draw stored runs: confusion matrices (Figure 2), t-SNE of hidden layers (Figure 3), curves, reliability."""
    parser = argparse.ArgumentParser(
        prog="glam figure",
        description="Draw figures from stored runs, as PNG and PDF in the width of a paper's column or page. Nothing "
        "is trained. The caption that belongs below is printed.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="kind", required=True)
    confusion = kinds.add_parser("confusion", help="confusion matrices side by side, mean over runs (Figure 2)")
    reliability = kinds.add_parser("reliability", help="accuracy by confidence, and how many utterances have it")
    for of_one_epoch in (confusion, reliability):
        add_select_flag(of_one_epoch)
    tsne = kinds.add_parser(
        "tsne", help="t-SNE of the last hidden layer on held-out utterances (Figure 3); needs saved models"
    )
    tsne.add_argument(
        "-d", "--datadir", metavar="FOLDER", type=place, help="where the corpus lies (the variable IEMOCAP)"
    )
    tsne.add_argument(
        "--data-folder", type=place, metavar="FOLDER", help="where index and features lie (GLAM_DATA, else data)"
    )
    curves = kinds.add_parser("curves", help="loss, WA and UA after each epoch, with the spread over runs")
    for kind in (confusion, tsne, curves, reliability):
        kind.add_argument(
            "folder", type=Path, nargs="+", help="an experiment: its folder, or its name in the runs folder"
        )
        add_runs_flag(kind)
        kind.add_argument(
            "-o",
            "--output",
            type=place,
            metavar="FILE",
            help="name without ending, or with .png or .pdf; both are written (<kind>-<models>)",
        )

    def work() -> None:
        args = parser.parse_args(argv)

        from glam.reports.figures import default_stem, write
        from glam.results.run import read_experiment

        experiments = [read_experiment(find(given, args.runs_folder)) for given in args.folder]
        picture = _draw(args, experiments)
        stem = args.output or default_stem(args.kind, experiments)
        written = write(picture, stem.with_suffix("") if stem.suffix in (".png", ".pdf") else stem)
        print(f"{picture.caption}\n\nwritten: {', '.join(str(path) for path in written)}")

    return guarded(work)


def _draw(args: argparse.Namespace, experiments: "Sequence[StoredExperiment]") -> "Picture":
    from glam.reports import figures
    from glam.reports.views import default_view

    if args.kind == "curves":
        return figures.curves(experiments)
    if args.kind in ("confusion", "reliability"):
        draw = figures.confusion if args.kind == "confusion" else figures.reliability
        return draw(experiments, args.select or default_view(experiments[0]))
    from glam.places import data_folder
    from glam.reports.embedding import embed, first_saved

    figures.names(experiments)
    for one in experiments:
        first_saved(one)  # all that is missing is said before any long work
    data = args.data_folder or data_folder()
    embeddings = []
    for one in experiments:
        root = corpus_folder(one.composition.corpus, args.datadir, data)
        embeddings.append(embed(one, root, data))
    return figures.tsne(experiments, embeddings)
