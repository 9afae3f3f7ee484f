"""One run: a model trained on the segments of a split, evaluated on the held-out utterances after every epoch.

    draws of the epoch (mixup.py) -> batches (feed.py) -> step -> ... -> predictions of the epoch

Nothing in a training epoch waits for the device: losses are collected there and read at the epoch's end.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glam.evaluation.metrics import utterance_logits
from glam.models import ModelSettings, build
from glam.results.run import Epoch
from glam.training.feed import Feed
from glam.training.losses import Loss, cross_entropy, share_weights
from glam.training.mixup import EpochDraws, draw_epoch, mix, shares
from glam.training.schedule import learning_rates
from glam.training.settings import EvaluationSettings, Precision, TrainingSettings

EVALUATION_BATCH = 256  # fixed: rounding may depend on it


class NotFinite(Exception):
    """The training loss of a run is not a finite number."""


@dataclass(frozen=True, eq=False)
class RunData:
    """The segments of one split.

    train: features of the training segments' store; train_rows: (n,) int64, its rows to train on; train_targets: (n,)
    their classes; train_groups: (n,) the utterance each belongs to.
    test: features of the test segments' store; test_rows: (S,) rows of the held-out segments, utterance by utterance;
    test_segments: (H,) how many each utterance has.
    """

    train: Feed
    train_rows: Tensor
    train_targets: Tensor
    train_groups: Tensor
    test: Feed
    test_rows: Tensor
    test_segments: NDArray[np.int64]


@dataclass
class RunState:
    """How far a run has come: what a checkpoint keeps, beside the weights and the optimiser's state."""

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


class Learner:
    """A model with its optimiser and loss on a device, in one precision."""

    def __init__(self, model: nn.Module, settings: TrainingSettings, loss: Loss, device: torch.device) -> None:
        self.precision = settings.precision
        # Convolutions in bfloat16 are 2-3 times as fast with channels last; float32 keeps the default format,
        # in which it agrees with the release to the bit.
        self.format = torch.channels_last if self.precision == "bf16" else torch.contiguous_format
        self.device = device
        self.model = model.to(device).to(memory_format=self.format)  # type: ignore[call-overload]
        self.loss = loss
        self.optimiser = _optimiser(self.model, settings)

    def step(
        self,
        features: Tensor,
        target: Tensor,
        group: Tensor,
        partner: Tensor | None = None,
        share: Tensor | None = None,
    ) -> Tensor:
        """One optimiser step on a batch (batch, 1, F, T); returns its loss, a scalar on the device.

        partner: (batch,) positions within the batch to mix with; share: (2,) lambda and 1 - lambda. Without them
        the batch is not mixed.
        """
        self.model.train()
        if partner is not None and share is not None:
            features = mix(features, features[partner], share)
        features = features.contiguous(memory_format=self.format)
        with arithmetic(self.precision, self.device):
            logits = self.model(features).float()
        if partner is not None and share is not None:
            loss = mix(self.loss(logits, target, group), self.loss(logits, target[partner], group), share)
        else:
            loss = self.loss(logits, target, group)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def set_rate(self, rate: float) -> None:
        """The learning rate from now on."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def logits(self, feed: Feed, rows: Tensor) -> NDArray[np.float32]:
        """Logits (S, C) of the segments in these rows (S,), in evaluation mode."""
        self.model.eval()
        with torch.inference_mode(), arithmetic(self.precision, self.device):
            parts = [
                self.model(batch.contiguous(memory_format=self.format)).float()
                for batch in feed.batches(feed.rows(rows).split(EVALUATION_BATCH))
            ]
            result: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return result


def initial_model(settings: ModelSettings, classes: int, shape: tuple[int, int], seed: int) -> nn.Module:
    """The model with the initial weights of that seed, drawn on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(settings.name, classes, shape, **settings.options())


def new_learner(
    model: ModelSettings,
    settings: TrainingSettings,
    classes: int,
    data: RunData,
    seed: int,
    device: torch.device,
) -> Learner:
    """A learner at the start of a run."""
    weights = None
    if settings.class_weights == "share":
        weights = share_weights(data.train_targets.cpu(), classes).to(device)
    return Learner(initial_model(model, classes, data.train.shape, seed), settings, cross_entropy(weights), device)


