"""The verb `glam train`, which is also train.py."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glam.cli.cluster import executing, settled
from glam.cli.flags import CORPUS, MACHINE, MANY, add_flags, corpus_fields, place
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
from glam.cli.release_flags import add_release_flags, notes, overrides, with_config
from glam.cli.shards import Shard, say_share, shard
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.running.experiment import Experiment
    from glam.running.job import SaveModel
    from glam.splits.runs import RunKey


def train(argv: Sequence[str] | None = None, prog: str = "glam train") -> int:
    """Train the runs of a recipe that are missing, and report on them."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Train seeded runs of a recipe and print WA / UA / F1 as mean ± standard deviation. Runs that "
        "are stored already are not trained again; an interrupted one goes on from its last checkpoint.",
    )
    add = parser.add_argument
    add(
        "--recipe",
        default="glam-released",
        metavar="NAME|FILE",
        help="settings to start from (glam-released)",
    )
    add("--seeds", type=place, metavar="FILE", help="a seed a line (the release's 100 seeds)")
    add("--runs", type=int, metavar="N", help="the first N seeds, each with all its folds (1)")
    add("--next", type=int, metavar="N", help="the next N seeds that have no result yet")
    add(
        "--save-model",
        choices=["none", "last", "best"],
        help="weights to keep: of no, the last, the best epoch (none; of an experiment's first run, the best)",
    )
    add("--verify-corpus", action="store_true", help="hash every audio file and stored feature again")
    machine = (flag for flag in MACHINE if flag != "gpu")
    add_flags(parser, *CORPUS, "set", "protocol", "precision", "select", "file", *machine, *MANY)
    add_release_flags(parser)

    def work() -> None:
        _train(with_config(parser, argv))

    return guarded(work)


def _train(args: argparse.Namespace) -> None:
    from glam.recipe import load_recipe, parse_override
    from glam.reports.runs import refuse_if_all_failed
    from glam.reports.summary import report as report_on
    from glam.results.experiment import store_experiment
    from glam.results.run import read_run
    from glam.running.experiment import Places, prepare, set_damaged_aside, verify_stores
    from glam.running.live import live_of
    from glam.running.training import run_all
    from glam.running.waiting import train_and_wait

    if args.save_model is not None and args.SaveModel is not None:
        raise GlamError("--save-model and --SaveModel say the same in two ways: give one of them")
    fields: list[tuple[str, Any]] = corpus_fields(args) + overrides(args)
    if args.precision is not None:
        fields.append(("training.precision", args.precision))
    if args.protocol is not None:
        fields.append(("split.name", args.protocol))
    fields += [parse_override(text) for text in args.set]
    recipe = load_recipe(args.recipe, fields)
    take_files(args)
    asked = _seeds(args)
    runs, data = folders(args)
    places = Places(corpus_folder(recipe.corpus.name, args.datadir, data), data, runs)
    share = shard(args.shard)
    with executing(args, recipe.training.precision) as executed:
        for line in notes(args):
            say(line)
        experiment = prepare(recipe, places, verify=args.verify_corpus)
        say_files_not_used()
        seeds = asked if args.next is None else _next(args.next, asked, experiment)
        runs_asked = share.of(experiment.runs(seeds))
        for line in set_damaged_aside(experiment, runs_asked):
            say(f"set aside: {line}")
        missing = [run for run in runs_asked if not experiment.finished(run)]
        _banner(experiment, executed.where, runs_asked, missing, share)
        if args.verify_corpus:
            verify_stores(experiment, executed.machine.device)
        save: SaveModel = args.save_model or ("best" if args.SaveModel else "none")
        _say_without_effect(args, save, experiment, runs_asked, missing)
        if missing:
            todo = [(experiment, missing)]
            executed = settled(executed, todo)
            say(
                "next       features are extracted where they are not stored yet; after the first steps comes an "
                "estimate"
            )
            with (
                live_of(experiment, missing) as shown,
                logged(experiment, len(missing), args.tensorboard, executed.where, shown) as listen,
            ):
                train = train_and_wait if args.wait else run_all
                train(todo, executed.machine, save, lambda _, event: listen(event), executed.execute)
            say_elsewhere(sum(not experiment.finished(run) for run in missing))
        else:
            store_experiment(experiment.stored)  # what a user was told to delete is written anew
    if share.count > 1:
        say_share(share, sum(map(experiment.finished, runs_asked)), len(runs_asked), runs)
        return
    show(report_on(experiment.folder, args.select, None if args.next is not None else seeds))
    stored = {run.name for run in runs_asked} & set(experiment.stored.seeds())
    failed = [read_run(experiment.folder / name).failed is not None for name in stored]
    refuse_if_all_failed(failed.count(False), failed.count(True))


