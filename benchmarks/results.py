"""Results of the measurements: rows of rates and ratios, whole runs, and everything of one model."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from glam.inputs.inputs import Shape
from glam.learning.settings import Precision


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest over the rounds."""

    median: float
    lowest: float
    highest: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """The spread of these values."""
        return Spread(median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One engine at one part of the work.

    part: `training`, `evaluation` or `features`. engine: `plain loop`, `its steps`, `bare loop`, `one run`,
    `side by side`. runs: at once. threads: of each run. rate: segments a second, all runs together. ratio: to the
    plain loop, each round by itself. flops: floating point operations a second. share: of the device's matrix rate in
    that precision. target: the ratio to reach.
    """

    part: str
    engine: str
    precision: str
    runs: int
    threads: int
    rate: Spread
    ratio: Spread
    flops: float | None = None
    share: float | None = None
    target: float | None = None


@dataclass(frozen=True)
class Whole:
    """Runs from the recordings to the last epoch, in seconds; put together from the measured parts, or really run."""

    runs: int
    epochs: int
    precision: str
    how: str
    plain: float
    ours: float
    target: float | None = None

    @property
    def ratio(self) -> float:
        """Speed in units of the plain loop's."""
        return self.plain / self.ours


@dataclass(frozen=True)
class ModelResult:
    """All that was measured of one model.

    shape: (F, T) of its features. batch: segments of a step. steps, utterances: of an epoch that was timed.
    training_flop, evaluation_flop: floating point operations for a segment.
    step_to_bare: the plain loop's step to a bare one on the same tensors in memory, in time; loop_to_bare: with its
    DataLoader. fastest_batch: segments a second of one run, by precision and batch size.
    """

    shape: Shape
    batch: int
    steps: int
    utterances: int
    training_flop: float
    evaluation_flop: float
    rows: list[Row]
    wholes: list[Whole]
    step_to_bare: Spread
    loop_to_bare: Spread
    fastest_batch: dict[Precision, dict[int, float]]
