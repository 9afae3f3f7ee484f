"""The course of one run: trained on the rows of a split, evaluated on the held-out utterances after every epoch.

    draws of the epoch (draws.py) -> batches (batch.py) -> step -> ... -> predictions of the epoch

A run is a course of steps that someone takes: `alone` here, or a pack that takes those of many runs at once
(side_by_side.py). Nothing in a training epoch waits for the device: losses are collected there and read at its end.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glam.evaluation.metrics import utterance_logits
from glam.learning.batch import Data, Step
from glam.learning.draws import draw_epoch
from glam.learning.epoch import Epoch
from glam.learning.learner import Learns, generators_kept
from glam.learning.losses import Activation, loss_of, share_weights
from glam.learning.objective import Objective
from glam.learning.schedule import learning_rates
from glam.learning.settings import BySegments, EvaluationSettings, TrainingSettings
from glam.models import ModelSettings, Shape, build


class NotFinite(Exception):
    """The training loss of a run, or a logit, is not a finite number."""


@dataclass
class RunState:
    """The state of a run: what a checkpoint keeps, beside the weights and the optimiser's state."""

    epoch: int = 0
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)  # of the steps of the epoch under way, on the device
    seconds: float = 0.0  # spent on the epoch under way
    epochs: list[Epoch] = field(default_factory=list)
    logits: list[NDArray[np.float32]] = field(default_factory=list)  # (H, C) an epoch
    segment_classes: list[NDArray[np.uint8]] = field(default_factory=list)  # (S,) an epoch

    def losses_read(self) -> list[float]:
        """The losses of the steps of the epoch under way; raises NotFinite if one is not a finite number."""
        losses: list[float] = torch.stack(self.losses).tolist() if self.losses else []
        for step, loss in enumerate(losses):
            if not isfinite(loss):
                raise NotFinite(f"the loss of step {step + 1} of epoch {self.epoch + 1} is {loss}, not a finite number")
        return losses


# What a run asks for, one step after another, and from whom; it is sent each step's loss.
Steps = Generator[tuple[Learns, Step], Tensor, None]


def initial_objective(
    model: ModelSettings,
    training: TrainingSettings,
    classes: tuple[str, ...],
    shapes: Mapping[str, Shape],
    seed: int,
    entrances: dict[str, nn.Module] | None = None,
    targets: Tensor | None = None,
) -> Objective:
    """The objective of a run with the initial weights of that seed, drawn on the CPU.

    shapes: of a row of each input. entrances: what was fitted on the training part, by input. targets: (n,) classes of
    the training rows, for class weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(model, len(classes), shapes)
    weight = None
    if training.class_weights == "share" and targets is not None:
        weight = share_weights(targets.cpu(), len(classes))
    loss = loss_of(training.loss, classes, weight)
    return Objective(network, loss, model.taken(shapes), entrances, training.precision)


def course(
    learner: Learns,
    settings: TrainingSettings,
    evaluation: EvaluationSettings,
    activation: Activation,
    data: Data,
    seed: int,
    state: RunState,
    after_step: Callable[[int], None],
    after_epoch: Callable[[], None],
    stop_early: Callable[[], bool] = lambda: False,
) -> Steps:
    """The course of a run: brings `state` from where it stands to the end of the last epoch.

    It yields each step that is to be taken, and is sent its loss; who takes the steps, one run at a time (`alone`) or
    those of many together, makes no difference to the run. activation: of the loss. after_step(epoch) is called after
    every step and may raise to interrupt; after_epoch() after every evaluation. stop_early: asked before every epoch
    whether the one before was the last. Raises NotFinite where a loss, or a logit after the epoch, is not finite.
    """
    rates = learning_rates(settings)
    while state.epoch < settings.epochs and not stop_early():
        draws = draw_epoch(seed, state.epoch, data.train_counts, settings.batches, settings.alpha)
        clock = time.perf_counter()
        for batch in data.batches(draws, learner.device, state.step):
            # a seed for each step makes a run resumable at any of them
            step = Step(batch, rates[state.epoch], draws.dropout_seed + state.step)
            state.losses.append((yield learner, step))
            state.step += 1
            state.seconds, clock = state.seconds + time.perf_counter() - clock, time.perf_counter()
            after_step(state.epoch)
        losses = state.losses_read()
        state.seconds, clock = state.seconds + time.perf_counter() - clock, time.perf_counter()
        logits = learner.logits(data.test, data.test_rows, draws.dropout_seed + state.step)
        if not np.isfinite(logits).all():
            raise NotFinite(f"the logits after epoch {state.epoch + 1} are not all finite numbers")
        state.logits.append(of_utterances(logits, data.test_counts, evaluation, activation))
        state.segment_classes.append(logits.argmax(axis=1).astype(np.uint8))
        loss = epoch_loss(losses, settings, len(data.train_rows))
        state.epochs.append(Epoch(rates[state.epoch], loss, state.seconds, time.perf_counter() - clock))
        state.epoch, state.step, state.losses, state.seconds = state.epoch + 1, 0, [], 0.0
        after_epoch()


def alone(steps: Steps, device: torch.device) -> None:
    """Take the steps of a run one after another; torch's global generators are left as they were."""
    with generators_kept(device):
        request = next(steps, None)
        while request is not None:
            learner, step = request
            try:
                request = steps.send(learner.step(step))
            except StopIteration:
                request = None


def epoch_loss(losses: list[float], settings: TrainingSettings, rows: int) -> float:
    """The release's epoch loss: the sum of batch loss x nominal batch size over the number of rows.

    Where batches are of utterances, the mean over the batches.
    """
    if isinstance(settings.batches, BySegments):
        return sum(loss * settings.batches.size for loss in losses) / rows
    return sum(losses) / len(losses)


def of_utterances(
    logits: NDArray[np.float32], counts: NDArray[np.int64], evaluation: EvaluationSettings, activation: Activation
) -> NDArray[np.float32]:
    """The logits (H, C) of utterances: the mean of those of their rows (S, C), of which each has counts (H,).

    Where probabilities are averaged, the logarithm of the mean, so that their softmax is the mean again.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)])
    means = utterance_logits(logits, offsets, evaluation.average, activation)
    if evaluation.average == "probabilities":
        means = np.log(np.maximum(means, np.finfo(np.float32).tiny))
    return means.astype(np.float32)
