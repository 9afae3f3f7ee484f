"""The report of one experiment: a row of mean ± std over its runs, and what a reader must know to believe it.

A second table has the spread over the runs: per-class recall, median, worst run, and two intervals of the mean, one
for this corpus and one for beyond it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.evaluation.metric import METRICS, Metric
from glam.evaluation.statistics import interval_of_mean
from glam.evaluation.statistics import summary as summarise
from glam.inputs.cut import Segments
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.reports.folds import fold_values, outcomes, pool
from glam.reports.grid import grid
from glam.reports.sharing import protocol_line
from glam.reports.views import (
    OPTIMISM,
    SELECTION,
    Outcome,
    Result,
    View,
    default_view,
    honest_results,
    optimism,
    result,
    value,
)
from glam.results.experiment import StoredExperiment, read_experiment
from glam.results.identity import FORMAT
from glam.results.run import StoredRun, read_run
from glam.splits.population import composition_line
from glam.splits.runs import runs_of
from glam.words import counted

COLUMNS = tuple(METRICS.values())
OPTIMISTIC = ("wa", "ua")  # the metrics with a column for what choosing the epoch on the test set adds
PURE = (
    "pure accuracy: utterances of whose segments some, and no others but neutral ones, have the right class; of {cut}"
)
FEWEST = 3  # speakers, or folds of whole groups, of which an interval says anything
SYNTHETIC = "SYNTHETIC CORPUS: made by this project. These figures say that the code works, nothing about speech."


def mean_std(values: Sequence[float]) -> str:
    """`mean ± std` with two decimals; the sample standard deviation (ddof 1) needs two values."""
    summary = summarise(values)
    return f"{summary.mean:.2f} ± {summary.std:.2f}" if len(values) > 1 else f"{summary.mean:.2f}"


def score_cells(outcomes: Sequence[Outcome], metrics: Sequence[Metric] = COLUMNS) -> list[str]:
    """One cell per column of a table row: mean ± std over runs."""
    return [mean_std([value(outcome, metric) for outcome in outcomes]) for metric in metrics]


def read_runs(experiment: StoredExperiment, seeds: Sequence[int] | None = None) -> list[StoredRun]:
    """The stored runs of an experiment (of these seeds only, in their order, if given), failed ones included."""
    stored = experiment.seeds()
    asked = [run.name for run in runs_of(seeds or (), len(experiment.folds))]
    wanted = stored if seeds is None else [name for name in asked if name in set(stored)]
    return [read_run(experiment.folder / name) for name in wanted]


def refuse_if_all_failed(finished: int, failed: int) -> None:
    """GlamError where runs failed, and none finished."""
    if failed and not finished:
        raise GlamError(f"nothing to average: every run failed ({counted(failed, 'run')}), as said above")


def report(
    folder: Path, view: View | None = None, seeds: Sequence[int] | None = None, more: Sequence[Metric] = ()
) -> str:
    """The report on the runs in a folder, as Markdown text; only reads what is stored.

    view: if not the default one. more: metrics beside the usual ones.
    """
    metrics = (*COLUMNS, *more)
    experiment = read_experiment(folder)
    view = view or default_view(experiment)
    runs = read_runs(experiment, seeds)
    failed = [run for run in runs if run.failed is not None]
    finished = [run for run in runs if run.failed is None]
    results = [result(experiment, run, view) for run in finished]
    honest = outcomes(experiment, honest_results(experiment, finished, view))
    lines = [heading(experiment), ""]
    if results and experiment.folds:
        lines += _fold_tables(experiment, results, honest, _test_per_training(experiment, runs, results), metrics)
    elif results:
        lines += [
            _table(results, honest, metrics),
            "",
            _spread(experiment, results, _test_per_training(experiment, runs, results)),
            "",
        ]
    lines += [f"runs: {len(results)}" + _per_run(results)]
    lines += _about_folds(experiment, results) if experiment.folds else []
    if failed:
        lines += [
            f"FAILED, not averaged: {counted(len(failed), 'run')}; " + "; ".join(f"{r.key}: {r.failed}" for r in failed)
        ]
    if len(results) > 1 and not experiment.folds:
        lines += [_about_intervals(experiment)]
    lines += _about_few_speakers(experiment)
    lines += [
        f"protocol: {protocol_line(experiment, [run.key for run in runs])}",
        f"epoch: {SELECTION[view]}",
        *([OPTIMISM] if honest else []),
        PURE.format(cut=cut_line(experiment.recipe)),
        f"corpus: {composition_line(experiment.composition)}",
    ]
    lines += absences(experiment, results)
    lines += [f"computed: {computed_on(runs)}"] if runs else []
    lines += [f"results: {folder}"]
    return "\n".join(lines)


def cut_line(recipe: Recipe) -> str:
    """The cut for evaluation in words."""
    cut = recipe.cut
    return f"{cut.title}, {cut.hop('test') / RATE:.2g} s apart" if isinstance(cut, Segments) else cut.title


def heading(experiment: StoredExperiment) -> str:
    """The recipe that a report is about, what was changed in it, and warnings: a synthetic corpus, shuffled labels."""
    lines = [f"recipe {experiment.name}: {experiment.recipe.model.title}"]
    if differences := changed_settings(experiment):
        lines.append(f"changed from {experiment.name}: {', '.join(differences)}")
    if experiment.composition.synthetic:
        lines.append(SYNTHETIC)
    if experiment.format != FORMAT:
        lines.append(f"FORMAT {experiment.format}: stored by an earlier version; it is only read, never trained on")
    if experiment.recipe.training.shuffle_labels:
        lines.append("CONTROL: the training labels were shuffled; scores show chance.")
    return "\n".join(lines)


def changed_settings(experiment: StoredExperiment) -> list[str]:
    """The fields in which a stored recipe differs from the one of its name, as `field value (the recipe's)`."""
    if experiment.name not in recipe_names():
        return []
    stored, named = experiment.recipe.fields(), load_recipe(experiment.name).fields()
    return [
        f"{field} {stored.get(field)} ({named.get(field)})"
        for field in {**stored, **named}
        if stored.get(field) != named.get(field)
    ]


def absences(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """A line where a class has no true utterance in some test set: UA and macro F1 leave it out there."""
    counts = dict.fromkeys(experiment.classes, 0)
    for outcome in results:
        for index in outcome.scores.absent:
            counts[experiment.classes[index]] += 1
    missing = [f"{name} in {count} of {counted(len(results), 'run')}" for name, count in counts.items() if count]
    return [f"absent from the test set: {', '.join(missing)}; UA and macro F1 leave it out there"] if missing else []


def signed(points: float) -> str:
    """A difference of scores with its sign and two decimals; no -0.00."""
    return f"{round(points, 2) + 0.0:+.2f}"


def _table(results: Sequence[Result], honest: Sequence[Outcome], metrics: Sequence[Metric]) -> str:
    headers, cells = [metric.title for metric in metrics], score_cells(results, metrics)
    for metric in (METRICS[name] for name in OPTIMISTIC):
        points = optimism(results, honest, metric)
        if points is not None:
            headers.append(f"optimism, {metric.title}")
            cells.append(signed(points))
    return grid(headers, [cells])


def _tells_beyond(experiment: StoredExperiment) -> bool:
    """Whether an interval for what lies beyond the corpus can be told: not of two speakers, nor of one test set."""
    few_folds = experiment.split.left_out is not None and len(experiment.folds) < FEWEST
    return not (experiment.split.fixed or few_folds or _few_speakers(experiment))


def _few_speakers(experiment: StoredExperiment) -> int:
    """The number of speakers, where they are known and too few for any interval; else 0."""
    known = experiment.groups["speaker"].names if "speaker" in experiment.groups else ()
    return len(known) if all(known) and len(known) < FEWEST else 0


def _about_intervals(experiment: StoredExperiment) -> str:
    if experiment.split.fixed:
        return (
            "intervals: of the mean over trainings on the one split that the corpus gives; none is possible beyond it"
        )
    beyond = "; and beyond it, corrected for training sets that overlap (Nadeau and Bengio)"
    return f"intervals: of the mean over such splits of this corpus{beyond * _tells_beyond(experiment)}"


def _about_few_speakers(experiment: StoredExperiment) -> list[str]:
    few = _few_speakers(experiment)
    return [f"{counted(few, 'speaker')} in all: no interval is possible for what lies beyond them"] if few else []


def _spread(experiment: StoredExperiment, results: Sequence[Result], ratio: float) -> str:
    """Mean, median, worst run and, of two runs or more, 95 % intervals of WA, UA and each class's recall.

    A class's recall is over the runs in which it occurs. Intervals are cut at 0 and 100, where scores end.
    """
    columns: dict[str, list[float]] = {
        "WA": [result.scores.wa for result in results],
        "UA": [result.scores.ua for result in results],
    }
    for index, name in enumerate(experiment.classes):
        recalls = [result.scores.recall[index] for result in results]
        columns[f"recall {name}"] = [recall for recall in recalls if recall is not None]
    rows: dict[str, list[str]] = {"mean": [], "median": [], "worst run": []}
    if len(results) > 1:
        rows["95 % interval, this corpus"] = []
        if _tells_beyond(experiment):
            rows["95 % interval, beyond it"] = []
    for values in columns.values():
        for row, cell in zip(rows.values(), _spread_cells(values, ratio), strict=False):
            row.append(cell)
    return grid(["", *columns], [[name, *cells] for name, cells in rows.items()])


def _spread_cells(values: Sequence[float], ratio: float) -> list[str]:
    if not values:
        return ["-"] * 5
    summary = summarise(values)
    intervals = [interval_of_mean(values, ratio=0), interval_of_mean(values, ratio=ratio)]
    return [
        *(f"{value:.2f}" for value in (summary.mean, summary.median, summary.worst)),
        *(
            f"{max(interval.low, 0):.2f} to {min(interval.high, 100):.2f}" if interval else "-"
            for interval in intervals
        ),
    ]


def _test_per_training(experiment: StoredExperiment, runs: Sequence[StoredRun], results: Sequence[Result]) -> float:
    """Test / training utterances of a run, mean over the runs: what Nadeau and Bengio's correction asks for."""
    everyone = len(experiment.ids)
    held_out = [run.validation_only + int(run.confusion[0].sum()) for run in runs if run.failed is None]
    shares = [result.utterances / (everyone - held) for result, held in zip(results, held_out, strict=True)]
    return sum(shares) / len(shares)


