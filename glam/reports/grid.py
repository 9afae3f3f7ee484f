"""The one way in which tables and their cells are written: Markdown for people, LaTeX for papers."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass

from tabulate import LATEX_ESCAPE_RULES, tabulate

from glam.evaluation.metric import Metric
from glam.evaluation.spread import Interval
from glam.evaluation.statistics import summary
from glam.reports.views import Outcome, value

# What LaTeX has commands for, beside those that it would take for one.
SIGNS = {"±": r"$\pm$", "≤": r"$\le$", "†": r"$^\dagger$", "¹": "$^1$", "²": "$^2$", "α": r"$\alpha$"}
PAIR = "r@{}l"  # columns: a number, and what follows it
_NUMBER = re.compile(r"(?:< )?[+-]?\d+(?:\.\d+)?")


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
    """An interval of a difference of percentages, with the signs of its ends: none lies beyond 100 points."""
    return f"{signed(max(interval.low, -100.0))} to {signed(min(interval.high, 100.0))}"


def p_value(p: float) -> str:
    """A p-value with four decimals, down to 0.0001."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells are written as they are."""
    return tabulate(rows, headings, tablefmt="github", disable_numparse=True)


def latex_grid(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    labels: int = 1,
    rules: Container[int] = (),
    bold: Container[tuple[int, int]] = (),
) -> str:
    """A tabular for the package booktabs; what LaTeX would take for a command is escaped.

    A column of numbers is two where something follows them (a deviation, a mark), so that they stand in line.
    labels: how many columns at the left are words. rules: rows with a line above. bold: cells (row, column) so set.
    """
    columns = ["l" if i < labels else _column([row[i] for row in rows]) for i in range(len(headings))]
    head = [
        rf"\multicolumn{{2}}{{c}}{{{latex_text(heading)}}}" if column == PAIR else latex_text(heading)
        for heading, column in zip(headings, columns, strict=True)
    ]
    lines = [rf"\begin{{tabular}}{{{''.join(columns)}}}", r"\toprule", rf"{' & '.join(head)} \\", r"\midrule"]
    for i, row in enumerate(rows):
        lines += [r"\midrule"] * (i in rules)
        cells = [_cell(cell, columns[j], (i, j) in bold) for j, cell in enumerate(row)]
        lines.append(rf"{' & '.join(cells)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _column(cells: Sequence[str]) -> str:
    """How LaTeX is to set these cells below each other."""
    behind = [cell[number.end() :] for cell in cells if (number := _NUMBER.match(cell))]
    return PAIR if any(behind) else "r" if behind else "l"


def _cell(text: str, column: str, bold: bool) -> str:
    if column == "l":
        return latex_text(text)
    number = _NUMBER.match(text)
    if column == PAIR and number is None:
        return rf"\multicolumn{{2}}{{c}}{{{latex_text(text)}}}" if text else "&"
    parts = [text[: number.end()], text[number.end() :]] if column == PAIR and number else [text]
    shown = [re.sub(r"[+-](?=\d)", r"$\g<0>$", latex_text(part)) for part in parts]
    shown = [re.sub(r"^ ", "~", part).replace(r"$\pm$", r"$\,\pm\,$") for part in shown]
    return " & ".join(rf"\textbf{{{part}}}" if bold and part else part for part in shown)


def latex_text(text: str) -> str:
    """Text for LaTeX: what it would take for a command is escaped, signs are commands, and quotes are in pairs."""
    commands = LATEX_ESCAPE_RULES | SIGNS
    escaped = "".join(commands.get(character, character) for character in text.replace("<=", "≤"))
    return re.sub(r'"([^"]*)"', r"``\1''", escaped)
