"""The command line of the release's train.py, translated into recipe fields."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glam.cli.flags import add_flags
from glam.errors import GlamError
from glam.models import MODELS

# The release's names of the models -> ours. Its scripts and its README do not agree on all of them.
RELEASED_MODELS = {
    "GLAM": "glam",
    "ResMultiConv3": "multi-scale",
    "MHResMultiConv3": "multi-scale-mha",
    "MAResMultiConv3": "multi-scale-mha",
    "AAResMultiConv3": "multi-scale-aa",
    "MHCNN": "mhcnn",
    "MACNN": "mhcnn",
    "AACNN": "aacnn",
    "CNN_AttnPooling": "apcnn",
}
PARTS: dict[str, dict[str, str]] = {"impro": {"style": "improvised"}, "script": {"style": "scripted"}, "all": {}}
SCHEDULES: dict[str, dict[str, Any]] = {
    "exp": {"name": "decay", "factor": 0.95, "every": 1},
    "step": {"name": "decay", "factor": 0.1, "every": 10},
    "warmstep": {"name": "decay", "factor": 0.1, "every": 10},  # despite its name, no warm-up
    "cosine": {"name": "cosine", "every": 10},
}
# Where the value goes as it is.
FIELDS = {
    "nmfcc": "inputs.audio.coefficients",
    "train_overlap": "cut.train_overlap",
    "test_overlap": "cut.test_overlap",
    "segment_length": "cut.length",
    "head": "model.heads",
    "attn_hidden": "model.hidden",
    "split_rate": "split.train_share",
    "batch_size": "training.batches.size",
    "learning_rate": "training.lr",
    "lr_min": "training.schedule.least",
    "epochs": "training.epochs",
    "alpha": "training.alpha",
}
RATE = 16000


def boolean(text: str) -> bool:
    """`true`, `false` and the like; the release takes every word, `False` included, as true."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise argparse.ArgumentTypeError(f"given {text!r}, expected true or false")


def add_release_flags(parser: argparse.ArgumentParser) -> None:
    """The release's flags, with its names, and its defaults through the recipe glam-released."""
    flags = parser.add_argument_group(
        "the release's flags (what is not given comes from the recipe, glam-released by default)"
    )
    add = flags.add_argument
    add("-f", "--features_to_use", metavar="KIND", help="features (mfcc)")
    add("-i", "--impro_or_script", choices=list(PARTS), help="style of the dialogues (impro)")
    add("-s", "--sample_rate", type=int, metavar="HZ", help="16000; audio of another rate is resampled to it")
    add("-n", "--nmfcc", type=int, metavar="N", help="MFCC coefficients (26)")
    add("--train_overlap", type=float, metavar="S", help="of training segments, in seconds (1.6)")
    add("--test_overlap", type=float, metavar="S", help="of test segments, in seconds (1.6)")
    add("--segment_length", type=float, metavar="S", help="in seconds (1.8)")
    add("--toSaveFeatures", type=boolean, nargs="?", const=True, metavar="BOOL", help="replaced by the store")
    add("--loadFeatures", type=boolean, nargs="?", const=True, metavar="BOOL", help="replaced by the store")
    add("--featuresFileName", metavar="FILE", help="replaced by the store")
    add("-m", "--model", metavar="NAME", help="GLAM, or another of: " + ", ".join(MODELS))
    add("--head", type=int, metavar="N", help="attention heads, for models with heads (4)")
    add("--attn_hidden", type=int, metavar="N", help="channels of a head, for models with heads (64)")
    add("--SaveModel", type=boolean, nargs="?", const=True, metavar="BOOL", help="true is --save-model best")
    add("--split_rate", type=float, metavar="SHARE", help="share of the utterances to train on (0.8)")
    add("--aug", choices=["upsampling"], help="repeat utterances until every class is as large as the largest")
    add(
        "--padding",
        type=boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="repeat utterances that are too short",
    )
    add("--seed", type=int, metavar="N", help="one run of this seed (the first of seeds.txt)")
    add("-b", "--batch_size", type=int, metavar="N", help="segments (32)")
    add("-l", "--learning_rate", type=float, metavar="LR", help="initial (1e-3)")
    add("--lr_min", type=float, metavar="LR", help="the schedule stops once the rate is below (1e-6)")
    add(
        "--lr_schedule",
        choices=list(SCHEDULES),
        help="x0.95 an epoch; x0.1 every 10; cosine over 10; as step (exp)",
    )
    add("--optimizer", choices=["adam", "sgd"], help="sgd: Nesterov momentum 0.9, weight decay 1e-4 (adam)")
    add("-e", "--epochs", type=int, metavar="N", help="(50)")
    add("--iter", type=int, metavar="K", help="refused: the best of K models on the test set is no result")
    add_flags(flags, "gpu", "datadir")
    add(
        "--weight",
        type=boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="weigh the loss by 1 - share of the class",
    )
    add("--alpha", type=float, metavar="A", help="of mixup; 0 switches it off (0.5)")
    add(
        "-c",
        "--config",
        metavar="FILE",
        help='a JSON file of these flags: {"epochs": 20}; the command line wins',
    )


