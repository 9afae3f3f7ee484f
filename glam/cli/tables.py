"""The verbs `glam table` and `glam list`."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glam.cli.cluster import Executing, executing, settled
from glam.cli.flags import CORPUS, MACHINE, MANY, USUALLY, add_flags, corpus_fields, place, refuse_live_without_page
from glam.cli.guard import guarded, show
from glam.cli.machine import (
    corpus_folder,
    folders,
    logged,
    say_elsewhere,
    say_files_not_used,
    say_nothing_for_tensorboard,
    say_problems,
    take_files,
)
from glam.cli.shards import say_share, shard
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.corpora.utterances import Corpus
    from glam.papers.paper import Table
    from glam.papers.tables import Row, TableReport
    from glam.running.events import Listen
    from glam.running.experiment import Experiment
    from glam.running.table_progress import Piece
    from glam.splits.population import CorpusSettings
    from glam.splits.runs import RunKey

ORDERS = ("printed", "cheapest", "own")


def table(argv: Sequence[str] | None = None) -> int:
    """Train what is missing of a paper's table, and print it beside the printed numbers."""
    parser = argparse.ArgumentParser(
        prog="glam table",
        description="Train whatever runs of a paper's table are missing, and print the table: mean ± standard "
        "deviation beside the printed numbers. Interrupted, the same command goes on where it stopped.",
    )
    add = parser.add_argument
    add(
        "table",
        metavar="TABLE",
        help="its number, of the GLAM paper; <paper>/<number>, of another (glam list shows them); or "
        "<file>.yaml/<number>, of a paper of your own",
    )
    add("--setting", metavar="NAME", help="of all models: released or paper, for the GLAM paper (released)")
    add("--rows", action="append", default=[], metavar="LABEL", help="only the row so called, or in part; repeatable")
    add("--add", action="append", default=[], metavar="NAME|FILE", help="a recipe, as a row below; repeatable")
    add("--runs", type=int, metavar="N", help="the first N of the 100 seeds (the paper's number: 100, of GLAM)")
    add("--report", action="store_true", help="train nothing: only read what is there")
    add("-o", "--output", type=place, metavar="FOLDER", help="write Markdown, LaTeX, CSV and JSON there as well")
    add(
        "--bold",
        action="store_true",
        help="in the LaTeX, WA of the best row of each group in bold, where tests show it",
    )
    add(
        "--order",
        choices=ORDERS,
        default="own",
        help="rows are begun as printed, the cheapest first, or the paper's own model first (own)",
    )
    add_flags(
        parser, "html", "live", *CORPUS, "set", "protocol", "precision", "metric", "file", "datadir", *MACHINE, *MANY
    )
    usually = f"that of the printed table: of GLAM's Table 4 validation, of the others {USUALLY}"
    add_flags(
        parser, "select", help=f"epoch that counts: test, halves, validation or last, as in glam report ({usually})"
    )
    command = shlex.join(["glam", "table", *(sys.argv[1:] if argv is None else argv)])
    return guarded(lambda: _table(parser.parse_args(argv), command))


def list_all(argv: Sequence[str] | None = None) -> int:
    """List models, recipes, corpora, tables and how many of their runs exist."""
    parser = argparse.ArgumentParser(
        prog="glam list",
        description="Show models, inputs, losses, recipes, corpora, tables and how many of their runs exist.",
    )
    add_flags(parser, "runs-folder", "data-folder")

    def work() -> None:
        from glam.papers.listing import listing

        show(listing(*folders(parser.parse_args(argv))))

    return guarded(work)


