"""`glam <verb>`: one function a verb. `train.py`, `handleIEMOCAP.py` and `run` lead here, too."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from glam.errors import GlamError

if TYPE_CHECKING:
    from glam.training.experiment import Experiment
    from glam.training.workers import Resources, SaveModel


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point `glam`."""
    verbs = {"train": train, "report": report, "export": export}
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="glam",
        description="Speech emotion recognition: GLAM (ICASSP 2022) reproduced, and a bench for models like it.",
        epilog="`glam <verb> --help` says more.",
    )
    choose = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, verb in verbs.items():
        choose.add_parser(name, help=(verb.__doc__ or "").splitlines()[0], add_help=False)
    if not words or words[0] not in verbs:
        parser.parse_args(words)
    return verbs[words[0]](words[1:])


def guarded(work: Callable[[], None]) -> int:
    """Run an entry point's work: a user's mistake is one message and status 2, Ctrl-C status 130."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        work()
    except GlamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "interrupted; finished runs are kept, and the same command goes on where it stopped",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        return 141
    except OSError as error:
        print(
            f"error: {error}. Nothing is half-written; mend it and run the same command again.",
            file=sys.stderr,
        )
        return 2
    return 0


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def train(argv: Sequence[str] | None = None, prog: str = "glam train", iemocap: str = "") -> int:
    """Train the runs of a recipe that are missing, and report on them."""
    from glam.release_flags import add_release_flags, with_config

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
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the recipe: training.lr=1e-4",
    )
    add("--seeds", type=Path, metavar="FILE", help="a seed a line (the release's 100 seeds)")
    add("--runs", type=int, metavar="N", help="the first N seeds (1)")
    add("--next", type=int, metavar="N", help="the next N seeds that have no result yet")
    add("--precision", choices=["fp32", "tf32", "bf16"], help="of the arithmetic (fp32)")
    add(
        "--save-model",
        choices=["none", "last", "best"],
        help="weights to keep: of no, the last, the best epoch (none)",
    )
    add(
        "--select",
        choices=["test", "validation", "last"],
        default="test",
        help="epoch that the report counts (test)",
    )
    add(
        "--runs-at-once",
        default="auto",
        metavar="N|auto",
        help="runs side by side; auto: one a CPU core, one a GPU",
    )
    add("--threads", type=int, default=1, metavar="N", help="CPU threads of a run; results depend on it (1)")
    add("--checkpoint-every", type=float, default=60, metavar="S", help="seconds of a run that a kill may cost (60)")
    add("--verify-corpus", action="store_true", help="hash every audio file and stored feature again")
    add("--runs-folder", type=Path, metavar="FOLDER", help="where results lie (GLAM_RUNS, else runs)")
    add(
        "--data-folder",
        type=Path,
        metavar="FOLDER",
        help="where index and features lie (GLAM_DATA, else data)",
    )
    add_release_flags(parser)

    def work() -> None:
        _train(with_config(parser, argv), iemocap)

    return guarded(work)


def _train(args: argparse.Namespace, iemocap: str) -> None:
    from glam.data.places import corpus_root, data_folder, runs_folder
    from glam.release_flags import notes, overrides
    from glam.reports.live import Live
    from glam.reports.summary import report as report_on
    from glam.training.experiment import Places, prepare, run, verify_stores
    from glam.training.recipe import load_recipe, parse_override

    fields: list[tuple[str, Any]] = overrides(args)
    if args.precision is not None:
        fields.append(("training.precision", args.precision))
    fields += [parse_override(text) for text in args.set]
    recipe = load_recipe(args.recipe, fields)
    data = args.data_folder or data_folder()
    root = Path(args.datadir).expanduser() if args.datadir else _root(recipe.corpus.name, iemocap, corpus_root)
    places = Places(root, data, args.runs_folder or runs_folder())
    resources = _resources(args, recipe.training.precision)
    for line in notes(args):
        _say(line)
    experiment = prepare(recipe, places, verify=args.verify_corpus)
    seeds = _seeds(args, experiment.finished)
    missing = [seed for seed in seeds if not experiment.finished(seed)]
    _banner(experiment, resources, seeds, missing)
    if args.verify_corpus:
        verify_stores(experiment, resources.device)
    save: SaveModel = args.save_model or ("best" if args.SaveModel else "none")
    if missing:
        share = (1 - recipe.split.train_share) / recipe.split.train_share
        share *= recipe.segments.train_hop / recipe.segments.test_hop / 3  # a forward pass is a third of a step
        with Live(len(missing), resources.at_once, recipe.training.epochs, share) as live:
            run(experiment, missing, resources, save, live)
    print(report_on(experiment.folder, args.select, None if args.next is not None else seeds))


def report(argv: Sequence[str] | None = None) -> int:
    """Report on stored runs: mean ± std, and what it takes to believe it."""
    parser = argparse.ArgumentParser(prog="glam report", description="Report on the stored runs of experiments.")
    parser.add_argument("folder", type=Path, nargs="*", help="of an experiment (every one in the runs folder)")
    parser.add_argument(
        "--select", choices=["test", "validation", "last"], default="test", help="epoch that counts (test)"
    )

    def work() -> None:
        from glam.data.places import runs_folder
        from glam.reports.summary import report as report_on
        from glam.results.run import EXPERIMENT

        args = parser.parse_args(argv)
        folders = args.folder or sorted(path.parent for path in runs_folder().glob(f"*/{EXPERIMENT}"))
        if not folders:
            raise GlamError(f"no experiment lies in {runs_folder()}; train one first (python train.py)")
        print("\n\n".join(report_on(folder, args.select) for folder in folders))

    return guarded(work)


def export(argv: Sequence[str] | None = None) -> int:
    """Write the predictions of a run as CSV: utterance, label, prediction, scores."""
    parser = argparse.ArgumentParser(
        prog="glam export",
        description="Write a run's held-out utterances as CSV: utterance, label, prediction, and the "
        "probability of each class.",
    )
    parser.add_argument("run", type=Path, help="folder of the run: runs/<experiment>/<seed>")
    parser.add_argument("--epoch", type=int, metavar="N", help="from 1 (the best one on the test set)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (the terminal)")

    def work() -> None:
        from glam.reports.export import export as write
        from glam.results.files import replacing

        args = parser.parse_args(argv)
        if args.output is None:
            write(args.run, sys.stdout, args.epoch)
            return
        with replacing(args.output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            epoch = write(args.run, file, args.epoch)
        _say(f"epoch {epoch} of {args.run} written to {args.output}")

    return guarded(work)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _root(name: str, iemocap: str, corpus_root: Callable[[str, str], Path]) -> Path:
    if name == "synthetic":
        from glam.data.corpora.synthetic import make_corpus

        root = corpus_root(name, "")
        if not root.is_dir():
            _say(f"making the synthetic corpus in {root}")
            make_corpus(root)
        return root
    try:
        return corpus_root(name, iemocap)
    except GlamError as error:
        raise GlamError(
            f"{error}\nIEMOCAP is licensed and cannot come with this project. Without it, the demonstration runs on a "
            "corpus that the project makes itself: ./run (or python train.py --recipe demo --runs 5)."
        ) from None


def _resources(args: argparse.Namespace, precision: str) -> "Resources":
    import os

    from glam.training.workers import Resources

    device = _device(args.gpu)
    if precision == "tf32" and not device.startswith("cuda"):
        raise GlamError(f"precision tf32 exists on NVIDIA GPUs only; this is {device}. Use fp32 or bf16.")
    if args.threads < 1:
        raise GlamError(f"--threads {args.threads}: at least one is needed")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if args.runs_at_once == "auto":
        at_once = max(1, cores // args.threads) if device == "cpu" else 1
    elif args.runs_at_once.isdigit() and int(args.runs_at_once) > 0:
        at_once = int(args.runs_at_once)
    else:
        raise GlamError(f"--runs-at-once {args.runs_at_once}: expected a number from 1, or auto")
    return Resources(device, args.threads, at_once, args.checkpoint_every)


def _device(gpu: int | None) -> str:
    if gpu is not None and gpu < 0:
        return "cpu"
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


def _seeds(args: argparse.Namespace, finished: Callable[[int], bool]) -> list[int]:
    from glam.data.splits import read_seeds, seeds

    given = [flag for flag in ("seed", "runs", "next") if getattr(args, flag) is not None]
    if len(given) > 1:
        raise GlamError(f"--{' and --'.join(given)} exclude each other: one seed, the first N, or the next N")
    if args.seed is not None:
        if not 0 <= args.seed < 2**32:
            raise GlamError(f"--seed {args.seed}: expected a number from 0 to {2**32 - 1}")
        return [args.seed]
    known = read_seeds(args.seeds) if args.seeds else list(seeds())
    count = args.next if args.next is not None else args.runs if args.runs is not None else 1
    if not 1 <= count <= len(known):
        raise GlamError(f"--{given[0] if given else 'runs'} {count}: expected 1 to {len(known)}, the number of seeds")
    if args.next is not None:
        known = [seed for seed in known if not finished(seed)]
        if not known:
            _say("every seed has its result; nothing is left to train")
    return known[:count]


def _banner(experiment: "Experiment", resources: "Resources", seeds: Sequence[int], missing: Sequence[int]) -> None:
    from glam.reports.summary import SYNTHETIC

    recipe = experiment.recipe
    _say(f"recipe     {recipe.name}: {recipe.model.name}, {recipe.training.epochs} epochs")
    _say(f"corpus     {experiment.population.composition()}")
    if experiment.corpus.synthetic:
        _say(f"           {SYNTHETIC}")
    _say(
        f"device     {resources.device}, {recipe.training.precision}, {resources.threads} CPU "
        f"thread{'s' * (resources.threads > 1)} a run, {resources.at_once} run{'s' * (resources.at_once > 1)} at once"
    )
    _say(f"runs       {len(seeds)}, of which {len(seeds) - len(missing)} are stored already")
    _say(f"results    {experiment.folder}")


if __name__ == "__main__":
    sys.exit(main())
