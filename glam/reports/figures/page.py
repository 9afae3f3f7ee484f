"""Parts of all figures: sizes and letters, colours that differ in black and white too, panels, notes, files.

Sizes are those of a two-column paper, and nothing is to be scaled: one column is 3.35 inches wide, both are 7, and no
letter is smaller than 7 points.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.lines import Line2D

from glam.errors import GlamError
from glam.files import replacing
from glam.foreign import file_name
from glam.results.experiment import StoredExperiment

COLUMN, PAGE = 3.35, 7.0  # inches
SMALL, LARGE = 7.0, 8.0  # points

# Okabe and Ito's colours (Color Universal Design, 2008) without yellow, which white paper swallows. Markers tell the
# same apart in black and white; the two lengths have no common divisor, so that 56 pairs differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")

STYLE = {
    "font.size": SMALL,
    "axes.titlesize": LARGE,
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "figure.titlesize": LARGE,
    "figure.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # letters stay letters, in fonts that every publisher takes
    "svg.hashsalt": "glam",  # the same runs give the same bytes
    "savefig.dpi": 300,
    "text.parse_math": False,  # names of classes are no formulas
}

# Both come with matplotlib, so that a figure is the same everywhere; STIX is cut like Times.
FAMILIES: dict[str, dict[str, Any]] = {
    "sans-serif": {},
    "serif": {"font.family": "STIXGeneral", "mathtext.fontset": "stix"},
    "monospace": {"font.family": "monospace"},
}
LETTERS: dict[str, Any] = {}  # what `lettering` adds to the style


@dataclass(frozen=True)
class Picture:
    """A drawn figure and the words that belong below it.

    short: the caption where corpora and warnings are told already. alt: what is seen, for whoever does not see it.
    """

    figure: Figure
    caption: str
    short: str = ""
    alt: str = ""


def write(picture: Picture, stem: Path) -> list[Path]:
    """Write `<stem>.png` (300 dpi), `.pdf` and `.svg`, each in one piece; the same runs give the same bytes.

    The caption goes into the files as their description. Letters of the SVG are drawn, so that no font is needed.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Mapping[str, str | None]] = {
        "png": {"Description": picture.caption, "Software": "glam"},
        "pdf": {"Subject": picture.caption, "Creator": "glam", "CreationDate": None},
        "svg": {"Description": picture.caption, "Creator": "glam", "Date": None},
    }
    written = []
    for kind, described in metadata.items():
        path = stem.with_name(f"{stem.name}.{kind}")
        with style(), replacing(path) as temporary:
            picture.figure.savefig(temporary, format=kind, metadata=dict(described))
        written.append(path)
    return written


def svg(picture: Picture) -> str:
    """The figure as SVG whose letters stay letters, on no ground of its own; the same runs give the same text."""
    text = io.StringIO()
    with style(), matplotlib.rc_context({"svg.fonttype": "none"}):
        picture.figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": "glam"})
    return text.getvalue()


def stem_of(kind: str, experiments: Sequence[StoredExperiment], output: Path | None) -> Path:
    """The place of a figure, without ending.

    output: where it is to be, a file's name or a folder that is there; None for `figures` in the first experiment's
    folder. In a folder, it is named after what it shows.
    """
    models = [file_name(experiment.recipe.model.title) for experiment in experiments]
    name = "-".join([kind, *dict.fromkeys(models)])
    if output is None:
        return experiments[0].folder / "figures" / name
    if output.is_dir():
        return output / name
    return output.with_suffix("") if output.suffix in (".png", ".pdf", ".svg") else output


@contextmanager
def lettering(font: str) -> Iterator[None]:
    """Figures drawn within the block have this font: serif, sans-serif, monospace, or the name of an installed one.

    Raises GlamError where there is no such font.
    """
    if font not in FAMILIES:
        try:
            findfont(font, fallback_to_default=False)
        except ValueError:
            raise GlamError(
                f"--font {font}: no such font is installed; give {', '.join(FAMILIES)}, or the name of one that is"
            ) from None
    before = dict(LETTERS)
    LETTERS.update(FAMILIES.get(font, {"font.family": font}))
    try:
        yield
    finally:
        LETTERS.clear()
        LETTERS.update(before)


def style() -> AbstractContextManager[None]:
    """The style of all figures, within a block."""
    return matplotlib.style.context(["default", STYLE, LETTERS])  # whatever the user's matplotlibrc says


def pick(values: Sequence[str], i: int) -> str:
    """The i-th value; they begin anew after the last."""
    return values[i % len(values)]


def fit(width: float, least: float, margin: float) -> int:
    """Panels of that least width that fit into a row; at least 1."""
    return max(1, int((width - margin) / least))


def columns_and_width(panels: int, least: float, margin: float) -> tuple[int, float]:
    """Panels in a row and width of the figure: one column of the paper if all fit into one row of it.

    Rows are as even as can be: 5 panels of which 4 fit into a row are 3 and 2.
    """
    in_column, in_page = (fit(width, least, margin) for width in (COLUMN, PAGE))
    return (panels, COLUMN) if panels <= in_column else (-(-panels // -(-panels // in_page)), PAGE)


def hide_rest(axes: Sequence[Axes], shown: int, across: int) -> None:
    """Leave the places empty that have no panel."""
    for axis in axes[shown:]:
        axis.set_axis_off()
    if len(axes) > shown:  # the panels above the empty places have the labels at their foot
        for axis in axes[shown - across : len(axes) - across]:
            axis.tick_params(labelbottom=True)


def fold_titles(titles: Sequence[str], width: float) -> tuple[list[str], float]:
    """The titles in lines that fit into that many inches at 8 points, and the height of the tallest."""
    lines = [fill(title, letters_within(width), break_long_words=False) for title in titles]
    return lines, 0.12 + 0.13 * max(title.count("\n") + 1 for title in lines)


def letters_within(width: float) -> int:
    """Letters of 8 points that fit into that many inches; at least 8."""
    return max(8, int(width / 0.066))


def note(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines below the panels, which makes the figure higher."""
    letters = int(figure.get_figwidth() / 0.057)  # the mean width of a letter at 7 points, with some to spare
    text = "\n".join(fill(line, letters) for line in lines)
    if text:
        _grow(figure, 0.06 + 0.13 * (text.count("\n") + 1))
        figure.supxlabel(text, fontsize=SMALL)


def _grow(figure: Figure, inches: float) -> None:
    figure.set_figheight(figure.get_figheight() + inches)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put the legend above the panels, which makes the figure higher."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    across = max(1, int(figure.get_figwidth() / (0.3 + 0.065 * longest)))
    across = min(across, len(handles))
    _grow(figure, 0.08 + 0.16 * -(-len(handles) // across))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=across,
        frameon=False,
        handlelength=2.6 if isinstance(handles[0], Line2D) and handles[0].get_linestyle() != "None" else 1,
        columnspacing=1.2,
    )


def look_of(i: int) -> dict[str, Any]:
    """Colour, line and marker of the i-th line."""
    return {
        "color": pick(COLOURS, i),
        "linestyle": pick(LINES, i),
        "marker": pick(MARKERS, i),
        "linewidth": 1.1,
        "markersize": 3.5,
    }
