"""Many runs side by side on one device, for devices that a batch of 32 segments leaves idle.

The weights of a pack are one matrix, a row for each run: a slot. The model is written once and mapped over the rows
(torch.func.vmap), so that a convolution of many runs is one grouped convolution and their optimiser is arithmetic on
the matrix. No run's numbers enter another's: each learns what it would learn alone, but for the rounding of sums that
are taken in another order.

    courses of the runs (engine.py) -> a batch of each -> one step of all -> a loss to each
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from glam.learning.arithmetic import autocast, settle
from glam.learning.column import Feed
from glam.learning.engine import (
    Batch,
    Steps,
    at_least_float32,
    evaluation_batch,
    generators_kept,
    objective,
)
from glam.learning.graphs import Graphs
from glam.learning.losses import cross_entropy
from glam.learning.norms import in_float32
from glam.learning.row_optimisers import ROW_OPTIMISERS
from glam.learning.settings import TrainingSettings
from glam.models.dropout import is_seed

AHEAD = 2  # steps
MEMORY_SHARE = 0.8  # of what is free, for the slots; kernels want workspace besides
# Of a compiled step: maps with the channels last, as tensor cores want them, though convolutions are grouped.
INDUCTOR: dict[str, Any] = {"force_layout_optimization": True}


class Inputs(NamedTuple):
    """The batches of a step and what goes with them, stacked over slots; see engine.Batch for the shapes of one."""

    features: Tensor
    target: Tensor
    group: Tensor
    partner: Tensor | None
    share: Tensor | None
    rate: Tensor  # (slots,) float64
    seed: Tensor  # (slots,) int64


class Pack:
    """Slots for so many runs of one model and one setting on a device.

    Args:
        model: the model, whose weights serve as shapes only. It stays the pack's.
        settings: of the training.
        slots: how many runs.
        classes: number of classes.
        device: where.
        compiled: whether the step is compiled, which takes a minute and makes it two to three times as fast on a GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: TrainingSettings,
        slots: int,
        classes: int,
        device: torch.device,
        compiled: bool = False,
    ) -> None:
        self.device = torch.zeros(0, device=device).device  # "cuda" is a device with a number now
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # graphs and memory are the current device's
        self.model, self.settings = model.to(device), settings
        if settings.precision == "bf16":
            in_float32(self.model)
        self.slots, self.classes = slots, classes
        self.shapes = {name: tuple(one.shape) for name, one in model.named_parameters()}
        sizes = [one.numel() for one in model.parameters()]
        ends = np.cumsum(sizes)
        self.columns = {
            name: slice(int(end) - size, int(end)) for name, size, end in zip(self.shapes, sizes, ends, strict=True)
        }
        kind = next(model.parameters()).dtype
        self.matrix = torch.zeros(slots, int(ends[-1]), dtype=kind, device=device)
        self.buffers = {
            name: buffer.to(device).expand(slots, *buffer.shape).clone() for name, buffer in model.named_buffers()
        }
        self.class_weights = (
            torch.ones(slots, classes, dtype=kind, device=device) if settings.class_weights == "share" else None
        )
        self.optimiser = ROW_OPTIMISERS[settings.optimizer](self.matrix, settings)
        self.compiled = compiled
        self._take: Callable[..., Tensor] = self._step
        self._judge: Callable[..., Tensor] = self._logits
        if compiled:
            torch.compiler.reset()  # what is left of packs before this one counts against a limit
            self._take = torch.compile(self._step, dynamic=False, options=INDUCTOR)
            self._judge = torch.compile(self._logits, dynamic=False, options=INDUCTOR)
        self.tell: Callable[[str], None] = lambda _: None  # what to know of how it goes
        self._graphs = Graphs() if self.device.type == "cuda" else None
        self._spare: Pack | None = None
        self._alone = {name: tensor.clone() for name, tensor in self.weights(0).items()}

    def lanes(self) -> "list[Lane]":
        """The slots, each as something that learns."""
        return [Lane(self, slot) for slot in range(self.slots)]

    def step(self, batches: Sequence[Batch | None]) -> Tensor:
        """One step of all slots on a batch each, all of one size; returns the losses (slots,).

        A slot without a batch is free: it computes something that nobody looks at.
        """
        filler = next(batch for batch in batches if batch is not None)
        inputs = self._stacked([batch or filler for batch in batches])
        settle(self.settings.precision, self.device, self.compiled)
        try:
            return self._taken(inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if not self.compiled:
                raise
            # A machine without a C compiler, a model that the compiler cannot take: it goes on without.
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            self.tell(f"the steps could not be compiled, and take about twice as long: {reason}")
            self.compiled, self._take, self._judge = False, self._step, self._logits
            return self._taken(inputs)

    def _taken(self, inputs: Inputs) -> Tensor:
        return self._take(*inputs) if self._graphs is None else self._graphs.call(self._take, inputs, self._state())

    def step_of(self, slot: int, batch: Batch) -> Tensor:
        """One step of a single slot, on a batch of another size than the pack's steps; returns its loss."""
        if self._spare is None:
            self._spare = Pack(self.model, self.settings, 1, self.classes, self.device)
        spare = self._spare
        for here, there in zip(spare._state(), self._state(), strict=True):
            here[0].copy_(there[slot])
        loss = spare.step([batch])[0]
        for here, there in zip(spare._state(), self._state(), strict=True):
            there[slot].copy_(here[0])
        return loss

    def gradients(self, batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """The gradients (slots, parameters) of a batch of each slot, and the losses (slots,), without a step."""
        settle(self.settings.precision, self.device, self.compiled)
        return self._gradient(self._stacked(batches))

    def logits(self, slot: int, batches: Iterable[Tensor], seed: int) -> Tensor:
        """Logits (segments, C) float32 of one slot's model on batches of features, in evaluation mode.

        seed: of what draws even then; that of the first batch.
        """
        settle(self.settings.precision, self.device, self.compiled)
        for name, tensor in self.weights(slot).items():
            self._alone[name].copy_(tensor)
        self.model.eval()
        parts = []
        with torch.inference_mode():
            for number, batch in enumerate(batches):
                torch.manual_seed(seed + number)
                parts.append(self._logits_of(batch, seed + number))
        self.model.train()
        return torch.cat(parts)

    def weights(self, slot: int) -> dict[str, Tensor]:
        """Views of a slot's parameters and buffers, by name."""
        parameters = {name: self.matrix[slot, part].view(self.shapes[name]) for name, part in self.columns.items()}
        return parameters | {name: buffer[slot] for name, buffer in self.buffers.items()}

    def _logits_of(self, features: Tensor, seed: int) -> Tensor:
        seeds = self._sent([seed], torch.int64)
        if self._graphs is None:
            return self._judge(features, seeds)
        missing = evaluation_batch(self.device) - len(features)
        whole = torch.cat((features, features[:1].expand(missing, *features.shape[1:]))) if missing else features
        return self._graphs.call(self._judge, (whole, seeds))[: len(features)]

    def _logits(self, features: Tensor, seed: Tensor) -> Tensor:
        weights = {name: seed[0] if is_seed(name) else tensor for name, tensor in self._alone.items()}
        with autocast(self.settings.precision, self.device):
            logits: Tensor = functional_call(self.model, weights, (features,))
        return at_least_float32(logits)

    def _state(self) -> list[Tensor]:
        """Everything that belongs to the slots, (slots, ...) each."""
        weights = [] if self.class_weights is None else [self.class_weights]
        return [
            self.matrix,
            *self.buffers.values(),
            *self.optimiser.tensors.values(),
            self.optimiser.steps,
            *weights,
        ]

    def _stacked(self, batches: Sequence[Batch]) -> Inputs:
        """The batches of all slots, stacked."""
        partners = [batch.partner for batch in batches if batch.partner is not None]
        share = [batch.share for batch in batches if batch.share is not None]
        return Inputs(
            torch.stack([batch.features for batch in batches]),
            torch.stack([batch.target for batch in batches]),
            torch.stack([batch.group for batch in batches]),
            torch.stack(partners) if partners else None,
            torch.stack(share) if share else None,
            self._sent([batch.rate for batch in batches], torch.float64),
            self._sent([batch.seed for batch in batches], torch.int64),
        )

    def _sent(self, values: Sequence[float], kind: torch.dtype) -> Tensor:
        host = torch.tensor(values, dtype=kind)
        if self.device.type == "cuda":
            host = host.pin_memory()  # from pageable memory the copy would wait for the device
        return host.to(self.device, non_blocking=True)

    def _step(self, *inputs: Tensor | None) -> Tensor:
        """A step of all slots on these Inputs; returns their losses."""
        given = Inputs(*inputs)  # type: ignore[arg-type]
        gradient, losses = self._gradient(given)
        self.optimiser.step(gradient, given.rate)
        return losses

    def _gradient(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """The gradient (slots, parameters), and the losses (slots,); moves the running statistics."""
        parameters = {name: self.matrix[:, part].unflatten(1, self.shapes[name]) for name, part in self.columns.items()}
        for name, buffer in self.buffers.items():
            if is_seed(name):
                buffer.copy_(inputs.seed)
        features, target, group, partner, share, _, _ = inputs
        mixed = None if partner is None else 0
        weights = self.class_weights
        gradients, (losses, after) = vmap(
            grad_and_value(self._loss, has_aux=True),
            in_dims=(0, 0, 0, 0, 0, mixed, mixed, None if weights is None else 0),
            randomness="different",  # of a model that draws from torch's own generator
        )(parameters, self.buffers, features, target, group, partner, share, weights)
        for name, buffer in self.buffers.items():
            buffer.copy_(after[name])
        return torch.cat([gradients[name].flatten(1) for name in self.columns], dim=1), losses.detach()

    def _loss(
        self,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        features: Tensor,
        target: Tensor,
        group: Tensor,
        partner: Tensor | None,
        share: Tensor | None,
        weights: Tensor | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one slot as a function of its parameters, and its buffers after the step."""

        def forward(x: Tensor) -> Tensor:
            with autocast(self.settings.precision, self.device):
                return at_least_float32(functional_call(self.model, (parameters, buffers), (x,)))

        return objective(forward, cross_entropy(weights), features, target, group, partner, share), buffers


class Lane:
    """One slot of a pack, for one run: see engine.Learns."""

    def __init__(self, pack: Pack, slot: int) -> None:
        self.pack, self.slot, self.device = pack, slot, pack.device

    def start(self, model: nn.Module, class_weights: Tensor | None) -> None:
        """Begin a run with the weights of that model. class_weights: (C,), if the settings ask for them."""
        self.load(model.state_dict(), {})
        if self.pack.class_weights is not None and class_weights is not None:
            self.pack.class_weights[self.slot] = class_weights

    def step(self, batch: Batch) -> Tensor:
        """One optimiser step of this slot alone: for batches smaller than those that the pack steps on."""
        return self.pack.step_of(self.slot, batch)

    def logits(self, feed: Feed, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """See Learns."""
        batches = feed.batches(feed.rows(rows).split(evaluation_batch(self.device)))
        result: NDArray[np.float32] = self.pack.logits(self.slot, batches, seed).cpu().numpy()
        return result

    def weights(self) -> dict[str, Tensor]:
        """See Learns."""
        return {name: tensor for name, tensor in self.pack.weights(self.slot).items() if not is_seed(name)}

    def optimiser_state(self) -> dict[str, Tensor]:
        """See Learns."""
        pack, optimiser = self.pack, self.pack.optimiser
        state: dict[str, Tensor] = {}
        for i, (name, part) in enumerate(pack.columns.items()):
            for entry, matrix in optimiser.tensors.items():
                state[f"{i}/{entry}"] = matrix[self.slot, part].view(pack.shapes[name])
            if optimiser.counts:
                state[f"{i}/step"] = optimiser.steps[self.slot].float()
        return state

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """See Learns."""
        mine = self.weights()
        if wrong := sorted(mine.keys() ^ weights.keys()):
            raise RuntimeError(f"other weights than the model's: {', '.join(wrong[:3])}")
        for name, tensor in mine.items():
            tensor.copy_(weights[name])
        self.pack.optimiser.steps[self.slot] = float(optimiser["0/step"]) if "0/step" in optimiser else 0.0
        for i, part in enumerate(self.pack.columns.values()):
            for entry, matrix in self.pack.optimiser.tensors.items():
                there = optimiser.get(f"{i}/{entry}")
                matrix[self.slot, part] = 0 if there is None else there.flatten().to(matrix)


def together(pack: Pack, begin: Callable[[Lane], Steps | None]) -> None:
    """Take the steps of many runs, a step of all of them at a time.

    begin: gives the course of the next run, which learns in this lane, or None when there is none left. A run that
    ends makes room for the next. Returns when all have ended, or when half of the slots have been free for so long that
    a smaller pack would have been worth making: the courses that are left are closed then, as they are where an
    exception goes through, and may go on in one.
    """
    size = pack.settings.batch_size
    lanes, left = pack.lanes(), True
    courses: dict[int, Steps] = {}
    batches: list[Batch | None] = [None] * pack.slots
    pace = _Pace(pack.device)
    with generators_kept(pack.device):
        try:
            while True:
                for slot, lane in enumerate(lanes):
                    while left and slot not in courses:
                        steps = begin(lane)
                        if steps is None:
                            left = False
                        elif (batch := _next(steps, None, size)) is not None:
                            courses[slot], batches[slot] = steps, batch
                if not courses or (not left and 1 < pack.slots >= 2 * len(courses) and pace.long_enough()):
                    return
                losses = pack.step(batches).unbind()
                pace.stepped()
                for slot, steps in list(courses.items()):
                    batches[slot] = _next(steps, losses[slot], size)
                    if batches[slot] is None:
                        del courses[slot]
        finally:
            for steps in courses.values():
                steps.close()


class _Pace:
    """How the steps of a pack go by: never more than AHEAD of them are asked of a GPU before it has done them."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._asked: deque[torch.cuda.Event] = deque()
        self._begun = time.monotonic()
        self._first = 0.0  # seconds until the first step was done: what making a pack takes
        self._half_empty: float | None = None

    def stepped(self) -> None:
        """A step was asked for. Waits for an earlier one, so that times are true and an interrupt is answered soon."""
        if self._cuda:
            self._asked.append(torch.cuda.Event())
            self._asked[-1].record()
            if len(self._asked) > AHEAD or not self._first:
                self._asked.popleft().synchronize()
        self._first = self._first or time.monotonic() - self._begun

    def long_enough(self) -> bool:
        """Whether half of the slots have been free for as long as making another pack takes."""
        now = time.monotonic()
        if self._half_empty is None:
            self._half_empty = now
        return now - self._half_empty >= self._first


def _next(steps: Steps, loss: Tensor | None, size: int) -> Batch | None:
    """The run's next batch of full size; None when it has ended. It takes smaller steps, an epoch's last, by itself."""
    try:
        learner, batch = next(steps) if loss is None else steps.send(loss)
        while len(batch.target) < size:
            learner, batch = steps.send(learner.step(batch))
    except StopIteration:
        return None
    return batch


def fitting(pack_of: Callable[[int], Pack], batch: Batch, most: int) -> int:
    """How many slots fit into the memory of a CUDA device, at most `most`.

    pack_of: makes a pack of so many slots. Two small packs are tried: what the second takes more than the first is
    what a slot takes. batch: as the runs' own.
    """
    torch.cuda.empty_cache()
    peaks = []
    for slots in (1, 2):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        pack_of(slots).step([batch] * slots)
        torch.cuda.synchronize()
        peaks.append(torch.cuda.max_memory_allocated() - before)
        torch.cuda.empty_cache()
    each = max(peaks[1] - peaks[0], 1)
    room = MEMORY_SHARE * torch.cuda.mem_get_info()[0] - (peaks[0] - each)
    return max(1, min(most, int(room / each)))
