"""The paper's figures, drawn from stored runs: confusion matrices (Figure 2), hidden layers (Figure 3), curves.

First come the numbers that a figure shows, then how it is drawn. Sizes are those of a two-column paper, and nothing is
to be scaled: one column is 3.35 inches wide, both are 7, and no letter is smaller than 7 points.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from glam.data.population import composition_line
from glam.errors import GlamError
from glam.evaluation.metrics import scores_of_all
from glam.files import replacing
from glam.reports.embedding import Embedding
from glam.reports.summary import read_runs
from glam.reports.views import SELECTION, View, result
from glam.results.run import StoredExperiment, StoredRun

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
    "savefig.dpi": 300,
}

# As the paper writes them; a model that is not among them goes by its own name.
TITLES = {
    "glam": "GLAM",
    "multi-scale": "Multi-scale",
    "multi-scale-mha": "Multi-scale + MHA",
    "multi-scale-aa": "Multi-scale + AA",
    "apcnn": "APCNN",
    "mhcnn": "MHCNN",
    "aacnn": "AACNN (release)",
    "aacnn-original": "AACNN",
}


@dataclass(frozen=True)
class Picture:
    """A drawn figure and the words that belong below it."""

    figure: Figure
    caption: str


@dataclass(frozen=True, eq=False)
class Curve:
    """One quantity after each epoch: its mean and sample standard deviation over runs, both (E,).

    The deviation is None where there is only one run.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64] | None


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


def curve(values: ArrayLike) -> Curve:
    """The curve of (R, E) values: R runs, E epochs."""
    runs = np.asarray(values, dtype=np.float64)
    return Curve(runs.mean(axis=0), runs.std(axis=0, ddof=1) if len(runs) > 1 else None)


def learning_curves(runs: Sequence[StoredRun]) -> dict[str, Curve]:
    """Mean training loss, WA and UA (percent, of the held-out utterances) after each epoch, by their axis label."""
    scores = scores_of_all(np.stack([run.confusion for run in runs]))
    return {
        "Training loss": curve([[epoch.loss for epoch in run.epochs] for run in runs]),
        "WA (%)": curve(scores.wa),
        "UA (%)": curve(scores.ua),
    }


def names(experiments: Sequence[StoredExperiment]) -> list[str]:
    """What to call experiments that stand side by side: by model, and by their difference where models repeat.

    The difference is the value of the settings that differ (`GLAM (alpha 0.3)`) where these are one or two, else the
    recipe's name, else the folder's hash. Raises GlamError where one is given twice.
    """
    models = [TITLES.get(one.recipe["model"]["name"], one.recipe["model"]["name"]) for one in experiments]
    found = list(models)
    for model in {model for model in models if models.count(model) > 1}:
        places = [i for i, name in enumerate(models) if name == model]
        for i, difference in zip(places, _differences([experiments[i] for i in places]), strict=True):
            found[i] = f"{model} ({difference})"
    return found