def train(
    learner: Learner,
    settings: TrainingSettings,
    evaluation: EvaluationSettings,
    data: RunData,
    seed: int,
    state: RunState,
    after_step: Callable[[int], None],
    after_epoch: Callable[[], None],
) -> None:
    """Bring `state` from where it stands to the end of the last epoch.

    after_step(epoch) is called after every step and may raise to interrupt; after_epoch() after every evaluation.
    Raises NotFinite where the loss of an epoch is not finite.
    """
    rates = learning_rates(settings)
    with generators_kept(learner.device):
        while state.epoch < settings.epochs:
            draws = draw_epoch(seed, state.epoch, len(data.train_rows), settings.batch_size, settings.alpha)
            learner.set_rate(rates[state.epoch])
            _train_epoch(learner, settings.batch_size, data, draws, state, after_step)
            start = time.perf_counter()
            segment_logits = learner.logits(data.test, data.test_rows)
            if not np.isfinite(segment_logits).all():
                raise NotFinite(f"the logits after epoch {state.epoch + 1} are not all finite numbers")
            state.logits.append(_of_utterances(segment_logits, data.test_segments, evaluation))
            state.segment_classes.append(segment_logits.argmax(axis=1).astype(np.uint8))
            loss = epoch_loss(state.losses_read(), settings.batch_size, len(data.train_rows))
            state.epochs.append(Epoch(rates[state.epoch], loss, state.seconds, time.perf_counter() - start))
            state.epoch, state.step, state.losses, state.seconds = state.epoch + 1, 0, [], 0.0
            after_epoch()


def epoch_loss(losses: list[float], batch_size: int, segments: int) -> float:
    """The release's epoch loss: the sum of batch loss x nominal batch size over the number of segments."""
    return sum(loss * batch_size for loss in losses) / segments


def _train_epoch(
    learner: Learner,
    batch_size: int,
    data: RunData,
    draws: EpochDraws,
    state: RunState,
    after_step: Callable[[int], None],
) -> None:
    device = learner.device
    order = torch.from_numpy(draws.order)
    rows = data.train.rows(data.train_rows[order]).split(batch_size)
    targets = data.train_targets[order].to(device).split(batch_size)
    groups = data.train_groups[order].to(device).split(batch_size)
    partners = share = None
    if draws.partner is not None and draws.share is not None:
        within = draws.partner - np.arange(len(draws.partner)) // batch_size * batch_size
        partners = torch.from_numpy(within).to(device).split(batch_size)
        share = shares(draws.share, device)
    clock = time.perf_counter()
    for batch in data.train.batches(rows[state.step :]):
        step = state.step
        # Dropout draws on the device; a seed for each step makes a run resumable at any of them.
        torch.manual_seed(draws.dropout_seed + step)
        loss = learner.step(
            batch,
            targets[step],
            groups[step],
            partners[step] if partners is not None else None,
            share[step] if share is not None else None,
        )
        state.losses.append(loss)
        state.step += 1
        state.seconds, clock = state.seconds + time.perf_counter() - clock, time.perf_counter()
        after_step(state.epoch)
    state.losses_read()
    state.seconds += time.perf_counter() - clock


def _of_utterances(
    segment_logits: NDArray[np.float32], segments: NDArray[np.int64], evaluation: EvaluationSettings
) -> NDArray[np.float32]:
    offsets = np.concatenate([[0], np.cumsum(segments)])
    means = utterance_logits(segment_logits, offsets, evaluation.average)
    if evaluation.average == "probabilities":
        means = np.log(np.maximum(means, np.finfo(np.float32).tiny))  # so that their softmax is the mean again
    return means.astype(np.float32)


def _optimiser(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        model.parameters(),
        settings.lr,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """The precision of matrix products and convolutions within the block."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.deterministic = True
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


@contextmanager
def generators_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were before the block."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
