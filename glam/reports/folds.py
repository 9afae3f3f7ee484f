"""Runs of protocols with folds: pooled over the folds of a seed, and fold by fold.

Pooled scores are those of the predictions of all folds together, as if one model had predicted every utterance. Where a
fold's test set is nearly of one class, they are the only ones of which UA means anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.metric import Metric
from glam.evaluation.metrics import Scores, scores_of
from glam.evaluation.scored import Scored
from glam.reports.views import Outcome, Result, value
from glam.results.experiment import StoredExperiment


@dataclass(frozen=True, eq=False)
class Pooled:
    """The folds of one seed taken together: confusion (C, C), rows truth, its scores, and how many utterances."""

    seed: int
    scores: Scores
    confusion: NDArray[np.int64]
    utterances: int
    of: tuple[Result, ...]

    def scored(self) -> Scored:
        """The predictions of all folds, read from the disk."""
        return Scored.together([result.scored() for result in self.of])


@dataclass(frozen=True, eq=False)
class FoldResults:
    """The results of an experiment with folds.

    pooled: one a seed that has all its folds. each: the results of every fold, by what it is tested on, of the seeds
    that are pooled (or, if none is, of all). missing: seed -> the folds that it lacks (not trained yet, or failed).
    """

    pooled: tuple[Pooled, ...]
    each: dict[str, tuple[Result, ...]]
    missing: dict[int, tuple[str, ...]]


def pool(experiment: StoredExperiment, results: Sequence[Result]) -> FoldResults:
    """Bring the results of an experiment with folds together; only seeds that have all their folds are pooled."""
    by_seed: dict[int, dict[int, Result]] = {}
    for result in results:
        if result.fold is not None:
            by_seed.setdefault(result.seed, {})[result.fold] = result
    numbers = range(1, len(experiment.folds) + 1)
    missing = {
        seed: tuple(experiment.folds[fold - 1] for fold in numbers if fold not in by_fold)
        for seed, by_fold in by_seed.items()
    }
    complete = [seed for seed in by_seed if not missing[seed]]
    shown = complete or list(by_seed)
    return FoldResults(
        pooled=tuple(_pooled(seed, list(by_seed[seed].values())) for seed in complete),
        each={
            name: tuple(by_seed[seed][fold] for seed in shown if fold in by_seed[seed])
            for fold, name in zip(numbers, experiment.folds, strict=True)
        },
        missing={seed: names for seed, names in missing.items() if names},
    )


def outcomes(experiment: StoredExperiment, results: Sequence[Result]) -> tuple[Outcome, ...]:
    """Outcomes that a mean is over: the results, one a run; with folds, one for each seed that has all, pooled."""
    return pool(experiment, results).pooled if experiment.folds else tuple(results)


def fold_values(experiment: StoredExperiment, folds: FoldResults, metric: Metric) -> list[float]:
    """One value of a metric for each fold, over which the mean is taken.

    Where the folds of all seeds test the same utterances, a fold's value is its mean over the seeds: more seeds make it
    surer, but are no further test sets.
    """
    values = [[value(result, metric) for result in results] for results in folds.each.values() if results]
    if experiment.split.left_out:
        return [sum(of_fold) / len(of_fold) for of_fold in values]
    return [score for of_fold in values for score in of_fold]


def _pooled(seed: int, results: Sequence[Result]) -> Pooled:
    confusion = np.sum([result.confusion for result in results], axis=0)
    return Pooled(seed, scores_of(confusion), confusion, int(confusion.sum()), tuple(results))
