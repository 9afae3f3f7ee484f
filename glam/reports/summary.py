"""The report of one experiment: a row of mean ± std over its runs, and what a reader must know to believe it.

A second table has the spread over the runs: per-class recall, median, worst run, and two intervals of the mean, one
for this corpus and one for beyond it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from glam.errors import GlamError
from glam.evaluation.metrics import Scores
from glam.evaluation.statistics import interval_of_mean
from glam.evaluation.statistics import summary as summarise
from glam.recipe import load_recipe, recipe_names
from glam.reports.folds import fold_values, outcomes, pool
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
)
from glam.results.run import StoredExperiment, StoredRun, read_experiment, read_run
from glam.splits.population import composition_line
from glam.splits.splits import LEFT_OUT, runs_of
from glam.words import counted

COLUMNS = {
    "WA": "wa",
    "UA": "ua",
    "macro F1": "macro_f1",
    "micro F1": "micro_f1",
    "weighted F1": "weighted_f1",
}
SYNTHETIC = "SYNTHETIC CORPUS: made by this project. These figures say that the code works, nothing about speech."


def mean_std(values: Sequence[float]) -> str:
    """`mean ± std` with two decimals; the sample standard deviation (ddof 1) needs two values."""
    found = summarise(values)
    return f"{found.mean:.2f} ± {found.std:.2f}" if len(values) > 1 else f"{found.mean:.2f}"


def score_cells(scores: Sequence[Scores]) -> list[str]:
    """One cell per column of a table row: mean ± std over runs."""
    return [mean_std([getattr(score, field) for score in scores]) for field in COLUMNS.values()]


def read_runs(experiment: StoredExperiment, seeds: Sequence[int] | None = None) -> list[StoredRun]:
    """The stored runs of an experiment (of these seeds only, in their order, if given), failed ones included."""
    there = experiment.seeds()
    asked = [run.name for run in runs_of(seeds or (), len(experiment.folds))]
    wanted = there if seeds is None else [name for name in asked if name in set(there)]
    return [read_run(experiment.folder / name) for name in wanted]


def refuse_if_all_failed(finished: int, failed: int) -> None:
    """GlamError where runs failed, and none finished."""
    if failed and not finished:
        raise GlamError(f"nothing to average: every run failed ({counted(failed, 'run')}), as said above")


def report(folder: Path, view: View | None = None, seeds: Sequence[int] | None = None) -> str:
    """The report on the runs in a folder, as Markdown text; only reads what is stored. view: if not the default one."""
    experiment = read_experiment(folder)
    view = view or default_view(experiment)
    runs = read_runs(experiment, seeds)
    failed = [run for run in runs if run.failed is not None]
    finished = [run for run in runs if run.failed is None]
    results = [result(experiment, run, view) for run in finished]
    honest = outcomes(experiment, honest_results(experiment, finished, view))
    lines = [heading(experiment), ""]
    if results and experiment.folds:
        lines += [*_fold_tables(experiment, results, honest, _test_per_training(experiment, runs, results))]
    elif results:
        lines += [
            _table(results, honest),
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
        lines += [
            "intervals: of the mean over such splits of this corpus; and beyond it, corrected for training sets that "
            "overlap (Nadeau and Bengio)"
        ]
    lines += [
        f"protocol: {protocol_line(experiment, [run.key for run in runs])}",
        f"epoch: {SELECTION[view]}",
        *([OPTIMISM] if honest else []),
        f"corpus: {composition_line(experiment.composition)}",
    ]
    lines += absences(experiment, results)
    lines += [f"computed: {computed_on(runs)}"] if runs else []
    lines += [f"results: {folder}"]
    return "\n".join(lines)


def heading(experiment: StoredExperiment) -> str:
    """The recipe, model and setting a report is about, with a warning where the corpus is synthetic."""
    changed = experiment.recipe["training"].get("shuffle_labels")
    lines = [f"recipe {experiment.name}: {experiment.recipe['model']['name']}"]
    if differences := changed_settings(experiment):
        lines.append(f"changed from {experiment.name}: {', '.join(differences)}")
    if experiment.composition.synthetic:
        lines.append(SYNTHETIC)
    if changed:
        lines.append("CONTROL: the training labels were shuffled; scores show chance.")
    return "\n".join(lines)


def changed_settings(experiment: StoredExperiment) -> list[str]:
    """The fields in which a stored recipe differs from the one of its name, as `field value (the recipe's)`."""
    if experiment.name not in recipe_names():
        return []
    stored = _fields(experiment.recipe)
    named = _fields(load_recipe(experiment.name).model_dump(mode="json"))
    return [
        f"{field} {value} ({named.get(field)})"
        for field, value in stored.items()
        if field != "name" and value != named.get(field)
    ]


def _fields(settings: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for field, value in settings.items():
        if isinstance(value, dict) and field != "labels":
            flat |= _fields(value, f"{section}{field}.")
        else:
            flat[f"{section}{field}"] = value
    return flat


def absences(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """A line where a class has no true utterance in some test set: UA and macro F1 leave it out there."""
    counts = dict.fromkeys(experiment.classes, 0)
    for one in results:
        for index in one.scores.absent:
            counts[experiment.classes[index]] += 1
    missing = [f"{name} in {count} of {counted(len(results), 'run')}" for name, count in counts.items() if count]
    return [f"absent from the test set: {', '.join(missing)}; UA and macro F1 leave it out there"] if missing else []


def signed(points: float) -> str:
    """A difference of scores with its sign and two decimals; no -0.00."""
    return f"{round(points, 2) + 0.0:+.2f}"


def _table(results: Sequence[Result], honest: Sequence[Outcome]) -> str:
    headers, cells = list(COLUMNS), score_cells([one.scores for one in results])
    for name, metric in (("WA", "wa"), ("UA", "ua")):
        points = optimism(results, honest, metric)
        if points is not None:
            headers.append(f"optimism, {name}")
            cells.append(signed(points))
    return tabulate([cells], headers=headers, tablefmt="github", disable_numparse=True)


def _spread(experiment: StoredExperiment, results: Sequence[Result], ratio: float) -> str:
    """Mean, median, worst run and, of two runs or more, 95 % intervals of WA, UA and each class's recall.

    A class's recall is over the runs in which it occurs. Intervals are cut at 0 and 100, where scores end.
    """
    columns: dict[str, list[float]] = {
        "WA": [one.scores.wa for one in results],
        "UA": [one.scores.ua for one in results],
    }
    for index, name in enumerate(experiment.classes):
        recalls = [one.scores.recall[index] for one in results]
        columns[f"recall {name}"] = [recall for recall in recalls if recall is not None]
    rows: dict[str, list[str]] = {"mean": [], "median": [], "worst run": []}
    if len(results) > 1:
        rows |= {"95 % interval, this corpus": [], "95 % interval, beyond it": []}
    for values in columns.values():
        for row, cell in zip(rows.values(), _spread_cells(values, ratio), strict=False):
            row.append(cell)
    return tabulate(
        [[name, *cells] for name, cells in rows.items()],
        headers=["", *columns],
        tablefmt="github",
        disable_numparse=True,
    )


def _spread_cells(values: Sequence[float], ratio: float) -> list[str]:
    if not values:
        return ["-"] * 5
    found = summarise(values)
    intervals = [interval_of_mean(values, ratio=0), interval_of_mean(values, ratio=ratio)]
    return [
        *(f"{value:.2f}" for value in (found.mean, found.median, found.worst)),
        *(f"{max(one.low, 0):.2f} to {min(one.high, 100):.2f}" if one else "-" for one in intervals),
    ]


def _test_per_training(experiment: StoredExperiment, runs: Sequence[StoredRun], results: Sequence[Result]) -> float:
    """Test / training utterances of a run, mean over the runs: what Nadeau and Bengio's correction asks for."""
    everyone = len(experiment.ids)
    held_out = [run.validation_only + int(run.confusion[0].sum()) for run in runs if run.failed is None]
    shares = [one.utterances / (everyone - held) for one, held in zip(results, held_out, strict=True)]
    return sum(shares) / len(shares)


