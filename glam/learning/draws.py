"""Random draws of an epoch: the batches, mixup's partners and shares (paper section 3.3, equations 1 and 2).

All of them are a function of the run's seed and the epoch alone, drawn on the CPU by NumPy's legacy generator, whose
stream never changes: so a device or a restart does not change the experiment.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glam.learning.settings import BySegments, ByUtterances


@dataclass(frozen=True, eq=False)
class EpochDraws:
    """The draws of one epoch over n training rows.

    order: (n,) int64, positions of the rows in the order of training. sizes: how many rows each batch has.
    partner: (n,) int64, for each place in `order` the place within its batch, from 0, of the row it is mixed with.
    share: (steps,) float64, lambda of each batch. Without mixup, both are None.
    dropout_seed: of the epoch's first step; that of each further step is one more. What a model drops is a function of
    it (glam/models/dropout.py).
    """

    order: NDArray[np.int64]
    sizes: tuple[int, ...]
    partner: NDArray[np.int64] | None
    share: NDArray[np.float64] | None
    dropout_seed: int


def draw_epoch(
    seed: int, epoch: int, counts: NDArray[np.int64], batches: BySegments | ByUtterances, alpha: float = 0.0
) -> EpochDraws:
    """The batches of an epoch: of rows in any order, or of whole utterances.

    counts: (U,) rows of each training utterance, which lie one after another. alpha: of mixup's Beta(alpha, alpha): the
    partners are a permutation of each batch, lambda is one of each batch; 0 for no mixup.
    """
    # Two words identify the epoch; SeedSequence spreads them over the generator's whole state.
    words = np.random.SeedSequence([seed, epoch]).generate_state(8)
    rng = np.random.RandomState(words)
    rows = int(counts.sum())
    if isinstance(batches, ByUtterances):
        utterances = rng.permutation(len(counts)).astype(np.int64)
        starts = np.cumsum(counts) - counts
        order = np.concatenate([np.arange(starts[u], starts[u] + counts[u]) for u in utterances]).astype(np.int64)
        sizes = whole_batches(counts[utterances], batches)
    else:
        order = rng.permutation(rows).astype(np.int64)
        sizes = tuple(min(batches.size, rows - start) for start in range(0, rows, batches.size))
    dropout_seed = int(rng.randint(0, 2**32 - 1, dtype=np.int64))
    if alpha == 0:
        return EpochDraws(order, sizes, None, None, dropout_seed)
    share = rng.beta(alpha, alpha, len(sizes))
    partner = np.concatenate([rng.permutation(size) for size in sizes])
    return EpochDraws(order, sizes, partner.astype(np.int64), share, dropout_seed)


def whole_batches(counts: NDArray[np.int64], batches: ByUtterances) -> tuple[int, ...]:
    """Rows of each batch of utterances with so many rows (U,), in that order.

    A batch ends before it would have more than `size` utterances or `most` rows, but has one utterance at least.
    """
    sizes: list[int] = []
    utterances = rows = 0
    for count in counts.tolist():
        if utterances and (utterances == batches.size or rows + count > batches.most):
            sizes.append(rows)
            utterances = rows = 0
        utterances, rows = utterances + 1, rows + count
    return (*sizes, rows)


def mix(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """share * a + (1 - share) * b, elementwise (equations 1 and 2). share: (2,) holds lambda and 1 - lambda."""
    return share[0] * a + share[1] * b


def shares(share: NDArray[np.float64], device: torch.device) -> Tensor:
    """(steps, 2) float32: lambda and 1 - lambda of each batch, the difference taken in double precision."""
    return torch.from_numpy(np.stack([share, 1 - share], axis=1).astype(np.float32)).to(device)