def _per_run(results: Sequence[Result]) -> str:
    if not results:
        return ""
    sizes = sorted({result.utterances for result in results})
    if len(results) == 1:
        return f" (no spread), {counted(sizes[0], 'test utterance')}"
    held_out = counted(sizes[0], "test utterance") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} test utterances"
    return f" (mean ± sample standard deviation), {held_out} each"


def computed_on(runs: Sequence[StoredRun]) -> str:
    """Device, precision, threads and versions that stored runs say that they were computed with."""

    def kinds(key: str) -> str:
        return ", ".join(sorted({str(run.environment.get(key)) for run in runs}))

    threads = kinds("threads")
    return (
        f"{kinds('device')}, {kinds('precision')}, {threads} CPU thread{'s' * (threads != '1')} a run, "
        f"torch {kinds('torch')}, glam {kinds('glam')} ({kinds('revision')})"
    )


def _fold_tables(
    experiment: StoredExperiment,
    results: Sequence[Result],
    honest: Sequence[Outcome],
    ratio: float,
    metrics: Sequence[Metric],
) -> list[str]:
    """Pooled scores, the spread over folds and, where the seeds share them, each fold; below it pooled recall.

    honest: of the seeds that are pooled, those beside which the choice of the epoch on the test set is seen, if any.
    """
    titles = [metric.title for metric in metrics]
    fold_results = pool(experiment, results)
    described: dict[str, Callable[[Sequence[float]], str]] = {
        "mean over folds": mean_std,
        "median fold": lambda values: f"{summarise(values).median:.2f}",
        "worst fold": lambda values: f"{summarise(values).worst:.2f}",
        "95 % interval, beyond it": lambda values: _interval(values, ratio),
    }
    if not _tells_beyond(experiment):
        del described["95 % interval, beyond it"]
    values = [fold_values(experiment, fold_results, metric) for metric in metrics]
    rows = {name: [describe(of_metric) for of_metric in values] for name, describe in described.items()}
    if experiment.split.left_out:
        for name, of_fold in fold_results.each.items():
            if of_fold:
                rows[f"{name}, {of_fold[0].utterances} utterances"] = score_cells(of_fold, metrics)
    if experiment.split.single_class:
        meant = [metric.name in ("wa", "micro_f1", "pure_accuracy") for metric in metrics]
        rows = {
            name: [cell if shown else "-" for cell, shown in zip(cells, meant, strict=True)]
            for name, cells in rows.items()
        }
    if not fold_results.pooled:
        return [_grid(rows, titles), ""]
    pooled = {"pooled over the folds": score_cells(fold_results.pooled, metrics)}
    if honest:
        gains = [optimism(fold_results.pooled, honest, metric) for metric in metrics]
        pooled["optimism, pooled"] = [signed(points) for points in gains if points is not None]
    rows = pooled | rows
    recalls = zip(*(outcome.scores.recall for outcome in fold_results.pooled), strict=True)
    cells = [
        mean_std(known) if (known := [recall for recall in of_class if recall is not None]) else "-"
        for of_class in recalls
    ]
    return [_grid(rows, titles), "", _grid({"recall, pooled": cells}, experiment.classes), ""]


