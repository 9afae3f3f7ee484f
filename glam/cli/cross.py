"""The verb `glam test`: saved models on other corpora."""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glam.cli.flags import add_flags, columns_of, folder_to_write, place
from glam.cli.guard import guarded
from glam.cli.machine import corpus_folder, say_problems
from glam.cli.stored import find
from glam.errors import GlamError, put_once
from glam.progress import say

if TYPE_CHECKING:
    from glam.corpora.utterances import Corpus
    from glam.prediction.cross_corpus import CrossTest


def cross(argv: Sequence[str] | None = None) -> int:
    """Test the saved models of experiments on other corpora."""
    parser = argparse.ArgumentParser(
        prog="glam test",
        description="Test the saved models of experiments on other corpora. Labels are tested as the class that means "
        "the same emotion; what no class means is counted, and not tested. Recordings that a model was trained on are "
        "left out. Of several experiments or corpora, the matrix of all is printed, too. Nothing is trained.",
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="+", metavar="EXPERIMENT", help="its folder, or its name in the runs folder")
    add(
        "--on",
        action="append",
        required=True,
        metavar="CORPUS[=FOLDER]",
        help="a corpus, or a table of utterances (my.csv); where it lies, if the environment does not say; repeatable",
    )
    add(
        "--map",
        action="append",
        default=[],
        metavar="LABEL=CLASS",
        help="a label of a corpus that is to be tested as that class, or (LABEL=) as none; repeatable",
    )
    add(
        "-o",
        "--output",
        type=folder_to_write,
        metavar="FOLDER",
        help="write the scores and all answers there, and the picture of a matrix of several",
    )
    add_flags(parser, "columns", "label-set", "runs-folder", "data-folder")
    return guarded(lambda: _test(parser.parse_args(argv)), "nothing is half-written")


def _test(args: argparse.Namespace) -> None:
    from glam.places import data_folder, is_table
    from glam.prediction.cross_corpus import check_given, cross_test, cross_text, matrix_text, models_of
    from glam.results.experiment import read_experiment

    data, given = args.data_folder or data_folder(), _pairs(args.map)
    experiments = [read_experiment(find(given, args.runs_folder)) for given in args.folder]
    for experiment in experiments:
        models_of(experiment)  # all that is missing is said before any long work
    if args.columns and not any(is_table(text.partition("=")[0]) for text in args.on):
        raise GlamError("--columns: none of the corpora is a table, and no other has columns")
    corpora = [_corpus(text, args, data) for text in args.on]
    check_given(given, experiments, corpora)
    tests = [[cross_test(experiment, corpus, given, data) for corpus in corpora] for experiment in experiments]
    print("\n\n".join(cross_text(result) for row in tests for result in row))
    several = len(experiments) > 1 or len(corpora) > 1
    if several:
        print("\n" + matrix_text(tests))
    if args.output is not None:
        _write(tests, args.output, several)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        label, equals, name = text.partition("=")
        if not equals or not label.strip():
            raise GlamError(f"--map {text}: expected LABEL=CLASS, for example --map excited=happy")
        put_once(pairs, label.strip(), name.strip(), f"--map {text}")
    return pairs


def _corpus(text: str, args: argparse.Namespace, data: Path) -> "Corpus":
    from glam.places import is_table
    from glam.recipe import corpus_settings

    name, _, folder = text.partition("=")
    columns = columns_of(args.columns) if is_table(name) else {}  # corpora of a scheme have none
    settings = corpus_settings(name, args.label_set or "", columns)
    root = corpus_folder(settings.name, place(folder) if folder else None, data)
    corpus = settings.load(root, data)
    say(f"corpus     {corpus.root}: {len(corpus.utterances)} utterances")
    say_problems(corpus)
    return corpus


def _write(tests: "Sequence[Sequence[CrossTest]]", folder: Path, several: bool) -> None:
    """Write scores and answers as CSV and, of several, the matrix as a picture."""
    from glam.prediction.cross_corpus import answers, scores
    from glam.prediction.matrix import matrix
    from glam.reports.figures.page import write

    results = [result for row in tests for result in row]
    written = [_table(folder / "scores.csv", scores(results)), _table(folder / "answers.csv", answers(results))]
    if several:
        written += write(matrix(tests), folder / "matrix")
    say(f"written: {', '.join(map(str, written))}")


def _table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    from glam.files import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path
