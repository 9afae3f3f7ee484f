"""Rows of the inputs on their way to the device: resident where they fit, gathered batch by batch where they do not."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Share of the device's free memory that inputs may take; the rest is for the model's activations.
RESIDENT_SHARE = 0.5

LENGTH, GROUP = "_length", "_group"  # behind an input's name: what goes with its rows


class Column:
    """One input: the rows of its store and, of equal length, of the stores of augmented copies.

    arrays: files (N, ...) each. lengths: (N,) int64, how much of each row is not padding; None where rows have none.
    group: (N,) int64, the speaker of each row, where the entrance asks for it.
    On a CPU the memory map itself is the tensor: the operating system keeps what is used, and processes share it.
    """

    def __init__(
        self,
        arrays: Sequence[Path],
        device: torch.device,
        lengths: NDArray[np.int64] | None = None,
        group: NDArray[np.int64] | None = None,
    ) -> None:
        # Copy-on-write: torch has no read-only tensors, and nothing here writes.
        host = [torch.from_numpy(np.load(array, mmap_mode="c")) for array in arrays]
        self.device, self.length, self._recordings = device, len(host[0]), host[0]
        self.shape: tuple[int, ...] = tuple(host[0].shape[1:])
        self.resident = device.type == "cpu" or sum(p.nbytes for p in host) <= RESIDENT_SHARE * _free_memory(device)
        self._parts = [part.to(device) for part in host] if self.resident else host
        beside = {LENGTH: lengths, GROUP: group}
        self._beside = {end: torch.from_numpy(a).to(self._place) for end, a in beside.items() if a is not None}

    @property
    def _place(self) -> torch.device:
        """Where the rows lie."""
        return self.device if self.resident else torch.device("cpu")

    def recordings(self) -> Tensor:
        """The first array (N, ...), on the host."""
        return self._recordings

    def grouped(self, group: NDArray[np.int64]) -> "Column":
        """The same rows, each with its group (N,) beside."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._beside = self._beside | {GROUP: torch.from_numpy(group).to(self._place)}
        return other

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """The input in these rows (n,) and what goes with them, by what is to stand behind the input's name."""
        rows = rows.to(self._place)
        return {"": self._rows(rows)} | {
            end: of.index_select(0, rows % self.length) for end, of in self._beside.items()
        }

    def _rows(self, rows: Tensor) -> Tensor:
        if len(self._parts) == 1:
            return self._parts[0].index_select(0, rows % self.length)
        # Rows of the second array follow those of the first. Every array is asked for every row, which costs little
        # beside a step and, unlike picking the rows of each, never waits for the device. Behind the last copy, where
        # another input has more, the arrays come again.
        array, row = rows // self.length % len(self._parts), rows % self.length
        parts = torch.stack([part.index_select(0, row) for part in self._parts])
        return parts[array, torch.arange(len(rows), device=rows.device)]


class Picked(Mapping[str, Tensor]):
    """The inputs of some rows, which are gathered when they are asked for: alone, or with those of other runs.

    columns: resident. rows: (n,) int64, on their device.
    """

    def __init__(self, columns: "Columns", rows: Tensor) -> None:
        self.columns, self.rows = columns, rows

    @cached_property
    def _taken(self) -> dict[str, Tensor]:
        return self.columns.take(self.rows)

    def __getitem__(self, name: str) -> Tensor:
        return self._taken[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._taken)

    def __len__(self) -> int:
        return len(self._taken)


def stacked(inputs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The inputs of batches of as many rows each, stacked; gathered at once where all are rows of the same columns."""
    first = inputs[0]
    if isinstance(first, Picked) and all(isinstance(part, Picked) and part.columns is first.columns for part in inputs):
        rows = torch.stack([part.rows for part in inputs if isinstance(part, Picked)])
        taken = first.columns.take(rows.flatten())
        return {name: tensor.unflatten(0, rows.shape) for name, tensor in taken.items()}
    return {name: torch.stack([part[name] for part in inputs]) for name in first}


class Columns:
    """The inputs of a model by name, row by row."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = dict(columns)
        self.resident = all(column.resident for column in columns.values())
        self.device = next(iter(columns.values())).device

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of a row of each input."""
        return {name: column.shape for name, column in self.columns.items()}

    def replaced(self, **columns: Column) -> Self:
        """The same, with other columns in place of those of that name."""
        return type(self)(self.columns | columns)

    def rows(self, rows: Tensor) -> Tensor:
        """Row numbers where `batches` wants them."""
        return rows.to(self.device) if self.resident else rows.cpu()

    def batches(self, rows: Sequence[Tensor]) -> Iterator[dict[str, Tensor]]:
        """The inputs of each batch of rows; rows lie on the device if all columns are resident there.

        Else each batch is gathered on the host by a thread while the one before is in use.
        """
        if self.resident:
            for batch in rows:
                yield self.take(batch)
            return
        with ThreadPoolExecutor(1) as thread:
            ahead = None
            for batch in rows:
                coming = thread.submit(self._gather, batch)
                if ahead is not None:
                    yield self._sent(ahead.result())
                ahead = coming
            if ahead is not None:
                yield self._sent(ahead.result())

    def picked(self, rows: Sequence[Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """As `batches`, but nothing is gathered yet of columns that are resident."""
        return iter([Picked(self, batch) for batch in rows]) if self.resident else self.batches(rows)

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """The inputs of rows (n,), each where its column lies."""
        return {name + end: part for name, column in self.columns.items() for end, part in column.take(rows).items()}

    def _gather(self, rows: Tensor) -> dict[str, Tensor]:
        taken = {name: part.cpu() for name, part in self.take(rows).items()}
        return {name: part.pin_memory() for name, part in taken.items()} if self.device.type == "cuda" else taken

    def _sent(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: part.to(self.device, non_blocking=True) for name, part in batch.items()}


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return float("inf")  # mps shares the host's memory