def _table(args: argparse.Namespace, command: str) -> None:
    from glam.evaluation.metric import metric
    from glam.papers.paper import table as table_of
    from glam.papers.stored import Stored
    from glam.papers.table_files import write_files
    from glam.papers.table_text import markdown
    from glam.papers.tables import rows_of, table_report
    from glam.recipe import parse_override
    from glam.reports.runs import refuse_if_all_failed
    from glam.splits.runs import seeds

    refuse_live_without_page(args)
    if args.live and not args.report:
        raise GlamError("--live watches while another process trains the table: give --report as well")
    if args.bold and args.output is None:
        raise GlamError("--bold is about the LaTeX file: say with --output where to write it")
    wanted = table_of(args.table, args.setting)
    fields: list[tuple[str, Any]] = []
    fields += corpus_fields(args)
    if args.precision is not None:
        fields.append(("training.precision", args.precision))
    if args.protocol is not None:
        fields.append(("split.name", args.protocol))
    fields += [parse_override(text) for text in args.set]
    take_files(args)
    known = list(seeds())
    count = wanted.paper.seeds if args.runs is None else args.runs
    if not 1 <= count <= len(known):
        raise GlamError(f"--runs {count}: expected 1 to {len(known)}, the number of the release's seeds")
    chosen = known[:count]
    runs, data = folders(args)
    more = [metric(name) for name in args.metric]
    rows = rows_of(wanted, fields, args.rows, args.add)
    share = shard(args.shard)
    if share.count > 1:
        if args.report:
            raise GlamError("--report and --shard exclude each other: a report is of all runs, a share trains some")
        _train(args, wanted, rows, chosen)
        return
    corpus = _indexed(rows, args.datadir, data) if args.report else _train(args, wanted, rows, chosen)

    def read() -> "TableReport":
        return table_report(wanted, rows, fields, Stored(runs, corpus, data), chosen, args.select, more)

    report = read() if args.html is None else _page(args, command, read, rows, chosen, corpus)
    show(markdown(report))
    if args.output is not None:
        for path in write_files(report, args.output, args.bold):
            say(f"written: {path}")
    if not args.report:
        refuse_if_all_failed(sum(len(row.results) for row in report.rows), sum(len(row.failed) for row in report.rows))
    if damaged := [f"{row.row.label}: {row.stored.damaged}" for row in report.rows if row.stored.damaged]:
        raise GlamError("left out of the table, as it is damaged: " + "\n".join(damaged))


def _page(
    args: argparse.Namespace,
    command: str,
    read: "Callable[[], TableReport]",
    rows: "Sequence[Row]",
    seeds: Sequence[int],
    corpus: "Corpus | None",
) -> "TableReport":
    """Write the page of what is read of the table, with --live again and again; returns what was read last."""
    from glam.papers.table_page import complete, page, stored_for
    from glam.reports.page.document import write as write_page
    from glam.reports.page.live import about, keep_fresh

    runs, _ = folders(args)
    indexed = corpus.utterances if corpus else ()

    def write(live: bool) -> "TableReport":
        report = read()
        say(write_page(page(report, about(command), indexed, live=live), args.html))
        return report

    if not args.live:
        return write(False)
    return keep_fresh(write, lambda report: complete(report, seeds), lambda: stored_for(rows, runs))


def _corpus_of(rows: "Sequence[Row]") -> "CorpusSettings":
    """The settings of the corpus of all rows; GlamError where they are of several corpora, or of none."""
    corpora = {(recipe.corpus.name, recipe.corpus.label_set): recipe.corpus for row in rows if (recipe := row.recipe)}
    names = dict.fromkeys(name for name, _ in corpora)
    if not names:
        raise GlamError("none of the rows asked for has a recipe: they are shown as printed, and cannot be trained")
    if len(corpora) > 1:
        raise GlamError(f"the rows are on several corpora ({', '.join(names)}); --corpus NAME sets one for all")
    return next(iter(corpora.values()))


def _indexed(rows: "Sequence[Row]", datadir: Path | None, data: Path) -> "Corpus | None":
    """The corpus as the index has it, so that nothing of it need be there."""
    from glam.corpora.utterances import read_index
    from glam.places import corpus_root

    settings = _corpus_of(rows)
    corpus = read_index(settings.index(data))
    try:
        root = datadir or corpus_root(settings.name, data)
    except GlamError:
        return corpus
    if corpus is not None and corpus.root.resolve() != root.resolve():
        raise GlamError(
            f"the index in {settings.index(data)} is of the corpus in {corpus.root}, not of {root}. Read that one "
            f"first (glam corpus {settings.name} -d {root}), or give the other with --datadir."
        )
    return corpus


