"""The paper's Tables 1 to 4: which experiments a row stands for, what is stored of them, how it compares.

A table is a list of rows, a row is a recipe with the settings that make the row what it is. Table 4 is another view
of the runs of Table 1, and rows with the same scientific settings share their runs, so that nothing is trained twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.evaluation.statistics import Summary, holm, welch_from_summaries
from glam.evaluation.statistics import summary as summarise
from glam.papers.published import METRICS, Metric, Printed, PrintedTable, published
from glam.progress import bar
from glam.recipe import Recipe, load_recipe
from glam.reports.folds import outcomes, pool
from glam.reports.sharing import protocol_line
from glam.reports.summary import read_runs
from glam.reports.views import Outcome, Result, View, honest_results, optimism, result
from glam.results.identity import FORMAT, canonical_json, identity
from glam.results.run import EXPERIMENT, StoredExperiment, StoredRun, experiment_folder, read_experiment
from glam.splits.population import Composition, population
from glam.splits.splits import RUNS, RunKey, SplitSettings
from glam.words import counted

Setting = Literal["released", "paper"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)
CHANCE = 0.05  # a difference is marked where its adjusted p-value is at most this
AS_AUTHORS = (
    "AACNN is its authors' form (rows of the map attend along time), which the release's README refers to; the "
    "PyTorch re-implementation in the release is the model aacnn"
)


@dataclass(frozen=True)
class Row:
    """A row of a table: its printed label, and the recipe `<recipe>-<setting>` with what the row itself fixes."""

    label: str
    recipe: str
    fixed: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Table:
    """One of the paper's tables: rows in the printed order, and the epoch its scores are from."""

    number: int
    rows: tuple[Row, ...]
    view: View
    notes: tuple[str, ...] = ()

    @property
    def printed(self) -> PrintedTable:
        """The table as printed."""
        return published().tables[self.number]


MODELS = {"APCNN": "apcnn", "MHCNN": "mhcnn", "AACNN": "aacnn", "GLAM": "glam"}
STYLES = {"Improvisation": "improvised", "Script": "scripted", "Full": "full"}
ABLATION = {
    "GLAM": "glam",
    "Multi-scale": "multi-scale",
    "Multi-scale + MHA": "multi-scale-mha",
    "Multi-scale + AA": "multi-scale-aa",
    "MHCNN": "mhcnn",
    "AACNN": "aacnn",
}
ALPHAS = (0, 0.3, 0.5, 0.8, 1, 2, 3)
IMPROVISED = ("corpus.style", "improvised")
_BY_DATASET = tuple(
    Row(f"{dataset} {model}", recipe, (("corpus.style", style),))
    for dataset, style in STYLES.items()
    for model, recipe in MODELS.items()
)
TABLES = {
    1: Table(1, _BY_DATASET, "test", (AS_AUTHORS,)),
    2: Table(2, tuple(Row(label, recipe, (IMPROVISED,)) for label, recipe in ABLATION.items()), "test", (AS_AUTHORS,)),
    3: Table(3, tuple(Row(f"α = {a:g}", "glam", (IMPROVISED, ("training.alpha", a))) for a in ALPHAS), "test"),
    4: Table(4, _BY_DATASET, "validation", (AS_AUTHORS, "the runs are those of Table 1, seen in another way")),
}


def recipes(table: Table, setting: Setting, overrides: Sequence[tuple[str, Any]] = ()) -> list[Recipe]:
    """The recipe of each row in that setting, with `(field, value)` overrides for all rows.

    Raises GlamError for an override of what the rows themselves fix.
    """
    fixed = {"model.name", *(name for row in table.rows for name, _ in row.fixed)}
    for name, _ in overrides:
        if name in fixed:
            raise GlamError(
                f"--set {name}: the rows of Table {table.number} fix it themselves; what they fix is "
                f"{', '.join(sorted(fixed))}. For another experiment, use python train.py."
            )
    return [load_recipe(f"{row.recipe}-{setting}", [*overrides, *row.fixed]) for row in table.rows]


