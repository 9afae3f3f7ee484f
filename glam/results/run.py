"""A run on disk: what one seed of an experiment predicted in every epoch.

    runs/<model>-<corpus>-<style>-<8 hex>/      one experiment
        experiment.json                         its identity, recipe and composition
        utterances.csv                          every utterance of its population: index, id, label, class
        <seed>/                                 one run, complete or absent
            run.json                            environment, split, timings; learning rate, loss, scores,
                                                confusion of every epoch; or why the run failed
            predictions.npz                     logits (E, H, C) float32 of the held-out utterances,
                                                segment_classes (E, S) uint8, segments (H,), held_out (H,),
                                                train (N,): indices into utterances.csv, in the order drawn
            model.safetensors                   only where models are saved

Which epoch counts is the report's choice: nothing is trained again for it.
"""

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.data.population import Composition
from glam.errors import GlamError
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of
from glam.files import new_folder, write_text
from glam.results.identity import canonical_json, digest

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
    """An experiment's folder: what all its runs share."""

    folder: Path
    name: str
    recipe: dict[str, Any]
    identity: dict[str, Any]
    classes: tuple[str, ...]
    composition: Composition
    ids: tuple[str, ...]
    targets: NDArray[np.int64]

    def seeds(self) -> list[str]:
        """Names of the runs that are complete (or failed), in numerical order."""
        names = [path.name for path in self.folder.iterdir() if (path / RUN).is_file()]
        return sorted((name for name in names if not name.startswith(".")), key=_by_number)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run as stored. `failed` says why a run stopped; such a run has no predictions."""

    folder: Path
    seed: int
    failed: str | None
    environment: dict[str, Any]
    epochs: tuple[Epoch, ...]
    scores: tuple[Scores, ...]
    confusion: NDArray[np.int64]  # (E, C, C)

    def predictions(self) -> Predictions:
        """The predictions of every epoch, read from the disk."""
        path = self.folder / PREDICTIONS
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = Predictions(**{name: arrays[name] for name in Predictions.__dataclass_fields__})
            _check(found, self.confusion)
            return found
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise GlamError(f"{path}: {_damaged(error)}") from None


def experiment_folder(runs: Path, model: str, corpus: str, style: str, identity: dict[str, Any]) -> Path:
    """Where an experiment lies under the runs folder."""
    return runs / f"{model}-{corpus}-{style}-{digest(identity)[:8]}"


def store_experiment(experiment: StoredExperiment) -> None:
    """Write what the runs share, or check that what lies there is the same experiment.

    Raises GlamError where the folder holds another experiment (a collision of 8 hex digits, or a damaged file).
    """
    path = experiment.folder / EXPERIMENT
    if path.is_file():
        there = _read_json(path).get("identity")
        if there != json.loads(canonical_json(experiment.identity)):
            raise GlamError(
                f"{path}: belongs to another experiment (its settings differ from the ones asked for, though the "
                "name is the same). Move that folder away, or choose another with --runs-folder."
            )
        return
    rows = io.StringIO(newline="")
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["index", "utterance", "class"])
    for i, (utterance, target) in enumerate(zip(experiment.ids, experiment.targets, strict=True)):
        table.writerow([i, utterance, experiment.classes[target]])
    content = {
        "name": experiment.name,
        "identity": experiment.identity,
        "recipe": experiment.recipe,
        "classes": experiment.classes,
        "composition": experiment.composition.model_dump(),
        "utterances": len(experiment.ids),
    }
    try:
        experiment.folder.mkdir(parents=True, exist_ok=True)
        write_text(experiment.folder / UTTERANCES, rows.getvalue())
        write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise GlamError(f"{experiment.folder}: cannot be written ({error}).") from None


def read_experiment(folder: Path) -> StoredExperiment:
    """The experiment of that folder; GlamError where it is none or damaged."""
    if not (folder / EXPERIMENT).is_file():
        raise GlamError(f"{folder}: no experiment lies here (a folder with {EXPERIMENT} was expected)")
    content = _read_json(folder / EXPERIMENT)
    path = folder / UTTERANCES
    try:
        classes = tuple(str(name) for name in content["classes"])
        index = {name: i for i, name in enumerate(classes)}
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
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
        )
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise GlamError(f"{folder}: {EXPERIMENT} or {UTTERANCES}: {_damaged(error)}") from None


def write_run(
    folder: Path,
    seed: int,
    environment: dict[str, Any],
    epochs: Sequence[Epoch],
    targets: NDArray[np.int64],
    classes: int,
    predictions: Predictions,
    extra: dict[str, bytes],
) -> None:
    """Store a finished run in one piece. targets: (H,) classes of its held-out utterances; extra: more files."""
    rows = []
    for epoch, logits in zip(epochs, predictions.logits, strict=True):
        confusion = confusion_matrix(targets, logits.argmax(axis=1), classes)
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
        for name, content in extra.items():
            (temporary / name).write_bytes(content)
        _write_json(temporary / RUN, {"seed": seed, "failed": None, "environment": environment, "epochs": rows})


def write_failure(folder: Path, seed: int, environment: dict[str, Any], reason: str) -> None:
    """Store that a run failed, and why: it is reported as failed, not averaged, and not tried again."""
    with new_folder(folder) as temporary:
        _write_json(temporary / RUN, {"seed": seed, "failed": reason, "environment": environment, "epochs": []})


def read_run(folder: Path) -> StoredRun:
    """The run of that folder; GlamError where there is none or where it is damaged."""
    if not (folder / RUN).is_file():
        raise GlamError(f"{folder}: no finished run lies here (a folder with {RUN} was expected)")
    content = _read_json(folder / RUN)
    try:
        rows = content["epochs"]
        confusion = np.array([row["confusion"] for row in rows], dtype=np.int64)
        if content["failed"] is None:
            sums = confusion.reshape(len(rows), -1).sum(axis=1)
            if not len(rows) or confusion.shape[1] != confusion.shape[2] or len(set(sums)) != 1 or not sums[0]:
                raise ValueError("its epochs have no confusion matrices of one set of utterances")
        return StoredRun(
            folder=folder,
            seed=int(content["seed"]),
            failed=content["failed"],
            environment=dict(content["environment"]),
            epochs=tuple(
                Epoch(
                    float(row["lr"]),
                    float(row["loss"]),
                    float(row["train_seconds"]),
                    float(row["evaluation_seconds"]),
                )
                for row in rows
            ),
            scores=tuple(scores_of(matrix) for matrix in confusion),
            confusion=confusion,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GlamError(f"{folder / RUN}: {_damaged(error)}") from None


def _check(found: Predictions, confusion: NDArray[np.int64]) -> None:
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
    if held_out != confusion[0].sum() or min(found.held_out.min(), found.train.min()) < 0:
        raise ValueError("held_out and train are not the run's utterances")


def _damaged(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (
        f"damaged ({type(error).__name__}: {text}). Move the folder away and run the same command again: "
        "what is missing is trained again."
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GlamError(f"{path}: {_damaged(error)}") from None
    if not isinstance(content, dict):
        raise GlamError(f"{path}: {_damaged(TypeError('not a JSON object'))}")
    return content


def _by_number(name: str) -> tuple[int, str]:
    digits = name.partition("-")[0]
    return (int(digits) if digits.isdigit() else -1, name)
