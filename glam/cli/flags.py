"""The flags that several verbs have, each declared once: everywhere the same name, the same values, the same help."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glam.errors import GlamError, put_once
from glam.places import check_own_file

VIEWS = ("test", "halves", "validation", "last")  # those of glam/reports/views.py, which is slow to import
USUALLY = "test, and validation where the protocol has a validation set of its own"


def place(text: str) -> Path:
    """The path that a flag gives; an empty one is a mistake, mostly of a variable that is not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("given an empty name, expected a path (is a variable not set?)")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~ without a home
        raise argparse.ArgumentTypeError(f"given {text!r}: {error}") from None


def file_to_write(text: str) -> Path:
    """The path of a file to write that a flag gives; GlamError, before any long work, where none can lie there."""
    path = place(text)
    if path.is_dir():
        raise GlamError(f"{path}: is a folder; give the name of a file to write")
    if not path.absolute().parent.is_dir():
        raise GlamError(f"{path}: the folder {path.parent} does not exist; make it, or write elsewhere")
    return path


def folder_to_write(text: str) -> Path:
    """The path of a folder to write to that a flag gives; GlamError, before any long work, where a file is there."""
    path = place(text)
    if path.exists() and not path.is_dir():
        raise GlamError(f"{path}: is a file; give the name of a folder to write to")
    return path


def threads(text: str) -> int:
    """The number of threads that a flag gives: from 1, or 0 for `auto`."""
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"given {text!r}, expected a number from 1, or auto")
    return int(text)


FLAGS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "corpus": (("--corpus",), {"metavar": "NAME", "help": "the corpus (iemocap)"}),
    "set": (
        ("--set",),
        {
            "action": "append",
            "default": [],
            "metavar": "FIELD=VALUE",
            "help": "any field of the recipe (of a table: of all its rows): training.lr=1e-4",
        },
    ),
    "protocol": (
        ("--protocol",),
        {
            "metavar": "NAME",
            "help": "how utterances are split: random, k-fold, leave-session-out, leave-speaker-out, "
            "leave-scenarios-out, random-speakers, group-folds, parts or published-folds (the recipe's)",
        },
    ),
    "columns": (
        ("--columns",),
        {
            "action": "append",
            "default": [],
            "metavar": "FIELD=COLUMN",
            "help": "of a table: which column is what, where it is not called as usual: emotion=label; repeatable",
        },
    ),
    "label-set": (
        ("--label-set",),
        {
            "metavar": "NAME",
            "help": "which labels count, where the corpus has several: of crema-d, say, voice",
        },
    ),
    "precision": (
        ("--precision",),
        {"choices": ["fp32", "tf32", "bf16"], "help": "of the arithmetic (the recipe's, mostly fp32)"},
    ),
    "select": (
        ("--select",),
        {
            "choices": VIEWS,
            "help": "epoch that counts: the best on the test set, on one half of it and scored on the other (both "
            f"ways), on the validation set (the protocol's own, else 8:1:1), or the last ({USUALLY})",
        },
    ),
    "metric": (
        ("--metric",),
        {
            "action": "append",
            "default": [],
            "metavar": "FILE:NAME",
            "help": "a column of your own: mine.py:kappa, a function of predictions; repeatable",
        },
    ),
    "datadir": (
        ("-d", "--datadir"),
        {
            "type": place,
            "metavar": "FOLDER",
            "help": "where the corpus lies (for iemocap: IEMOCAP in the environment, else path.py)",
        },
    ),
    "file": (
        ("--file",),
        {
            "action": "append",
            "default": [],
            "metavar": "NAME=PATH",
            "help": "a file that recipes with words or vectors read: GLOVE=, ASR=, XVECTORS=; repeatable (the "
            "environment, else path.py)",
        },
    ),
    "gpu": (
        ("-g", "--gpu"),
        {"type": int, "metavar": "N", "help": "number of the GPU, -1 = CPU (the first GPU there is, else the CPU)"},
    ),
    "runs-at-once": (
        ("--runs-at-once",),
        {
            "default": "auto",
            "metavar": "N|auto",
            "help": "runs side by side; auto: as many as there are CPU cores, as fit on a GPU",
        },
    ),
    "threads": (
        ("--threads",),
        {"type": int, "default": 1, "metavar": "N", "help": "CPU threads of a run; results depend on it (1)"},
    ),
    "threads-of-runs": (
        ("--threads",),
        {
            "type": threads,
            "default": 1,
            "metavar": "N|auto",
            "help": "CPU threads of a run; results depend on it in their last digits (1); auto: measure first which "
            "threads and runs at once are fastest",
        },
    ),
    "checkpoint-every": (
        ("--checkpoint-every",),
        {"type": float, "default": 60, "metavar": "S", "help": "seconds of a run that a kill may cost (60)"},
    ),
    "tensorboard": (
        ("--tensorboard",),
        {"type": place, "metavar": "FOLDER", "help": "write loss, WA, UA of every epoch there, to follow live"},
    ),
    "model": (
        ("model",),
        {
            "type": place,
            "metavar": "MODEL",
            "help": "model.safetensors, or a folder with one: of a run (<experiment>/<seed>), or exported; of an "
            "experiment, that of its first run that kept one",
        },
    ),
    "moved-corpus": (
        ("--corpus",),
        {
            "type": place,
            "metavar": "FILE",
            "help": "the table of your own (scheme, file.py:reader) that runs were trained on, where that has moved "
            "since",
        },
    ),
    "code": (
        ("--code",),
        {
            "type": place,
            "action": "append",
            "default": [],
            "metavar": "FILE",
            "help": "a file of code that the model was made with (mine.py), or a folder of such, to be run; repeatable",
        },
    ),
    "cluster": (
        ("--cluster",),
        {"choices": ["ray"], "help": "train on the machines of a Ray cluster (docs/many-machines.md)"},
    ),
    "address": (
        ("--address",),
        {"metavar": "HOST:PORT", "help": "head of the cluster (RAY_ADDRESS, else the cluster of this machine)"},
    ),
    "worker-corpus": (
        ("--worker-corpus",),
        {
            "type": place,
            "metavar": "FOLDER",
            "help": "where the corpus lies on every machine of the cluster: each extracts its own features (else ours "
            "are sent, once to each machine)",
        },
    ),
    "worker-folder": (
        ("--worker-folder",),
        {
            "metavar": "FOLDER",
            "help": "where machines of the cluster keep features and checkpoints (glam-<user> in their TMPDIR)",
        },
    ),
    "shard": (
        ("--shard",),
        {
            "metavar": "I/N",
            "help": "only the I-th of N shares of the runs; slurm: as SLURM_ARRAY_TASK_ID says (glam merge)",
        },
    ),
    "wait": (
        ("--wait",),
        {"action": "store_true", "help": "wait for runs that another process has, and take over what it leaves"},
    ),
    "html": (
        ("--html",),
        {
            "type": file_to_write,
            "metavar": "FILE",
            "help": "write one page, without network: scores, figures, groups, audit, checklist, runs",
        },
    ),
    "live": (
        ("--live",),
        {
            "action": "store_true",
            "help": "write the page anew whenever a run is stored, until Ctrl-C",
        },
    ),
    "runs-folder": (
        ("--runs-folder",),
        {"type": place, "metavar": "FOLDER", "help": "where results lie (GLAM_RUNS, else runs)"},
    ),
    "data-folder": (
        ("--data-folder",),
        {"type": place, "metavar": "FOLDER", "help": "where index and features lie (GLAM_DATA, else data)"},
    ),
}
CORPUS = ("corpus", "columns", "label-set")
MACHINE = ("gpu", "runs-at-once", "threads-of-runs", "checkpoint-every", "tensorboard", "runs-folder", "data-folder")
MANY = ("cluster", "address", "worker-corpus", "worker-folder", "shard", "wait")


