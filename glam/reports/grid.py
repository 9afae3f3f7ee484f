"""The one way in which tables and their cells are written: Markdown for people, LaTeX for papers."""

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import LATEX_ESCAPE_RULES, tabulate

from glam.evaluation.metric import Metric
from glam.evaluation.spread import Interval
from glam.evaluation.statistics import summary
from glam.reports.views import Outcome, value


@dataclass(frozen=True)
class Table:
    """A table of a report, cell by cell; as text, it is Markdown."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        return grid(self.headings, self.rows)


Block = Table | str  # a part of a report: a table, or lines of text


def markdown(blocks: Sequence[Block]) -> str:
    """Blocks one below the other, with an empty line between them."""
    return "\n\n".join(map(str, blocks))


def mean_std(values: Sequence[float]) -> str:
    """`mean ± std` with two decimals; the sample standard deviation (ddof 1) needs two values."""
    over = summary(values)
    return f"{over.mean:.2f} ± {over.std:.2f}" if len(values) > 1 else f"{over.mean:.2f}"


def score_cells(outcomes: Sequence[Outcome], metrics: Sequence[Metric]) -> list[str]:
    """One cell per column of a table row: mean ± std over runs."""
    return [mean_std([value(outcome, metric) for outcome in outcomes]) for metric in metrics]


def signed(points: float) -> str:
    """A difference of scores with its sign and two decimals; no -0.00."""
    return f"{round(points, 2) + 0.0:+.2f}"


def signed_interval(interval: Interval) -> str:
    """An interval of a difference, with the signs of its ends."""
    return f"{signed(interval.low)} to {signed(interval.high)}"


def p_value(p: float) -> str:
    """A p-value with four decimals, down to 0.0001."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells are written as they are."""
    return tabulate(rows, headings, tablefmt="github", disable_numparse=True)


def latex_grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A tabular for the package booktabs; what LaTeX would take for a command is escaped."""
    return tabulate(rows, headings, tablefmt="latex_booktabs", disable_numparse=True)


def latex_text(text: str) -> str:
    """Text outside a tabular; what LaTeX would take for a command is escaped, as in one."""
    return "".join(LATEX_ESCAPE_RULES.get(character, character) for character in text)