def distinct(all_recipes: Iterable[Recipe]) -> list[Recipe]:
    """The recipes that are different experiments on one corpus, the first of each: what must be trained."""
    found: dict[str, Recipe] = {}
    for recipe in all_recipes:
        found.setdefault(canonical_json(recipe.scientific()), recipe)
    return list(found.values())


@dataclass(frozen=True)
class Found:
    """What is there of a recipe.

    experiment: the stored one. composition: of its set; known without an experiment where the corpus is known.
    elsewhere: folders of experiments with the same settings on another corpus. damaged: why what is there cannot be
    read.
    """

    experiment: StoredExperiment | None
    composition: Composition | None
    elsewhere: tuple[Path, ...]
    damaged: str | None = None


class Stored:
    """The runs folder, in which experiments are looked for.

    corpus: the experiments on this corpus. None, where no index says what the corpus holds: whatever experiments
    have the settings, provided that they are all on one corpus.
    damaged: the folders that were looked into and cannot be read, and why.
    """

    def __init__(self, runs: Path, corpus: Corpus | None) -> None:
        self.runs, self.corpus = runs, corpus
        self.damaged: dict[Path, str] = {}
        self._read: dict[Path, StoredExperiment | None] = {}
        self._populations: dict[str, tuple[str, Composition] | None] = {}

    def find(self, recipe: Recipe) -> Found:
        """What is stored of a recipe; GlamError where that is ambiguous."""
        same = self._with_settings(recipe)
        if self.corpus is None:
            if len(same) > 1:
                raise GlamError(
                    f"{same[0].folder} and {same[1].folder} are one recipe on two corpora, and there is no index that "
                    "says which is meant: read the corpus first (python handleIEMOCAP.py ROOT), or move one away."
                )
            return Found(same[0], same[0].composition, ()) if same else Found(None, None, ())
        known = self._population(self.corpus, recipe)
        if known is None:
            return Found(None, None, tuple(one.folder for one in same))
        corpus_digest, composition = known
        place = experiment_folder(
            self.runs,
            recipe.model.name,
            self.corpus.name,
            recipe.corpus.style,
            identity(recipe.scientific(), corpus_digest),
        )
        mine = next((one for one in same if one.folder == place), None)
        others = tuple(one.folder for one in same if one is not mine)
        return Found(mine, composition, others, self.damaged.get(place))

    def _with_settings(self, recipe: Recipe) -> list[StoredExperiment]:
        pattern = f"{recipe.model.name}-{recipe.corpus.name}-{recipe.corpus.style}-????????"
        wanted = canonical_json(recipe.scientific())
        stored = [self.read(path.parent) for path in sorted(self.runs.glob(f"{pattern}/{EXPERIMENT}"))]
        return [
            one
            for one in stored
            if one is not None
            and one.identity.get("format") == FORMAT
            and canonical_json(one.identity.get("settings")) == wanted
        ]

    def read(self, folder: Path) -> StoredExperiment | None:
        """The experiment of a folder; None, and an entry in `damaged`, where it cannot be read."""
        if folder not in self._read:
            try:
                self._read[folder] = read_experiment(folder)
            except GlamError as error:
                self._read[folder], self.damaged[folder] = None, str(error)
        return self._read[folder]

    def _population(self, corpus: Corpus, recipe: Recipe) -> tuple[str, Composition] | None:
        """Digest and composition of a recipe's set; None where the corpus has none, and so there are no runs."""
        key = recipe.corpus.model_dump_json() + recipe.segments.model_dump_json()
        if key not in self._populations:
            try:
                people = population(corpus, recipe.corpus, recipe.segments)
            except GlamError:
                self._populations[key] = None
            else:
                self._populations[key] = people.digest, people.facts()
        return self._populations[key]


