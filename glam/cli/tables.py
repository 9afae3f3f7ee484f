"""The verbs `glam table` and `glam list`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glam.cli.guard import guarded, say
from glam.cli.machine import (
    add_folder_flags,
    add_machine_flags,
    board,
    computed,
    corpus_folder,
    folders,
    place,
    resources,
    say_elsewhere,
    say_problems,
)
from glam.cli.stored import USUALLY, add_select_flag
from glam.errors import GlamError

if TYPE_CHECKING:
    from glam.corpora.utterances import Corpus
    from glam.papers.tables import Setting, Table
    from glam.recipe import Recipe
    from glam.running.experiment import Experiment
    from glam.running.job import Resources
    from glam.splits.splits import RunKey


def table(argv: Sequence[str] | None = None) -> int:
    """Train what is missing of one of the paper's tables, and print it beside the printed numbers."""
    parser = argparse.ArgumentParser(
        prog="glam table",
        description="Train whatever runs of a table of the paper are missing, and print the table: mean ± standard "
        "deviation beside the printed numbers. Interrupted, the same command goes on where it stopped.",
    )
    add = parser.add_argument
    add("number", type=int, choices=[1, 2, 3, 4], help="of the table")
    add("--setting", choices=["released", "paper"], default="released", help="of all models (released)")
    add("--runs", type=int, default=100, metavar="N", help="the first N of the 100 seeds (100)")
    add("--report", action="store_true", help="train nothing: only read what is there")
    add_select_flag(parser, otherwise=f"that of the printed table: of Table 4 validation, of the others {USUALLY}")
    add("-o", "--output", type=place, metavar="FOLDER", help="write Markdown, LaTeX, CSV and JSON there as well")
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the recipes of all rows: training.epochs=2",
    )
    add("--precision", choices=["fp32", "tf32", "bf16"], help="of the arithmetic (fp32)")
    add("--corpus", metavar="NAME", help="the corpus (iemocap)")
    add("-d", "--datadir", metavar="FOLDER", type=place, help="where it lies (IEMOCAP in the environment)")
    add("-g", "--gpu", type=int, metavar="N", help="number of the GPU, -1 = CPU (the first GPU there is, else CPU)")
    add_machine_flags(parser)
    return guarded(lambda: _table(parser.parse_args(argv)))


def list_all(argv: Sequence[str] | None = None) -> int:
    """List models, recipes, corpora, tables and how many of their runs exist."""
    parser = argparse.ArgumentParser(
        prog="glam list", description="Show models, recipes, corpora, tables and how many of their runs exist."
    )
    add_folder_flags(parser)

    def work() -> None:
        from glam.reports.listing import listing

        print(listing(*folders(parser.parse_args(argv))))

    return guarded(work)


def _table(args: argparse.Namespace) -> None:
    from glam.papers.table_files import markdown, write_files
    from glam.papers.tables import TABLES, Stored, recipes, table_report
    from glam.recipe import parse_override
    from glam.reports.summary import refuse_if_all_failed
    from glam.splits.splits import seeds

    wanted, setting = TABLES[args.number], args.setting
    fields: list[tuple[str, Any]] = []
    if args.corpus is not None:
        fields.append(("corpus.name", args.corpus))
    if args.precision is not None:
        fields.append(("training.precision", args.precision))
    fields += [parse_override(text) for text in args.set]
    known = list(seeds())
    if not 1 <= args.runs <= len(known):
        raise GlamError(f"--runs {args.runs}: expected 1 to {len(known)}, the number of the paper's runs")
    chosen = known[: args.runs]
    runs, data = folders(args)
    asked = recipes(wanted, setting, fields)
    if args.report:
        corpus = _indexed(asked[0].corpus.name, args.datadir, data)
    else:
        corpus = _train(args, wanted, setting, asked, chosen)
    report = table_report(wanted, setting, fields, Stored(runs, corpus), chosen, args.select)
    print(markdown(report))
    if args.output is not None:
        for path in write_files(report, args.output):
            say(f"written: {path}")
    if not args.report:
        refuse_if_all_failed(sum(len(row.results) for row in report.rows), sum(len(row.failed) for row in report.rows))
    if damaged := [f"{row.row.label}: {row.found.damaged}" for row in report.rows if row.found.damaged]:
        raise GlamError("left out of the table, as it is damaged: " + "\n".join(damaged))


