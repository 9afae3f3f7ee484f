"""Data of a run and of its steps."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glam.learning.column import LENGTH, Columns
from glam.learning.draws import EpochDraws, shares


class Batch(NamedTuple):
    """The batch of a step: tensors alone, which can be stacked, mapped over and captured as they are.

    inputs: by name, (rows, ...) each. target: (rows,) int64, the class of each row's utterance, or (rows, C) float32, a
    distribution over the classes. group: (rows,) int64, the number of that utterance within the batch, from 0.
    mix: with mixup, (rows,) int64 positions within the batch to mix with, and (2,) lambda and 1 - lambda; without, ().
    """

    inputs: Mapping[str, Tensor]
    target: Tensor
    group: Tensor
    mix: tuple[Tensor, ...] = ()


class Step(NamedTuple):
    """One optimiser step: on a batch, at a learning rate, with a seed of dropout."""

    batch: Batch
    rate: float
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of one split.

    train: inputs to train on; train_rows: (n,) int64, rows of them, utterance by utterance; train_targets: (n,) their
    classes; train_counts: (U,) int64, rows of each utterance.
    train_shares: (n, C) float32, distributions over the classes that are taught in their place; None: the classes are.
    test: inputs to evaluate on; test_rows: (S,) rows of the held-out utterances, utterance by utterance; test_counts:
    (H,) int64, how many each has.
    """

    train: Columns
    train_rows: Tensor
    train_targets: Tensor
    train_counts: NDArray[np.int64]
    test: Columns
    test_rows: Tensor
    test_counts: NDArray[np.int64]
    train_shares: Tensor | None = None

    def batches(self, draws: EpochDraws, device: torch.device, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the step `first` on, on that device."""
        order = torch.from_numpy(draws.order)
        sizes = list(draws.sizes)
        rows = self.train.rows(self.train_rows[order]).split(sizes)
        taught = self.train_targets if self.train_shares is None else self.train_shares
        targets = taught[order].to(device).split(sizes)
        utterance = np.repeat(np.arange(len(self.train_counts)), self.train_counts)[draws.order]
        groups = torch.from_numpy(numbered(utterance, sizes)).to(device).split(sizes)
        mixes: list[tuple[Tensor, ...]] = [()] * len(sizes)
        if draws.partner is not None and draws.share is not None:
            partners = torch.from_numpy(draws.partner).to(device).split(sizes)
            mixes = list(zip(partners, shares(draws.share, device), strict=True))
        for step, inputs in enumerate(self.train.picked(rows[first:]), first):
            yield Batch(inputs, targets[step], groups[step], mixes[step])


def numbered(utterance: NDArray[np.int64], sizes: list[int]) -> NDArray[np.int64]:
    """The utterances (n,) of rows numbered anew within each batch, from 0 in the order in which they first occur."""
    batch = np.repeat(np.arange(len(sizes)), sizes)
    _, first, inverse = np.unique(
        batch * (utterance.max(initial=0) + 1) + utterance, return_index=True, return_inverse=True
    )
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    number = rank[inverse]  # over all batches, in the order of their first rows
    lowest = np.minimum.reduceat(number, np.cumsum([0, *sizes[:-1]])) if sizes else number
    return np.asarray(number - lowest[batch])


def noise(
    rows: int,
    like: Mapping[str, Tensor],
    classes: int,
    mixed: bool,
    device: torch.device | str,
    distributions: bool = False,
) -> Batch:
    """A batch of so many rows of noise, to try a step with. like: inputs, of which shapes and types are taken.

    distributions: whether the target is one for each row, all of it in one class, rather than the class.
    """
    place = torch.arange(rows, device=device)
    mixing = (place.flip(0), torch.tensor([0.5, 0.5], device=device)) if mixed else ()
    inputs = {
        name: (torch.randn if x.is_floating_point() else torch.ones)(rows, *x.shape[1:], device=device, dtype=x.dtype)
        for name, x in like.items()
    }
    target = place % classes
    return Batch(inputs, torch.eye(classes, device=device)[target] if distributions else target, place, mixing)


def rows_like(shapes: Mapping[str, tuple[int, ...]], lengths: Collection[str] = ()) -> dict[str, Tensor]:
    """Inputs without rows, for `noise`. shapes: of a row of each; lengths: the inputs whose lengths go beside."""
    like = {name: torch.zeros(0, *shape) for name, shape in shapes.items()}
    return like | {name + LENGTH: torch.zeros(0, dtype=torch.int64) for name in lengths}
