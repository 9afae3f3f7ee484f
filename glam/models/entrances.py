"""Modules before the network whose state is fitted on the training part of a run.

What is fitted is a module like any other, so that checkpoints, packs and saved models hold it, too. Nothing of a
held-out utterance can be in it that `fitted` and `known_words` did not put there, and they read training rows alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from glam.models.dropout import SEED, kept, seed_buffer

CHUNK = 1024  # rows read at a time
PADDING, UNKNOWN = 0, 1  # the first two ids of a vocabulary, as in glam/inputs/tokens.py
MASKED = 0.01  # share of training tokens that become UNKNOWN, so that its vector is learned
STREAM = 1000  # of the masks drawn here; the networks number theirs from 0


class Standardise(nn.Module):
    """Rows at mean 0 and standard deviation 1, for all alike or by group (a speaker's rows by the speaker's own).

    mean, deviation: (G, *shape), of which dimensions may be 1: what is subtracted and divided by, of each group.
    time_axis: the axis of a row along which padded rows have their length.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, time_axis: int | None = None) -> None:
        super().__init__()
        self.time_axis = time_axis
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, x: Tensor, group: Tensor | None = None, length: Tensor | None = None) -> Tensor:
        """The rows (rows, *shape), standardised. group: (rows,) int64; the first where it is not given.

        length: (rows,) int64, how much of each row is not padding, which stays 0.
        """
        if group is None:
            scaled = (x - self.mean[0]) / self.deviation[0]
        else:
            scaled = (x - self.mean.index_select(0, group)) / self.deviation.index_select(0, group)
        if length is None or self.time_axis is None:
            return scaled
        return scaled.masked_fill(beyond(length, x, self.time_axis), 0)


def fitted(
    values: Tensor, rows: Tensor, group: Tensor, groups: int, time_axis: int | None, lengths: Tensor | None = None
) -> Standardise:
    """The standardisation of the training rows of `values` (N, *shape).

    rows: (n,) the training rows. group: (N,) int64, the group of each row. time_axis: the axis of a row over which is
    averaged, too. lengths: (N,) int64, how much of that axis is not padding, which counts for nothing; None: there is
    none. A group without a training row, such as a speaker who is only held out, takes the mean and deviation
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
        of_row, of_each = group[chosen], torch.full((len(chosen),), float(each), dtype=torch.float64)
        if lengths is not None and time_axis is not None:
            part = part.masked_fill(beyond(lengths[chosen], part, time_axis), 0)
            of_each = lengths[chosen].double()  # positions that count, of each coefficient
        count.index_add_(0, of_row, of_each)
        sums = (part.sum(axes[0]), part.square().sum(axes[0])) if axes else (part, part.square())
        total.index_add_(0, of_row, sums[0].flatten(1))
        squares.index_add_(0, of_row, sums[1].flatten(1))
    absent = count == 0
    count[absent], total[absent], squares[absent] = count.sum(), total.sum(0), squares.sum(0)
    mean = total / count[:, None]
    deviation = (squares / count[:, None] - mean.square()).clamp(min=0).sqrt()
    deviation[deviation < 1e-6] = 1.0  # a coefficient that never changes carries nothing to be scaled up
    return Standardise(mean.float().view(groups, *shape), deviation.float().view(groups, *shape), time_axis)


class Embedded(nn.Module):
    """Tokens to vectors. Ids are over the corpus's words; what a run's training part knows is the buffer `known`.

    The vector of PADDING is zero and stays so. A word that is not known has UNKNOWN's vector, which is learned because
    1 % of the training tokens are masked to it.

    Args:
        table: (V, d), a vector for each id; its first row counts as zero.
        known: (V,) bool, the ids that have a vector of their own: see `known_words`. PADDING and UNKNOWN always do.
        trained: whether the vectors are learned.

    Raises ValueError for shapes that do not fit together.
    """

    known: Tensor
    table: Tensor

    def __init__(self, table: Tensor, known: Tensor, trained: bool = True) -> None:
        super().__init__()
        if table.ndim != 2 or known.shape != table.shape[:1] or len(table) < 2 or known.dtype != torch.bool:
            raise ValueError(
                f"table is {tuple(table.shape)} and known {tuple(known.shape)} {known.dtype}, "
                "expected (V, d) and (V,) bool with V of at least 2"
            )
        table, known = table.clone(), known.clone()
        table[PADDING] = 0
        known[: UNKNOWN + 1] = True
        if trained:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        self.register_buffer("known", known)
        self.register_buffer(SEED, seed_buffer(), persistent=False)

    def forward(self, ids: Tensor, length: Tensor | None = None) -> Tensor:
        """Ids (rows, L) int64 to vectors (rows, L, d).

        length: (rows,) int64, the true tokens; what is behind them counts as PADDING.
        """
        if length is not None:
            ids = ids.masked_fill(beyond(length, ids, 0), PADDING)
        own = self.known[ids]
        if self.training:
            own = own & kept(ids.shape, MASKED, getattr(self, SEED), STREAM)
        ids = torch.where(own | (ids == PADDING), ids, UNKNOWN)
        return functional.embedding(ids, self.table, padding_idx=PADDING)


def known_words(ids: Tensor, rows: Tensor, pretrained: Tensor) -> Tensor:
    """The ids (V,) bool that a run has a vector for: words of its training rows, and words with a pretrained vector.

    ids: (N, L) int64. rows: (n,) the training rows, which alone are read. pretrained: (V,) bool.
    """
    known = pretrained.clone()
    known[ids[rows].unique()] = True
    return known


def beyond(length: Tensor, x: Tensor, axis: int) -> Tensor:
    """Positions along an axis of the rows of x (rows, *shape) that lie beyond their lengths (rows,): a bool mask."""
    shape = [1] * x.ndim
    shape[1 + axis] = -1
    positions = torch.arange(x.shape[1 + axis], device=x.device).view(shape)
    return positions >= length.view(-1, *[1] * (x.ndim - 1))
