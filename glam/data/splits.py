"""Seeds, and the random splits of utterances that they stand for: the released implementation's, exactly."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glam.errors import GlamError
from glam.settings import Settings

RUNS = 100  # runs behind every number of the paper's tables


def seeds() -> tuple[int, ...]:
    """The seeds of the paper's 100 runs, in the order in which the released scripts use them."""
    drawn = np.random.RandomState(2021).randint(0, 2**32 - 1, RUNS, dtype=np.int64)
    return tuple(int(seed) for seed in drawn)


class SplitSettings(Settings):
    """How utterances are divided: `train_share` of them, drawn at random, for training, the rest held out."""

    train_share: float = Field(0.8, gt=0, lt=1)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which utterances a run trains on; positions in the list that was split, in the order they were drawn."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def validation(self) -> NDArray[np.int64]:
        """The first half of the held-out utterances: the validation set of the 8:1:1 protocol (Table 4)."""
        return self.held_out[: len(self.held_out) // 2]

    @property
    def test(self) -> NDArray[np.int64]:
        """The second half of the held-out utterances: the test set of the 8:1:1 protocol (Table 4)."""
        return self.held_out[len(self.held_out) // 2 :]


def random_split(n: int, seed: int, train_share: float = 0.8) -> Split:
    """Draw the training utterances out of `n`: the first int(n * train_share) of the seed's permutation.

    The permutation is that of NumPy's legacy generator, as in the release (its `choice` without replacement
    is the head of a permutation), so the same list and seed give the same training set, in the same order.
    Both parts are never empty: raises GlamError where `n` is too small for that.
    """
    size = int(n * train_share)
    if not 0 < size < n:
        raise GlamError(
            f"cannot split {n} utterances with split.train_share {train_share:g}: {size} would be for training "
            f"and {n - size} held out; both need at least one. Use a larger corpus or another share."
        )
    order = np.random.RandomState(seed).permutation(n).astype(np.int64, copy=False)
    return Split(train=order[:size], held_out=order[size:])


def read_seeds(path: Path) -> list[int]:
    """The seeds of a file, one a line (seeds.txt); raises GlamError naming the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: the seeds cannot be read ({error}); python seeds.py writes seeds.txt") from None
    found: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        digits = line.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) < 2**32):
            raise GlamError(f"{path}, line {number}: found {line[:40]!r}, expected a seed from 0 to {2**32 - 1}")
        if int(line) in found:
            raise GlamError(f"{path}, line {number}: the seed {int(line)} stands twice")
        found.append(int(line))
    return found
