"""A run on disk: what one seed (and fold) of an experiment predicted in every epoch.

    runs/<model>-<corpus>-<style>-<8 hex>/      one experiment
        experiment.json                         its identity, recipe and composition
        utterances.csv                          every utterance of its population: index, id, class, and what it belongs
                                                to (speaker, session, ...)
        <seed>/ or <seed>-fold<k>/              one run, complete or absent
            run.json                            environment, split, timings; learning rate, loss, scores,
                                                confusion of every epoch, hashes of the other files; or why the
                                                run failed
            predictions.npz                     logits (E, H, C) float32 of the held-out utterances,
                                                segment_classes (E, S) uint8, segments (H,), held_out (H,),
                                                train (N,): indices into utterances.csv, in the order drawn; of
                                                the held-out ones, the first `validation_only` (run.json) are for
                                                choosing the epoch alone
            model.safetensors                   only where models are saved

Which epoch counts is the report's choice: nothing is trained again for it.

Both JSON files carry a SHA-256 of their own content and of the files beside them, so that whatever is changed or
damaged on the disk is noticed. The earliest results have none, and are taken as they are.
"""

import csv
import io
import json
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
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of
from glam.files import hashed_json, new_folder, read_hashed, write_bytes, write_text
from glam.results.identity import canonical_json, digest
from glam.splits.groups import GROUPINGS, Grouping
from glam.splits.population import Composition
from glam.splits.splits import RunKey, SplitSettings

EXPERIMENT = "experiment.json"
UTTERANCES = "utterances.csv"
RUN = "run.json"
PREDICTIONS = "predictions.npz"
MODEL = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run predicted, in every epoch.

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


@dataclass(frozen=True)
class Epoch:
    """One epoch: learning rate, mean training loss, seconds of training and of evaluation."""

    lr: float
    loss: float
    train_seconds: float
    evaluation_seconds: float


@dataclass(frozen=True, eq=False)
class StoredExperiment:
    """An experiment's folder: what all its runs share.

    split: the protocol. groups: what its utterances belong to; empty where it was stored before that was kept. folds:
    what each fold of a seed is tested on, by name; () for protocols without folds.
    """

    folder: Path
    name: str
    recipe: dict[str, Any]
    identity: dict[str, Any]
    classes: tuple[str, ...]
    composition: Composition
    ids: tuple[str, ...]
    targets: NDArray[np.int64]
    split: SplitSettings = field(default_factory=SplitSettings)
    groups: Mapping[str, Grouping] = field(default_factory=dict)
    folds: tuple[str, ...] = ()

    def seeds(self) -> list[str]:
        """Names of the runs that are complete (or failed), in numerical order."""
        names = [path.name for path in self.folder.iterdir() if (path / RUN).is_file()]
        return sorted((name for name in names if not name.startswith(".")), key=_by_number)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run as stored. `failed` says why a run stopped; such a run has no predictions.

    confusion: (E, C, C), rows truth, of the utterances that are scored: the held-out ones but for the first
    `validation_only`. files: SHA-256 of the run's other files.
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
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> RunKey:
        """What tells it from the other runs of its experiment."""
        return RunKey(self.seed, self.fold)

    def predictions(self) -> Predictions:
        """The predictions of every epoch, read from the disk; GlamError where they are damaged."""
        content = io.BytesIO(self.read(PREDICTIONS))
        try:
            with np.load(content, allow_pickle=False) as arrays:
                found = Predictions(**{name: arrays[name] for name in Predictions.__dataclass_fields__})
            _check(found, self.confusion, self.validation_only)
            return found
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
            raise GlamError(f"{self.folder / PREDICTIONS}: {_damaged(error)} {_AGAIN}") from None

    def read(self, name: str) -> bytes:
        """The content of one of the run's files; GlamError where it is missing or not what was written."""
        path = self.folder / name
        try:
            content = path.read_bytes()
            if name in self.files and sha256(content).hexdigest() != self.files[name]:
                raise ValueError("its content is not what was written")
        except (OSError, ValueError) as error:
            raise GlamError(f"{path}: {_damaged(error)} {_AGAIN}") from None
        return content


