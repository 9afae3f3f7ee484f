"""Reliability diagrams: accuracy by confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.calibration import BINS, Bins
from glam.reports.diagnosis import calibrated
from glam.reports.figures.experiments import (
    RunsOf,
    by_seed,
    caption_of,
    number_of_runs,
    panel_titles,
    short_caption,
    unlike,
    warnings,
    whole_seeds,
)
from glam.reports.figures.page import PAGE, Picture, columns_and_width, fit, fold_titles, legend, note, style
from glam.reports.grid import mean_std
from glam.reports.runs import read_runs
from glam.reports.views import SELECTION, View, scored
from glam.results.experiment import StoredExperiment

# Of a reliability diagram; the hatching tells the two apart in black and white.
BARS: dict[str, dict[str, Any]] = {
    "Accuracy": {"facecolor": "#56B4E9", "edgecolor": "black", "linewidth": 0.4},
    "Gap": {"facecolor": "none", "edgecolor": "#D55E00", "linewidth": 0.6, "hatch": "/////"},
}


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence and accuracy over runs, by bin of confidence (M,), in percent; NaN in a bin that no run has.

    edges: (M+1,). accuracy, confidence: mean over the runs that have utterances in the bin; spread: the accuracy's
    sample standard deviation over them, NaN for one. share: of a run's utterances, mean over all runs.
    """

    edges: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    spread: NDArray[np.float64]
    confidence: NDArray[np.float64]
    share: NDArray[np.float64]


def reliability_over_runs(runs: Sequence[Bins]) -> Reliability:
    """The bins of several runs as one: every run counts the same in a bin in which it has utterances."""
    accuracy, confidence = (np.array([getattr(bins, field) for bins in runs]) for field in ("accuracy", "confidence"))
    counts = (~np.isnan(accuracy)).sum(axis=0)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        empty = np.full(counts.shape, np.nan)
        means: NDArray[np.float64] = np.divide(np.nansum(values, axis=0), counts, out=empty, where=counts > 0)
        return means

    middle = mean(accuracy)
    squares = np.nansum((accuracy - middle) ** 2, axis=0)
    return Reliability(
        edges=runs[0].edges,
        accuracy=middle,
        spread=np.sqrt(np.divide(squares, counts - 1, out=np.full(counts.shape, np.nan), where=counts > 1)),
        confidence=mean(confidence),
        share=np.mean([100 * bins.count / bins.count.sum() for bins in runs], axis=0),
    )


def reliability(experiments: Sequence[StoredExperiment], view: View, read: RunsOf = read_runs) -> Picture:
    """Reliability diagrams side by side: accuracy by confidence, and how many utterances have it.

    After Guo et al., "On calibration of modern neural networks", 2017, Figure 1. read: as for `whole_seeds`. Raises
    GlamError where an experiment has no finished run, or for more experiments than stand side by side on a page.
    """
    titles = panel_titles(experiments)
    if (most := fit(PAGE, 1.4, margin=0.4)) < len(experiments):
        raise GlamError(f"{len(experiments)} experiments: on a page, {most} reliability diagrams fit side by side")
    across, width = columns_and_width(len(experiments), 1.4, margin=0.4)
    runs = [whole_seeds(experiment, read) for experiment in experiments]
    calibrations = [
        [calibrated(*(scored(experiment, run, view) for run in folds)) for folds in by_seed(its_runs).values()]
        for experiment, its_runs in zip(experiments, runs, strict=True)
    ]
    drawn = [reliability_over_runs([calibration.bins for calibration in of]) for of in calibrations]
    errors = [f"ECE {mean_std([calibration.error for calibration in of])} %" for of in calibrations]
    side = min((width - 0.4) / across - 0.1, 1.8)
    shown, heading = fold_titles(titles, side)
    with style():
        figure = Figure(figsize=(width, 1.4 * side + heading + 0.2), layout="constrained")
        axes = figure.subplots(2, across, squeeze=False, sharex="col", sharey="row", height_ratios=[1, 0.3])
        for i, experiment in enumerate(experiments):
            upper, lower = axes[:, i]
            _draw_reliability(upper, lower, drawn[i], len(experiment.classes))
            upper.set_title(f"{shown[i]}\n{errors[i]}")
        axes[0, 0].set_ylabel("Accuracy (%)")
        axes[1, 0].set_ylabel("Share (%)")
        axes[1, 0].set_ylim(0, 1.12 * max(float(of.share.max()) for of in drawn))
        figure.align_ylabels(axes[:, 0])
        legend(figure, [Patch(label=label, **look) for label, look in BARS.items()])
        spread = any(len(of) > 1 for of in calibrations)
        meaning = "Mean over runs; whiskers: ± 1 standard deviation." if spread else "One run each: no spread."
        note(figure, ["Confidence (%)", meaning, *unlike(experiments), *warnings(experiments)])
    panels = [
        f"{title}: {number_of_runs(its_runs)}, ECE {mean_std([c.error for c in values])} (by chance "
        f"{np.mean([c.by_chance for c in values]):.2f}), WA {mean_std([c.accuracy for c in values])}, mean confidence "
        f"{mean_std([c.confidence for c in values])}"
        for title, its_runs, values in zip(titles, runs, calibrations, strict=True)
    ]
    text = (
        f"Reliability: accuracy of the utterances in each of {BINS} equal bins of confidence, mean over the runs that "
        "have any there; whiskers: one sample standard deviation over these runs; gap: between accuracy and mean "
        "confidence; dashed: perfect calibration. Beneath: share of the utterances, mean over runs. ECE: expected "
        "calibration error (Guo et al., 2017), of each run; by chance: what it would be, of as many utterances, under "
        f"perfect calibration. Epoch: {SELECTION[view]}. "
    )
    alt = "; ".join(f"{title}: {_in_words(of)}" for title, of in zip(titles, drawn, strict=True))
    return Picture(
        figure, caption_of(text, panels, experiments), short_caption(text, panels), f"Reliability, in percent. {alt}"
    )


def _in_words(drawn: Reliability) -> str:
    bins = zip(drawn.confidence, drawn.accuracy, drawn.share, strict=True)
    return ", ".join(
        f"confidence {confidence:.1f}: accuracy {accuracy:.1f}, share {share:.1f}"
        for confidence, accuracy, share in bins
        if not np.isnan(accuracy)
    )


def _draw_reliability(upper: Axes, lower: Axes, drawn: Reliability, classes: int) -> None:
    left, widths = drawn.edges[:-1], np.diff(drawn.edges)
    middle = left + widths / 2
    accuracy, gap = BARS.values()
    upper.bar(middle, drawn.accuracy, widths, **accuracy)
    upper.bar(middle, drawn.confidence - drawn.accuracy, widths, bottom=drawn.accuracy, **gap)
    upper.plot([0, 100], [0, 100], "--", color="black", linewidth=0.8)
    known = ~np.isnan(drawn.spread)
    whiskers = np.stack([drawn.spread, drawn.spread])[:, known]
    whiskers = np.minimum(whiskers, np.stack([drawn.accuracy, 100 - drawn.accuracy])[:, known])  # scores end there
    upper.errorbar(middle[known], drawn.accuracy[known], whiskers, fmt="none", ecolor="black", elinewidth=0.7)
    upper.set_ylim(0, 100)
    lower.bar(middle, drawn.share, widths, **accuracy)
    # The highest of C probabilities is 1/C or more: bins below are empty, whatever was predicted.
    upper.set_xlim(left[left <= 100 / classes].max(), 100)
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
