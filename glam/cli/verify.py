"""The verb `glam verify`: trains a stored run again from its own record."""

import argparse
from collections.abc import Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glam.cli.flags import add_flags, place
from glam.cli.guard import guarded, show
from glam.cli.machine import corpus_folder, device, say_files_not_used, take_files
from glam.cli.stored import corpus_of, find
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.recipe import Recipe
    from glam.results.experiment import StoredExperiment
    from glam.results.run import StoredRun
    from glam.running.experiment import Experiment, Places
    from glam.splits.population import CorpusSettings


def verify(argv: Sequence[str] | None = None) -> int:
    """Train a stored run again, and say whether it came out the same."""
    parser = argparse.ArgumentParser(
        prog="glam verify",
        description="Train a stored run again, from its own record and into a temporary folder, and say whether it "
        "came out the same: bit for bit, or by how much. The stored run is only read. "
        "Exit status: 0 the same, 1 different, 2 it could not be found out.",
    )
    add = parser.add_argument
    add("run", type=place, help="<experiment>/<seed>: its folder, or that in the runs folder")
    add("--epochs", type=int, metavar="N", help="only the first N, which do not depend on how many follow (all)")
    add_flags(parser, "moved-corpus", "code", "file", "datadir", "data-folder", "runs-folder")
    add_flags(parser, "gpu", help="number of the GPU, -1 = CPU (the kind of device that it was trained on)")
    return guarded(lambda: _verify(parser.parse_args(argv)), "the stored run is as it was")


def _verify(args: argparse.Namespace) -> int:
    from glam.places import data_folder
    from glam.reports.verify import compare_runs, environment_differences
    from glam.results.experiment import experiment_of
    from glam.results.run import read_run
    from glam.running.experiment import Places
    from glam.running.processes import expect_torch

    folder = find(args.run, args.runs_folder)
    stored, original = read_run(folder), experiment_of(folder)
    if args.epochs is not None and stored.failed is not None:
        raise GlamError(f"--epochs: the run in {args.run} failed; whether it fails again shows only the whole of it")
    if args.epochs is not None and not 1 <= args.epochs <= len(stored.epochs):
        raise GlamError(f"--epochs {args.epochs}: the run in {args.run} has epochs 1 to {len(stored.epochs)}")
    if stored.failed is None:
        stored.predictions()  # damage is said before anything long
    data = args.data_folder or data_folder()
    take_files(args)
    corpus = corpus_of(original, args.corpus)
    root = corpus_folder(corpus.name, args.datadir, data)
    expect_torch()
    with TemporaryDirectory(prefix="glam-verify-") as temporary:
        experiment = _experiment(original, corpus, Places(root, data, Path(temporary)), args.epochs, args.code)
        say_files_not_used()
        again = _train(experiment, stored, args.gpu)
        outcome = compare_runs(stored, again)
        show("\n".join(outcome.lines))
        differences = environment_differences(stored.environment, again.environment)
        show(f"environment: {'; '.join(differences) or 'as recorded'}")
    return 0 if outcome.same else 1


def _experiment(
    original: "StoredExperiment", corpus: "CorpusSettings", places: "Places", epochs: int | None, code: Sequence[Path]
) -> "Experiment":
    """The experiment as it was recorded, to be trained at `places`; GlamError where corpus or code is another."""
    from glam.recipe import checked
    from glam.results.identity import FORMAT
    from glam.running.experiment import experiment_on, prepare
    from glam.running.own_code import not_used, where_given

    if original.format != FORMAT:
        raise GlamError(
            f"{original.folder}: is of format {original.format}, which this version reads, but does not train on"
        )
    for path in not_used(original.recipe, code):
        say(f"--code {path}: not used: none of the files of one's own that were recorded is there")
    recorded_recipe = where_given(original.recipe.model_copy(update={"corpus": corpus}), code)
    _check_code(original, recorded_recipe)
    recipe = checked(recorded_recipe.model_dump(mode="json"), f"{original.folder}: the recorded recipe")
    experiment = prepare(recipe, places)
    current, recorded = dict(experiment.stored.identity), dict(original.identity)
    corpora = current.pop("corpus_digest"), recorded.pop("corpus_digest", None)
    if current.pop("outside", {}) != recorded.pop("outside", {}):
        raise GlamError(
            f"{original.folder}: its inputs read other files beside the corpus (or other words of it) than those that "
            f"were recorded: {'; '.join(original.remarks)}. Give them with --file NAME=PATH."
        )
    if current != recorded:
        raise GlamError(
            f"{original.folder}: its recipe means other settings to this version of glam than to the recorded"
        )
    if corpora[0] != corpora[1]:
        theirs, ours = set(original.ids), set(experiment.stored.ids)
        raise GlamError(
            f"{experiment.corpus.root}: is not the corpus that {original.folder} was trained on: of its {len(theirs)} "
            f"utterances {len(theirs - ours)} are missing here, {len(ours - theirs)} are more, and of the rest labels "
            "or recordings may differ. Give the right one with --datadir."
        )
    if epochs is None:
        return experiment
    # Nothing in an epoch depends on how many follow: neither its draws nor its learning rate.
    shorter = recipe.replaced(training=recipe.training.model_copy(update={"epochs": epochs}))
    return experiment_on(experiment.corpus, shorter, places)


def _check_code(original: "StoredExperiment", recipe: "Recipe") -> None:
    """GlamError where a file of the user's own is not there as it was recorded: which file to give."""
    from glam.running.own_code import CODE, content_kept, own_files

    for before, now in zip(own_files(original.recipe), own_files(recipe), strict=True):
        kept = (
            original.folder / CODE if content_kept(before, original.folder) is not None else before.source().path.name
        )
        hint = f"Give the file that it was: --code {kept}"
        try:
            now.check_file()
        except GlamError as error:
            raise GlamError(f"{error}. {hint}") from None
        if now.title != before.title:  # it is part of the identity
            raise GlamError(f"--code {now.source().path}: was called {before.source().path.name}. {hint}")


def _train(experiment: "Experiment", stored: "StoredRun", gpu: int | None) -> "StoredRun":
    from glam.reports.summary import computed_on
    from glam.results.run import read_run
    from glam.running.experiment import verify_stores
    from glam.running.job import Resources
    from glam.running.live import live_of
    from glam.running.training import run
    from glam.words import counted

    recorded = stored.environment
    where = device(-1 if gpu is None and recorded.get("device") == "cpu" else gpu)
    machine = Resources(where, int(recorded.get("threads", 1)), 1, inf)
    epochs = experiment.recipe.training.epochs
    say(f"run        {stored.folder}: {experiment.recipe.model.name}, {counted(epochs, 'epoch')} again")
    say(f"corpus     {experiment.corpus.root}, as recorded")
    say(f"recorded   {computed_on([stored])}")
    verify_stores(experiment, where)  # whatever is remembered of them: what is read is what is certified
    with live_of(experiment, [stored.key]) as listen:
        run(experiment, [stored.key], machine, "none", listen)
    return read_run(experiment.folder / stored.folder.absolute().name)