def experiment_folder(runs: Path, model: str, corpus: str, style: str, identity: dict[str, Any]) -> Path:
    """Where an experiment lies under the runs folder."""
    return runs / f"{model}-{corpus}-{style}-{digest(identity)[:8]}"


def store_experiment(experiment: StoredExperiment) -> None:
    """Write what the runs share, or check that what lies there is the same experiment.

    Raises GlamError where the folder holds another experiment (a collision of 8 hex digits, or a damaged file).
    """
    path, table = experiment.folder / EXPERIMENT, _table(experiment)
    try:
        there = _read_json(path) if path.is_file() else None
        if there is not None and there.get("identity") != json.loads(canonical_json(experiment.identity)):
            raise GlamError(
                f"{path}: belongs to another experiment (its settings differ from the ones asked for, though the "
                "name is the same). Move that folder away, or choose another with --runs-folder."
            )
        files = {UTTERANCES: sha256(table).hexdigest()}
        holds = _holds(experiment.folder / UTTERANCES, table)
        if there is not None and holds and there.get("files", files) == files:
            return
        content = there or {
            "name": experiment.name,
            "identity": experiment.identity,
            "recipe": experiment.recipe,
            "classes": experiment.classes,
            "composition": experiment.composition.model_dump(),
            "utterances": len(experiment.ids),
            "folds": experiment.folds,
        }
        experiment.folder.mkdir(parents=True, exist_ok=True)
        if not holds:  # new, damaged, or from before what utterances belong to was kept
            write_bytes(experiment.folder / UTTERANCES, table)
        write_text(path, hashed_json(content | {"files": files}, indent=1))
    except OSError as error:
        raise GlamError(
            f"{experiment.folder}: cannot be written ({error}). Make room or mend it, or choose another folder with "
            "--runs-folder or GLAM_RUNS."
        ) from None
    except ValueError as error:
        raise GlamError(f"{path}: {_damaged(error)} {_ANEW}") from None


def _table(experiment: StoredExperiment) -> bytes:
    rows = io.StringIO(newline="")
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["index", "utterance", "class", *experiment.groups])
    for i, (utterance, target) in enumerate(zip(experiment.ids, experiment.targets, strict=True)):
        belongs_to = [grouping.names[grouping.codes[i]] for grouping in experiment.groups.values()]
        table.writerow([i, utterance, experiment.classes[target], *belongs_to])
    return rows.getvalue().encode()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def experiment_of(run: Path) -> StoredExperiment:
    """The experiment in whose folder that of a run lies, even if as a link to elsewhere."""
    return read_experiment(run.absolute().parent)