def confusion(experiments: Sequence[StoredExperiment], view: View) -> Picture:
    """Row-normalised confusion matrices side by side, each the mean over an experiment's runs (Figure 2).

    Raises GlamError where an experiment has no finished run, or where their classes differ.
    """
    classes = _same_classes(experiments)
    titles = _panel_titles(experiments)
    found = [[result(one, run, view) for run in _finished(one)] for one in experiments]
    matrices = [mean_confusion([r.confusion for r in results]) for results in found]
    label = 0.06 * max(len(name) for name in classes)  # inches
    margin = label + 0.3
    across, width = _grid(len(experiments), 0.3 * len(classes) + 0.09, margin)
    down = -(-len(experiments) // across)
    cell = min(((width - margin) / across - 0.1) / len(classes), 0.42)
    side = cell * len(classes)
    shown, heading = _folded(titles, side)
    with _style():
        figure = Figure(figsize=(width, down * (side + heading) + 0.75 * label + 0.1), layout="compressed")
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axis in grid[:, 0]:
            axis.set_ylabel("True class")
        axes = grid.ravel().tolist()
        for axis, title, matrix in zip(axes, shown, matrices, strict=False):
            _draw_matrix(axis, title, matrix, classes)
        _hide_rest(axes, len(experiments), across)
        _note(figure, ["Predicted class (% of the true class)", *_warnings(experiments)])
    runs = [
        f"{title}: {_runs(results)}, {_range([r.utterances for r in results])} test utterances each"
        f"{_left_out(classes, [r.confusion for r in results])}"
        for title, results in zip(titles, found, strict=True)
    ]
    caption = (
        "Confusion matrices: percent of each true class (rows) predicted as each class (columns), mean over runs of "
        f"the matrices normalised by row. Epoch: {SELECTION[view]}. "
    )
    return Picture(figure, _caption(caption, runs, experiments))


def tsne(experiments: Sequence[StoredExperiment], embeddings: Sequence[Embedding]) -> Picture:
    """The last hidden layer of held-out utterances in two dimensions, coloured by class (Figure 3).

    embeddings: of one run of each experiment, see glam/reports/embedding.py. Raises GlamError where the experiments'
    classes differ or a run has too few held-out utterances for it.
    """
    from glam.reports.embedding import two_dimensions

    classes = _same_classes(experiments)
    titles = _panel_titles(experiments)
    across, width = _grid(len(experiments), 1.45, margin=0.1)
    down = -(-len(experiments) // across)
    side = min((width - 0.1) / across, 2.6)
    shown, heading = _folded(titles, side)
    marks = [
        Line2D([], [], linestyle="", marker=_pick(MARKERS, i), color=_pick(COLOURS, i), markersize=4, label=name)
        for i, name in enumerate(classes)
    ]
    with _style():
        figure = Figure(figsize=(width, down * (side + heading)), layout="compressed")
        axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
        for axis, title, embedding in zip(axes, shown, embeddings, strict=False):
            _draw_points(axis, title, two_dimensions(embedding.hidden), embedding.targets, len(classes))
        _hide_rest(axes, len(experiments), across)
        _legend(figure, marks)
        _note(figure, _warnings(experiments))
    runs = [
        f"{title}: seed {e.seed}, weights of epoch {e.epoch} (WA {e.wa:.2f} %), {len(e.targets)} held-out utterances, "
        f"{e.hidden.shape[1]} hidden values each"
        for title, e in zip(titles, embeddings, strict=True)
    ]
    caption = (
        "t-SNE of the last hidden layer, averaged over the segments of each held-out utterance, one run of each "
        "experiment; 50 principal components at most, perplexity 30 (a third of the utterances where they are fewer "
        "than 91), initialised by PCA. Neighbourhoods mean something, axes and distances between groups do not. "
    )
    return Picture(figure, _caption(caption, runs, experiments))


def curves(experiments: Sequence[StoredExperiment]) -> Picture:
    """Training loss, WA and UA after each epoch: mean over runs, and a band of one standard deviation on either side.

    Raises GlamError where an experiment has no finished run.
    """
    titles = names(experiments)
    runs = [_finished(one) for one in experiments]
    found = [learning_curves(of_one) for of_one in runs]
    labels = [f"{title}, {_runs(of_one)}" for title, of_one in zip(titles, runs, strict=True)]
    with _style():
        figure = Figure(figsize=(PAGE, 1.85), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        right.sharey(middle)
        for axis, quantity in zip((left, middle, right), found[0], strict=True):
            for i, of_one in enumerate(found):
                _draw_curve(axis, of_one[quantity], i, len(found))
            axis.set_ylabel(quantity)
            axis.set_xlabel("Epoch")
            axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            axis.grid(color="0.9", linewidth=0.5)
            axis.spines[["top", "right"]].set_visible(False)
        _legend(figure, [Line2D([], [], label=label, **_look(i)) for i, label in enumerate(labels)])
        spread = any(len(r) > 1 for r in runs)
        meaning = "Line: mean over runs; band: ± 1 standard deviation." if spread else "One run each: no spread."
        _note(figure, [f"WA and UA of the held-out utterances. {meaning}", *_warnings(experiments)])
    caption = (
        "Training loss (with mixup: of the mixed segments), and WA and UA on the held-out utterances, after each "
        "epoch: mean over runs, band of one sample standard deviation on either side. "
    )
    return Picture(figure, _caption(caption, labels, experiments))


def write(picture: Picture, stem: Path) -> list[Path]:
    """Write `<stem>.png` (300 dpi) and `<stem>.pdf`, each in one piece; the same runs give the same bytes.

    The caption goes into both files as their description.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Mapping[str, str | None]] = {
        "png": {"Description": picture.caption, "Software": "glam"},
        "pdf": {"Subject": picture.caption, "Creator": "glam", "CreationDate": None},
    }
    written = []
    for kind, described in metadata.items():
        path = stem.with_name(f"{stem.name}.{kind}")
        with _style(), replacing(path) as temporary:
            picture.figure.savefig(temporary, format=kind, metadata=dict(described))
        written.append(path)
    return written


def default_stem(kind: str, experiments: Sequence[StoredExperiment]) -> Path:
    """Where a figure goes if nothing is said: the working folder, named after what it shows."""
    return Path("-".join([kind, *dict.fromkeys(one.recipe["model"]["name"] for one in experiments)]))


def _differences(experiments: Sequence[StoredExperiment]) -> list[str]:
    flat = [_flat({**one.recipe, "name": ""}) for one in experiments]
    fields = [field for field in dict.fromkeys(f for settings in flat for f in settings) if _differ(flat, field)]
    said = [", ".join(_setting(field, settings.get(field)) for field in fields[:2]) for settings in flat]
    recipes = [one.name for one in experiments]
    folders = [one.folder.resolve().name.rpartition("-")[2] for one in experiments]
    for candidate in (said, recipes, folders) if len(fields) <= 2 else (recipes, said, folders):
        if len(set(candidate)) == len(candidate):
            return candidate
    raise GlamError(f"an experiment is given twice: {', '.join(str(one.folder) for one in experiments)}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in settings.items():
        found |= _flat(value, f"{prefix}{field}.") if isinstance(value, dict) else {prefix + field: value}
    return found


def _differ(flat: Sequence[Mapping[str, Any]], field: str) -> bool:
    return any(settings.get(field) != flat[0].get(field) for settings in flat)


def _setting(field: str, value: Any) -> str:
    if isinstance(value, list):
        value = " + ".join(str(part) for part in value)
    # A space at which no line is broken keeps the two together.
    return value if field in ("corpus.name", "corpus.style") else f"{field.rpartition('.')[2]}\N{NO-BREAK SPACE}{value}"


def _finished(experiment: StoredExperiment) -> list[StoredRun]:
    runs = read_runs(experiment)
    good = [run for run in runs if run.failed is None]
    if not good:
        why = f"all {len(runs)} of its runs failed ({runs[0].failed})" if runs else "no run of it is finished"
        raise GlamError(f"{experiment.folder}: nothing to draw, {why}. Train one first: python train.py")
    return good


def _same_classes(experiments: Sequence[StoredExperiment]) -> tuple[str, ...]:
    first = experiments[0]
    for one in experiments[1:]:
        if one.classes != first.classes:
            raise GlamError(
                f"{one.folder} has the classes {', '.join(one.classes)}, {first.folder} has "
                f"{', '.join(first.classes)}: side by side they would mislead. Draw them as figures of their own."
            )
    return first.classes


def _panel_titles(experiments: Sequence[StoredExperiment]) -> list[str]:
    titles = names(experiments)
    return titles if len(titles) == 1 else [f"{chr(ord('a') + i)}) {title}" for i, title in enumerate(titles)]


def _warnings(experiments: Sequence[StoredExperiment]) -> list[str]:
    """What no figure may hide, one line each."""
    made_up = [one.composition.synthetic for one in experiments]
    control = [bool(one.recipe["training"].get("shuffle_labels")) for one in experiments]
    said = {
        "SYNTHETIC CORPUS, made by this project: no real speech": made_up,
        "CONTROL: training labels shuffled": control,
    }
    return [
        text if all(flags) else f"{', '.join(t for t, f in zip(names(experiments), flags, strict=True) if f)}: {text}"
        for text, flags in said.items()
        if any(flags)
    ]


def _caption(text: str, panels: Sequence[str], experiments: Sequence[StoredExperiment]) -> str:
    shown: dict[str, list[str]] = {}
    for name, one in zip(names(experiments), experiments, strict=True):
        shown.setdefault(composition_line(one.composition), []).append(name)
    corpora = [f"Corpus of {', '.join(of)}: {line}" if len(shown) > 1 else line for line, of in shown.items()]
    return text + " ".join(f"{line}." for line in [*panels, *corpora, *_warnings(experiments)])


def _runs(runs: Sequence[object]) -> str:
    return f"{len(runs)} run{'s' * (len(runs) > 1)}"


def _legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    longest = max(len(str(handle.get_label())) for handle in handles)
    across = max(1, int(figure.get_figwidth() / (0.3 + 0.065 * longest)))
    across = min(across, len(handles))
    _grow(figure, 0.08 + 0.16 * -(-len(handles) // across))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=across,
        frameon=False,
        handlelength=2.6 if handles[0].get_linestyle() != "None" else 1,
        columnspacing=1.2,
    )


def _left_out(classes: Sequence[str], matrices: Sequence[NDArray[np.int64]]) -> str:
    absent = (np.stack(matrices).sum(axis=2) == 0).sum(axis=0)
    missing = [f"{name} in {count}" for name, count in zip(classes, absent, strict=True) if count]
    return f" (runs whose test set has no true utterance: {', '.join(missing)})" if missing else ""


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _style() -> AbstractContextManager[None]:
    return matplotlib.style.context(["default", STYLE])  # whatever the user's matplotlibrc says


def _pick(values: Sequence[str], i: int) -> str:
    return values[i % len(values)]


def _grid(panels: int, least: float, margin: float) -> tuple[int, float]:
    """Panels in a row and width of the figure: one column of the paper if all fit into one row of it."""
    in_column, in_page = (max(1, int((width - margin) / least)) for width in (COLUMN, PAGE))
    return (panels, COLUMN) if panels <= in_column else (min(panels, in_page), PAGE)


def _hide_rest(axes: Sequence[Axes], shown: int, across: int) -> None:
    for axis in axes[shown:]:
        axis.set_axis_off()
    if len(axes) > shown:  # the panels above the empty places have the labels at their foot
        for axis in axes[shown - across : len(axes) - across]:
            axis.tick_params(labelbottom=True)


def _folded(titles: Sequence[str], width: float) -> tuple[list[str], float]:
    """The titles in lines that fit into that many inches at 8 points, and the height of the tallest."""
    folded = [fill(title, max(8, int(width / 0.066))) for title in titles]
    return folded, 0.12 + 0.13 * max(title.count("\n") + 1 for title in folded)


def _note(figure: Figure, lines: Sequence[str]) -> None:
    letters = int(figure.get_figwidth() / 0.057)  # the mean width of a letter at 7 points, with some to spare
    text = "\n".join(fill(line, letters) for line in lines)
    if text:
        _grow(figure, 0.06 + 0.13 * (text.count("\n") + 1))
        figure.supxlabel(text, fontsize=SMALL)


def _grow(figure: Figure, inches: float) -> None:
    figure.set_figheight(figure.get_figheight() + inches)


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


def _draw_points(axis: Axes, title: str, points: NDArray[np.float64], targets: NDArray[np.int64], classes: int) -> None:
    for i in range(classes):
        chosen = points[targets == i]
        axis.scatter(
            chosen[:, 0], chosen[:, 1], s=7, marker=_pick(MARKERS, i), color=_pick(COLOURS, i), alpha=0.75, linewidths=0
        )
    axis.set_xticks([])
    axis.set_yticks([])
    middle, half = (points.max(0) + points.min(0)) / 2, 0.53 * float(np.ptp(points, axis=0).max())
    axis.set_xlim(middle[0] - half, middle[0] + half)
    axis.set_ylim(middle[1] - half, middle[1] + half)
    axis.set_aspect("equal")
    axis.set_title(title)


def _draw_curve(axis: Axes, drawn: Curve, i: int, of: int) -> None:
    epochs = np.arange(1, len(drawn.mean) + 1)
    every = max(1, len(epochs) // 7)
    look = _look(i)
    # Markers not all at the same epochs, where they would hide each other.
    axis.plot(epochs, drawn.mean, markevery=(i * every // of, every), **look)
    if drawn.std is not None:
        low, high = drawn.mean - drawn.std, drawn.mean + drawn.std
        axis.fill_between(epochs, low, high, color=look["color"], alpha=0.2, linewidth=0)


def _look(i: int) -> dict[str, Any]:
    return {
        "color": _pick(COLOURS, i),
        "linestyle": _pick(LINES, i),
        "marker": _pick(MARKERS, i),
        "linewidth": 1.1,
        "markersize": 3.5,
    }
