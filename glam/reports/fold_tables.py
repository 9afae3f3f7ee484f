"""The tables of a report on an experiment with folds: pooled over a seed's folds, over the folds, and fold by fold."""

from collections.abc import Callable, Mapping, Sequence

from glam.evaluation.metric import Metric
from glam.evaluation.statistics import summary as summarise
from glam.reports.folds import fold_values, pool
from glam.reports.grid import Table, mean_std, score_cells, signed
from glam.reports.spread import interval_lines, interval_table, intervals_of
from glam.reports.views import Outcome, Result, optimism
from glam.results.experiment import StoredExperiment
from glam.words import counted


def fold_tables(
    experiment: StoredExperiment,
    results: Sequence[Result],
    honest: Sequence[Outcome],
    metrics: Sequence[Metric],
) -> tuple[list[Table], list[str]]:
    """Pooled scores, the spread over folds and, where the seeds share them, each fold; below it pooled recall, and
    intervals of the mean over the folds; and the lines that belong to these.

    honest: of the seeds that are pooled, those beside which the choice of the epoch on the test set is seen, if any.
    """
    titles = [metric.title for metric in metrics]
    fold_results = pool(experiment, results)
    described: dict[str, Callable[[Sequence[float]], str]] = {
        "mean over folds": mean_std,
        "median fold": lambda values: f"{summarise(values).median:.2f}",
        "lowest fold": lambda values: f"{summarise(values).worst:.2f}",
    }
    values = [fold_values(experiment, fold_results, metric) for metric in metrics]
    rows = {name: [describe(of_metric) for of_metric in values] for name, describe in described.items()}
    if experiment.split.left_out:
        for name, of_fold in fold_results.each.items():
            if of_fold:
                rows[f"{name}, {counted(of_fold[0].utterances, 'utterance')}"] = score_cells(of_fold, metrics)
    if experiment.split.single_class:
        meant = [metric.name in ("wa", "micro_f1", "pure_accuracy") for metric in metrics]
        rows = {
            name: [cell if shown else "-" for cell, shown in zip(cells, meant, strict=True)]
            for name, cells in rows.items()
        }
    if not fold_results.pooled:
        return [_table(rows, titles)], []
    pooled = {"pooled over the folds": score_cells(fold_results.pooled, metrics)}
    if honest:
        gains = [optimism(fold_results.pooled, honest, metric) for metric in metrics]
        pooled["optimism, pooled"] = [signed(gain.points) for gain in gains if gain is not None]
    rows = pooled | rows
    recalls = zip(*(outcome.scores.recall for outcome in fold_results.pooled), strict=True)
    cells = [
        mean_std(known) if (known := [recall for recall in of_class if recall is not None]) else "-"
        for of_class in recalls
    ]
    intervals = intervals_of(experiment, results)
    tables = [_table(rows, titles), _table({"recall, pooled": cells}, experiment.classes), interval_table(intervals)]
    scores = "WA" if experiment.split.single_class else "WA and UA"
    about = f"intervals of {scores} over folds belong to the mean over folds, not to the pooled scores"
    return tables, [about, *interval_lines(intervals)]


def _table(rows: Mapping[str, Sequence[str]], headers: Sequence[str]) -> Table:
    return Table(["", *headers], [[name, *row] for name, row in rows.items()])


def about_folds(experiment: StoredExperiment, results: Sequence[Result]) -> list[str]:
    """Lines on the figures of an experiment with folds that a reader must know; what is not complete above all."""
    fold_results = pool(experiment, results)
    folds, seeds = len(experiment.folds), len(fold_results.pooled)
    over_seeds = "; mean ± sample standard deviation over the seeds" if seeds > 1 else ""
    each = ", each its mean over the seeds" if experiment.split.left_out and seeds > 1 else ""
    lines = [
        f"folds: {folds}, all of them of {counted(seeds, 'seed')}. Pooled: the predictions of a seed's folds "
        f"together{over_seeds}. Mean over folds: ± sample standard deviation over the folds{each}"
    ]
    if experiment.split.single_class:
        lines.append("UA and F1 are not given fold by fold: what a fold is tested on is nearly of one class")
    for seed, names in fold_results.missing.items():
        present = f"{folds - len(names)} of {folds} folds"
        lines.append(f"INCOMPLETE, not pooled: seed {seed} has {present}; missing: {', '.join(names)}")
    if not fold_results.pooled:
        lines.append("NO SEED HAS ALL ITS FOLDS: the figures are of the folds that are there")
    return lines
