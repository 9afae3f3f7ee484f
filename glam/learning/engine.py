"""One run: a model trained on the segments of a split, evaluated on the held-out utterances after every epoch.

    draws of the epoch (mixup.py) -> batches (feed.py) -> step -> ... -> predictions of the epoch

A run is a course of steps that someone takes: `alone` here, or a pack that takes those of many runs at once (pack.py).
Nothing in a training epoch waits for the device: losses are collected there and read at the epoch's end.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glam.evaluation.metrics import utterance_logits
from glam.learning.arithmetic import arithmetic
from glam.learning.column import Feed
from glam.learning.draws import EpochDraws, draw_epoch, mix, shares
from glam.learning.losses import Loss, cross_entropy, share_weights
from glam.learning.schedule import learning_rates
from glam.learning.settings import EvaluationSettings, TrainingSettings
from glam.models import ModelSettings, build
from glam.models.dropout import seeds as dropout_seeds
from glam.results.run import Epoch


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


@dataclass(frozen=True, eq=False)
class Batch:
    """What one optimiser step is about, on the device.

    features: (batch, 1, F, T). target, group: (batch,) classes, and the utterance each segment belongs to. rate: the
    learning rate. seed: of dropout. partner: (batch,) positions within the batch to mix with, and share: (2,) lambda
    and 1 - lambda; without them the batch is not mixed.
    """

    features: Tensor
    target: Tensor
    group: Tensor
    rate: float
    seed: int = 0
    partner: Tensor | None = None
    share: Tensor | None = None


class Learns(Protocol):
    """A model in training on a device, by itself (`Learner`) or in a pack (`pack.Lane`)."""

    device: torch.device

    def step(self, batch: Batch) -> Tensor:
        """One optimiser step; returns the loss before it, a scalar on the device."""

    def logits(self, feed: Feed, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """Logits (S, C) of the segments in these rows (S,), in evaluation mode. seed: of what draws even then."""

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name: what a saved model holds."""

    def optimiser_state(self) -> dict[str, Tensor]:
        """The optimiser's tensors as `<number of the parameter>/<name>`."""

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """Take over weights and optimiser state; an empty one starts anew. Raises RuntimeError where they don't fit."""


# What a run asks for, one step after another, and from whom; it is sent each step's loss.
Steps = Generator[tuple[Learns, Batch], Tensor, None]


class Learner:
    """A model with its optimiser and loss on a device, in one precision."""

    def __init__(self, model: nn.Module, settings: TrainingSettings, loss: Loss, device: torch.device) -> None:
        self.precision = settings.precision
        # Convolutions in bfloat16 are 2-3 times as fast with channels last. float32 would gain a tenth on a CPU, but
        # batch norm then sums a channel one value after another: its gradients are 10 to 300 times less exact.
        self.format = torch.channels_last if self.precision == "bf16" else torch.contiguous_format
        self.device = device
        self.model = model.to(device).to(memory_format=self.format)  # type: ignore[call-overload]
        self.loss = loss
        self.optimiser = _optimiser(self.model, settings)
        self.seeds = dropout_seeds(self.model)

    def step(self, batch: Batch) -> Tensor:
        """See Learns."""
        self.model.train()
        self._draw_from(batch.seed)
        for group in self.optimiser.param_groups:
            group["lr"] = batch.rate
        loss = objective(
            self._forward, self.loss, batch.features, batch.target, batch.group, batch.partner, batch.share
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def logits(self, feed: Feed, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """See Learns."""
        self.model.eval()
        parts = []
        with torch.inference_mode():
            for number, batch in enumerate(feed.batches(feed.rows(rows).split(evaluation_batch(self.device)))):
                self._draw_from(seed + number)
                parts.append(self._forward(batch))
            result: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return result

    def weights(self) -> dict[str, Tensor]:
        """See Learns."""
        return dict(self.model.state_dict())

    def optimiser_state(self) -> dict[str, Tensor]:
        """See Learns."""
        state = self.optimiser.state_dict()["state"]
        return {
            f"{i}/{name}": torch.as_tensor(value)
            for i, entry in state.items()
            for name, value in entry.items()
            if value is not None  # plain SGD keeps an empty momentum
        }

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """See Learns."""
        self.model.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in optimiser.items():
            i, entry = name.split("/")
            state.setdefault(int(i), {})[entry] = tensor
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})

    def _forward(self, features: Tensor) -> Tensor:
        with arithmetic(self.precision, self.device):
            return at_least_float32(self.model(features.contiguous(memory_format=self.format)))

    def _draw_from(self, seed: int) -> None:
        torch.manual_seed(seed)  # for a model that draws from torch's own generator
        for buffer in self.seeds:
            buffer.fill_(seed)


def noise(size: int, shape: tuple[int, int], classes: int, mixed: bool, device: torch.device | str) -> Batch:
    """A batch of so many segments of noise (F, T), to try a step with."""
    place = torch.arange(size, device=device)
    mixing = (place.flip(0), torch.tensor([0.5, 0.5], device=device)) if mixed else (None, None)
    return Batch(torch.randn(size, 1, *shape, device=device), place % classes, place, 1e-4, 0, *mixing)


