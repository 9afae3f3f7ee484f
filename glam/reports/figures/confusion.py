"""Confusion matrices side by side: Figure 2 of the GLAM paper."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from glam.reports.figures.experiments import (
    RunsOf,
    caption_of,
    number_of_runs,
    panel_titles,
    same_classes,
    short_caption,
    warnings,
    whole_seeds,
)
from glam.reports.figures.page import Picture, columns_and_width, fold_titles, hide_rest, note, style
from glam.reports.folds import outcomes
from glam.reports.runs import read_runs
from glam.reports.views import SELECTION, View, result
from glam.results.experiment import StoredExperiment
from glam.words import range_of


def mean_confusion(matrices: ArrayLike) -> NDArray[np.float64]:
    """Percent of each true class (row) predicted as each class: the mean over runs of (R, C, C) counts, (C, C).

    Every run is normalised by itself, so that the diagonal is the mean recall. A run in which a class has no true
    utterance says nothing about that row; a row that no run says anything about is NaN.
    """
    counts = np.asarray(matrices, dtype=np.float64)
    true = counts.sum(axis=2, keepdims=True)
    shares = np.divide(100 * counts, true, out=np.zeros_like(counts), where=true > 0)
    runs = (true > 0).sum(axis=0)
    mean: NDArray[np.float64] = np.divide(
        shares.sum(axis=0), runs, out=np.full(counts.shape[1:], np.nan), where=runs > 0
    )
    return mean


def confusion(experiments: Sequence[StoredExperiment], view: View, read: RunsOf = read_runs) -> Picture:
    """Row-normalised confusion matrices side by side, each the mean over an experiment's runs (Figure 2).

    The folds of a seed are counted together before rows are normalised. read: as for `whole_seeds`. Raises GlamError
    where an experiment has no finished run (or no seed with all folds), or where their classes differ.
    """
    classes = same_classes(experiments)
    titles = panel_titles(experiments)
    runs = [whole_seeds(experiment, read) for experiment in experiments]
    results = [
        outcomes(experiment, [result(experiment, run, view) for run in its_runs])
        for experiment, its_runs in zip(experiments, runs, strict=True)
    ]
    matrices = [mean_confusion([outcome.confusion for outcome in its_results]) for its_results in results]
    label = 0.06 * max(len(name) for name in classes)  # inches
    margin = label + 0.3
    across, width = columns_and_width(len(experiments), 0.3 * len(classes) + 0.09, margin)
    down = -(-len(experiments) // across)
    cell = min(((width - margin) / across - 0.1) / len(classes), 0.42)
    side = cell * len(classes)
    shown, heading = fold_titles(titles, side)
    with style():
        figure = Figure(figsize=(width, down * (side + heading) + 0.75 * label + 0.1), layout="compressed")
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axis in grid[:, 0]:
            axis.set_ylabel("True class")
        axes = grid.ravel().tolist()
        for axis, title, matrix in zip(axes, shown, matrices, strict=False):
            _draw_matrix(axis, title, matrix, classes)
        hide_rest(axes, len(experiments), across)
        note(figure, ["Predicted class (% of the true class)", *warnings(experiments)])
    panels = [
        f"{title}: {number_of_runs(its_runs)}, {range_of([r.utterances for r in its_results])} test utterances each"
        f"{_left_out(classes, [r.confusion for r in its_results])}"
        for title, its_runs, its_results in zip(titles, runs, results, strict=True)
    ]
    folded = any(run.fold is not None for its_runs in runs for run in its_runs)
    over = "seeds of the matrices of all their folds together" if folded else "runs of the matrices"
    text = (
        "Confusion matrices: percent of each true class (rows) predicted as each class (columns), mean over "
        f"{over}, normalised by row. Epoch: {SELECTION[view]}. "
    )
    alt = "; ".join(f"{title}: {_in_words(classes, matrix)}" for title, matrix in zip(titles, matrices, strict=True))
    return Picture(
        figure,
        caption_of(text, panels, experiments),
        short_caption(text, panels),
        f"Confusion matrix, in percent. {alt}",
    )


def _in_words(classes: Sequence[str], matrix: NDArray[np.float64]) -> str:
    rows = [
        f"of {name}, " + ", ".join(f"{value:.1f} as {guess}" for guess, value in zip(classes, row, strict=True))
        for name, row in zip(classes, matrix, strict=True)
        if not np.isnan(row).any()
    ]
    return "; ".join(rows)


def _left_out(classes: Sequence[str], matrices: Sequence[NDArray[np.int64]]) -> str:
    absent = (np.stack(matrices).sum(axis=2) == 0).sum(axis=0)
    missing = [f"{name} in {count}" for name, count in zip(classes, absent, strict=True) if count]
    return f" (runs whose test set has no true utterance: {', '.join(missing)})" if missing else ""


def _draw_matrix(axis: Axes, title: str, percent: NDArray[np.float64], classes: Sequence[str]) -> None:
    axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(percent):
        text = "–" if np.isnan(value) else f"{value:.1f}"
        axis.text(column, row, text, ha="center", va="center", color="white" if value > 55 else "black")
    places = range(len(classes))
    axis.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(places, classes)
    axis.tick_params(length=0)
    axis.set_title(title)
