"""A small made-up problem for the tests of this folder: rows of noise that give their class away, in utterances."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glam.learning.batch import Data
from glam.learning.column import Column, Columns
from glam.learning.course import RunState, Steps, alone, course, initial_objective
from glam.learning.learner import Learner, Learns
from glam.learning.objective import Objective
from glam.learning.settings import EvaluationSettings, TrainingSettings
from glam.models import ModelSettings

CPU = torch.device("cpu")
SHAPE = (8, 12)
CLASSES = ("red", "green", "blue")
UTTERANCES, SEGMENTS = 12, 4  # of them, of each; the last three are held out
SETTINGS = TrainingSettings.model_validate({"epochs": 3, "batches": {"size": 8}})
MODEL = ModelSettings(name="multi-scale-aa")  # one with dropout


def write_store(path: Path, kind: type = np.float32) -> Path:
    """A file (N, *SHAPE), N = UTTERANCES x SEGMENTS: utterance by utterance, the classes in turn."""
    rng = np.random.RandomState(0)
    features: NDArray[np.floating] = rng.randn(UTTERANCES * SEGMENTS, *SHAPE).astype(kind)
    classes = np.repeat(np.arange(UTTERANCES) % 3, SEGMENTS)
    features[:, :4] += 2 * classes[:, None, None]
    np.save(path, features)
    return path


def data_of(path: Path, counts: NDArray[np.int64] | None = None) -> Data:
    """The problem's rows. counts: of each utterance, if they are not SEGMENTS each; their sum must not be more."""
    counts = np.full(UTTERANCES, SEGMENTS) if counts is None else counts
    rows = np.arange(counts.sum())
    utterance = np.repeat(np.arange(UTTERANCES), counts)
    held_out = utterance >= 9
    columns = Columns({"audio": Column([path], CPU)})
    return Data(
        train=columns,
        train_rows=torch.from_numpy(rows[~held_out]),
        train_targets=torch.from_numpy(utterance[~held_out] % 3),
        train_counts=counts[:9],
        test=columns,
        test_rows=torch.from_numpy(rows[held_out]),
        test_counts=counts[9:],
    )


def objective_of(
    seed: int = 5,
    settings: TrainingSettings = SETTINGS,
    model: ModelSettings = MODEL,
    targets: torch.Tensor | None = None,
) -> Objective:
    """The problem's objective with the initial weights of that seed."""
    return initial_objective(model, settings, CLASSES, {"audio": SHAPE}, seed, targets=targets)


def learner_of(seed: int = 5, settings: TrainingSettings = SETTINGS, model: ModelSettings = MODEL) -> Learner:
    """A learner of the problem."""
    return Learner(objective_of(seed, settings, model), settings, CPU)


def steps_of(
    learner: Learns,
    data: Data,
    state: RunState,
    settings: TrainingSettings = SETTINGS,
    seed: int = 5,
    after_step: Callable[[int], None] = lambda _: None,
    evaluation: EvaluationSettings | None = None,
) -> Steps:
    """The course of a run on the problem. after_step: called after every step, with the epoch."""
    evaluation = evaluation or EvaluationSettings()
    return course(learner, settings, evaluation, "softmax", data, seed, state, after_step, lambda: None)


Outcome = tuple[RunState, dict[str, torch.Tensor]]


def run(data: Data, settings: TrainingSettings = SETTINGS, seed: int = 5, model: ModelSettings = MODEL) -> Outcome:
    """A run from its first step to its last: its state, and the weights at its end."""
    learner, state = learner_of(seed, settings, model), RunState()
    alone(steps_of(learner, data, state, settings, seed), CPU)
    return state, learner.weights()


def same(a: Outcome, b: Outcome) -> bool:
    """Whether two runs are the same, to the bit."""
    return (
        np.array_equal(a[0].logits, b[0].logits)
        and np.array_equal(a[0].segment_classes, b[0].segment_classes)
        and [epoch.loss for epoch in a[0].epochs] == [epoch.loss for epoch in b[0].epochs]
        and all(torch.equal(a[1][name], b[1][name]) for name in a[1])
    )