def with_config(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line; flags of the --config file stand before it, so that the command line wins."""
    given = list(argv) if argv is not None else None
    args = parser.parse_args(given)
    if args.config is None:
        return args
    path = Path(args.config)
    try:
        flags = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        hint = "; a recipe is given with --recipe" if path.suffix in (".yaml", ".yml") else ""
        raise GlamError(f"--config {path}: not a readable JSON file ({error}){hint}") from None
    if not isinstance(flags, dict):
        raise GlamError(f'--config {path}: expected flags and values, such as {{"epochs": 20}}')
    known = {name[2:]: action for action in parser._actions for name in action.option_strings if name[:2] == "--"}
    del known["config"], known["help"]
    before: list[str] = []
    for flag, value in flags.items():
        if flag not in known:
            raise GlamError(f"--config {path}: there is no flag {flag!r}; there are {', '.join(sorted(known))}")
        before += _words(flag, value, known[flag], path)
    return parser.parse_args([*before, *(given if given is not None else sys.argv[1:])])


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a JSON object; ValueError where a name is there twice, of which Python would take the second."""
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise ValueError(f"{name!r} is there {times} times")
    return dict(pairs)


def _words(flag: str, value: Any, action: argparse.Action, path: Path) -> list[str]:
    """The command line's words for a flag and its value in a --config file."""
    if value is None:
        return []
    if action.nargs == 0:  # a flag that takes no value
        if not isinstance(value, bool):
            raise GlamError(f"--config {path}: {flag}: given {value!r}, expected true or false")
        return [f"--{flag}"] * value
    several = value if isinstance(value, list) and isinstance(action.default, list) else [value]
    if any(isinstance(item, list | dict) for item in several):
        raise GlamError(f"--config {path}: {flag}: given {value!r}, expected one value")
    # `--flag=value`, so that a negative number is not taken for a flag
    return [f"--{flag}={str(item).lower() if isinstance(item, bool) else item}" for item in several]


def overrides(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """The recipe fields that the release's flags set; raises GlamError for what cannot be meant."""
    if args.iter is not None and args.iter != 1:
        raise GlamError(
            f"--iter {args.iter}: refused. It trains {args.iter} models on one split and keeps the one that scores "
            "best on the test set, which estimates nothing. Use --runs N: N seeds, mean and standard deviation."
        )
    if args.sample_rate not in (None, RATE):
        raise GlamError(
            f"--sample_rate {args.sample_rate}: only {RATE} exists; audio of any other rate is resampled to it."
        )
    fields: list[tuple[str, Any]] = []
    if args.impro_or_script is not None:
        fields.append(("corpus.where", PARTS[args.impro_or_script]))
    # What is chosen by name comes first: the fields below may be its options.
    if args.features_to_use is not None:
        fields.append(("inputs.audio.name", args.features_to_use))
    if args.model is not None:
        fields.append(("model.name", RELEASED_MODELS.get(args.model, args.model)))
    if args.lr_schedule is not None:
        fields.append(("training.schedule", SCHEDULES[args.lr_schedule]))
    if args.optimizer is not None:
        fields.append(("training.optimizer", args.optimizer))
        fields.append(("training.weight_decay", 1e-4 if args.optimizer == "sgd" else 1e-6))
    fields += [(field, value) for flag, field in FIELDS.items() if (value := getattr(args, flag)) is not None]
    if args.padding is not None:
        fields.append(("cut.padding", "repeat" if args.padding else "none"))
    if args.aug is not None:
        fields.append(("training.upsampling", True))
    if args.weight is not None:
        fields.append(("training.class_weights", "share" if args.weight else "none"))
    return fields


def notes(args: argparse.Namespace) -> list[str]:
    """Remarks on flags that are accepted but replaced."""
    pickles = [f for f in ("toSaveFeatures", "loadFeatures", "featuresFileName") if getattr(args, f) is not None]
    if not pickles:
        return []
    return [
        f"--{', --'.join(pickles)}: not needed; features are extracted once, kept in the store and checked against "
        "the corpus at every start"
    ]
