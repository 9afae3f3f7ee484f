"""Segments on their way to the device: resident where they fit, gathered batch by batch where they do not."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glam.learning.normalisation import Scale

# Share of the device's free memory that features may take; the rest is for the model's activations.
RESIDENT_SHARE = 0.5


class Feed:
    """The features of a store for one device, or of several of equal length: recordings and their augmented copies.

    On a CPU the memory map itself is the tensor: the operating system keeps what is used, and processes share it.
    On another device all of it is copied once if it fits into RESIDENT_SHARE of the free memory; else each batch is
    gathered on the host by a thread while the one before is in use.
    """

    def __init__(self, arrays: Sequence[Path], device: torch.device) -> None:
        self._scale: Scale | None = None
        # Copy-on-write: torch has no read-only tensors, and nothing here writes.
        host = [torch.from_numpy(np.load(array, mmap_mode="c")) for array in arrays]
        size = sum(part.nbytes for part in host)
        self.device = device
        self.shape: tuple[int, int] = (int(host[0].shape[1]), int(host[0].shape[2]))
        self.resident = device.type == "cpu" or size <= RESIDENT_SHARE * _free_memory(device)
        self._features = [part.to(device) for part in host] if self.resident else host

    def batches(self, rows: Sequence[Tensor]) -> Iterator[Tensor]:
        """The features (batch, 1, F, T) float32 of each batch of rows; rows lie on the device if resident."""
        if self.resident:
            for batch in rows:
                yield self._select(batch)
            return
        with ThreadPoolExecutor(1) as thread:
            ahead = None
            for batch in rows:
                coming = thread.submit(self._gather, batch)
                if ahead is not None:
                    yield ahead.result().to(self.device, non_blocking=True)
                ahead = coming
            if ahead is not None:
                yield ahead.result().to(self.device, non_blocking=True)

    def recordings(self) -> Tensor:
        """The first array (N, F, T), on the host."""
        return self._features[0].cpu()

    def normalised(self, scale: Scale) -> "Feed":
        """The same features, every batch of them normalised."""
        other = copy(self)
        other._scale = scale.to(self.device) if self.resident else scale
        return other

    def rows(self, rows: Tensor) -> Tensor:
        """Row numbers where `batches` wants them."""
        return rows.to(self.device) if self.resident else rows.cpu()

    def _select(self, rows: Tensor) -> Tensor:
        features = self._gathered(rows)
        return features if self._scale is None else self._scale(features, rows % len(self._features[0]))

    def _gathered(self, rows: Tensor) -> Tensor:
        if len(self._features) == 1:
            return self._features[0].index_select(0, rows).unsqueeze(1)
        # Rows of the second array follow those of the first. Every array is asked for every row, which costs little
        # beside a step and, unlike picking the rows of each, never waits for the device.
        length = len(self._features[0])
        array, row = rows // length, rows % length
        parts = torch.stack([part.index_select(0, row) for part in self._features])
        return parts[array, torch.arange(len(rows), device=rows.device)].unsqueeze(1)

    def _gather(self, rows: Tensor) -> Tensor:
        batch = self._select(rows)
        return batch.pin_memory() if self.device.type == "cuda" else batch


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return float("inf")  # mps shares the host's memory
