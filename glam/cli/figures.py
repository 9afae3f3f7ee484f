"""The verb `glam figure`: the paper's Figures 2 and 3, and learning curves, from stored runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glam.cli.guard import guarded
from glam.cli.machine import corpus_folder, place

if TYPE_CHECKING:
    from glam.reports.figures import Picture
    from glam.results.run import StoredExperiment

VIEWS = ("test", "validation", "last")


def figure(argv: Sequence[str] | None = None) -> int:
    """Draw stored runs: confusion matrices (Figure 2), t-SNE of hidden layers (Figure 3), learning curves."""
    parser = argparse.ArgumentParser(
        prog="glam figure",
        description="Draw figures from stored runs, as PNG and PDF in the width of a paper's column or page. Nothing "
        "is trained. The caption that belongs below is printed.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="kind", required=True)
    confusion = kinds.add_parser("confusion", help="confusion matrices side by side, mean over runs (Figure 2)")
    confusion.add_argument("--select", choices=VIEWS, default="test", help="epoch of a run that counts (test)")
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
    for kind in (confusion, tsne, curves):
        kind.add_argument("folder", type=Path, nargs="+", help="of an experiment: runs/<experiment>")
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

        experiments = [read_experiment(folder) for folder in args.folder]
        picture = _draw(args, experiments)
        stem = args.output or default_stem(args.kind, experiments)
        written = write(picture, stem.with_suffix("") if stem.suffix in (".png", ".pdf") else stem)
        print(f"{picture.caption}\n\nwritten: {', '.join(str(path) for path in written)}")

    return guarded(work)


def _draw(args: argparse.Namespace, experiments: "Sequence[StoredExperiment]") -> "Picture":
    from glam.reports import figures

    if args.kind == "confusion":
        return figures.confusion(experiments, args.select)
    if args.kind == "curves":
        return figures.curves(experiments)
    from glam.data.places import data_folder
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
