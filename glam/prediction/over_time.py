"""The emotion of a recording over time, as a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from glam.prediction.model import Prediction
from glam.reports.figures.page import COLOURS, LINES, PAGE, Picture, legend, letters_within, note, pick, style

BELOW = (
    "In brackets: of the whole recording, by the mean over its segments. Bar: the most probable class of each segment. "
    "A class may fill the bar and yet have less in brackets, where the model is surer of another."
)
MARGIN = 0.6  # inches of the figure that are not the panel's
LONG = 600.0  # seconds from which time is shown in minutes


def over_time(answer: Prediction, width: float = PAGE) -> Picture:
    """The probability of each class in the middle of each segment, and below it the class that is the most probable.

    width: of the figure, in inches; a column of a paper is a phone's, too.
    """
    unit, name = (60.0, "minutes") if answer.end >= LONG else (1.0, "seconds")
    middle = (answer.starts + answer.length / 2) / unit
    guesses = answer.segments.argmax(axis=1)
    with style():
        figure = Figure(figsize=(width, 2.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(8, 1))
        handles = []
        for i, label in enumerate(answer.classes):
            look: dict[str, Any] = {
                "color": pick(COLOURS, i),
                "linestyle": pick(LINES, i // len(COLOURS)),
                "linewidth": 1.1,
            }
            alone: dict[str, Any] = {"marker": "o", "markersize": 3} if len(middle) == 1 else {}
            above.plot(middle, answer.segments[:, i], **look, **alone)
            handles.append(Line2D([], [], **look, label=f"{label} ({100 * answer.probabilities[i]:.0f} %)"))
        above.set_title(_drawable(Path(answer.file).name, letters_within(width - MARGIN)), parse_math=False)
        above.set_ylim(-0.02, 1.02)
        above.set_ylabel("Probability")
        for first, last in runs(guesses):
            at = [answer.starts[first], answer.starts[last] + answer.length]
            if last + 1 < len(guesses):  # segments overlap: a class lasts until the middle between two of them
                at[1] = (answer.starts[last] + answer.starts[last + 1] + answer.length) / 2
            if first:
                at[0] = (answer.starts[first - 1] + answer.starts[first] + answer.length) / 2
            below.axvspan(at[0] / unit, at[1] / unit, color=pick(COLOURS, int(guesses[first])), linewidth=0)
        below.set_xlim(0, max(answer.end, answer.length) / unit)
        below.set_yticks([])
        below.set_xlabel(f"Time in {name}")
        legend(figure, handles)
        end = ["White: the rest of the recording, which was not heard."] if answer.heard < answer.end else []
        note(figure, [*([BELOW] if len(middle) > 1 else []), *end])
    caption = (
        f"Probability of each class over time in {Path(answer.file).name}, of segments of {answer.length:g} s; the bar "
        f"is the most probable class. The whole recording is taken for {answer.predicted}."
    )
    return Picture(figure, caption)


def _drawable(name: str, letters: int) -> str:
    """A file's name as a title: its middle left out where it is too long, letters that the font lacks shown as ?."""
    font = get_font(findfont("DejaVu Sans"))
    known = "".join(letter if letter.isprintable() and font.get_char_index(ord(letter)) else "?" for letter in name)
    half = (letters - 3) // 2
    return known if len(known) <= letters else f"{known[:half]}...{known[-half:]}"


def runs(classes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last segment (inclusive) of each stretch of segments (S,) of the same class."""
    bounds = np.flatnonzero(np.diff(classes)) + 1
    firsts, lasts = [0, *bounds.tolist()], [*(bounds - 1).tolist(), len(classes) - 1]
    return list(zip(firsts, lasts, strict=True))
