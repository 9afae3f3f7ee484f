"""The verb `glam doctor`."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from glam.cli.flags import add_flags
from glam.cli.guard import guarded
from glam.cli.machine import computed, corpus_folder, folders, resources
from glam.errors import GlamError

if TYPE_CHECKING:
    from pathlib import Path

    from glam.running.doctor import Finding
    from glam.running.job import Resources


def doctor(argv: Sequence[str] | None = None) -> int:
    """Say whether this machine can train, and how long tables would take."""
    parser = argparse.ArgumentParser(
        prog="glam doctor",
        description="Look at this machine: versions, driver, device, cores, locks, corpus, and whether its "
        "arithmetic is right; then how long each table would take and what disk it needs. Nothing is trained or "
        "extracted. Exit status 1 where something is WRONG. A corpus that is missing is so only if it, or a table, was "
        "asked for.",
    )
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help="tables to time: 1, glrf/2 (those of the GLAM paper)"
    )
    parser.add_argument("--no-tables", action="store_true", help="leave out the corpus and the time of tables")
    add_flags(
        parser, "corpus", "precision", "datadir", "gpu", "runs-at-once", "threads", "checkpoint-every", "runs-folder",
        "data-folder",
    )  # fmt: skip
    return guarded(lambda: _examine(parser.parse_args(argv)), "nothing was changed")


def _examine(args: argparse.Namespace) -> int:
    from glam.running.doctor import Finding

    wrong = 0
    for finding in _findings(args):
        print(finding.line(), flush=True)
        wrong += finding.state == "WRONG"
    verdict = f"{wrong} of this must be mended" if wrong else "this machine can train"
    print(Finding("verdict", verdict).line())
    return 1 if wrong else 0


def _findings(args: argparse.Namespace) -> "Iterator[Finding]":
    from glam.recipe import load_recipe
    from glam.running import doctor
    from glam.running.room import free
    from glam.words import in_bytes

    runs, data = folders(args)
    yield from doctor.software()
    yield doctor.driver()
    machine = resources(args, args.precision or "fp32")
    yield from doctor.hardware(machine.device)
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
    from glam.recipe import corpus_settings
    from glam.running.doctor import Finding
    from glam.running.experiment import Places
    from glam.running.room import free
    from glam.words import duration, in_bytes

    tables = [table(name) for name in args.tables or read_paper(FIRST).tables]
    name = args.corpus or "iemocap"
    try:
        settings = corpus_settings(name)
        root = corpus_folder(settings.name, args.datadir, data)
        corpus = settings.load(root, data)
    except GlamError as error:
        asked = args.tables or args.corpus is not None or args.datadir is not None
        advice = "without it, tables cannot be timed; give its folder with -d, or another corpus with --corpus"
        yield Finding("corpus", f"{name}: {error}", "WRONG" if asked else "note", advice)
        return
    problems = f", {len(corpus.problems)} not usable (handleIEMOCAP.py says why)" if corpus.problems else ""
    text = f"{name} in {corpus.root}: {len(corpus.utterances)} utterances{problems}"
    yield Finding("corpus", text, "note" if problems else "ok")
    yield Finding("tables", f"trained each by itself, {computed(machine, args.precision or 'fp32')}")
    overrides = [("corpus.name", name)] + ([("training.precision", args.precision)] if args.precision else [])
    try:
        outlooks = outlook(tables, overrides, corpus, Places(root, data, runs), machine)
    except GlamError as error:  # memory that is too little for so many runs at once, above all
        yield Finding("", str(error), "WRONG")
        return
    for of in outlooks:
        if of.why:
            yield Finding("", f"{of.table.title}: cannot be trained: {of.why}", "note")
            continue
        needed = of.bytes_of_runs + of.bytes_of_features
        room = needed <= min(free(runs), free(data))
        text = (
            f"{of.table.title}: {of.missing} of {of.asked} runs to train, about {duration(of.seconds)}; "
            f"{in_bytes(of.bytes_of_runs)} of runs, {in_bytes(of.bytes_of_features)} of features"
        )
        advice = "" if room else "that does not fit: make room, or choose other folders (GLAM_RUNS, GLAM_DATA)"
        yield Finding("", text, "ok" if room else "WRONG", advice)
