"""The one way in which tables are written: Markdown for people, LaTeX for papers."""

from collections.abc import Sequence

from tabulate import tabulate


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells are written as they are."""
    return tabulate(rows, headings, tablefmt="github", disable_numparse=True)


def latex_grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A tabular for the package booktabs; what LaTeX would take for a command is escaped."""
    return tabulate(rows, headings, tablefmt="latex_booktabs", disable_numparse=True)
