"""Shares of the runs asked for, for machines that know nothing of each other (--shard)."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from glam.errors import GlamError
from glam.progress import say

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """A share: the `number`-th, from 1, of `count`."""

    number: int = 1
    count: int = 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """The items of this share: every count-th. All shares together have each item once."""
        return list(items[self.number - 1 :: self.count])

    @property
    def title(self) -> str:
        """Words for the line of the runs; empty for everything."""
        return f" in share {self.number} of {self.count}" if self.count > 1 else ""


def shard(text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """The share that `--shard` gives: I/N, or slurm, for the place of this task in its array of Slurm jobs.

    Raises GlamError for anything else, and for slurm outside an array.
    """
    if text is None:
        return Shard()
    if text == "slurm":
        return _of_array(environment)
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip(), re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise GlamError(f"--shard {text}: expected I/N, the I-th of N shares, such as 1/4; or slurm")
    return Shard(int(match[1]), int(match[2]))


def _of_array(environment: Mapping[str, str]) -> Shard:
    def number(name: str, default: str | None = None) -> int:
        value = environment.get(f"SLURM_ARRAY_TASK_{name}", default)
        if value is None:
            raise GlamError(
                f"--shard slurm: SLURM_ARRAY_TASK_{name} is not set; this is no task of an array (sbatch --array=1-N)"
            )
        if not (value.isascii() and value.isdigit()):
            raise GlamError(f"--shard slurm: SLURM_ARRAY_TASK_{name} is {value!r}, expected a number")
        return int(value)

    task, count = number("ID"), number("COUNT")
    first, step = number("MIN", "1"), number("STEP", "1")
    place, rest = divmod(task - first, max(1, step))
    if rest or not 0 <= place < count:
        raise GlamError(
            f"--shard slurm: SLURM_ARRAY_TASK_ID {task} is none of {count} from {first} on, {step} apart. Give the "
            "array as a range (--array=0-9), or --shard I/N."
        )
    return Shard(place + 1, count)


def say_share(share: Shard, stored: int, asked: int, runs: Path) -> None:
    """Say what became of a share, and how the shares come together: its own figures would be of no sample asked for."""
    say(
        f"share      {share.number} of {share.count}: {stored} of its {asked} runs are stored in {runs}. Once all are: "
        "glam merge, where their folders differ; then the same command without --shard reports"
    )
