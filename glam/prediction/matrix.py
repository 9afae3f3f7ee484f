"""Trained on one corpus, tested on another: the matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glam.evaluation.statistics import summary
from glam.prediction.cross_corpus import CrossTest, corpora_of, titles
from glam.reports.figures.experiments import SYNTHETIC, warnings
from glam.reports.figures.page import COLUMN, PAGE, Picture, fold_titles, letters_within, note, style
from glam.words import counted, range_of

WIDE, HIGH = 0.78, 0.46  # inches, of a cell
LABEL, SCALE = 0.9, 0.65  # of the rows' labels, of the scale of colours below
DARK = 55.0  # percent from which letters are white


def matrix(tests: Sequence[Sequence[CrossTest]]) -> Picture:
    """A cell for each experiment (rows) and corpus (columns): mean ± std of UA over saved models, in percent.

    Beside each row is what guessing evenly among the classes of its models scores, which the scale of colours marks; a
    cell of the corpus that its models were trained on, of which only what they held out is tested, has a frame.
    """
    rows = titles([row[0].experiment for row in tests])
    columns = corpora_of(tests[0])
    values = [[summary(test.values("ua")) for test in row] for row in tests]
    means = np.array([[value.mean for value in row] for row in values])
    chances = [100 / len(row[0].classes) for row in tests]
    shown, heading = fold_titles(columns, WIDE)
    turned = max(len(line) for title in shown for line in title.split("\n")) > letters_within(WIDE)
    if turned:  # a word alone is wider than its column
        shown, heading = columns, 0.05 * max(map(len, columns))
    width = LABEL + WIDE * len(columns)
    with style():
        size = COLUMN if width <= COLUMN else max(PAGE, width)
        figure = Figure(figsize=(size, 0.2 + heading + HIGH * len(rows) + SCALE), layout="compressed")
        axis = figure.subplots()
        image = axis.imshow(means, cmap="Blues", vmin=0, vmax=100, aspect=HIGH / WIDE)
        for (row, column), mean in np.ndenumerate(means):
            std = values[row][column].std
            text = f"{mean:.1f}" + (f"\n± {std:.1f}" if std is not None else "")
            axis.text(column, row, text, ha="center", va="center", color="white" if mean > DARK else "black")
        _frame(axis, tests)
        axis.set_xticks(range(len(columns)), shown)
        of_rows = [f"{name}\nchance {chance:.1f}" for name, chance in zip(rows, chances, strict=True)]
        axis.set_yticks(range(len(rows)), of_rows)
        axis.xaxis.tick_top()
        axis.xaxis.set_label_position("top")
        for label in axis.get_xticklabels() if turned else []:
            label.set(rotation=40, ha="left", rotation_mode="anchor")
        axis.tick_params(length=0)
        axis.set_xlabel("Tested on")
        axis.set_ylabel("Trained on")
        scale = figure.colorbar(image, ax=axis, location="bottom", ticks=range(0, 101, 25), aspect=30, pad=0.03)
        scale.set_label("UA (%); dashed: chance")
        for chance in set(chances):
            scale.ax.axvline(chance, color="black", linestyle="--", linewidth=0.8)
        note(figure, _notes(tests, rows, columns))
    panels = [
        f"{name}: {counted(len(row[0].asked), 'saved model')} of {len(row[0].classes)} classes; "
        + ", ".join(f"{_utterances(test)} utterances of {test.corpus.name}" for test in row)
        for name, row in zip(rows, tests, strict=True)
    ]
    text = (
        "UA in percent of models trained on one corpus (rows) and tested on another (columns), "
        "mean ± sample standard deviation over saved models; recordings that a model was trained on are left out. "
        "Chance: guessing evenly among the classes of the row's models. "
    )
    return Picture(figure, text + ". ".join(panels) + ".")


def _frame(axis: Axes, tests: Sequence[Sequence[CrossTest]]) -> None:
    for row, of_row in enumerate(tests):
        for column, test in enumerate(of_row):
            if _own(test):
                axis.add_patch(Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, fill=False, linewidth=1.2))


def _own(test: CrossTest) -> bool:
    """Whether some of the corpus was trained on by the models, and is not tested."""
    return any(asked.heard for asked in test.asked)


def _utterances(test: CrossTest) -> str:
    return range_of([len(asked.ids) for asked in test.asked])


def _notes(tests: Sequence[Sequence[CrossTest]], rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    experiments = [row[0].experiment for row in tests]
    made = [name for name, experiment in zip(rows, experiments, strict=True) if experiment.composition.synthetic]
    made += [name for name, test in zip(columns, tests[0], strict=True) if test.corpus.synthetic]
    own = any(_own(test) for row in tests for test in row)
    return [
        *(["Framed: what was held out of the corpus trained on."] if own else []),
        *([f"{', '.join(dict.fromkeys(made))}: {SYNTHETIC}"] if made else []),
        *(line for line in warnings(experiments) if not line.endswith(SYNTHETIC)),
    ]
