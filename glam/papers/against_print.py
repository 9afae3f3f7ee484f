"""Our scores beside printed ones: the difference, whether it is more than chance, whether it is none worth the name.

Only where protocol, view and settings are the print's is there a test. Of the metrics of a table the first two that are
printed are tested (WA and UA): the others are near-copies of them, and a larger family sees less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from glam.evaluation.equivalence import equivalence
from glam.evaluation.metric import Metric
from glam.evaluation.power import smallest_difference
from glam.evaluation.spread import Interval
from glam.evaluation.statistics import Summary, holm, interval_of_mean, welch_from_summaries
from glam.evaluation.statistics import summary as summarise
from glam.evaluation.unknown import Unknown
from glam.papers.paper import Printed

CHANCE = 0.05  # a difference is marked where its adjusted p-value is at most this
MARGIN = 1.0  # points within which two means are called the same; stated before any run was made
TESTED = 2  # metrics of a table that are tested

Cell = tuple[str, str]  # a row's label, a metric's name
Verdict = Literal["differs", "the same", "undecided"]


@dataclass(frozen=True)
class Comparison:
    """One metric of a row beside its printed number.

    ours: over the runs; None without runs. difference: ours minus printed, in points. p: Welch's test, two-sided,
    adjusted over the table (Holm); None where there is no test: of fewer than two runs, of runs that do not differ, of
    another corpus or setting than the print's, and where the print has no standard deviation. interval: there, of the
    difference (95 %, not adjusted). same: p of the two one-sided tests for a difference below MARGIN. visible: the
    smallest true difference that these runs find in four of five cases, after the adjustment; None where there is none.
    holds: where the print has no standard deviation, whether the 95 % interval of our mean has the printed number in
    it.
    """

    ours: Summary | None
    printed: Printed | None
    difference: float | None = None
    p: float | None = None
    holds: bool | None = None
    interval: Interval | None = None
    same: float | None = None
    visible: float | None = None

    @property
    def more_than_chance(self) -> bool:
        """True where the difference is marked."""
        return self.p is not None and self.p <= CHANCE

    @property
    def verdict(self) -> Verdict | None:
        """What the tests say; None where there are none."""
        if self.p is None or self.same is None:
            return None
        if self.more_than_chance:
            return "differs"
        return "the same" if self.same <= CHANCE else "undecided"


def tested(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The names of the metrics of a table that are tested against the print."""
    return tuple(metric.name for metric in metrics[:TESTED])


def compared(
    cells: Mapping[Cell, tuple[Sequence[float], Printed | None, bool]], comparable: bool, assumed: int
) -> dict[Cell, Comparison]:
    """Comparisons with the print; p-values are adjusted over all tests together.

    cells: the values over the runs, the printed number, and whether the metric is tested. comparable: whether corpus
    and settings are the print's. assumed: runs that a printed number is over.
    """
    results = {
        key: _comparison(values, printed, comparable, test, assumed) for key, (values, printed, test) in cells.items()
    }
    family = [key for key, comparison in results.items() if comparison.p is not None]
    adjusted = holm(np.array([results[key].p for key in family], dtype=np.float64))
    for key, p in zip(family, adjusted.tolist(), strict=True):
        results[key] = replace(results[key], p=p, visible=_visible(results[key], assumed, len(family)))
    return results


def _comparison(
    values: Sequence[float], printed: Printed | None, comparable: bool, test: bool, assumed: int
) -> Comparison:
    ours = summarise(values) if values else None
    if ours is None or printed is None or not comparable:
        return Comparison(ours, printed)
    difference = ours.mean - printed.mean
    if ours.std is None:
        return Comparison(ours, printed, difference)
    if printed.std is None:
        interval = interval_of_mean(values, ratio=0)
        holds = None if isinstance(interval, Unknown) else interval.low <= printed.mean <= interval.high
        return Comparison(ours, printed, difference, holds=holds)
    if not test:
        return Comparison(ours, printed, difference)
    welch = welch_from_summaries(ours.mean, ours.std, ours.n, printed.mean, printed.std, assumed)
    same = equivalence(welch, margin=MARGIN, alpha=CHANCE)
    if isinstance(welch, Unknown) or isinstance(same, Unknown):
        return Comparison(ours, printed, difference)
    return Comparison(ours, printed, difference, welch.p, interval=welch.interval, same=same.p)


def _visible(comparison: Comparison, assumed: int, tests: int) -> float | None:
    ours, printed = comparison.ours, comparison.printed
    if ours is None or printed is None or ours.std is None or printed.std is None:
        return None
    visible = smallest_difference([ours.std, printed.std], [ours.n, assumed], [0, 0], tests=tests)
    return None if isinstance(visible, Unknown) else visible.shown
