"""The last hidden layer in the plane: Figure 3 of the GLAM paper."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from glam.reports.embedding import Embedding, two_dimensions
from glam.reports.figures.experiments import caption_of, panel_titles, same_classes, warnings
from glam.reports.figures.page import (
    COLOURS,
    MARKERS,
    Picture,
    columns_and_width,
    fold_titles,
    hide_rest,
    legend,
    note,
    pick,
    style,
)
from glam.results.experiment import StoredExperiment

MARGIN = 0.03  # of a panel, around its points


def tsne(experiments: Sequence[StoredExperiment], embeddings: Sequence[Embedding]) -> Picture:
    """The last hidden layer of held-out utterances in two dimensions, coloured by class (Figure 3).

    embeddings: of one run of each experiment, see glam/reports/embedding.py. Raises GlamError where the experiments'
    classes differ or a run has too few held-out utterances for it.
    """
    classes = same_classes(experiments)
    titles = panel_titles(experiments)
    across, width = columns_and_width(len(experiments), 1.45, margin=0.1)
    down = -(-len(experiments) // across)
    side = min((width - 0.1) / across, 2.6)
    shown, heading = fold_titles(titles, side)
    marks = [
        Line2D([], [], linestyle="", marker=pick(MARKERS, i), color=pick(COLOURS, i), markersize=4, label=name)
        for i, name in enumerate(classes)
    ]
    with style():
        figure = Figure(figsize=(width, down * (side + heading)), layout="compressed")
        axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
        for axis, title, embedding in zip(axes, shown, embeddings, strict=False):
            _draw_points(axis, title, two_dimensions(embedding.hidden), embedding.targets, len(classes))
        hide_rest(axes, len(experiments), across)
        legend(figure, marks)
        note(figure, warnings(experiments))
    panels = [
        f"{title}: seed {e.seed}, weights of epoch {e.epoch} (WA {e.wa:.2f} %), {len(e.targets)} held-out utterances, "
        f"{e.hidden.shape[1]} hidden values each"
        for title, e in zip(titles, embeddings, strict=True)
    ]
    text = (
        "t-SNE of the last hidden layer, averaged over the segments of each held-out utterance, one run of each "
        "experiment; 50 principal components at most, perplexity 30 (a third of the utterances where they are fewer "
        "than 91), initialised by PCA. Neighbourhoods mean something, axes and distances between groups do not. "
    )
    return Picture(figure, caption_of(text, panels, experiments))


def _draw_points(axis: Axes, title: str, points: NDArray[np.float64], targets: NDArray[np.int64], classes: int) -> None:
    for i in range(classes):
        chosen = points[targets == i]
        axis.scatter(
            chosen[:, 0], chosen[:, 1], s=7, marker=pick(MARKERS, i), color=pick(COLOURS, i), alpha=0.75, linewidths=0
        )
    axis.set_xticks([])
    axis.set_yticks([])
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    axis.set_xlim(left - MARGIN * (right - left), right + MARGIN * (right - left))
    axis.set_ylim(
        bottom - MARGIN * (top - bottom), top + MARGIN * (top - bottom)
    )  # a scale of its own, to fill the panel
    axis.set_box_aspect(1)
    axis.set_title(title)
