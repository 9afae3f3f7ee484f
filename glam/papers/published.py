"""The numbers printed in the GLAM paper's tables: published.yaml, checked and typed."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BeforeValidator, Field

from glam.settings import Settings

Source = Literal["paper", "arxiv", "readme"]
Metric = Literal["wa", "ua", "macro_f1", "weighted_f1"]
METRICS: tuple[Metric, ...] = ("wa", "ua", "macro_f1", "weighted_f1")


class Printed(NamedTuple):
    """A printed number: mean and standard deviation over runs, in percent."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.2f}±{self.std:.2f}"


def _printed(value: Any) -> Printed:
    found = re.fullmatch(r"(\d\d\.\d\d) ± (\d\.\d\d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"found {value!r}, expected the form 70.73 ± 2.57")
    return Printed(float(found[1]), float(found[2]))


Cell = Annotated[Printed, BeforeValidator(_printed)]


class PrintedCells(Settings):
    """The four cells of a row, by our name of the metric."""

    wa: Cell
    ua: Cell
    macro_f1: Cell
    weighted_f1: Cell

    def cell(self, metric: Metric) -> Printed:
        """The printed number of that metric."""
        value: Printed = getattr(self, metric)
        return value


class PrintedRow(PrintedCells):
    """A row of a table; `differs` has the numbers of a source that prints others."""

    differs: dict[Source, PrintedCells] = Field(default={})

    def of(self, source: Source) -> PrintedCells:
        """The row as that source prints it."""
        return self.differs.get(source, self)


class PrintedTable(Settings):
    """A table as printed.

    runs: how many a number is over; None where no source says. sources: which print the table, with the printed
    name of each column. rows: by label, in the printed order.
    """

    caption: str
    runs: int | None
    sources: dict[Source, dict[Metric, str]]
    rows: dict[str, PrintedRow]

    def sources_of(self, metric: Metric) -> tuple[Source, ...]:
        """The sources that print the column of that metric."""
        return tuple(source for source, columns in self.sources.items() if metric in columns)

    def names_of(self, metric: Metric) -> tuple[str, ...]:
        """What the sources call that column, each name once."""
        return tuple(dict.fromkeys(columns[metric] for columns in self.sources.values() if metric in columns))


class Published(Settings):
    """All that is printed. sources: what each source is, in words. tables: by number."""

    sources: dict[Source, str]
    tables: dict[int, PrintedTable]


@cache
def published() -> Published:
    """The printed numbers."""
    path = Path(__file__).with_name("published.yaml")
    return Published.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
