"""The verb `glam doctor`."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from glam.cli.flags import CORPUS, add_flags, columns_of, corpus_fields, refuse
from glam.cli.guard import guarded
from glam.cli.machine import computed, corpus_folder, folders, resources, say_files_not_used, take_files
from glam.errors import GlamError
from glam.foreign import plain

if TYPE_CHECKING:
    from pathlib import Path

    from glam.papers.outlook import Outlook
    from glam.running.doctor import Finding
    from glam.running.experiment import Places
    from glam.running.job import Resources


def doctor(argv: Sequence[str] | None = None) -> int:
    """Say whether this machine can train, and how long tables would take."""
    parser = argparse.ArgumentParser(
        prog="glam doctor",
        description="Look at this machine: versions, driver, device, cores, locks, corpus, and whether its "
        "arithmetic is right; then how long each table would take on that corpus and what disk it needs. Nothing is "
        "trained or extracted. Exit status 1 where something is WRONG; a note changes nothing.",
    )
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help="tables to time: 1, glrf/2 (those of the GLAM paper)"
    )
    parser.add_argument("--no-tables", action="store_true", help="leave out the corpus and the time of tables")
    add_flags(
        parser, *CORPUS, "set", "precision", "file", "datadir", "gpu", "runs-at-once", "threads", "runs-folder",
        "data-folder",
    )  # fmt: skip
    parser.set_defaults(checkpoint_every=0.0)
    return guarded(lambda: _examine(parser.parse_args(argv)), "nothing was changed")


def _examine(args: argparse.Namespace) -> int:
    from glam.running.doctor import Finding

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    wrong = 0
    for finding in _findings(args):
        print(plain(finding.lines(width), lines=True), flush=True)
        wrong += finding.state == "WRONG"
    verdict = f"{wrong} of this must be mended" if wrong else "this machine can train"
    print(Finding("verdict", verdict).lines())
    return 1 if wrong else 0


def _findings(args: argparse.Namespace) -> "Iterator[Finding]":
    from glam.recipe import load_recipe
    from glam.running import doctor
    from glam.running.room import free
    from glam.words import in_bytes

    if args.no_tables:
        why = "is about the corpus and the tables, which --no-tables leaves out"
        if args.tables:
            raise GlamError(f"{args.tables[0]}: {why}")
        refuse(args, ("corpus", "columns", "label_set", "set", "file", "datadir"), why)
    if args.threads < 1:
        raise GlamError(f"--threads {args.threads}: at least one is needed")
    runs, data = folders(args)
    yield from doctor.software()
    yield doctor.driver(wanted=args.gpu is None or args.gpu >= 0)
    machine = resources(args, args.precision or "fp32")
    yield from doctor.hardware(machine)
    yield doctor.locks(runs, "runs")
    yield doctor.locks(data, "data")
    yield doctor.Finding("disk", f"{in_bytes(free(runs))} free for runs, {in_bytes(free(data))} for index and features")
    yield from doctor.arithmetic(load_recipe("glam-released"), machine)
    yield doctor.features(machine.device)
    if not args.no_tables:
        yield from _tables(args, runs, data, machine)


def _tables(args: argparse.Namespace, runs: "Path", data: "Path", machine: "Resources") -> "Iterator[Finding]":
    from glam.papers.outlook import outlook
    from glam.papers.paper import FIRST, read_paper, table
    from glam.recipe import corpus_settings, parse_override
    from glam.running.doctor import Finding
    from glam.running.experiment import Places
    from glam.words import counted

    tables = [table(name) for name in args.tables or read_paper(FIRST).tables]
    take_files(args)
    name = args.corpus or "iemocap"
    asked = args.corpus or args.datadir or args.tables
    try:
        settings = corpus_settings(name, args.label_set or "", columns_of(args.columns))
        root = corpus_folder(settings.name, args.datadir, data)
        asked = True  # it lies somewhere, and is to be right
        corpus = settings.load(root, data)
    except GlamError as error:
        advice = "without it, tables cannot be timed; --corpus synthetic times them on what this project makes"
        yield Finding("corpus", f"{name}: {error}", "WRONG" if asked else "note", advice)
        return
    unusable = f"{len(corpus.problems)} more cannot be used: glam corpus {settings.name} says why"
    text = f"{settings.name} in {corpus.root}: {counted(len(corpus.utterances), 'utterance')}"
    yield Finding("corpus", text, *(("note", unusable) if corpus.problems else ()))
    yield Finding("tables", f"each trained by itself on {computed(machine, args.precision or 'fp32')}")
    fields: list[tuple[str, Any]] = corpus_fields(args)
    fields += [("training.precision", args.precision)] if args.precision else []
    fields += [parse_override(text) for text in args.set]
    places = Places(root, data, runs)
    try:
        outlooks = outlook(tables, fields, corpus, places, machine)
    except GlamError as error:  # memory that is too little for so many runs at once, above all
        yield Finding("", str(error), "WRONG")
        return
    yield from _times(outlooks, places)
    say_files_not_used()


def _times(outlooks: "Sequence[Outlook]", places: "Places") -> "Iterator[Finding]":
    from glam.running.doctor import Finding
    from glam.running.room import lacks_room
    from glam.words import duration, in_bytes

    for why, alike in groupby(outlooks, lambda of: of.why):
        if why:
            yield Finding("", f"{', '.join(of.table.title for of in alike)}: cannot be trained: {why}", "note")
            continue
        for of in alike:
            text = (
                f"{of.table.title}: {of.missing} of {of.asked} runs to train, about {duration(of.seconds)}; "
                f"{in_bytes(of.bytes_of_runs)} of runs, {in_bytes(of.bytes_of_features)} of features"
            )
            if lacking := lacks_room(places, of.bytes_of_runs, of.bytes_of_features):
                yield Finding("", text, "WRONG", f"{lacking}: make room, or choose another with GLAM_RUNS or GLAM_DATA")
            elif of.lacking:
                yield Finding("", text, "note", f"without the rows that want {', '.join(of.lacking)} (--file)")
            else:
                yield Finding("", text)
