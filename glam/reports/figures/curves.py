"""Learning curves: loss, WA and UA after each epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import scores_of_all
from glam.reports.figures.experiments import (
    RunsOf,
    by_seed,
    caption_of,
    names,
    number_of_runs,
    short_caption,
    unlike,
    warnings,
    whole_seeds,
)
from glam.reports.figures.page import COLUMN, PAGE, Picture, legend, look_of, note, style
from glam.reports.runs import read_runs
from glam.results.experiment import StoredExperiment
from glam.results.run import StoredRun


@dataclass(frozen=True, eq=False)
class Curve:
    """One quantity after each epoch: its mean and sample standard deviation over runs, both (E,).

    The deviation is None where there is only one run.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64] | None


def curve(values: ArrayLike) -> Curve:
    """The curve of (R, E) values: R runs, E epochs."""
    runs = np.asarray(values, dtype=np.float64)
    return Curve(runs.mean(axis=0), runs.std(axis=0, ddof=1) if len(runs) > 1 else None)


def learning_curves(runs: Sequence[StoredRun]) -> dict[str, Curve]:
    """Mean training loss, WA and UA (percent, of the held-out utterances) after each epoch, by their axis label.

    The folds of a seed count as one run: their predictions together, and the mean of their losses. Where runs stopped
    early, the curves are of the epochs that all have.
    """
    seeds = list(by_seed(runs).values())
    epochs = min(len(run.epochs) for run in runs)
    scores = scores_of_all(np.stack([np.sum([run.confusion[:epochs] for run in folds], axis=0) for folds in seeds]))
    losses = [np.mean([[epoch.loss for epoch in run.epochs[:epochs]] for run in folds], axis=0) for folds in seeds]
    return {
        "Training loss": curve(losses),
        "WA (%)": curve(scores.wa),
        "UA (%)": curve(scores.ua),
    }


def curves(experiments: Sequence[StoredExperiment], read: RunsOf = read_runs, *, column: bool = False) -> Picture:
    """Training loss, WA and UA after each epoch: mean over runs, and a band of one standard deviation on either side.

    read: as for `whole_seeds`. column: whether the three stand one below the other, as wide as a column, rather than
    side by side. Raises GlamError where an experiment has no finished run.
    """
    titles = names(experiments)
    runs = [whole_seeds(experiment, read) for experiment in experiments]
    drawn = [learning_curves(its_runs) for its_runs in runs]
    labels = [f"{title}, {number_of_runs(its_runs)}" for title, its_runs in zip(titles, runs, strict=True)]
    with style():
        figure = Figure(figsize=(COLUMN, 3.9) if column else (PAGE, 1.85), layout="constrained")
        axes = figure.subplots(3, 1, sharex=True) if column else figure.subplots(1, 3)
        axes[2].sharey(axes[1])
        for axis, quantity in zip(axes, drawn[0], strict=True):
            for i, its_curves in enumerate(drawn):
                _draw_curve(axis, its_curves[quantity], i, len(drawn))
        for axis, quantity in zip(axes, drawn[0], strict=True):  # once all is drawn: limits that are set no longer grow
            if min(np.min(its_curves[quantity].mean) for its_curves in drawn) >= 0:
                axis.set_ylim(bottom=max(0, axis.get_ylim()[0]))  # a band may reach below, which means nothing
            if quantity.endswith("(%)"):
                axis.set_ylim(top=min(100, axis.get_ylim()[1]))
            axis.set_ylabel(quantity)
            if not column or axis is axes[2]:
                axis.set_xlabel("Epoch")
            axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
            axis.grid(color="0.9", linewidth=0.5)
            axis.spines[["top", "right"]].set_visible(False)
        legend(figure, [Line2D([], [], label=label, **look_of(i)) for i, label in enumerate(labels)])
        spread = any(len(by_seed(its_runs)) > 1 for its_runs in runs)
        kinds = "Line: mean over runs; band" if any(len(of["WA (%)"].mean) > 1 for of in drawn) else "Mean; whisker"
        meaning = f"{kinds}: ± 1 standard deviation." if spread else "One run each: no spread."
        uneven = any(len({len(run.epochs) for run in its_runs}) > 1 for its_runs in runs)
        if uneven:
            meaning += " Some runs stopped earlier than others: drawn are the epochs that all have."
        note(figure, [f"WA and UA of the held-out utterances. {meaning}", *unlike(experiments), *warnings(experiments)])
    text = (
        "Training loss (with mixup: of the mixed segments), and WA and UA on the held-out utterances, after each "
        "epoch: mean over runs, band of one sample standard deviation on either side. "
    )
    alt = "; ".join(f"{title}: {_in_words(its_curves)}" for title, its_curves in zip(titles, drawn, strict=True))
    return Picture(
        figure, caption_of(text, labels, experiments), short_caption(text, labels), f"Learning curves. {alt}"
    )


def _in_words(drawn: Mapping[str, Curve]) -> str:
    def of(name: str, values: NDArray[np.float64]) -> str:
        best = int(values.argmax() if name.endswith("(%)") else values.argmin())
        return (
            f"{name} {values[0]:.2f} after epoch 1, {values[best]:.2f} at best, after epoch {best + 1}, "
            f"{values[-1]:.2f} after the last, {len(values)}"
        )

    return ", ".join(of(name, of_name.mean) for name, of_name in drawn.items())


def _draw_curve(axis: Axes, drawn: Curve, i: int, of: int) -> None:
    epochs = np.arange(1, len(drawn.mean) + 1)
    every = max(1, len(epochs) // 7)
    look = look_of(i)
    # Markers not all at the same epochs, where they would hide each other.
    axis.plot(epochs, drawn.mean, markevery=(i * every // of, every), clip_on=False, **look)
    if drawn.std is not None and len(epochs) == 1:  # a band of no width
        axis.errorbar(epochs, drawn.mean, drawn.std, fmt="none", ecolor=look["color"], capsize=2.5, elinewidth=0.8)
    elif drawn.std is not None:
        low, high = drawn.mean - drawn.std, drawn.mean + drawn.std
        axis.fill_between(epochs, low, high, color=look["color"], alpha=0.2, linewidth=0)
