"""Features at mean 0 and standard deviation 1 for each coefficient, fitted on the training utterances alone."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 1024  # segments read at a time


@dataclass(frozen=True, eq=False)
class Scale:
    """What is subtracted from features and what they are divided by.

    mean, deviation: (G, F, 1) or (G, 1, F), one row a group (all utterances, or a speaker's), as the features are
    laid out. group: (N,) int64, the group of each row of the features.
    """

    mean: Tensor
    deviation: Tensor
    group: Tensor

    def of(self, group: NDArray[np.int64]) -> "Scale":
        """The same for another array, whose rows belong to these groups."""
        return Scale(self.mean, self.deviation, torch.from_numpy(group))

    def to(self, device: torch.device) -> "Scale":
        """The same on another device."""
        return Scale(self.mean.to(device), self.deviation.to(device), self.group.to(device))

    def __call__(self, features: Tensor, rows: Tensor) -> Tensor:
        """The features (batch, 1, F, T) of these rows (batch,), normalised."""
        group = self.group[rows]
        return (features - self.mean[group].unsqueeze(1)) / self.deviation[group].unsqueeze(1)


def fit(features: Tensor, rows: NDArray[np.int64], group: NDArray[np.int64], groups: int, time_axis: int) -> Scale:
    """The scale of the training rows of `features` (N, F, T) or, with time_axis 1, (N, T, F).

    rows: (n,) the training rows. group: (N,) the group of each row. A group without a training row, such as a speaker
    who is only held out, takes the mean and deviation of all training rows.
    """
    axes = 1 if time_axis == 2 else 2
    size = int(features.shape[axes])
    count = torch.zeros(groups, dtype=torch.float64)
    total, squares = (torch.zeros(groups, size, dtype=torch.float64) for _ in range(2))
    for start in range(0, len(rows), CHUNK):
        chosen = rows[start : start + CHUNK]
        part = features[torch.from_numpy(chosen)].double()
        where = torch.from_numpy(group[chosen])
        count.index_add_(0, where, torch.full((len(chosen),), float(part.shape[time_axis]), dtype=torch.float64))
        total.index_add_(0, where, part.sum(time_axis))
        squares.index_add_(0, where, part.square().sum(time_axis))
    absent = count == 0
    count[absent], total[absent], squares[absent] = count.sum(), total.sum(0), squares.sum(0)
    mean = total / count[:, None]
    variance = squares / count[:, None] - mean.square()
    deviation = variance.clamp(min=0).sqrt()
    deviation[deviation < 1e-6] = 1.0  # a coefficient that never changes carries nothing to be scaled up
    return Scale(
        mean.float().unsqueeze(time_axis), deviation.float().unsqueeze(time_axis), torch.from_numpy(group.copy())
    )