def corpus_fields(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """The fields of a recipe that the flags CORPUS set."""
    fields: list[tuple[str, Any]] = []
    if args.corpus is not None:
        check_own_file(args.corpus)
        fields.append(("corpus.name", args.corpus))
    if args.label_set is not None:
        fields.append(("corpus.label_set", args.label_set))
    if args.columns:
        fields.append(("corpus.columns", columns_of(args.columns)))
    return fields


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """GlamError for the first of these flags, by their names in args, that is given where it would do nothing."""
    for name in names:
        if getattr(args, name) not in (None, False, []):
            raise GlamError(f"--{name.replace('_', '-')}: {why}")


def refuse_live_without_page(args: argparse.Namespace) -> None:
    """GlamError where --live is given, and no page that it could keep fresh."""
    if args.live and args.html is None:
        raise GlamError("--live keeps a page fresh: say which one with --html FILE")


def columns_of(given: Sequence[str]) -> dict[str, str]:
    """Field -> column, of what --columns gives, several of them separated by commas."""
    columns: dict[str, str] = {}
    for pair in (pair for text in given for pair in text.split(",")):
        field, equals, column = pair.partition("=")
        if not (equals and field.strip() and column.strip()):
            raise GlamError(f"--columns {pair}: expected FIELD=COLUMN, for example --columns emotion=label")
        put_once(columns, field.strip(), column.strip(), f"--columns {pair}")
    return columns


def add_flags(parser: argparse._ActionsContainer, *names: str, **changed: Any) -> None:
    """Give a verb these flags. changed: of the last one, what the verb has otherwise (its help)."""
    for name in names:
        words, options = FLAGS[name]
        parser.add_argument(*words, **options | (changed if name == names[-1] else {}))
