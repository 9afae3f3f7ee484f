"""A run on disk: what one seed (and fold) of an experiment predicted in every epoch.

    <seed>/ or <seed>-fold<k>/              one run, complete or absent, in the folder of its experiment (experiment.py)
        run.json                            environment, split, timings; learning rate, loss, scores, confusion of
                                            every epoch, hashes of the other files; or why the run failed
        predictions.npz                     logits (E, H, C) float32 of the held-out utterances,
                                            segment_classes (E, S) uint8, segments (H,), held_out (H,), train (N,):
                                            indices into utterances.csv, in the order drawn; of the held-out ones, the
                                            first `validation_only` (run.json) are for choosing the epoch alone
        model.safetensors                   only where models are saved

Which epoch counts is the report's choice: nothing is trained again for it.

The JSON file carries a SHA-256 of its own content and of the files beside it, so that whatever is changed or damaged on
the disk is noticed. The earliest results have none, and are taken as they are.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import Scores, confusion_matrices, confusion_matrix, scores_of
from glam.files import hashed_json, new_folder, read_hashed
from glam.foreign import plain, plain_content
from glam.learning.epoch import Epoch
from glam.splits.runs import RunKey

RUN = "run.json"
PREDICTIONS = "predictions.npz"
MODEL = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a run in every epoch.

    logits: (E, H, C) float32, of the held-out utterances (with `evaluation.average: probabilities`, the logarithm
        of the mean probability). segment_classes: (E, S) uint8, the class of each of their segments.
    segments: (H,) int64, number of segments of each. held_out: (H,) int64 and train: (N,) int64, indices into the
        experiment's utterances, in the order drawn.
    """

    logits: NDArray[np.float32]
    segment_classes: NDArray[np.uint8]
    segments: NDArray[np.int64]
    held_out: NDArray[np.int64]
    train: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run as stored. `failed` says why a run stopped; such a run has no predictions.

    confusion: (E, C, C), rows truth, of the utterances that are scored: the held-out ones but for the first
    `validation_only`. experiment: digest of the identity of the experiment that it was trained for; empty where it was
    stored before that was kept. files: SHA-256 of the run's other files.
    """

    folder: Path
    seed: int
    failed: str | None
    environment: dict[str, Any]
    epochs: tuple[Epoch, ...]
    scores: tuple[Scores, ...]
    confusion: NDArray[np.int64]
    fold: int | None = None
    validation_only: int = 0
    experiment: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> RunKey:
        """The key that tells it from the other runs of its experiment."""
        return RunKey(self.seed, self.fold)

    def predictions(self, targets: NDArray[np.int64] | None = None) -> Predictions:
        """The predictions of every epoch, read from the disk; GlamError where they are damaged.

        targets: (n,) classes of the experiment's utterances, if the confusion matrices are to be held against the
        logits as well.
        """
        content = io.BytesIO(self.read(PREDICTIONS))
        try:
            with np.load(content, allow_pickle=False) as arrays:
                predictions = Predictions(**{name: arrays[name] for name in Predictions.__dataclass_fields__})
            _check(predictions, self.confusion, self.validation_only)
            if targets is not None:
                _check_confusion(predictions, self.confusion, self.validation_only, targets)
            return predictions
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            MemoryError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise GlamError(f"{self.folder / PREDICTIONS}: {damaged(error)} {_AGAIN}") from None

    def read(self, name: str) -> bytes:
        """The content of one of the run's files; GlamError where it is missing or not what was written."""
        path = self.folder / name
        try:
            content = path.read_bytes()
            if name in self.files and sha256(content).hexdigest() != self.files[name]:
                raise ValueError("its content is not what was written")
        except (OSError, ValueError) as error:
            raise GlamError(f"{path}: {damaged(error)} {_AGAIN}") from None
        return content


def write_run(
    folder: Path,
    run: RunKey,
    experiment: str,
    environment: dict[str, Any],
    epochs: Sequence[Epoch],
    targets: NDArray[np.int64],
    classes: int,
    predictions: Predictions,
    extra: dict[str, bytes],
    validation_only: int = 0,
) -> None:
    """Store a finished run in one piece.

    experiment: digest of its identity. targets: (H,) classes of its held-out utterances, of which the first
    `validation_only` are not scored; extra: more files.
    """
    rows = []
    scored = slice(validation_only, None)
    for epoch, logits in zip(epochs, predictions.logits, strict=True):
        confusion = confusion_matrix(targets[scored], logits[scored].argmax(axis=1), classes)
        scores = scores_of(confusion)
        rows.append(
            {
                "lr": epoch.lr,
                "loss": epoch.loss,
                "wa": scores.wa,
                "ua": scores.ua,
                "macro_f1": scores.macro_f1,
                "micro_f1": scores.micro_f1,
                "weighted_f1": scores.weighted_f1,
                "confusion": confusion.tolist(),
                "train_seconds": round(epoch.train_seconds, 4),
                "evaluation_seconds": round(epoch.evaluation_seconds, 4),
            }
        )
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **vars(predictions))
    files = {PREDICTIONS: arrays.getvalue()} | extra
    content = {
        "experiment": experiment,
        "seed": run.seed,
        "fold": run.fold,
        "validation_only": validation_only,
        "failed": None,
        "environment": environment,
        "epochs": rows,
        "files": {name: sha256(of_file).hexdigest() for name, of_file in files.items()},
    }
    store_files(folder, files | {RUN: hashed_json(content).encode()})