def evaluation_batch(device: torch.device) -> int:
    """How many segments are evaluated at once: fixed, as rounding may depend on it.

    What lies in a processor's cache is evaluated up to twice as fast as what does not.
    """
    return 32 if device.type == "cpu" else 256


def at_least_float32(logits: Tensor) -> Tensor:
    """The logits in float32, or in float64 if that is what they are in."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def objective(
    forward: Callable[[Tensor], Tensor],
    loss: Loss,
    features: Tensor,
    target: Tensor,
    group: Tensor,
    partner: Tensor | None,
    share: Tensor | None,
) -> Tensor:
    """The loss of a batch, mixed or not: what a step descends (section 3.3, equations 1 and 2, and section 4.1)."""
    if partner is None or share is None:
        return loss(forward(features), target, group)
    logits = forward(mix(features, features[partner], share))
    return mix(loss(logits, target, group), loss(logits, target[partner], group), share)


def initial_model(settings: ModelSettings, classes: int, shape: tuple[int, int], seed: int) -> nn.Module:
    """The model with the initial weights of that seed, drawn on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(settings.name, classes, shape, **settings.options())


def class_weights(settings: TrainingSettings, classes: int, data: RunData) -> Tensor | None:
    """The weights (C,) of the classes in the loss of a run, if its settings ask for any."""
    return share_weights(data.train_targets.cpu(), classes) if settings.class_weights == "share" else None


def new_learner(
    model: ModelSettings,
    settings: TrainingSettings,
    classes: int,
    data: RunData,
    seed: int,
    device: torch.device,
) -> Learner:
    """A learner at the start of a run."""
    weights = class_weights(settings, classes, data)
    loss = cross_entropy(None if weights is None else weights.to(device))
    return Learner(initial_model(model, classes, data.train.shape, seed), settings, loss, device)


def course(
    learner: Learns,
    settings: TrainingSettings,
    evaluation: EvaluationSettings,
    data: RunData,
    seed: int,
    state: RunState,
    after_step: Callable[[int], None],
    after_epoch: Callable[[], None],
) -> Steps:
    """The course of a run: brings `state` from where it stands to the end of the last epoch.

    It yields each step that is to be taken, and is sent its loss; who takes the steps, one run at a time (`alone`) or
    those of many together (pack.py), makes no difference to the run. after_step(epoch) is called after every step and
    may raise to interrupt; after_epoch() after every evaluation. Raises NotFinite where the loss of an epoch is not
    finite.
    """
    rates = learning_rates(settings)
    while state.epoch < settings.epochs:
        draws = draw_epoch(seed, state.epoch, len(data.train_rows), settings.batch_size, settings.alpha)
        clock = time.perf_counter()
        for batch in _batches(learner.device, settings.batch_size, rates[state.epoch], data, draws, state.step):
            state.losses.append((yield learner, batch))
            state.step += 1
            state.seconds, clock = state.seconds + time.perf_counter() - clock, time.perf_counter()
            after_step(state.epoch)
        losses = state.losses_read()
        state.seconds, clock = state.seconds + time.perf_counter() - clock, time.perf_counter()
        segment_logits = learner.logits(data.test, data.test_rows, draws.dropout_seed + state.step)
        if not np.isfinite(segment_logits).all():
            raise NotFinite(f"the logits after epoch {state.epoch + 1} are not all finite numbers")
        state.logits.append(_of_utterances(segment_logits, data.test_segments, evaluation))
        state.segment_classes.append(segment_logits.argmax(axis=1).astype(np.uint8))
        loss = epoch_loss(losses, settings.batch_size, len(data.train_rows))
        state.epochs.append(Epoch(rates[state.epoch], loss, state.seconds, time.perf_counter() - clock))
        state.epoch, state.step, state.losses, state.seconds = state.epoch + 1, 0, [], 0.0
        after_epoch()


def alone(steps: Steps, device: torch.device) -> None:
    """Take the steps of a run one after another; torch's global generators are left as they were."""
    with generators_kept(device):
        request = next(steps, None)
        while request is not None:
            learner, batch = request
            try:
                request = steps.send(learner.step(batch))
            except StopIteration:
                request = None


def epoch_loss(losses: list[float], batch_size: int, segments: int) -> float:
    """The release's epoch loss: the sum of batch loss x nominal batch size over the number of segments."""
    return sum(loss * batch_size for loss in losses) / segments


def _batches(
    device: torch.device, size: int, rate: float, data: RunData, draws: EpochDraws, first: int
) -> Iterator[Batch]:
    """The batches of an epoch from the step `first` on."""
    order = torch.from_numpy(draws.order)
    rows = data.train.rows(data.train_rows[order]).split(size)
    targets = data.train_targets[order].to(device).split(size)
    groups = data.train_groups[order].to(device).split(size)
    partners = share = None
    if draws.partner is not None and draws.share is not None:
        within = draws.partner - np.arange(len(draws.partner)) // size * size
        partners = torch.from_numpy(within).to(device).split(size)
        share = shares(draws.share, device)
    for step, features in enumerate(data.train.batches(rows[first:]), first):
        yield Batch(
            features,
            targets[step],
            groups[step],
            rate,
            draws.dropout_seed + step,  # a seed for each step makes a run resumable at any of them
            partners[step] if partners is not None else None,
            share[step] if share is not None else None,
        )


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
def generators_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were before the block."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