def read_experiment(folder: Path) -> StoredExperiment:
    """The experiment of that folder; GlamError where it is none or damaged."""
    if not (folder / EXPERIMENT).is_file():
        raise GlamError(f"{folder}: no experiment lies here (a folder with {EXPERIMENT} was expected)")
    try:
        content = _read_json(folder / EXPERIMENT)
        table = (folder / UTTERANCES).read_bytes()
        if "files" in content and sha256(table).hexdigest() != content["files"][UTTERANCES]:
            raise ValueError(f"{UTTERANCES} is not what was written")
        classes = tuple(str(name) for name in content["classes"])
        index = {name: i for i, name in enumerate(classes)}
        rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
        if [row["index"] for row in rows] != [str(i) for i in range(len(rows))]:
            raise ValueError("the utterances are not numbered from 0")
        recipe = content["recipe"]
        if not isinstance(recipe["model"]["name"], str) or not isinstance(recipe["training"], dict):
            raise ValueError("the recipe has no model or no training")
        if len(rows) != content.get("utterances", len(rows)):  # absent from the earliest experiments
            raise ValueError(f"{len(rows)} utterances, expected {content['utterances']}")
        return StoredExperiment(
            folder=folder,
            name=str(content["name"]),
            recipe=dict(content["recipe"]),
            identity=dict(content["identity"]),
            classes=classes,
            composition=Composition.model_validate(content["composition"]),
            ids=tuple(row["utterance"] for row in rows),
            targets=np.array([index[row["class"]] for row in rows], dtype=np.int64),
            split=SplitSettings.model_validate(recipe.get("split", {})),
            groups={name: Grouping.of([row[name] for row in rows]) for name in GROUPINGS if rows and name in rows[0]},
            folds=tuple(str(name) for name in content.get("folds", ())),
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise GlamError(f"{folder}: {EXPERIMENT} or {UTTERANCES}: {_damaged(error)} {_ANEW}") from None


def write_run(
    folder: Path,
    seed: int,
    environment: dict[str, Any],
    epochs: Sequence[Epoch],
    targets: NDArray[np.int64],
    classes: int,
    predictions: Predictions,
    extra: dict[str, bytes],
    fold: int | None = None,
    validation_only: int = 0,
) -> None:
    """Store a finished run in one piece.

    targets: (H,) classes of its held-out utterances, of which the first `validation_only` are not scored; extra: more
    files.
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
    with new_folder(folder) as temporary:
        np.savez_compressed(temporary / PREDICTIONS, **vars(predictions))
        for name, more in extra.items():
            (temporary / name).write_bytes(more)
        files = {path.name: sha256(path.read_bytes()).hexdigest() for path in temporary.iterdir()}
        content = {
            "seed": seed,
            "fold": fold,
            "validation_only": validation_only,
            "failed": None,
            "environment": environment,
            "epochs": rows,
            "files": files,
        }
        (temporary / RUN).write_text(hashed_json(content))


def write_failure(folder: Path, seed: int, environment: dict[str, Any], reason: str, fold: int | None = None) -> None:
    """Store that a run failed, and why: it is reported as failed, not averaged, and not tried again."""
    with new_folder(folder) as temporary:
        content: dict[str, Any] = {
            "seed": seed,
            "fold": fold,
            "failed": reason,
            "environment": environment,
            "epochs": [],
            "files": {},
        }
        (temporary / RUN).write_text(hashed_json(content))


def read_run(folder: Path) -> StoredRun:
    """The run of that folder; GlamError where there is none or where it is damaged."""
    if not (folder / RUN).is_file():
        raise GlamError(f"{folder}: no finished run lies here (a folder with {RUN} was expected)")
    try:
        content = _read_json(folder / RUN)
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
            files=dict(content.get("files", {})),
        )
    except (OSError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise GlamError(f"{folder / RUN}: {_damaged(error)} {_AGAIN}") from None


def _epoch(row: dict[str, Any]) -> Epoch:
    epoch = Epoch(*(float(row[name]) for name in ("lr", "loss", "train_seconds", "evaluation_seconds")))
    if not all(isfinite(value) for value in vars(epoch).values()):
        raise ValueError("an epoch has figures that are not finite")
    return epoch


def _check(found: Predictions, confusion: NDArray[np.int64], validation_only: int) -> None:
    """ValueError where the arrays do not belong together, or not to the run's confusion matrices (E, C, C)."""
    epochs, held_out = len(confusion), len(found.held_out)
    shapes = {
        "logits": (epochs, held_out, confusion.shape[1]),
        "segment_classes": (epochs, int(found.segments.sum())),
        "segments": (held_out,),
    }
    for name, shape in shapes.items():
        if getattr(found, name).shape != shape:
            raise ValueError(f"{name} is {getattr(found, name).shape}, expected {shape}")
    if held_out != validation_only + confusion[0].sum() or min(found.held_out.min(), found.train.min()) < 0:
        raise ValueError("held_out and train are not the run's utterances")


_AGAIN = "Move the folder of the run away and run the same command again: that run is trained again."
_ANEW = f"Delete {EXPERIMENT} there and run the same command again: it is written anew, finished runs stay."


def _damaged(error: Exception) -> str:
    return f"damaged ({type(error).__name__}: {' '.join(str(error).split())})."


def _read_json(path: Path) -> dict[str, Any]:
    """What a JSON file of results holds; ValueError where it is not what was written."""
    content, hashed = read_hashed(path.read_bytes())
    if "files" in content and not hashed:  # only the earliest have neither
        raise ValueError("its own hash is missing")
    return content


def _by_number(name: str) -> tuple[int, int, str]:
    seed, _, fold = name.partition("-fold")
    return (int(seed) if seed.isdigit() else -1, int(fold) if fold.isdigit() else 0, name)