def store_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Store the files of a run, by name, in one piece: wherever it was trained, this is how it comes to its folder."""
    with new_folder(folder) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)


def write_failure(folder: Path, run: RunKey, experiment: str, environment: dict[str, Any], reason: str) -> None:
    """Store that a run failed, and why: it is reported as failed, not averaged, and not tried again."""
    content: dict[str, Any] = {
        "experiment": experiment,
        "seed": run.seed,
        "fold": run.fold,
        "failed": reason,
        "environment": environment,
        "epochs": [],
        "files": {},
    }
    store_files(folder, {RUN: hashed_json(content).encode()})


def read_run(folder: Path) -> StoredRun:
    """The run of that folder; GlamError where there is none or where it is damaged."""
    if not (folder / RUN).is_file():
        raise GlamError(f"{folder}: no finished run lies here (a folder with {RUN} was expected)")
    try:
        content = read_json(folder / RUN)
        rows, failed = content["epochs"], content["failed"]
        confusion = np.array([row["confusion"] for row in rows], dtype=np.int64)
        if not (failed is None or isinstance(failed, str)):
            raise ValueError(f"failed is {failed!r}, expected null or a reason")
        if failed is None:
            sums = confusion.reshape(len(rows), -1).sum(axis=1)
            if not len(rows) or confusion.shape[1] != confusion.shape[2] or len(set(sums)) != 1 or not sums[0]:
                raise ValueError("its epochs have no confusion matrices of one set of utterances")
            if confusion.min() < 0:
                raise ValueError("a confusion matrix has negative counts")
        return StoredRun(
            folder=folder,
            seed=int(content["seed"]),
            failed=failed,
            environment=dict(content["environment"]),
            epochs=tuple(_epoch(row) for row in rows),
            scores=tuple(scores_of(matrix) for matrix in confusion),
            confusion=confusion,
            fold=int(content["fold"]) if content.get("fold") is not None else None,
            validation_only=int(content.get("validation_only", 0)),  # absent from the earliest runs, as the fold is
            experiment=str(content.get("experiment", "")),
            files=dict(content.get("files", {})),
        )
    except (OSError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise GlamError(f"{folder / RUN}: {damaged(error)} {_AGAIN}") from None


def _epoch(row: dict[str, Any]) -> Epoch:
    epoch = Epoch(*(float(row[name]) for name in ("lr", "loss", "train_seconds", "evaluation_seconds")))
    if not all(isfinite(value) for value in vars(epoch).values()):
        raise ValueError("an epoch has figures that are not finite")
    return epoch


def _check(predictions: Predictions, confusion: NDArray[np.int64], validation_only: int) -> None:
    """ValueError where the arrays do not belong together, or not to the run's confusion matrices (E, C, C)."""
    epochs, held_out = len(confusion), len(predictions.held_out)
    shapes = {
        "logits": (epochs, held_out, confusion.shape[1]),
        "segment_classes": (epochs, int(predictions.segments.sum())),
        "segments": (held_out,),
    }
    for name, shape in shapes.items():
        if getattr(predictions, name).shape != shape:
            raise ValueError(f"{name} is {getattr(predictions, name).shape}, expected {shape}")
    if held_out != validation_only + confusion[0].sum() or min(predictions.held_out.min(), predictions.train.min()) < 0:
        raise ValueError("held_out and train are not the run's utterances")


def _check_confusion(
    predictions: Predictions, confusion: NDArray[np.int64], validation_only: int, targets: NDArray[np.int64]
) -> None:
    """ValueError where the confusion matrices (E, C, C) are not those of the logits and the utterances' classes."""
    scored = predictions.held_out[validation_only:]
    if max(predictions.held_out.max(), predictions.train.max()) >= len(targets):
        raise ValueError(f"it names utterances beyond the experiment's {len(targets)}")
    guesses = predictions.logits[:, validation_only:].argmax(axis=2)
    differs = confusion_matrices(targets[scored], guesses, confusion.shape[1]) != confusion
    if differs.any():
        epoch = int(differs.any(axis=(1, 2)).argmax()) + 1
        raise ValueError(f"the confusion matrix of epoch {epoch} in {RUN} is not that of its logits")


_AGAIN = "Train the same seed again: the folder is set aside, and that run is trained again."


def damaged(error: Exception) -> str:
    """Text about a file that an error was met in."""
    return f"damaged ({type(error).__name__}: {plain(' '.join(str(error).split()))})."


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of results; ValueError where it is not what was written."""
    content, hashed = read_hashed(path.read_bytes())
    if "files" in content and not hashed:  # only the earliest have neither
        raise ValueError("its own hash is missing")
    return dict(plain_content(content))
