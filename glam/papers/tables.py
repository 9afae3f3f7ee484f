"""A table of a paper: which experiments its rows are, what is stored of them, how it compares with the print.

A row is a recipe with the settings that make the row what it is. Rows with the same scientific settings share their
runs, so that nothing is trained twice: Table 4 of GLAM is another view of the runs of Table 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from glam.errors import GlamError
from glam.evaluation.metric import METRICS, Metric
from glam.papers.against_print import Comparison, compared, tested
from glam.papers.paper import PaperRow, Table, metrics_of, recipe_of
from glam.papers.stored import Stored, StoredRecipe
from glam.progress import bar
from glam.recipe import Recipe, load_recipe
from glam.reports.folds import fold_values, outcomes, pool
from glam.reports.runs import Read, read_results
from glam.reports.sharing import protocol_line
from glam.reports.views import Outcome, Result, View, optimism, value
from glam.results.experiment import StoredExperiment
from glam.results.identity import canonical_json
from glam.results.run import StoredRun
from glam.running.experiment import lacking_files
from glam.splits.population import Composition, whole_iemocap
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import RUNS, RunKey
from glam.words import counted

AS_PRINTED = ("training.precision", "corpus.name")  # overrides that leave the print's settings what they are


@dataclass(frozen=True)
class Row:
    """A row of a table that is asked for: its label, what is printed, and its recipe (None: it is only printed)."""

    label: str
    printed: PaperRow
    recipe: Recipe | None


def rows_of(
    table: Table, overrides: Sequence[tuple[str, Any]] = (), wanted: Sequence[str] = (), added: Sequence[str] = ()
) -> list[Row]:
    """The rows of a table, with `(field, value)` overrides for all recipes.

    wanted: labels (or parts of them) of the rows to take; () for all. added: recipes, by name or file, whose rows stand
    below the paper's. Raises GlamError for an override of what the rows themselves fix, for a row that there is not,
    and for an added one that would be called as another is.
    """
    printed = table.printed.rows
    fixed = {"model.name", *(name for row in printed.values() for name in row.set)}
    for name, _ in overrides:
        if name in fixed:
            raise GlamError(
                f"--set {name}: the rows of {table.title} fix it themselves; what they fix is "
                f"{', '.join(sorted(fixed))}. For another experiment, use python train.py."
            )
    for part in wanted:
        if not any(part.lower() in label.lower() for label in printed):
            raise GlamError(f"--rows {part}: {table.title} has no such row; it has {', '.join(printed)}")
    rows = [
        Row(label, row, recipe_of(table, row, overrides) if row.recipe else None)
        for label, row in printed.items()
        if not wanted or any(part.lower() in label.lower() for part in wanted)
    ]
    owners = {row.label: f"the row {row.label} of {table.title}" for row in rows}
    for name in added:
        recipe = load_recipe(name, overrides)
        if recipe.name in owners:  # runs and scores go by the row's label
            raise GlamError(
                f"--add {name}: this recipe is called {recipe.name}, and so is {owners[recipe.name]}; give it another "
                "name (`name: ...` in its file, or another name of the file)"
            )
        owners[recipe.name] = f"--add {name}"
        rows.append(Row(recipe.name, PaperRow(), recipe))
    return rows


def distinct(recipes: Iterable[Recipe]) -> list[Recipe]:
    """The recipes that are different experiments on one corpus, the first of each: what must be trained."""
    different: dict[str, Recipe] = {}
    for recipe in recipes:
        different.setdefault(canonical_json(recipe.scientific()), recipe)
    return list(different.values())


@dataclass(frozen=True)
class RowReport:
    """A row with what is stored of it: its runs, and metrics by name.

    read: None where there is no experiment, or where it cannot be read.
    """

    row: Row
    stored: StoredRecipe
    read: Read | None = None
    metrics: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def results(self) -> tuple[Result, ...]:
        """The results of the finished runs."""
        return tuple(self.read.results) if self.read else ()

    @property
    def failed(self) -> tuple[StoredRun, ...]:
        """The runs that failed."""
        return tuple(self.read.failed) if self.read else ()

    @property
    def scored(self) -> tuple[Outcome, ...]:
        """What the metrics are over: the results or, with folds, one a seed that has all of them, its folds pooled."""
        return self.read.scored if self.read else ()

    @cached_property
    def honest(self) -> tuple[Outcome, ...]:
        """Where the epoch is chosen on the test set, `scored` under `halves`; else none."""
        return outcomes(self.read.experiment, self.read.honest) if self.read else ()

    @property
    def missing(self) -> Mapping[int, tuple[str, ...]]:
        """The seeds that are not pooled, and the folds that they lack."""
        return pool(self.read.experiment, self.read.results).missing if self.read else {}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why runs do not count."""
        return tuple(self.read.left_out) if self.read else ()

    @property
    def unlike_print(self) -> str:
        """The reason why its numbers cannot be compared with printed ones, if there is one."""
        return self.stored.experiment.unlike_print if self.stored.experiment else ""

    @property
    def test_utterances(self) -> tuple[int, ...]:
        """The numbers of utterances that the scores are over: one, unless runs differ."""
        return tuple(sorted({outcome.utterances for outcome in self.scored}))

    @property
    def folds(self) -> int:
        """Number of folds of a seed, 0 for protocols without."""
        return len(self.stored.experiment.folds) if self.stored.experiment else 0

    @property
    def is_stored(self) -> bool:
        """Whether anything is to be said of its runs: there are some, or they are damaged."""
        return bool(self.results or self.failed or self.left_out or self.stored.damaged)

    @property
    def keys(self) -> tuple[RunKey, ...]:
        """The runs that are stored, failed ones last."""
        return (*(RunKey(result.seed, result.fold) for result in self.results), *(run.key for run in self.failed))

    @property
    def lacking(self) -> list[str]:
        """The places of files that it could not be trained without, and that nobody has given."""
        return [] if self.stored.experiment or self.row.recipe is None else lacking_files(self.row.recipe)

    def over_folds(self, metric: Metric) -> list[float]:
        """A value of the metric for each fold; none where there are no folds, or it means nothing of a single one."""
        experiment = self.stored.experiment
        if experiment is None or not self.folds or not self.scored or experiment.split.single_class:
            return []
        return fold_values(experiment, pool(experiment, self.results), metric)

    def optimism(self, name: str) -> float | None:
        """Points that choosing the epoch on the test set adds to a metric; None where it was not chosen there."""
        gain = optimism(self.scored, self.honest, METRICS[name])
        return None if gain is None else gain.points