@dataclass(frozen=True)
class Comparison:
    """One metric of a row beside its printed number.

    ours: over the runs; None without runs. difference: ours minus printed, in points. p: Welch's test, two-sided,
    adjusted over the table (Holm); None for fewer than two runs.
    """

    ours: Summary | None
    printed: Printed | None
    difference: float | None
    p: float | None

    @property
    def more_than_chance(self) -> bool:
        """Whether the difference is marked."""
        return self.p is not None and self.p <= CHANCE


@dataclass(frozen=True)
class RowReport:
    """A row with what is stored of it: metrics (the four printed ones and micro_f1), results and failures.

    results: one a finished run. scored: what the metrics are over, the results or, with folds, one a seed that has all
    of them, its folds pooled. honest: where the epoch is chosen on the test set, the same under `halves`; else none.
    missing: seeds that are not pooled -> the folds that they lack.
    """

    row: Row
    recipe: Recipe
    found: Found
    results: tuple[Result, ...]
    failed: tuple[StoredRun, ...]
    metrics: Mapping[str, Comparison]
    scored: tuple[Outcome, ...] = ()
    honest: tuple[Outcome, ...] = ()
    missing: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def test_utterances(self) -> tuple[int, ...]:
        """The numbers of utterances that the scores mean: one, unless runs differ."""
        return tuple(sorted({one.utterances for one in self.scored}))

    @property
    def folds(self) -> int:
        """How many a seed has, 0 for protocols without."""
        return len(self.found.experiment.folds) if self.found.experiment else 0

    @property
    def keys(self) -> tuple[RunKey, ...]:
        """The runs that are stored, failed ones last."""
        return (*(RunKey(one.seed, one.fold) for one in self.results), *(run.key for run in self.failed))

    def optimism(self, metric: str) -> float | None:
        """What choosing the epoch on the test set adds to a metric, in points; None where it was not chosen there."""
        return optimism(self.scored, self.honest, metric)


@dataclass(frozen=True)
class TableReport:
    """A table with what is stored of it.

    view: which epoch of a run counts. whole: whether every row is on the whole of IEMOCAP, so that printed numbers can
    be compared with. assumed_runs: how many runs a printed number is taken to be over. tests: how many the p-values
    are adjusted for. protocols: a line for each set that the rows' runs draw their splits from. damaged: why
    experiments that may be rows' cannot be read.
    """

    table: Table
    setting: Setting
    overrides: tuple[tuple[str, Any], ...]
    rows: tuple[RowReport, ...]
    view: View
    whole: bool
    assumed_runs: int
    tests: int
    protocols: tuple[str, ...]
    damaged: tuple[str, ...]


def table_report(
    table: Table,
    setting: Setting,
    overrides: Sequence[tuple[str, Any]],
    stored: Stored,
    seeds: Sequence[int],
    view: View | None = None,
) -> TableReport:
    """What is stored of a table, of the runs of these seeds: only reads.

    view: if not the table's own (`validation`, where the protocol has a validation set of its own).
    """
    wanted = recipes(table, setting, overrides)
    view = view or ("validation" if wanted[0].split.own_validation else table.view)
    rows: list[RowReport] = []
    with bar(len(wanted), "reading runs", "row", leave=False) as progress:
        for row, recipe in zip(table.rows, wanted, strict=True):
            rows.append(_read(row, recipe, stored.find(recipe), view, seeds))
            progress.update()
    whole = all(whole_iemocap(row.found.composition) for row in rows if row.found.composition) and all(
        recipe.corpus.name == "iemocap" for recipe in wanted
    )
    assumed = table.printed.runs or RUNS
    rows = _compared(table, rows, whole, assumed)
    tests = sum(one.p is not None for row in rows for one in row.metrics.values())
    return TableReport(
        table,
        setting,
        tuple(overrides),
        tuple(rows),
        view,
        whole,
        assumed,
        tests,
        tuple(protocol_lines(rows)),
        tuple(stored.damaged.values()),
    )


