"""Mixup (paper section 3.3, equations 1 and 2), and the random draws of an epoch.

Everything random in an epoch is a function of the run's seed and the epoch alone, drawn on the CPU by NumPy's
legacy generator, whose stream never changes: so a device or a restart does not change the experiment.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class EpochDraws:
    """The draws of one epoch over n training segments in batches of B.

    order: (n,) int64, positions of the segments in the order of training.
    partner: (n,) int64, for each place in `order` the place (within the same batch) of the segment it is mixed with.
    share: (steps,) float64, lambda of each batch. Without mixup, both are None.
    dropout_seed: seeds the device's generator for dropout.
    """

    order: NDArray[np.int64]
    partner: NDArray[np.int64] | None
    share: NDArray[np.float64] | None
    dropout_seed: int


def draw_epoch(seed: int, epoch: int, segments: int, batch_size: int, alpha: float) -> EpochDraws:
    """The order, mixing partners (a permutation of each batch) and lambda ~ Beta(alpha, alpha) of each batch."""
    # Two words identify the epoch; SeedSequence spreads them over the generator's whole state.
    words = np.random.SeedSequence([seed, epoch]).generate_state(8)
    rng = np.random.RandomState(words)
    order = rng.permutation(segments).astype(np.int64)
    dropout_seed = int(rng.randint(0, 2**32 - 1, dtype=np.int64))
    if alpha == 0:
        return EpochDraws(order, None, None, dropout_seed)
    starts = range(0, segments, batch_size)
    share = rng.beta(alpha, alpha, len(starts))
    partner = np.concatenate([start + rng.permutation(min(batch_size, segments - start)) for start in starts]).astype(
        np.int64
    )
    return EpochDraws(order, partner, share, dropout_seed)


def mix(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """share * a + (1 - share) * b, elementwise (equations 1 and 2). share: (2,) holds lambda and 1 - lambda."""
    return share[0] * a + share[1] * b


def shares(share: NDArray[np.float64], device: torch.device) -> Tensor:
    """(steps, 2) float32: lambda and 1 - lambda of each batch, the difference taken in double precision."""
    return torch.from_numpy(np.stack([share, 1 - share], axis=1).astype(np.float32)).to(device)
