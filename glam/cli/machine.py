"""The machine that a command runs on, as its flags say: corpus, folders, device, threads."""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glam.errors import GlamError, put_once
from glam.processor import cores
from glam.progress import say

if TYPE_CHECKING:
    from glam.corpora.utterances import Corpus
    from glam.learning.settings import Precision
    from glam.running.events import Listen
    from glam.running.experiment import Experiment
    from glam.running.job import Resources


def say_problems(corpus: "Corpus") -> None:
    """Say what of the corpus cannot be used: a line for each kind of problem, with the first few names."""
    kinds: dict[str, list[str]] = {}
    for problem in corpus.problems:
        kinds.setdefault(problem.kind, []).append(problem.subject)
    for kind, subjects in kinds.items():
        more = f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""
        say(f"           not used, {kind}: {len(subjects)} ({', '.join(subjects[:3])}{more})")
    if kinds:
        say("           glam corpus says what is wrong with each of them")


@contextmanager
def logged(
    experiment: "Experiment", runs: int, tensorboard: Path | None, where: str, listen: "Listen"
) -> "Iterator[Listen]":
    """A listener to an experiment's runs that passes on what it hears to that one, to the log and to TensorBoard.

    tensorboard: the folder that --tensorboard gives. where: they are computed, in words.
    """
    from glam.running.log import Log

    with ExitStack() as stack:
        if tensorboard is not None:
            from glam.running.board import Board

            listen = stack.enter_context(Board(tensorboard / experiment.folder.name, listen))
        epochs = experiment.recipe.training.epochs
        yield stack.enter_context(Log(experiment.folder, runs, epochs, where, listen))


def say_elsewhere(left: int) -> None:
    """Say that so many of the runs asked for are not stored, as another process has them: none are lost in silence."""
    from glam.words import counted

    if left:
        say(f"{counted(left, 'run')} of those asked for are not stored yet: another process has them")


def computed(machine: "Resources", precision: str) -> str:
    """Device, precision, threads and runs at once, in words."""
    from glam.words import counted

    if not machine.threads:
        return f"{machine.device}, {precision}, as many CPU threads a run as are fastest"
    return f"{machine.device}, {precision}, {counted(machine.threads, 'CPU thread')} a run, {machine.described()}"


def take_files(args: argparse.Namespace) -> None:
    """Take note of the files beside the corpus that --file gives: they go before the environment's."""
    from glam.places import give_files

    files: dict[str, str] = {}
    for given in args.file:
        name, equals, path = given.partition("=")
        if not (equals and path.strip() and name.isidentifier() and name.isupper()):
            raise GlamError(f"--file {given}: expected NAME=PATH, for example --file GLOVE=glove.840B.300d.txt")
        put_once(files, name, path, f"--file {given}")
    give_files(files)


def say_nothing_for_tensorboard(folder: Path) -> None:
    """Say that TensorBoard gets nothing, as no run is left to train."""
    say(f"--tensorboard: nothing is left to train, so nothing is written to {folder}")


def say_files_not_used() -> None:
    """Say which of the files that --file gave nothing has looked for, once everything has been read."""
    from glam.places import files_not_used

    for name in files_not_used():
        say(f"--file {name}: not used: no input here reads a file of that name")


def folders(args: argparse.Namespace) -> tuple[Path, Path]:
    """The folders of runs and of data."""
    from glam.places import data_folder, runs_folder

    return args.runs_folder or runs_folder(), args.data_folder or data_folder()


def corpus_folder(name: str, datadir: Path | None, data: Path) -> Path:
    """The folder of the corpus of that name; makes a synthetic one if it is not there yet."""
    if datadir is not None:
        if not datadir.exists():  # said before anything that takes long begins
            what = "release, with Session1 ... Session5 in it" if name == "iemocap" else f"corpus {name}"
            raise GlamError(f"{datadir} does not exist; expected the folder of the {what}.")
        return datadir
    from glam.corpora.made import MADE, folder_of

    if name in MADE and not (data / name).is_dir():
        say(f"making the corpus {name} in {data / name}")
    try:
        return folder_of(name, data)
    except GlamError as error:
        if name != "iemocap":
            raise
        raise GlamError(
            f"{error}\nIEMOCAP is licensed and cannot come with this project. Without it, the demonstration runs on a "
            "corpus that the project makes itself: ./run (or python train.py --recipe demo --runs 5)."
        ) from None


def resources(args: argparse.Namespace, precision: "Precision") -> "Resources":
    """Device, threads (0: to be measured) and runs at once, as the flags say; GlamError for what is not here."""
    from glam.learning.settings import check_precision
    from glam.running.job import Resources
    from glam.running.processes import expect_torch

    if not 0 <= args.checkpoint_every < float("inf"):
        raise GlamError(f"--checkpoint-every {args.checkpoint_every}: expected seconds, 0 or more")
    expect_torch()  # mistakes are found by now, and the corpus is still to be read
    where = device(args.gpu)
    check_precision(precision, where)
    if not args.threads and where != "cpu":
        raise GlamError(f"--threads auto: measured on a CPU only, and runs are on {where}. Give a number.")
    if args.runs_at_once == "auto":
        at_once = {"cpu": max(1, cores() // args.threads) if args.threads else 0, "mps": 1}.get(where, 0)
    elif args.runs_at_once.isdigit() and int(args.runs_at_once) > 0:
        at_once = int(args.runs_at_once)
    else:
        raise GlamError(f"--runs-at-once {args.runs_at_once}: expected a number from 1, or auto")
    return Resources(where, args.threads, at_once, args.checkpoint_every, packed=where.startswith("cuda"))


def device(gpu: int | None) -> str:
    """The device of that number, -1 the CPU, None the first GPU or else the CPU; GlamError where it is not there."""
    if gpu is not None and gpu < 0:
        return "cpu"
    from glam.running.processes import with_torch

    return with_torch(_device, gpu)


def _device(gpu: int | None) -> str:
    import torch

    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        if (gpu or 0) >= count:
            raise GlamError(f"--gpu {gpu}: there are {count} GPUs, numbered from 0; -1 is the CPU")
        return f"cuda:{gpu or 0}"
    if torch.backends.mps.is_available():
        return "mps"
    if gpu is not None:
        raise GlamError(f"--gpu {gpu}: torch sees no GPU here; -1 is the CPU")
    return "cpu"