def _grid(rows: Mapping[str, Sequence[str]], headers: Sequence[str]) -> str:
    return grid(["", *headers], [[name, *row] for name, row in rows.items()])


def _interval(values: Sequence[float], ratio: float) -> str:
    interval = interval_of_mean(values, ratio=ratio)
    return f"{max(interval.low, 0):.2f} to {min(interval.high, 100):.2f}" if interval else "-"


def _about_folds(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """Lines on the figures of an experiment with folds that a reader must know; what is not complete above all."""
    fold_results = pool(experiment, results)
    folds, seeds = len(experiment.folds), len(fold_results.pooled)
    lines = [
        f"folds: {folds}, all of them of {counted(seeds, 'seed')}. Pooled: the predictions of a seed's folds "
        "together; mean ± sample standard deviation over seeds. Over folds: mean ± sample standard deviation"
        + (" of the folds, each its mean over the seeds" if experiment.split.left_out else "")
        + (
            "; the interval is of that mean, corrected for training sets that overlap (Nadeau and Bengio)"
            if _tells_beyond(experiment)
            else ""
        )
    ]
    if experiment.split.single_class:
        lines.append("UA and F1 are not given fold by fold: what a fold is tested on is nearly of one class")
    for seed, names in fold_results.missing.items():
        present = f"{folds - len(names)} of {folds} folds"
        lines.append(f"INCOMPLETE, not pooled: seed {seed} has {present}; missing: {', '.join(names)}")
    if not fold_results.pooled:
        lines.append("NO SEED HAS ALL ITS FOLDS: the figures are of the folds that are there")
    return lines