def protocol_lines(rows: Sequence[RowReport]) -> list[str]:
    """For each set that the rows' runs draw their splits from, one line: what training and test share, and what that
    alone scores; of the row with the most runs, from what is stored with them.
    """
    sets: dict[tuple[tuple[str, ...], SplitSettings], tuple[StoredExperiment, tuple[RunKey, ...]]] = {}
    for row in rows:
        if (experiment := row.found.experiment) is None:
            continue
        _, most = sets.setdefault((experiment.ids, experiment.split), (experiment, ()))
        if len(row.keys) > len(most):
            sets[experiment.ids, experiment.split] = experiment, row.keys
    return [
        f"protocol, {experiment.composition.style}, {counted(len(experiment.ids), 'utterance')}, "
        f"{counted(len(runs), 'run')}: {protocol_line(experiment, runs)}"
        for experiment, runs in sets.values()
    ]


def _read(row: Row, recipe: Recipe, found: Found, view: View, seeds: Sequence[int]) -> RowReport:
    if found.experiment is None:
        return RowReport(row, recipe, found, (), (), {})
    experiment = found.experiment
    try:
        runs = read_runs(experiment, seeds)
        finished = [run for run in runs if run.failed is None]
        results = tuple(result(experiment, run, view) for run in finished)
        honest = outcomes(experiment, honest_results(experiment, finished, view))
    except GlamError as error:
        return RowReport(row, recipe, replace(found, damaged=str(error)), (), (), {})
    failed = tuple(run for run in runs if run.failed is not None)
    scored, missing = outcomes(experiment, results), pool(experiment, results).missing
    return RowReport(row, recipe, found, results, failed, {}, scored, honest, missing)


def whole_iemocap(composition: Composition) -> bool:
    """Whether a set was drawn from the whole of IEMOCAP: as many utterances per class as the release has."""
    if composition.corpus != "iemocap" or composition.synthetic:
        return False
    styles = list(KNOWN_COUNTS) if composition.style == "full" else [composition.style]
    return all(
        sum(labels.values()) + composition.too_short[name]
        == sum(KNOWN_COUNTS[style].get(label, 0) for style in styles for label in labels)
        for name, labels in composition.classes.items()
    )


def _compared(table: Table, rows: Sequence[RowReport], whole: bool, assumed: int) -> list[RowReport]:
    """The rows with their metrics; p-values adjusted over all tests of the table."""
    cells: dict[tuple[str, Metric], Comparison] = {}
    for row in rows:
        for metric in METRICS:
            printed = table.printed.rows[row.row.label].cell(metric)
            cells[row.row.label, metric] = _comparison(_summary(row, metric), printed, whole, assumed)
    tested = [key for key, one in cells.items() if one.p is not None]
    adjusted = holm(np.array([cells[key].p for key in tested], dtype=np.float64))
    for key, p in zip(tested, adjusted.tolist(), strict=True):
        cells[key] = replace(cells[key], p=p)
    done = []
    for row in rows:
        metrics: dict[str, Comparison] = {metric: cells[row.row.label, metric] for metric in METRICS}
        metrics["micro_f1"] = Comparison(_summary(row, "micro_f1"), None, None, None)
        done.append(replace(row, metrics=metrics))
    return done


def _comparison(ours: Summary | None, printed: Printed, whole: bool, assumed: int) -> Comparison:
    if ours is None or not whole:
        return Comparison(ours, printed, None, None)
    difference = ours.mean - printed.mean
    if ours.std is None:
        return Comparison(ours, printed, difference, None)
    test = welch_from_summaries(ours.mean, ours.std, ours.n, printed.mean, printed.std, assumed)
    return Comparison(ours, printed, difference, test.p)


def _summary(row: RowReport, metric: str) -> Summary | None:
    values = [getattr(one.scores, metric) for one in row.scored]
    return summarise(values) if values else None