def _per_run(results: Sequence[Result]) -> str:
    if not results:
        return ""
    sizes = sorted({one.utterances for one in results})
    if len(results) == 1:
        return f" (no spread), {counted(sizes[0], 'test utterance')}"
    held_out = counted(sizes[0], "test utterance") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} test utterances"
    return f" (mean ± sample standard deviation), {held_out} each"


def computed_on(runs: Sequence[StoredRun]) -> str:
    """What stored runs say that they were computed on: device, precision, threads, versions."""

    def kinds(key: str) -> str:
        return ", ".join(sorted({str(run.environment.get(key)) for run in runs}))

    threads = kinds("threads")
    return (
        f"{kinds('device')}, {kinds('precision')}, {threads} CPU thread{'s' * (threads != '1')} a run, "
        f"torch {kinds('torch')}, glam {kinds('glam')} ({kinds('revision')})"
    )


def _fold_tables(
    experiment: StoredExperiment, results: Sequence[Result], honest: Sequence[Outcome], ratio: float
) -> list[str]:
    """Pooled scores, the spread over folds and, where the seeds share them, each fold; below it pooled recall.

    honest: of the seeds that are pooled, those beside which the choice of the epoch on the test set is seen, if any.
    """
    found = pool(experiment, results)
    said: dict[str, Callable[[Sequence[float]], str]] = {
        "mean over folds": mean_std,
        "median fold": lambda values: f"{summarise(values).median:.2f}",
        "worst fold": lambda values: f"{summarise(values).worst:.2f}",
        "95 % interval, beyond it": lambda values: _interval(values, ratio),
    }
    values = [fold_values(experiment, found, field) for field in COLUMNS.values()]
    rows = {name: [describe(one) for one in values] for name, describe in said.items()}
    if experiment.split.protocol in LEFT_OUT:
        for name, of_fold in found.each.items():
            if of_fold:
                rows[f"{name}, {of_fold[0].utterances} utterances"] = score_cells([one.scores for one in of_fold])
    if experiment.split.single_class:
        meant = [field in ("wa", "micro_f1") for field in COLUMNS.values()]
        rows = {
            name: [cell if shown else "-" for cell, shown in zip(cells, meant, strict=True)]
            for name, cells in rows.items()
        }
    if not found.pooled:
        return [_grid(rows, list(COLUMNS)), ""]
    pooled = {"pooled over the folds": score_cells([one.scores for one in found.pooled])}
    if honest:
        gains = [optimism(found.pooled, honest, field) for field in COLUMNS.values()]
        pooled["optimism, pooled"] = [signed(points) for points in gains if points is not None]
    rows = pooled | rows
    recalls = zip(*(one.scores.recall for one in found.pooled), strict=True)
    cells = [
        mean_std(known) if (known := [one for one in of_class if one is not None]) else "-" for of_class in recalls
    ]
    return [_grid(rows, list(COLUMNS)), "", _grid({"recall, pooled": cells}, experiment.classes), ""]