@dataclass(frozen=True)
class TableReport:
    """A table with what is stored of it.

    metrics: that it shows. view: which epoch of a run counts. whole: whether every row is on the whole of the corpus
    that the printed numbers are of, so that they can stand beside each other. unlike: what else is not as printed (a
    setting, the protocol, the view), so that they are not tested against each other. assumed_runs: how many runs a
    printed number is taken to be over. tests: how many the p-values are adjusted for. protocols: a line for each set
    that the rows' runs draw their splits from. damaged: why experiments that may be rows' cannot be read.
    """

    table: Table
    overrides: tuple[tuple[str, Any], ...]
    metrics: tuple[Metric, ...]
    rows: tuple[RowReport, ...]
    view: View
    whole: bool
    unlike: tuple[str, ...]
    assumed_runs: int
    tests: int
    protocols: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def is_stored(self) -> bool:
        """Whether any row has runs; else, only the printed numbers are there to be shown."""
        return any(row.is_stored for row in self.rows)

    @property
    def is_printed(self) -> bool:
        """Whether anything is printed of any row, which a paper that is being written does not have yet."""
        return any(row.row.printed.printed for row in self.rows)


def with_runs(report: TableReport) -> dict[str, tuple[StoredExperiment, tuple[Result, ...]]]:
    """The rows of a table that have runs, by label: the experiment, and its results; none of protocols with folds."""
    return {
        row.row.label: (row.stored.experiment, row.results)
        for row in report.rows
        if row.stored.experiment is not None and row.results and not row.folds
    }


