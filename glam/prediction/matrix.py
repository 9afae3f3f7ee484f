"""Trained on one corpus, tested on another: the matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from glam.evaluation.metric import METRICS
from glam.prediction.cross_corpus import CrossTest, corpora_of, titles
from glam.reports.figures.experiments import warnings
from glam.reports.figures.page import COLUMN, PAGE, Picture, note, style

CELL = 0.62  # inches


def matrix(tests: Sequence[Sequence[CrossTest]], metric: str = "ua") -> Picture:
    """A cell for each experiment (rows) and corpus (columns): the mean of a metric over saved models, in percent."""
    rows = titles([row[0].experiment for row in tests])
    columns = corpora_of(tests[0])
    values = np.array([[np.mean(test.values(metric)) for test in row] for row in tests])
    width = COLUMN if 1.4 + CELL * len(columns) <= COLUMN else PAGE
    with style():
        figure = Figure(figsize=(width, 0.9 + CELL * len(rows)), layout="compressed")
        axis = figure.subplots()
        axis.imshow(values, cmap="Blues", vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(values):
            axis.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value > 55 else "black")
        axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(rows)), rows)
        axis.tick_params(length=0)
        axis.set_xlabel("Tested on")
        axis.set_ylabel("Trained on")
        made = [
            f"{name}: SYNTHETIC CORPUS, no real speech"
            for name, test in zip(columns, tests[0], strict=True)
            if test.corpus.synthetic
        ]
        about = warnings([row[0].experiment for row in tests])
        note(figure, [f"{METRICS[metric].title} (%)", *made, *about])
    panels = [
        f"{name}: {len(row[0].asked)} saved model{'s' * (len(row[0].asked) > 1)}; "
        + ", ".join(f"{len(test.asked[0].ids)} utterances of {test.corpus.name}" for test in row)
        for name, row in zip(rows, tests, strict=True)
    ]
    text = (
        f"{METRICS[metric].title} in percent of models trained on one corpus (rows) and tested on another (columns), "
        "mean over saved models; recordings that a model was trained on are left out. "
    )
    return Picture(figure, text + ". ".join(panels) + ".")