def _grid(rows: Mapping[str, Sequence[str]], headers: Sequence[str]) -> str:
    cells = [[name, *row] for name, row in rows.items()]
    return tabulate(cells, headers=["", *headers], tablefmt="github", disable_numparse=True)


def _interval(values: Sequence[float], ratio: float) -> str:
    found = interval_of_mean(values, ratio=ratio)
    return f"{max(found.low, 0):.2f} to {min(found.high, 100):.2f}" if found else "-"


def _about_folds(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """What a reader must know of the figures of an experiment with folds; what is not complete above all."""
    found = pool(experiment, results)
    folds, seeds = len(experiment.folds), len(found.pooled)
    lines = [
        f"folds: {folds}, all of them of {counted(seeds, 'seed')}. Pooled: the predictions of a seed's folds "
        "together; mean ± sample standard deviation over seeds. Over folds: mean ± sample standard deviation"
        + (" of the folds, each its mean over the seeds" if experiment.split.protocol in LEFT_OUT else "")
        + "; the interval is of that mean, corrected for training sets that overlap (Nadeau and Bengio)"
    ]
    if experiment.split.single_class:
        lines.append("UA and F1 are not given fold by fold: what a fold is tested on is nearly of one class")
    for seed, names in found.missing.items():
        there = f"{folds - len(names)} of {folds} folds"
        lines.append(f"INCOMPLETE, not pooled: seed {seed} has {there}; missing: {', '.join(names)}")
    if not found.pooled:
        lines.append("NO SEED HAS ALL ITS FOLDS: the figures are of the folds that are there")
    return lines