def table_report(
    table: Table,
    rows: Sequence[Row],
    overrides: Sequence[tuple[str, Any]],
    stored: Stored,
    seeds: Sequence[int],
    view: View | None = None,
    more: Sequence[Metric] = (),
) -> TableReport:
    """Report on these rows of a table and their runs of these seeds: only reads.

    view: if not the table's own (`validation`, where the protocol has a validation set of its own). more: metrics
    beside the table's.
    """
    recipes = [row.recipe for row in rows if row.recipe is not None]
    own_validation = bool(recipes) and recipes[0].split.own_validation
    view = view or ("validation" if own_validation else table.printed.view)
    own = metrics_of(table)
    shown = (*own, *(added for added in more if added.title not in {of.title for of in own}))
    reports: list[RowReport] = []
    with bar(len(rows), "reading runs", "row", leave=False) as progress:
        for row in rows:
            reports.append(_read(row, stored, view, seeds))
            progress.update()
    whole = all(of_the_print(row.stored.composition, table) for row in reports if row.stored.composition) and all(
        recipe.corpus.title == table.paper.printed_on for recipe in recipes
    )
    assumed = table.printed.runs or RUNS
    unlike = tuple(f"{name}={given}" for name, given in overrides if name not in AS_PRINTED)
    unlike += (f"the choice of the epoch ({view})",) if view != table.printed.view else ()
    reports = _compared(reports, shown, whole and not unlike, assumed)
    tests = sum(comparison.p is not None for row in reports for comparison in row.metrics.values())
    return TableReport(
        table,
        tuple(overrides),
        shown,
        tuple(reports),
        view,
        whole,
        unlike,
        assumed,
        tests,
        tuple(protocol_lines(reports)),
        tuple(stored.damaged.values()),
    )


def protocol_lines(rows: Sequence[RowReport]) -> list[str]:
    """One line for each set that the rows' runs draw their splits from: what training and test share, and what that
    alone scores; of the row with the most runs, from what is stored with them.
    """
    sets: dict[tuple[tuple[str, ...], AnyProtocol], Read] = {}
    for row in rows:
        if (read := row.read) is None:
            continue
        drawn_from = read.experiment.ids, read.experiment.split
        if len(read.runs) > len(sets.setdefault(drawn_from, read).runs):
            sets[drawn_from] = read
    return [
        f"protocol, {experiment.composition.part}, {counted(len(experiment.ids), 'utterance')}, "
        f"{counted(len(read.runs), 'run')}: {protocol_line(experiment, read.sharing)}"
        for read in sets.values()
        for experiment in [read.experiment]
    ]


def _read(row: Row, stored: Stored, view: View, seeds: Sequence[int]) -> RowReport:
    on_disk = stored.find(row.recipe) if row.recipe is not None else StoredRecipe(None, None)
    if on_disk.experiment is None:
        return RowReport(row, on_disk)
    try:
        return RowReport(row, on_disk, read_results(on_disk.experiment, view, seeds))
    except GlamError as error:
        return RowReport(row, replace(on_disk, damaged=str(error)))


def of_the_print(composition: Composition, table: Table) -> bool:
    """True where a set was drawn from the corpus that the printed numbers are of: of IEMOCAP, from all of it."""
    if table.paper.printed_on == "iemocap":
        return whole_iemocap(composition)
    return composition.corpus == table.paper.printed_on and not composition.synthetic


def _compared(rows: Sequence[RowReport], metrics: Sequence[Metric], comparable: bool, assumed: int) -> list[RowReport]:
    """The rows with their metrics beside the print's, tested together as one family.

    A row that is unlike the print for a reason of its own is shown beside it, and not tested.
    """
    cells = {
        (row.row.label, of.name): (
            [value(outcome, of) for outcome in row.scored],
            row.row.printed.printed.get(of.name),
            of.name in tested(metrics),
        )
        for row in rows
        for of in metrics
    }
    unlike = {row.row.label for row in rows if row.unlike_print}
    comparisons = {
        **compared({key: cell for key, cell in cells.items() if key[0] in unlike}, False, assumed),
        **compared({key: cell for key, cell in cells.items() if key[0] not in unlike}, comparable, assumed),
    }
    return [replace(row, metrics={of.name: comparisons[row.row.label, of.name] for of in metrics}) for row in rows]
