"""Modules before the network whose state is fitted on the training part of a run.

What is fitted is a module like any other, so that checkpoints, packs and saved models hold it, too.
"""

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Rows at mean 0 and standard deviation 1, for all alike or by group (a speaker's rows by the speaker's own).

    mean, deviation: (G, *shape), of which dimensions may be 1: what is subtracted and divided by, of each group.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, x: Tensor, group: Tensor | None = None) -> Tensor:
        """The rows (rows, *shape), standardised. group: (rows,) int64; the first where it is not given."""
        if group is None:
            return (x - self.mean[0]) / self.deviation[0]
        return (x - self.mean.index_select(0, group)) / self.deviation.index_select(0, group)


def fitted(values: Tensor, rows: Tensor, group: Tensor, groups: int, time_axis: int | None) -> Standardise:
    """The standardisation of the training rows of `values` (N, *shape).

    rows: (n,) the training rows. group: (N,) int64, the group of each row. time_axis: the axis of a row over which is
    averaged, too. A group without a training row, such as a speaker who is only held out, takes the mean and deviation
    of all training rows.
    """
    axes = [] if time_axis is None else [1 + time_axis]
    shape = [1 if i + 1 in axes else size for i, size in enumerate(values.shape[1:])]
    size = int(torch.tensor(shape).prod())
    each = values[0].numel() // size
    count = torch.zeros(groups, dtype=torch.float64)
    total, squares = (torch.zeros(groups, size, dtype=torch.float64) for _ in range(2))
    for chosen in rows.split(CHUNK):
        part = values[chosen].double()
        of_row = group[chosen]
        count.index_add_(0, of_row, torch.full((len(chosen),), float(each), dtype=torch.float64))
        sums = (part.sum(axes[0]), part.square().sum(axes[0])) if axes else (part, part.square())
        total.index_add_(0, of_row, sums[0].flatten(1))
        squares.index_add_(0, of_row, sums[1].flatten(1))
    absent = count == 0
    count[absent], total[absent], squares[absent] = count.sum(), total.sum(0), squares.sum(0)
    mean = total / count[:, None]
    deviation = (squares / count[:, None] - mean.square()).clamp(min=0).sqrt()
    deviation[deviation < 1e-6] = 1.0  # a coefficient that never changes carries nothing to be scaled up
    return Standardise(mean.float().view(groups, *shape), deviation.float().view(groups, *shape))


CHUNK = 1024  # rows read at a time
