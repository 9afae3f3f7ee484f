"""Events of runs under way: told by a worker, to whoever listens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from glam.splits.runs import RunKey


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    epoch: the one under way, from 1. steps: done so far, out of `total`. seconds_per_step: 0 where it is not known yet.
    at_once: runs that share the worker.
    """

    epoch: int
    steps: int
    total: int
    seconds_per_step: float = 0.0
    at_once: int = 1


@dataclass(frozen=True)
class Started:
    """A run begins; one that was interrupted goes on, with steps done already."""

    run: RunKey
    progress: Progress


@dataclass(frozen=True)
class Stepped:
    """A run has come further."""

    run: RunKey
    progress: Progress


@dataclass(frozen=True)
class EpochEnded:
    """An epoch (from 1) was trained and evaluated; loss: its mean, wa and ua: in percent."""

    run: RunKey
    progress: Progress
    epoch: int
    loss: float
    wa: float
    ua: float


@dataclass(frozen=True)
class Finished:
    """A run was trained to its end and stored. epoch: the best on the set `chosen_on`; wa, ua: its scores."""

    run: RunKey
    progress: Progress
    epoch: int
    wa: float
    ua: float
    chosen_on: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class Failed:
    """A run cannot go on, for a reason that is stored with it."""

    run: RunKey
    reason: str


@dataclass(frozen=True)
class FinishedElsewhere:
    """Another process has finished the run meanwhile."""

    run: RunKey


@dataclass(frozen=True)
class Elsewhere:
    """Another process is working on the run."""

    run: RunKey


@dataclass(frozen=True)
class Stopped:
    """The run was stopped, as was asked for, and checkpointed."""

    run: RunKey


@dataclass(frozen=True)
class Note:
    """Something to know, of no run in particular. of_all: of no experiment in particular either."""

    text: str
    of_all: bool = False


@dataclass(frozen=True)
class Broken:
    """The reason why everything must stop."""

    text: str


UnderWay = Started | Stepped | EpochEnded | Finished  # with its progress
Ended = Finished | Failed | FinishedElsewhere | Elsewhere | Stopped
Event = UnderWay | Ended | Note | Broken
Listen = Callable[[Event], None]