def _train(args: argparse.Namespace, wanted: "Table", rows: "Sequence[Row]", seeds: Sequence[int]) -> "Corpus":
    """Train the runs of the table's experiments that are missing; returns the corpus."""
    from glam.papers.tables import distinct
    from glam.places import file_flags
    from glam.results.experiment import store_experiment
    from glam.running.experiment import Places, experiment_on, lacking_files, set_damaged_aside
    from glam.words import counted

    runs, data = folders(args)
    settings = _corpus_of(rows)
    root = corpus_folder(settings.name, args.datadir, data)
    labels = {id(row.recipe): row.label for row in rows if row.recipe is not None}
    recipes = [row.recipe for row in rows if row.recipe is not None and not lacking_files(row.recipe)]
    for row in rows:
        if row.recipe is not None and (lacking := lacking_files(row.recipe)):
            say(f"not run    {row.label}: no file is given for {', '.join(lacking)} ({file_flags(lacking)})")
    if not recipes:
        raise GlamError("no row can be trained: each lacks a file, as said above")
    share, places = shard(args.shard), Places(root, data, runs)
    with executing(args, recipes[0].training.precision) as executed:
        corpus = settings.load(root, data)
        experiments = {labels[id(recipe)]: experiment_on(corpus, recipe, places) for recipe in distinct(recipes)}
        say_files_not_used()
        for label, experiment in experiments.items():
            for line in set_damaged_aside(experiment, experiment.runs(seeds)):
                say(f"set aside: {label}: {line}")
            if any(map(experiment.finished, experiment.runs(seeds))):
                store_experiment(experiment.stored)  # what a user was told to delete is written anew
        asked = share.of([(label, run) for label, of in experiments.items() for run in of.runs(seeds)])
        missing = {
            label: [run for of, run in asked if of == label and not experiment.finished(run)]
            for label, experiment in experiments.items()
        }
        setting = f", {wanted.variant} setting" if wanted.variant else ""
        say(
            f"table      {wanted.title}{setting}: {counted(len(rows), 'row')}, "
            f"{counted(len(experiments), 'experiment')}"
        )
        say(f"corpus     {corpus.root}: {len(corpus.utterances)} utterances")
        say_problems(corpus)
        say(f"device     {executed.where}")
        left = sum(map(len, missing.values()))
        say(f"runs       {len(asked)}{share.title}, of which {len(asked) - left} are stored already")
        if left:
            own = [row.label for row in rows if row.recipe is not None and row.printed.recipe == wanted.paper.own_model]
            _run_all(args, {label: experiments[label] for label in missing if missing[label]}, missing, executed, own)
        elif args.tensorboard is not None:
            say_nothing_for_tensorboard(args.tensorboard)
        if share.count > 1:
            say_share(share, sum(experiments[label].finished(run) for label, run in asked), len(asked), runs)
    return corpus


def _run_all(
    args: argparse.Namespace,
    experiments: "dict[str, Experiment]",
    missing: "dict[str, list[RunKey]]",
    executed: Executing,
    own: Sequence[str],
) -> None:
    from glam.running.pace import run_seconds
    from glam.running.room import check_room
    from glam.running.table_progress import estimate, ordered, pieces_of

    todo = [(experiment, missing[label]) for label, experiment in experiments.items()]
    check_room(todo, args.worker_corpus is None, say)
    executed = settled(executed, todo)
    say("           finding out how long a run takes: a few steps for each row, before any is trained")
    seconds = run_seconds(list(experiments.values()), executed.machine, *filter(None, [executed.measure]))
    pieces = ordered(pieces_of(list(experiments), missing, seconds), args.order, own)
    say(estimate(pieces, executed.slots, executed.machine.described()))
    _train_pieces(args, {experiments[piece.label]: piece for piece in pieces}, missing, executed)
    say_elsewhere(
        sum(not experiment.finished(run) for label, experiment in experiments.items() for run in missing[label])
    )


def _train_pieces(
    args: argparse.Namespace,
    pieces: "dict[Experiment, Piece]",
    missing: "dict[str, list[RunKey]]",
    executed: Executing,
) -> None:
    """Train the runs of all pieces, in this order; with --wait, those that another process has are waited for."""
    from glam.running.table_progress import RowProgress, TableProgress, by_experiment
    from glam.running.training import run_all
    from glam.running.waiting import train_and_wait

    @contextmanager
    def listening(experiment: "Experiment") -> "Iterator[Listen]":
        row = RowProgress(pieces[experiment], progress)
        with logged(experiment, row.runs, args.tensorboard, executed.where, row) as listen:
            yield listen

    todo = [(experiment, missing[piece.label]) for experiment, piece in pieces.items()]
    train = train_and_wait if args.wait else run_all
    with (
        TableProgress(list(pieces.values()), executed.slots) as progress,
        by_experiment({experiment: len(runs) for experiment, runs in todo}, listening) as listen,
    ):
        train(todo, executed.machine, "none", listen, executed.execute)
