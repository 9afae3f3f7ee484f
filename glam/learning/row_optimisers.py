"""Optimisers of many runs at once: torch's own, for each row of a matrix of parameters."""

import torch
from torch import Tensor

from glam.learning.settings import Sgd as SgdSettings
from glam.learning.settings import TrainingSettings

BETAS = (0.9, 0.999)  # of Adam: torch's defaults, as in the release


class Adam:
    """Adam with coupled weight decay for each row of a matrix of parameters, as torch.optim.Adam does it for one."""

    counts = True

    def __init__(self, matrix: Tensor, decay: Tensor | float, eps: float) -> None:
        self.matrix, self.decay, self.eps = matrix, decay, eps
        self.steps = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
        self.tensors = {"exp_avg": torch.zeros_like(matrix), "exp_avg_sq": torch.zeros_like(matrix)}

    def begin(self, rate: Tensor) -> tuple[Tensor, ...]:
        """Count a step of all rows at these rates (rows,) float64; returns what `update` takes besides the gradient."""
        self.steps += 1
        size = (rate / (1 - BETAS[0] ** self.steps)).to(self.matrix.dtype)
        return size, (1 - BETAS[1] ** self.steps).sqrt().to(self.matrix.dtype)

    def update(self, gradient: Tensor, size: Tensor, root: Tensor) -> None:
        """Take the step. gradient: (rows, parameters)."""
        weights = self.matrix
        first, second = self.tensors["exp_avg"], self.tensors["exp_avg_sq"]
        gradient = gradient + self.decay * weights
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        weights.sub_(size[:, None] * first / (second.sqrt() / root[:, None] + self.eps))


class Sgd:
    """Stochastic gradient descent with Nesterov momentum for each row of a matrix, as torch.optim.SGD for one."""

    counts = False

    def __init__(self, matrix: Tensor, decay: Tensor | float, momentum: float) -> None:
        self.matrix, self.decay, self.momentum = matrix, decay, momentum
        self.steps = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
        self.tensors = {"momentum_buffer": torch.zeros_like(matrix)} if momentum else {}

    def begin(self, rate: Tensor) -> tuple[Tensor, ...]:
        """Count a step of all rows at these rates (rows,) float64; returns what `update` takes besides the gradient."""
        self.steps += 1
        return (rate.to(self.matrix.dtype),)

    def update(self, gradient: Tensor, rate: Tensor) -> None:
        """Take the step. gradient: (rows, parameters)."""
        weights = self.matrix
        gradient = gradient + self.decay * weights
        if self.momentum:
            buffer = self.tensors["momentum_buffer"]
            buffer.mul_(self.momentum).add_(gradient)
            gradient = gradient.add(buffer, alpha=self.momentum)
        weights.sub_(rate[:, None] * gradient)


class Clipped:
    """Another optimiser, which is given gradients whose norm, row by row, is at most `most`."""

    def __init__(self, optimiser: Adam | Sgd, most: float) -> None:
        self.optimiser, self.most = optimiser, most
        self.counts, self.steps, self.tensors = optimiser.counts, optimiser.steps, optimiser.tensors
        self.begin = optimiser.begin

    def update(self, gradient: Tensor, *begun: Tensor) -> None:
        """Take the step. gradient: (rows, parameters)."""
        share = self.most / (gradient.norm(dim=1, keepdim=True) + 1e-6)  # as torch's clip_grad_norm_
        self.optimiser.update(gradient * share.clamp(max=1), *begun)


def row_optimiser(matrix: Tensor, settings: TrainingSettings, decayed: Tensor) -> Adam | Sgd | Clipped:
    """The optimiser of the settings. matrix: (rows, parameters). decayed: (parameters,) bool, which ones decay."""
    decay = settings.weight_decay if bool(decayed.all()) else settings.weight_decay * decayed.to(matrix)
    optimiser: Adam | Sgd
    if isinstance(settings.optimizer, SgdSettings):
        optimiser = Sgd(matrix, decay, settings.optimizer.momentum)
    else:
        optimiser = Adam(matrix, decay, settings.optimizer.eps)
    return Clipped(optimiser, settings.clip_norm) if settings.clip_norm else optimiser
