"""Seeds, and the runs that they stand for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glam.errors import GlamError

RUNS = 100  # runs behind every number of the paper's tables


def seeds() -> tuple[int, ...]:
    """The seeds of the paper's 100 runs, in the order in which the released scripts use them."""
    drawn = np.random.RandomState(2021).randint(0, 2**32 - 1, RUNS, dtype=np.int64)
    return tuple(int(seed) for seed in drawn)


@dataclass(frozen=True, slots=True)
class RunKey:
    """The key of a run among the others of its experiment: its seed and, of protocols with folds, its fold (from 1)."""

    seed: int
    fold: int | None = None

    @property
    def name(self) -> str:
        """The name of its folder: `<seed>` or `<seed>-fold<k>`."""
        return str(self.seed) if self.fold is None else f"{self.seed}-fold{self.fold}"

    @property
    def draws(self) -> int:
        """The seed of what is drawn in training (initial weights, order, mixup, dropout), made of seed and fold."""
        if self.fold is None:
            return self.seed
        return int(np.random.SeedSequence([self.seed, self.fold]).generate_state(1)[0])

    def __str__(self) -> str:
        return f"seed {self.seed}" if self.fold is None else f"seed {self.seed}, fold {self.fold}"


def run_key(name: str) -> RunKey | None:
    """The key of the run whose folder has that name; None where no run's has."""
    parts = re.fullmatch(r"([0-9]{1,10})(?:-fold([0-9]{1,6}))?", name)
    if parts is None:
        return None
    key = RunKey(int(parts[1]), int(parts[2]) if parts[2] else None)
    return key if key.name == name else None


def runs_of(seeds: Iterable[int], folds: int) -> list[RunKey]:
    """The runs of these seeds, each with all its folds; folds: how many there are, 0 for protocols without."""
    if not folds:
        return [RunKey(seed) for seed in seeds]
    return [RunKey(seed, fold) for seed in seeds for fold in range(1, folds + 1)]


def read_seeds(path: Path) -> list[int]:
    """The seeds of a file, one a line (seeds.txt); raises GlamError naming the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: the seeds cannot be read ({error}); python seeds.py writes seeds.txt") from None
    seeds: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        digits = line.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) < 2**32):
            raise GlamError(f"{path}, line {number}: found {line[:40]!r}, expected a seed from 0 to {2**32 - 1}")
        if int(line) in seeds:
            raise GlamError(f"{path}, line {number}: the seed {int(line)} is a duplicate")
        seeds.append(int(line))
    if not seeds:
        raise GlamError(f"{path}: holds no seed; expected one a line (python seeds.py writes seeds.txt)")
    return seeds
