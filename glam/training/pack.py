"""Many runs side by side on one device, for devices that a batch of 32 segments leaves idle.

The weights of a pack are one matrix, a row for each run: a slot. The model is written once and mapped over the rows
(torch.func.vmap), so that a convolution of many runs is one grouped convolution and their optimiser is arithmetic on
the matrix. No run's numbers enter another's: each learns what it would learn alone, but for the rounding of sums that
are taken in another order.

    courses of the runs (engine.py) -> a batch of each -> one step of all -> a loss to each
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from glam.models.dropout import is_seed
from glam.training.arithmetic import arithmetic
from glam.training.engine import (
    Batch,
    Steps,
    at_least_float32,
    evaluation_batch,
    generators_kept,
    objective,
)
from glam.training.feed import Feed
from glam.training.losses import cross_entropy
from glam.training.settings import TrainingSettings

BETAS, EPS = (0.9, 0.999), 1e-8  # of Adam: torch's defaults, as in the release
MEMORY_SHARE = 0.8  # of what is free, for the slots; kernels want workspace besides
WARM_UP = 3  # steps before one is captured: libraries allocate and choose their kernels


class Inputs(NamedTuple):
    """The batches of a step and what goes with them, stacked over slots; see engine.Batch for the shapes of one."""

    features: Tensor
    target: Tensor
    group: Tensor
    partner: Tensor | None
    share: Tensor | None
    rate: Tensor  # (slots,) float64
    seed: Tensor  # (slots,) int64
    class_weights: Tensor | None  # (slots, C)


class Pack:
    """Slots for so many runs of one model and one setting on a device.

    Args:
        model: the model, whose weights serve as shapes only. It stays the pack's.
        settings: of the training.
        slots: how many runs.
        classes: number of classes.
        device: where.
    """

    def __init__(
        self, model: nn.Module, settings: TrainingSettings, slots: int, classes: int, device: torch.device
    ) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # graphs and memory are the current device's
        self.model, self.settings, self.device = model.to(device), settings, device
        self.slots = slots
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
        self.optimiser: Adam | Sgd = (Adam if settings.optimizer == "adam" else Sgd)(self.matrix, settings)
        self._captured: _Captured | None = None

    def lanes(self) -> "list[Lane]":
        """The slots, each as something that learns."""
        return [Lane(self, slot) for slot in range(self.slots)]

    def step(self, batches: Sequence[Batch | None]) -> Tensor:
        """One step of all slots on a batch each, all of one size; returns the losses (slots,).

        A slot without a batch is free: it computes something that nobody looks at.
        """
        filler = next(batch for batch in batches if batch is not None)
        inputs = self._stacked([batch or filler for batch in batches], slice(None))
        if self.device.type != "cuda":
            return self._step(slice(None), inputs)
        if self._captured is None or not self._captured.takes(inputs):
            self._captured = None  # gives its memory back first
            self._captured = _Captured(lambda static: self._step(slice(None), static), inputs, self._state())
        return self._captured(inputs)

    def gradients(self, batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """The gradients (slots, parameters) of a batch of each slot, and the losses (slots,), without a step."""
        return self._gradient(slice(None), self._stacked(batches, slice(None)))

    def step_of(self, slot: int, batch: Batch) -> Tensor:
        """One step of a single slot; returns its loss."""
        rows = slice(slot, slot + 1)
        return self._step(rows, self._stacked([batch], rows))[0]

    def logits(self, slot: int, features: Tensor, seed: int) -> Tensor:
        """Logits (batch, C) float32 of one slot's model, in evaluation mode."""
        weights = self.weights(slot)
        for name in self.buffers:
            if is_seed(name):
                weights[name] = torch.full((), seed, dtype=torch.int64, device=self.device)
        torch.manual_seed(seed)
        self.model.eval()
        with torch.inference_mode(), arithmetic(self.settings.precision, self.device):
            logits: Tensor = functional_call(self.model, weights, (features,))
        return at_least_float32(logits)

    def weights(self, slot: int) -> dict[str, Tensor]:
        """Views of a slot's parameters and buffers, by name."""
        parameters = {name: self.matrix[slot, part].view(self.shapes[name]) for name, part in self.columns.items()}
        return parameters | {name: buffer[slot] for name, buffer in self.buffers.items()}

    def _state(self) -> list[Tensor]:
        """Everything that a step changes."""
        return [self.matrix, *self.buffers.values(), *self.optimiser.tensors.values(), self.optimiser.steps]

    def _stacked(self, batches: Sequence[Batch], rows: slice) -> Inputs:
        """The batches of some slots, stacked."""
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
            None if self.class_weights is None else self.class_weights[rows],
        )

    def _sent(self, values: Sequence[float], kind: torch.dtype) -> Tensor:
        host = torch.tensor(values, dtype=kind)
        if self.device.type == "cuda":
            host = host.pin_memory()  # from pageable memory the copy would wait for the device
        return host.to(self.device, non_blocking=True)

    def _step(self, rows: slice, inputs: Inputs) -> Tensor:
        """A step of some slots; returns their losses."""
        gradient, losses = self._gradient(rows, inputs)
        self.optimiser.step(rows, gradient, inputs.rate)
        return losses

    def _gradient(self, rows: slice, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """The gradient (rows, parameters) of some slots, and their losses (rows,); moves their running statistics."""
        parameters = {
            name: self.matrix[rows, part].unflatten(1, self.shapes[name]) for name, part in self.columns.items()
        }
        buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        for name, buffer in buffers.items():
            if is_seed(name):
                buffer.copy_(inputs.seed)
        self.model.train()
        features, target, group, partner, share, _, _, weights = inputs
        mixed = None if partner is None else 0
        gradients, (losses, after) = vmap(
            grad_and_value(self._loss, has_aux=True),
            in_dims=(0, 0, 0, 0, 0, mixed, mixed, None if weights is None else 0),
            randomness="different",  # of a model that draws from torch's own generator
        )(parameters, buffers, features, target, group, partner, share, weights)
        for name, buffer in buffers.items():
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
            with arithmetic(self.settings.precision, self.device):
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
        parts = [self.pack.logits(self.slot, batch, seed + number) for number, batch in enumerate(batches)]
        result: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
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


class Adam:
    """Adam with coupled weight decay for each row of a matrix of parameters, as torch.optim.Adam does it for one."""

    counts = True

    def __init__(self, matrix: Tensor, settings: TrainingSettings) -> None:
        self.matrix, self.weight_decay = matrix, settings.weight_decay
        self.steps = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
        self.tensors = {"exp_avg": torch.zeros_like(matrix), "exp_avg_sq": torch.zeros_like(matrix)}

    def step(self, rows: slice, gradient: Tensor, rate: Tensor) -> None:
        """One step of these rows; gradient (rows, parameters), rate (rows,) float64."""
        weights, steps = self.matrix[rows], self.steps[rows]
        first, second = (self.tensors[name][rows] for name in ("exp_avg", "exp_avg_sq"))
        steps += 1
        gradient = gradient.add(weights, alpha=self.weight_decay)
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        size = (rate / (1 - BETAS[0] ** steps)).to(weights.dtype)
        root = (1 - BETAS[1] ** steps).sqrt().to(weights.dtype)
        weights.sub_(size[:, None] * first / (second.sqrt() / root[:, None] + EPS))


class Sgd:
    """Stochastic gradient descent with Nesterov momentum for each row of a matrix, as torch.optim.SGD for one."""

    counts = False

    def __init__(self, matrix: Tensor, settings: TrainingSettings) -> None:
        self.matrix, self.weight_decay, self.momentum = matrix, settings.weight_decay, settings.momentum
        self.steps = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
        self.tensors = {"momentum_buffer": torch.zeros_like(matrix)} if settings.momentum else {}

    def step(self, rows: slice, gradient: Tensor, rate: Tensor) -> None:
        """One step of these rows; gradient (rows, parameters), rate (rows,) float64."""
        weights = self.matrix[rows]
        self.steps[rows] += 1
        gradient = gradient.add(weights, alpha=self.weight_decay)
        if self.momentum:
            buffer = self.tensors["momentum_buffer"][rows]
            buffer.mul_(self.momentum).add_(gradient)
            gradient = gradient.add(buffer, alpha=self.momentum)
        weights.sub_(rate.to(weights.dtype)[:, None] * gradient)


def together(pack: Pack, begin: Callable[[Lane], Steps | None]) -> None:
    """Take the steps of many runs, a step of all of them at a time.

    begin: gives the course of the next run, which learns in this lane, or None when there is none left. A run that
    ends makes room for the next. Returns when all have ended, or when half of the slots are free for good: the courses
    that are left are closed then, as they are where an exception goes through, and may go on in a smaller pack.
    """
    size = pack.settings.batch_size
    lanes, left = pack.lanes(), True
    courses: dict[int, Steps] = {}
    batches: list[Batch | None] = [None] * pack.slots
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
                if not courses or (not left and 1 < pack.slots >= 2 * len(courses)):
                    return
                losses = pack.step(batches).unbind()
                for slot, steps in list(courses.items()):
                    batches[slot] = _next(steps, losses[slot], size)
                    if batches[slot] is None:
                        del courses[slot]
        finally:
            for steps in courses.values():
                steps.close()


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


class _Captured:
    """A step recorded as a CUDA graph: replayed without the cost of launching its kernels one by one.

    function: the step, which reads `inputs` and changes `state`.
    """

    def __init__(self, function: Callable[[Inputs], Tensor], inputs: Inputs, state: Sequence[Tensor]) -> None:
        self.inputs = Inputs(*(None if one is None else one.clone() for one in inputs))  # type: ignore[arg-type]
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        for tensor, old in zip(state, before, strict=True):
            tensor.copy_(old)  # warming up was no training
        del before
        torch.cuda.empty_cache()  # the graph has memory of its own, and warming up left as much behind
        self.graph = torch.cuda.CUDAGraph()
        # Another thread may be gathering a batch meanwhile, which is no business of the graph's.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.losses = function(self.inputs)

    def takes(self, inputs: Inputs) -> bool:
        """Whether it was recorded for inputs of these shapes."""
        return [None if one is None else one.shape for one in inputs] == [
            None if one is None else one.shape for one in self.inputs
        ]

    def __call__(self, inputs: Inputs) -> Tensor:
        """One step on these inputs; returns the losses."""
        for static, one in zip(self.inputs, inputs, strict=True):
            if static is not None and one is not None:
                static.copy_(one, non_blocking=True)
        self.graph.replay()
        return self.losses.clone()
