"""Optimisers of many runs at once: torch's own, for each row of a matrix of parameters."""

import torch
from torch import Tensor

from glam.learning.settings import TrainingSettings

BETAS, EPS = (0.9, 0.999), 1e-8  # of Adam: torch's defaults, as in the release


class Adam:
    """Adam with coupled weight decay for each row of a matrix of parameters, as torch.optim.Adam does it for one."""

    counts = True

    def __init__(self, matrix: Tensor, settings: TrainingSettings) -> None:
        self.matrix, self.weight_decay = matrix, settings.weight_decay
        self.steps = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
        self.tensors = {"exp_avg": torch.zeros_like(matrix), "exp_avg_sq": torch.zeros_like(matrix)}

    def step(self, gradient: Tensor, rate: Tensor) -> None:
        """One step of all rows; gradient (rows, parameters), rate (rows,) float64."""
        weights, steps = self.matrix, self.steps
        first, second = self.tensors["exp_avg"], self.tensors["exp_avg_sq"]
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

    def step(self, gradient: Tensor, rate: Tensor) -> None:
        """One step of all rows; gradient (rows, parameters), rate (rows,) float64."""
        weights = self.matrix
        self.steps += 1
        gradient = gradient.add(weights, alpha=self.weight_decay)
        if self.momentum:
            buffer = self.tensors["momentum_buffer"]
            buffer.mul_(self.momentum).add_(gradient)
            gradient = gradient.add(buffer, alpha=self.momentum)
        weights.sub_(rate.to(weights.dtype)[:, None] * gradient)


ROW_OPTIMISERS: dict[str, type[Adam] | type[Sgd]] = {"adam": Adam, "sgd": Sgd}
