"""The objective, everything that a run trains as one module: entrances, network, loss."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from glam.learning.arithmetic import autocast
from glam.learning.batch import Batch
from glam.learning.column import GROUP, LENGTH
from glam.learning.draws import mix
from glam.learning.settings import Precision


class Objective(nn.Module):
    """The inputs go through their entrances, if they have any, to the network; its logits and the truth to the loss.

    Args:
        network: takes its inputs one by one, each followed by its lengths (rows,) where rows are padded, and gives
            logits (rows, C).
        loss: see losses.Loss.
        inputs: names of the inputs, in the order in which the network takes them.
        entrances: by input; see glam/models/entrances.py.
        precision: of the network's arithmetic. Entrances and loss are computed in float32.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        inputs: Sequence[str],
        entrances: Mapping[str, nn.Module] | None = None,
        precision: Precision = "fp32",
    ) -> None:
        super().__init__()
        self.entrances = nn.ModuleDict(dict(entrances or {}))
        self.network, self.loss = network, loss
        self.inputs, self.precision = tuple(inputs), precision

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch, mixed or not (section 3.3, equations 1 and 2, and section 4.1): a scalar."""
        entered = self.enter(batch.inputs)
        if not batch.mix:
            return self._loss(self._logits(entered), batch.target, batch.group)
        partner, share = batch.mix
        logits = self._logits([mix(x, x[partner], share) for x in entered])
        mixed = self._loss(logits, batch.target, batch.group), self._loss(logits, batch.target[partner], batch.group)
        return mix(*mixed, share)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The logits (rows, C) of rows, in float32 or more."""
        return self._logits(self.enter(inputs))

    def embed(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The last hidden layer (rows, D) of rows, of a network that has `embed`."""
        entered = self.enter(inputs)
        with autocast(self.precision, entered[0].device):
            return at_least_float32(self.network.embed(*entered))  # type: ignore[operator]

    def enter(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Inputs of the network: each through its entrance, if it has one, and followed by its lengths, if any."""
        entered = []
        for name in self.inputs:
            x = inputs[name]
            if name in self.entrances:
                beside = {end[1:]: inputs[name + end] for end in (LENGTH, GROUP) if name + end in inputs}
                x = self.entrances[name](x, **beside)
            entered.append(x)
            if name + LENGTH in inputs:
                entered.append(inputs[name + LENGTH])
        return entered

    def _logits(self, entered: Sequence[Tensor]) -> Tensor:
        with autocast(self.precision, entered[0].device):
            return at_least_float32(self.network(*entered))

    def _loss(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        loss: Tensor = self.loss(logits, target, group)
        return loss


def at_least_float32(logits: Tensor) -> Tensor:
    """The logits in float32, or in float64 if that is what they are in."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
