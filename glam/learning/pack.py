"""Many runs side by side on one device, for devices that a batch of 32 segments leaves idle.

The weights of a pack are one matrix, a row for each run: a slot. The objective is written once and mapped over the rows
(torch.func.vmap), so that a convolution of many runs is one grouped convolution and their optimiser is arithmetic on
the matrix. No run's numbers enter another's: each learns what it would learn alone, but for the rounding of sums that
are taken in another order.

    courses of the runs (course.py) -> a batch of each -> one step of all -> a loss to each
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from glam.fused.fuse import can_fuse, fuse, unfuse
from glam.learning.arithmetic import settle
from glam.learning.batch import Batch, Step
from glam.learning.column import Columns, stacked
from glam.learning.graphs import Graphs
from glam.learning.learner import decays, evaluation_batch, evaluation_batches
from glam.learning.norms import in_float32
from glam.learning.objective import Objective
from glam.learning.row_optimisers import row_optimiser
from glam.learning.settings import TrainingSettings
from glam.models.dropout import is_seed

# Of a compiled step: maps with the channels last, as tensor cores want them, though convolutions are grouped.
INDUCTOR: dict[str, Any] = {"force_layout_optimization": True}

PARTS = 8  # of a batch of evaluation


class Pack:
    """Slots for so many runs of one objective and one setting on a device.

    Args:
        objective: the objective, whose weights serve as shapes only. It stays the pack's.
        settings: of the training.
        slots: how many runs.
        device: where.
        compiled: whether the step is compiled and, on a GPU, its layers fused. That takes a minute, and makes steps of
            GLAM three to five times as fast.
    """

    def __init__(
        self,
        objective: Objective,
        settings: TrainingSettings,
        slots: int,
        device: torch.device,
        compiled: bool = False,
    ) -> None:
        self.device = torch.zeros(0, device=device).device  # "cuda" is a device with a number now
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # graphs and memory are the current device's
        self.objective, self.settings, self.slots = objective.to(device), settings, slots
        if settings.precision == "bf16":
            in_float32(objective)
        self.shapes = {name: tuple(parameter.shape) for name, parameter in objective.named_parameters()}
        sizes = [parameter.numel() for parameter in objective.parameters()]
        ends = np.cumsum(sizes)
        self.slices = {
            name: slice(int(end) - size, int(end)) for name, size, end in zip(self.shapes, sizes, ends, strict=True)
        }
        kind = next(objective.parameters()).dtype
        self.matrix = torch.zeros(slots, int(ends[-1]), dtype=kind, device=device)
        self.buffers = {
            name: buffer.to(device).expand(slots, *buffer.shape).clone() for name, buffer in objective.named_buffers()
        }
        decayed = torch.cat(
            [torch.full((size,), decays(name, settings)) for name, size in zip(self.shapes, sizes, strict=True)]
        )
        self.optimiser = row_optimiser(self.matrix, settings, decayed)
        self._logits_module = _LogitsModule(objective)
        self.fused = compiled and can_fuse(self.device) and fuse(objective)
        self._use(compiled)
        self.tell: Callable[[str], None] = lambda _: None  # what to know of how it goes
        self._graphs = Graphs() if self.device.type == "cuda" else None
        self._spare: Pack | None = None
        self._evaluated = {name: tensor.clone() for name, tensor in self.weights(0).items()}

    def lanes(self) -> "list[Lane]":
        """The slots, each as something that learns."""
        return [Lane(self, slot) for slot in range(self.slots)]

    def step(self, steps: Sequence[Step | None]) -> Tensor:
        """One step of all slots on a batch each, all of one shape; returns the losses (slots,).

        A slot without a batch is free: it computes something that nobody looks at.
        """
        filler = next(step for step in steps if step is not None)
        inputs = self._stacked([step or filler for step in steps])
        settle(self.settings.precision, self.device, self.compiled)
        return self._falling_back(lambda: self._step_or_replay(inputs))

    def step_of(self, slot: int, step: Step) -> Tensor:
        """One step of a single slot, on a batch of another shape than the pack's steps; returns its loss."""
        if self._spare is None:
            self._spare = Pack(self.objective, self.settings, 1, self.device)
        spare = self._spare

        def stepped() -> Tensor:
            for ours, theirs in zip(spare.state(), self.state(), strict=True):
                ours[0].copy_(theirs[slot])
            return spare.step([step])[0]

        loss = self._falling_back(stepped)
        for ours, theirs in zip(spare.state(), self.state(), strict=True):
            theirs[slot].copy_(ours[0])
        return loss

    def gradients(self, steps: Sequence[Step]) -> tuple[Tensor, Tensor]:
        """The gradients (slots, parameters) of a batch of each slot, and the losses (slots,), without a step."""
        settle(self.settings.precision, self.device)
        batch, _, seed = self._stacked(steps)
        return self._gradient(batch, seed)

    def logits(self, slot: int, batches: Iterable[dict[str, Tensor]], seed: int) -> Tensor:
        """Logits (rows, C) float32 of one slot's model on batches of inputs, in evaluation mode.

        seed: of what draws even then; that of the first batch.
        """
        settle(self.settings.precision, self.device, self.compiled)
        for name, tensor in self.weights(slot).items():
            self._evaluated[name].copy_(tensor)
        self.objective.eval()
        parts = []
        with torch.inference_mode():
            for number, inputs in enumerate(batches):
                torch.manual_seed(seed + number)
                parts.append(self._falling_back(partial(self._logits_of, inputs, seed + number)))
        self.objective.train()
        return torch.cat(parts)

    def weights(self, slot: int) -> dict[str, Tensor]:
        """Views of a slot's parameters and buffers, by name."""
        parameters = {name: self.matrix[slot, part].view(self.shapes[name]) for name, part in self.slices.items()}
        return parameters | {name: buffer[slot] for name, buffer in self.buffers.items()}

    def state(self) -> list[Tensor]:
        """Everything that belongs to the slots, (slots, ...) each."""
        return [self.matrix, *self.buffers.values(), *self.optimiser.tensors.values(), self.optimiser.steps]

    def _falling_back(self, call: Callable[[], Tensor]) -> Tensor:
        """The result of a call, on a machine without a C compiler, say, of one without what failed."""
        try:
            return call()
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            if not self.compiled:
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if self.fused:
            self.tell(f"the layers could not be fused, and steps take longer: {reason}")
            unfuse(self.objective)
        else:
            self.tell(f"the steps could not be compiled, and take two to three times as long: {reason}")
        self.fused, compiled = False, self.fused
        self._use(compiled)
        return self._falling_back(call)

    def _use(self, compiled: bool) -> None:
        """Take steps and evaluate from now on as compiled, or as they are written."""
        self.compiled = compiled
        self._compute_gradient: Callable[..., tuple[Tensor, Tensor]] = self._gradient
        self._update: Callable[..., None] = self.optimiser.update
        self._compute_logits: Callable[..., Tensor] = self._logits
        if compiled:
            torch.compiler.reset()  # what is left of packs before this one counts against a limit
            self._compute_gradient = torch.compile(self._gradient, dynamic=False, options=INDUCTOR)
            self._update = torch.compile(self.optimiser.update, dynamic=False)
            self._compute_logits = torch.compile(self._logits, dynamic=False, options=INDUCTOR)

    def _step_or_replay(self, inputs: tuple[Batch, Tensor, Tensor]) -> Tensor:
        if self._graphs is None:
            return self._step(*inputs)
        return self._graphs.call(self._step, inputs, self.state())

    def _logits_of(self, inputs: dict[str, Tensor], seed: int) -> Tensor:
        seeds = self._sent([seed], torch.int64)
        if self._graphs is None:
            return self._compute_logits(inputs, seeds)
        rows = len(next(iter(inputs.values())))
        missing = evaluation_batch(self.device) - rows
        if missing:  # graphs are recorded for whole batches alone
            inputs = {name: torch.cat((x, x[:1].expand(missing, *x.shape[1:]))) for name, x in inputs.items()}
        return self._graphs.call(self._compute_logits, (inputs, seeds))[:rows]

    def _logits(self, inputs: dict[str, Tensor], seed: Tensor) -> Tensor:
        weights = {
            f"objective.{name}": seed[0] if is_seed(name) else tensor for name, tensor in self._evaluated.items()
        }

        def logits_of(inputs: dict[str, Tensor]) -> Tensor:
            logits: Tensor = functional_call(self._logits_module, weights, (inputs,))
            return logits

        rows = len(next(iter(inputs.values())))
        if not self.fused or rows % PARTS or any(is_seed(name) for name in self._evaluated):
            return logits_of(inputs)
        # Parts of a batch as if they were runs: convolutions of few channels take half the time in groups.
        parts = {name: x.unflatten(0, (PARTS, -1)) for name, x in inputs.items()}
        logits: Tensor = vmap(logits_of, randomness="different")(parts)
        return logits.flatten(0, 1)

    def _stacked(self, steps: Sequence[Step]) -> tuple[Batch, Tensor, Tensor]:
        """The batches of all slots, stacked; their rates (slots,) float64 and seeds (slots,) int64."""
        inputs, targets, groups, mixes = zip(*(step.batch for step in steps), strict=True)
        mix = tuple(torch.stack(parts) for parts in zip(*mixes, strict=True))
        batch = Batch(stacked(inputs), torch.stack(targets), torch.stack(groups), mix)
        rates = self._sent([step.rate for step in steps], torch.float64)
        return batch, rates, self._sent([step.seed for step in steps], torch.int64)

    def _sent(self, values: Sequence[float], kind: torch.dtype) -> Tensor:
        host = torch.tensor(values, dtype=kind)
        if self.device.type == "cuda":
            host = host.pin_memory()  # from pageable memory the copy would wait for the device
        return host.to(self.device, non_blocking=True)

    def _step(self, batch: Batch, rate: Tensor, seed: Tensor) -> Tensor:
        """A step of all slots on these batches; returns their losses."""
        gradient, losses = self._compute_gradient(batch, seed)
        self._update(gradient, *self.optimiser.begin(rate))
        return losses

    def _gradient(self, batch: Batch, seed: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient (slots, parameters), and the losses (slots,); moves the running statistics."""
        parameters = {name: self.matrix[:, part].unflatten(1, self.shapes[name]) for name, part in self.slices.items()}
        for name, buffer in self.buffers.items():
            if is_seed(name):
                buffer.copy_(seed)
        gradients, (losses, after) = vmap(
            grad_and_value(self._loss, has_aux=True),
            randomness="different",  # of a model that draws from torch's own generator
        )(parameters, self.buffers, batch)
        for name, buffer in self.buffers.items():
            buffer.copy_(after[name])
        return torch.cat([gradients[name].flatten(1) for name in self.slices], dim=1), losses.detach()

    def _loss(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one slot as a function of its parameters, and its buffers after the step."""
        return functional_call(self.objective, (parameters, buffers), (batch,)), buffers


class _LogitsModule(torch.nn.Module):
    """The logits of an objective as what a module gives when it is called."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.objective.logits(inputs)


class Lane:
    """One slot of a pack, for one run: see learner.Learns."""

    def __init__(self, pack: Pack, slot: int) -> None:
        self.pack, self.slot, self.device = pack, slot, pack.device

    def start(self, objective: Objective) -> None:
        """Begin a run with the weights, and all that is fitted, of that objective."""
        given = dict(objective.named_parameters()) | dict(objective.named_buffers())
        for name, tensor in self.pack.weights(self.slot).items():
            tensor.copy_(given[name].detach())
        self._restart({})

    def step(self, step: Step) -> Tensor:
        """One optimiser step of this slot alone: for batches smaller than those that the pack steps on."""
        return self.pack.step_of(self.slot, step)

    def logits(self, columns: Columns, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """See Learns."""
        batches = columns.batches(evaluation_batches(columns.rows(rows), self.device))
        result: NDArray[np.float32] = self.pack.logits(self.slot, batches, seed)[: len(rows)].cpu().numpy()
        return result

    def weights(self) -> dict[str, Tensor]:
        """See Learns."""
        kept = self.pack.objective.state_dict().keys()
        return {name: tensor for name, tensor in self.pack.weights(self.slot).items() if name in kept}

    def optimiser_state(self) -> dict[str, Tensor]:
        """See Learns."""
        pack, optimiser = self.pack, self.pack.optimiser
        state: dict[str, Tensor] = {}
        for name, part in pack.slices.items():
            for entry, matrix in optimiser.tensors.items():
                state[f"{name}/{entry}"] = matrix[self.slot, part].view(pack.shapes[name])
            if optimiser.counts:
                state[f"{name}/step"] = optimiser.steps[self.slot].float()
        return state

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """See Learns."""
        mine = self.weights()
        if wrong := sorted(mine.keys() ^ weights.keys()):
            raise RuntimeError(f"other weights than the model's: {', '.join(wrong[:3])}")
        for name, tensor in mine.items():
            tensor.copy_(weights[name])
        self._restart(optimiser)

    def _restart(self, state: Mapping[str, Tensor]) -> None:
        """Give the slot's optimiser that state; an empty one starts anew."""
        optimiser = self.pack.optimiser
        counts = [tensor for name, tensor in state.items() if name.endswith("/step")]
        optimiser.steps[self.slot] = float(counts[0]) if counts else 0.0
        for name, part in self.pack.slices.items():
            for entry, matrix in optimiser.tensors.items():
                tensor = state.get(f"{name}/{entry}")
                matrix[self.slot, part] = 0 if tensor is None else tensor.flatten().to(matrix)