def _indexed(name: str, datadir: Path | None, data: Path) -> "Corpus | None":
    """The corpus as the index has it, so that nothing of it need be there."""
    from glam.corpora.utterances import read_index
    from glam.places import corpus_root, index_folder

    corpus = read_index(index_folder(data, name))
    try:
        root = datadir or corpus_root(name)
    except GlamError:
        return corpus
    if corpus is not None and corpus.root.resolve() != root.resolve():
        raise GlamError(
            f"the index in {index_folder(data, name)} is of the corpus in {corpus.root}, not of {root}. Read that one "
            f"first (python handleIEMOCAP.py {root}), or give the other with --datadir."
        )
    return corpus


def _train(
    args: argparse.Namespace, wanted: "Table", setting: "Setting", asked: "list[Recipe]", seeds: Sequence[int]
) -> "Corpus":
    """Train the runs of the table's experiments that are missing; returns the corpus."""
    from glam.corpora import load_corpus
    from glam.papers.tables import distinct
    from glam.places import index_folder
    from glam.running.experiment import Places, experiment_on

    runs, data = folders(args)
    name = asked[0].corpus.name
    root = corpus_folder(name, args.datadir, data)
    machine = resources(args, asked[0].training.precision)
    corpus = load_corpus(name, root, index_folder(data, name))
    labels = {id(recipe): row.label for row, recipe in zip(wanted.rows, asked, strict=True)}
    experiments = {
        labels[id(recipe)]: experiment_on(corpus, recipe, Places(root, data, runs)) for recipe in distinct(asked)
    }
    missing = {
        label: [one for one in experiment.runs(seeds) if not experiment.finished(one)]
        for label, experiment in experiments.items()
    }
    say(f"table      {wanted.number}, {setting} setting: {len(asked)} rows, {len(experiments)} experiments")
    say(f"corpus     {corpus.root}: {len(corpus.utterances)} utterances")
    say_problems(corpus)
    say(f"device     {computed(machine, asked[0].training.precision)}")
    left, total = sum(map(len, missing.values())), sum(len(one.runs(seeds)) for one in experiments.values())
    say(f"runs       {total}, of which {total - left} are stored already")
    if left:
        todo = {label: experiment for label, experiment in experiments.items() if missing[label]}
        _run_all(todo, missing, machine, args.tensorboard)
    return corpus


def _run_all(
    experiments: "dict[str, Experiment]",
    missing: "dict[str, list[RunKey]]",
    machine: "Resources",
    follow: Path | None,
) -> None:
    from glam.running.experiment import run
    from glam.running.log import Log
    from glam.running.pace import run_seconds
    from glam.running.table_progress import Piece, TableProgress, estimate

    say("           finding out how long a run takes")
    seconds = run_seconds(list(experiments.values()), machine)
    pieces = [Piece(label, len(missing[label]), cost) for label, cost in zip(experiments, seconds, strict=True)]
    at_once = 1 if machine.packed else machine.at_once  # the seconds of a run in a pack are its share
    say(estimate(pieces, at_once, machine.described()))
    with TableProgress(pieces) as progress:
        for piece in pieces:
            progress.begin(piece)
            experiment = experiments[piece.label]
            where = computed(machine, experiment.recipe.training.precision)
            epochs = experiment.recipe.training.epochs
            with (
                board(follow, experiment.folder.name, progress) as heard,
                Log(experiment.folder, piece.runs, epochs, where, heard) as listen,
            ):
                run(experiment, missing[piece.label], machine, "none", listen)
    say_elsewhere(sum(not one.finished(seed) for label, one in experiments.items() for seed in missing[label]))
