"""A paper as data: its tables, what they print, and which recipes their rows are. One YAML file a paper.

A file of the user's own is such a file anywhere: `glam table my_paper.yaml/1`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from glam.errors import GlamError
from glam.evaluation.metric import METRICS, Metric, metric
from glam.foreign import file_name
from glam.recipe import Recipe, load_recipe
from glam.reports.views import View
from glam.settings import Settings
from glam.words import counted
from glam.yaml_file import read_mapping

FIRST = "glam"  # the paper that a table's number alone means


class Printed(NamedTuple):
    """A printed number: mean and, where it is printed, standard deviation over runs, in percent."""

    mean: float
    std: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.std is None else f"{self.mean:.2f}±{self.std:.2f}"


def _printed(value: Any) -> Printed:
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return Printed(float(value))
    numbers = re.fullmatch(r"(\d+(?:\.\d+)?) ± (\d+(?:\.\d+)?)", value) if isinstance(value, str) else None
    if numbers is None:
        raise ValueError(f"found {value!r}, expected the form 70.73 ± 2.57, or 70.73")
    return Printed(float(numbers[1]), float(numbers[2]))


Cell = Annotated[Printed, BeforeValidator(_printed)]


class PaperRow(Settings):
    """A row: which experiment it is, and what is printed of it.

    recipe: its name without the variant; None for a row that is shown as printed only. set: fields of the recipe that
    the row fixes. printed: by metric; differs: the numbers of a source that prints others. elsewhere: what is printed
    of other corpora, by the column's title. note: for the reader, below the table.
    """

    recipe: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    printed: dict[str, Cell] = Field(default_factory=dict)
    differs: dict[str, dict[str, Cell]] = Field(default_factory=dict)
    elsewhere: dict[str, Cell] = Field(default_factory=dict)
    note: str = ""

    @model_validator(mode="after")
    def _set_is_of_a_recipe(self) -> Self:
        if self.set and self.recipe is None:
            raise ValueError("set: changes a recipe, and the row has none")
        return self

    def of(self, source: str) -> dict[str, Printed]:
        """The printed numbers as that source has them."""
        return {**self.printed, **self.differs.get(source, {})}


class PaperTable(Settings):
    """A table: its rows in the printed order, by label.

    view: which epoch of a run its scores are from. runs: how many a printed number is over; None where no source says.
    chooses: the setting of which the rows are values, where the paper takes the best of them on the test set.
    groups: names under which rows stand together, and how many each. metrics: those shown; the paper's where it says
    none. sources: which print the table, with the printed name of each metric's column.
    """

    caption: str
    view: View = "test"
    runs: int | None = None
    chooses: str = ""
    groups: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    sources: dict[str, dict[str, str]] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: dict[str, PaperRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_row_is_in_a_group(self) -> Self:
        if self.groups and (grouped := sum(self.groups.values())) != len(self.rows):
            raise ValueError(f"groups: they are of {counted(grouped, 'row')}, and the table has {len(self.rows)}")
        return self

    def group_of(self, label: str) -> str:
        """The group of the row so called; "" for a row that is none of the paper's, and where there are no groups."""
        names = (name for name, count in self.groups.items() for _ in range(count))
        return dict(zip(self.rows, names, strict=False)).get(label, "")

    def sources_of(self, metric: str) -> tuple[str, ...]:
        """The sources that print the column of that metric."""
        return tuple(source for source, columns in self.sources.items() if metric in columns)

    def names_of(self, metric: str) -> tuple[str, ...]:
        """Names that the sources have for that column, each once."""
        return tuple(dict.fromkeys(columns[metric] for columns in self.sources.values() if metric in columns))

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Titles of the columns that are shown as printed only."""
        return tuple(dict.fromkeys(title for row in self.rows.values() for title in row.elsewhere))


class Paper(Settings):
    """A paper.

    name: what its tables are called by, the file's name. sources: what each source is, in words. variants: name -> what
    its settings are, in words; recipes are then called <recipe>-<variant>; without variants, <recipe>. printed_on: the
    corpus that the printed numbers are of. seeds: how many of the 100 its numbers are over by default. own: the recipe
    of its own model, without the variant; where it says none, the one that is called as the paper is.
    """

    name: str
    paper: str
    title: str
    sources: dict[str, str] = Field(default_factory=dict)
    variants: dict[str, str] = Field(default_factory=dict)
    printed_on: str = "iemocap"
    seeds: int = Field(100, ge=1, le=100)
    own: str | None = None
    metrics: tuple[str, ...] = Field(("wa", "ua"), min_length=1)
    tables: dict[str, PaperTable]
    _path: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _every_name_is_known(self) -> Self:
        for place, name in self._metrics_named():
            if name not in METRICS and ".py:" not in name:
                raise ValueError(f"{place}: there is no metric {name!r}; there are {', '.join(METRICS)}")
        for place, name in self._sources_named():
            if name not in self.sources:
                known = ", ".join(self.sources) or "none"
                raise ValueError(f"{place}: there is no source {name!r}; sources has {known}")
        recipes = {row.recipe for table in self.tables.values() for row in table.rows.values() if row.recipe}
        if self.own is not None and self.own not in recipes:
            raise ValueError(f"own: no row has the recipe {self.own!r}; they have {', '.join(sorted(recipes))}")
        return self

    @property
    def own_model(self) -> str:
        """The recipe of its own model, without the variant."""
        return self.own or self.name

    def _metrics_named(self) -> Iterator[tuple[str, str]]:
        """The metrics that the file names, each with the field that does."""
        yield from (("metrics", name) for name in self.metrics)
        for number, table in self.tables.items():
            place = f"tables.{number}"
            yield from ((f"{place}.metrics", name) for name in table.metrics)
            yield from ((f"{place}.sources.{of}", name) for of, names in table.sources.items() for name in names)
            for label, row in table.rows.items():
                yield from ((f"{place}.rows.{label}.printed", name) for name in row.printed)
                for source, cells in row.differs.items():
                    yield from ((f"{place}.rows.{label}.differs.{source}", name) for name in cells)

    def _sources_named(self) -> Iterator[tuple[str, str]]:
        """The sources that the file names, each with the field that does."""
        for number, table in self.tables.items():
            yield from ((f"tables.{number}.sources", name) for name in table.sources)
            for label, row in table.rows.items():
                yield from ((f"tables.{number}.rows.{label}.differs", name) for name in row.differs)

    @property
    def folder(self) -> Path:
        """The folder of its file: recipes and metrics of the user's own are named from there."""
        return self._path.resolve().parent

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path


