"""An objective in training, by itself: its optimiser, its steps, its evaluation."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glam.learning.arithmetic import settle
from glam.learning.batch import Batch, Step
from glam.learning.column import Columns
from glam.learning.objective import Objective
from glam.learning.settings import ByUtterances, Sgd, TrainingSettings
from glam.models.dropout import is_seed
from glam.models.dropout import seeds as dropout_seeds

PART = 2**40  # between the seeds of the parts that a batch goes through the network in


class Learns(Protocol):
    """An objective in training on a device, by itself (`Learner`) or in a pack (`pack.Lane`)."""

    device: torch.device

    def step(self, step: Step) -> Tensor:
        """One optimiser step; returns the loss before it, a scalar on the device."""

    def logits(self, columns: Columns, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """Logits (S, C) of these rows (S,), in evaluation mode. seed: of what draws even then."""

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of entrances and network by name: what a saved model holds."""

    def optimiser_state(self) -> dict[str, Tensor]:
        """The optimiser's tensors as `<name of the parameter>/<name>`."""

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """Take over weights and optimiser state; an empty one starts anew. Raises RuntimeError where they don't fit."""


class Learner:
    """An objective with its optimiser on a device."""

    def __init__(self, objective: Objective, settings: TrainingSettings, device: torch.device) -> None:
        # Convolutions in bfloat16 are 2-3 times as fast with channels last. float32 would gain a tenth on a CPU, but
        # batch norm then sums a channel one value after another: its gradients are 10 to 300 times less exact.
        layout = torch.channels_last if settings.precision == "bf16" else torch.contiguous_format
        self.device, self.settings = device, settings
        self.objective = objective.to(device)
        self.objective.network.to(memory_format=layout)  # type: ignore[call-overload]
        self.optimiser = _optimiser(self.objective, settings)
        self.seeds = dropout_seeds(self.objective)

    def step(self, step: Step) -> Tensor:
        """See Learns."""
        settle(self.settings.precision, self.device)
        self.objective.train()
        for group in self.optimiser.param_groups:
            group["lr"] = step.rate
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._descended(step)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.objective.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        return loss

    def logits(self, columns: Columns, rows: Tensor, seed: int) -> NDArray[np.float32]:
        """See Learns."""
        settle(self.settings.precision, self.device)
        self.objective.eval()
        parts = []
        with torch.inference_mode():
            batches = evaluation_batches(columns.rows(rows), self.device)
            for number, inputs in enumerate(columns.batches(batches)):
                self._draw_from(seed + number)
                parts.append(self.objective.logits(inputs))
            result: NDArray[np.float32] = torch.cat(parts)[: len(rows)].cpu().numpy()
        return result

    def weights(self) -> dict[str, Tensor]:
        """See Learns."""
        return dict(self.objective.state_dict())

    def optimiser_state(self) -> dict[str, Tensor]:
        """See Learns."""
        return {
            f"{name}/{entry}": torch.as_tensor(value)
            for name, parameter in self.objective.named_parameters()
            for entry, value in self.optimiser.state[parameter].items()
            if value is not None  # plain SGD keeps an empty momentum
        }

    def load(self, weights: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> None:
        """See Learns."""
        self.objective.load_state_dict(weights)
        names = {parameter: name for name, parameter in self.objective.named_parameters()}
        state: dict[int, dict[str, Tensor]] = {}
        held = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        for i, parameter in enumerate(held):
            prefix = f"{names[parameter]}/"
            entries = {name.removeprefix(prefix): t for name, t in optimiser.items() if name.startswith(prefix)}
            if entries:
                state[i] = entries
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})

    def _descended(self, step: Step) -> Tensor:
        """The loss of a batch, whose gradient the parameters hold then."""
        batches, rows = self.settings.batches, len(step.batch.target)
        if isinstance(batches, ByUtterances) and rows > batches.most:
            return self._in_parts(step, batches.most)
        self._draw_from(step.seed)
        loss: Tensor = self.objective(step.batch)
        loss.backward()
        return loss.detach()

    def _in_parts(self, step: Step, most: int) -> Tensor:
        """The same for a batch that goes through the network in parts, so that memory is bounded by `most` rows.

        A first pass without gradients gives the logits that the loss needs as a whole, and the gradient of these; a
        second one, part by part, that of the parameters. Norms see one part at a time: parts are about equal, so that
        none is a single row. What a pass changes (running statistics) is of the first one.
        """
        batch: Batch = step.batch
        count = -(-len(batch.target) // most)
        split = {name: x.tensor_split(count) for name, x in batch.inputs.items()}
        parts = [{name: pieces[i] for name, pieces in split.items()} for i in range(count)]
        with torch.no_grad():
            logits = torch.cat([self._of_part(part, step.seed + i * PART) for i, part in enumerate(parts)])
        logits.requires_grad_()
        loss: Tensor = self.objective.loss(logits, batch.target, batch.group)
        (pull,) = torch.autograd.grad(loss, logits)
        moved = {name: buffer.clone() for name, buffer in self.objective.named_buffers() if not is_seed(name)}
        for i, (part, of_part) in enumerate(zip(parts, pull.tensor_split(count), strict=True)):
            self._of_part(part, step.seed + i * PART).backward(of_part)
        for name, buffer in self.objective.named_buffers():
            if name in moved:
                buffer.copy_(moved[name])
        return loss.detach()

    def _of_part(self, inputs: Mapping[str, Tensor], seed: int) -> Tensor:
        self._draw_from(seed)
        return self.objective.logits(inputs)

    def _draw_from(self, seed: int) -> None:
        torch.manual_seed(seed % 2**63)  # for a model that draws from torch's own generator
        for buffer in self.seeds:
            buffer.fill_(seed)


def evaluation_batch(device: torch.device) -> int:
    """Number of rows that are evaluated at once: fixed, as rounding may depend on it.

    What lies in a processor's cache is evaluated up to twice as fast as what does not.
    """
    return 32 if device.type == "cpu" else 256


def evaluation_batches(rows: Tensor, device: torch.device) -> list[Tensor]:
    """The rows (S,) that are evaluated at once, in order; what comes of rows beyond S is to be left out.

    On a CPU the last batch is filled up with the first rows again. In batches of one size, what a row's logits are
    depends on nothing beside it, to the last digit: a saved model that is asked about one recording gives what
    training gave for it among all others.
    """
    size = evaluation_batch(device)
    if device.type == "cpu" and len(rows) % size:
        rows = rows[torch.arange(-(-len(rows) // size) * size, device=rows.device) % len(rows)]
    return list(rows.split(size))


def decays(name: str, settings: TrainingSettings) -> bool:
    """True where the parameter of an objective with that name is decayed."""
    own = name.removeprefix("network.")
    return not settings.decayed or any(own.startswith(prefix) for prefix in settings.decayed)


def _optimiser(objective: Objective, settings: TrainingSettings) -> torch.optim.Optimizer:
    named = list(objective.named_parameters())
    groups = [
        {"params": [parameter for name, parameter in named if decays(name, settings) == decayed], "weight_decay": decay}
        for decayed, decay in ((True, settings.weight_decay), (False, 0.0))
    ]
    groups = [group for group in groups if group["params"]]
    if isinstance(settings.optimizer, Sgd):
        momentum = settings.optimizer.momentum
        return torch.optim.SGD(groups, settings.lr, momentum=momentum, nesterov=momentum > 0)
    return torch.optim.Adam(groups, settings.lr, eps=settings.optimizer.eps)


@contextmanager
def generators_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were before the block."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