def _seeds(args: argparse.Namespace) -> list[int]:
    """The seeds that the flags ask for; with --next, all those among which the next without a result are looked for."""
    from glam.splits.runs import read_seeds, seeds

    given = [flag for flag in ("seed", "runs", "next") if getattr(args, flag) is not None]
    if len(given) > 1:
        raise GlamError(f"--{' and --'.join(given)} exclude each other: one seed, the first N, or the next N")
    if args.seed is not None and args.seeds is not None:
        raise GlamError("--seed and --seeds exclude each other: one seed, or those of a file")
    if args.seed is not None:
        if not 0 <= args.seed < 2**32:
            raise GlamError(f"--seed {args.seed}: expected a number from 0 to {2**32 - 1}")
        return [args.seed]
    known = read_seeds(args.seeds) if args.seeds else list(seeds())
    count = args.next if args.next is not None else args.runs if args.runs is not None else 1
    if not 1 <= count <= len(known):
        raise GlamError(f"--{given[0] if given else 'runs'} {count}: expected 1 to {len(known)}, the number of seeds")
    return known if args.next is not None else known[:count]


def _next(count: int, known: "Sequence[int]", experiment: "Experiment") -> list[int]:
    left = [seed for seed in known if not all(map(experiment.finished, experiment.runs([seed])))]
    if not left:
        say("every seed has its result; nothing is left to train")
    return left[:count]


def _say_without_effect(
    args: argparse.Namespace,
    save: "SaveModel",
    experiment: "Experiment",
    asked: "Sequence[RunKey]",
    missing: "Sequence[RunKey]",
) -> None:
    """Say what of the flags is about training alone, and so not for the runs that are stored already."""
    from glam.words import counted

    if save != "none" and (without := experiment.without_model(asked)):
        say(
            f"--save-model {save}: not for {counted(len(without), 'run')} without a model, stored already: weights are "
            "kept while a run is trained (--next N trains others)"
        )
    if args.tensorboard is not None and not missing:
        say_nothing_for_tensorboard(args.tensorboard)


def _banner(
    experiment: "Experiment", where: str, asked: "Sequence[RunKey]", missing: "Sequence[RunKey]", share: "Shard"
) -> None:
    from glam.reports.summary import SYNTHETIC
    from glam.splits.crossing import warnings
    from glam.splits.few import few
    from glam.splits.known import Parts, PublishedFolds
    from glam.words import counted

    recipe = experiment.recipe
    say(f"recipe     {recipe.name}: {recipe.model.title}, {counted(recipe.training.epochs, 'epoch')}")
    for line in recipe.without_effect():
        say(f"           note: {line}")
    say(f"corpus     {experiment.population.composition()}")
    say_problems(experiment.corpus)
    for note in experiment.corpus.notes:
        say(f"           note: {note}")
    if asked:
        divided = recipe.split.title if isinstance(recipe.split, Parts | PublishedFolds) else ""
        for line in warnings(
            experiment.population.groups, recipe.split.split(experiment.population.groups, asked[0]), divided
        ):
            say(f"           {line}")
    seeds = list(dict.fromkeys(run.seed for run in asked))
    for line in few(
        experiment.population.groups, recipe.split, seeds, experiment.stored.targets, recipe.corpus.classes
    ):
        say(f"           {line}")
    if experiment.corpus.synthetic:
        say(f"           {SYNTHETIC}")
    for line in experiment.stored.remarks:
        say(f"input      {line}")
    say(f"device     {where}")
    say(f"runs       {len(asked)}{share.title}, of which {len(asked) - len(missing)} are stored already")
    say(f"results    {experiment.folder}")