class Table(NamedTuple):
    """One table of a paper, in one variant of its settings ("" where the paper has none)."""

    paper: Paper
    number: str
    variant: str

    @property
    def printed(self) -> PaperTable:
        """The table as printed."""
        return self.paper.tables[self.number]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it shows."""
        return self.printed.metrics or self.paper.metrics

    @property
    def title(self) -> str:
        """The table's title: its number, and the paper where that is not the first."""
        return f"Table {self.number}" + ("" if self.paper.name == FIRST else f" of {self.paper.paper}")

    @property
    def stem(self) -> str:
        """The name of its files, without ending."""
        first = f"table{self.number}" if self.paper.name == FIRST else f"{self.paper.name}-table{self.number}"
        return file_name(f"{first}-{self.variant}" if self.variant else first)


def papers_folder() -> Path:
    """The folder of the papers that come with the package."""
    return Path(__file__).parent


def paper_names() -> tuple[str, ...]:
    """The papers that come with the package, the first one first."""
    return tuple(sorted((path.stem for path in papers_folder().glob("*.yaml")), key=lambda name: (name != FIRST, name)))


def table(name: str, variant: str | None = None) -> Table:
    """The table of that name: `<paper>/<number>`, or the number alone for the first paper's; a paper is one of ours or
    the path of a file.

    variant: of its settings; the first where it is None. Raises GlamError, with what there is, for any other.
    """
    if name.endswith((".yaml", ".yml")):
        numbers = ", ".join(f"{name}/{number}" for number in read_paper(name).tables)
        raise GlamError(f"{name} is a paper: name one of its tables, {numbers}")
    place, _, number = name.rpartition("/")
    paper = read_paper(place or FIRST)
    if number not in paper.tables:
        tables = ", ".join(f"{paper.name}/{number}" for number in paper.tables)
        raise GlamError(f"there is no table {name!r}; the tables of {paper.name} are {tables}")
    if variant is None:
        variant = next(iter(paper.variants), "")
    elif variant not in paper.variants:
        known = f"there are {', '.join(paper.variants)}" if paper.variants else "it has none"
        raise GlamError(f"--setting {variant}: no setting of the tables of {paper.name}; {known}")
    return Table(paper, number, variant)


@cache
def read_paper(name: str) -> Paper:
    """The paper of that name, or of that file; GlamError where there is none, or where something in it is wrong."""
    own = name.endswith((".yaml", ".yml"))
    path = Path(name) if own else papers_folder() / f"{name}.yaml"
    if not own and name not in paper_names():
        raise GlamError(
            f"there is no paper {name!r}; there are {', '.join(paper_names())}, or give a .yaml file's path"
        )
    content = read_mapping(path, "paper")
    try:
        paper = Paper.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{path}: {field}" if field else str(path)
        raise GlamError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    paper._path = path
    return paper


def recipe_of(table: Table, row: PaperRow, overrides: Sequence[tuple[str, Any]] = ()) -> Recipe:
    """The recipe of a row, with `(field, value)` overrides below what the row fixes.

    Raises GlamError, which names the paper's file and the row unless the overrides alone are wrong.
    """
    name = str(row.recipe)
    if name.endswith((".yaml", ".yml")):
        name = str(table.paper.folder / name)
    elif table.variant:
        name = f"{name}-{table.variant}"
    try:
        by_itself = load_recipe(name, list(row.set.items()))
    except GlamError as error:
        label = next((label for label, of in table.printed.rows.items() if of is row), "")
        raise GlamError(f"{table.paper.path}: tables.{table.number}.rows.{label}: {error}") from None
    return load_recipe(name, [*overrides, *row.set.items()]) if overrides else by_itself


def metrics_of(table: Table) -> tuple[Metric, ...]:
    """The metrics that a table shows; those of the user's own lie beside the paper's file."""
    return tuple(
        replace(metric(str(table.paper.folder / name)), name=name) if ".py:" in name else metric(name)
        for name in table.metrics
    )
