"""Figures of stored runs: confusion matrices (the paper's Figure 2), hidden layers (Figure 3), curves, reliability.

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
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from glam.errors import GlamError
from glam.evaluation.calibration import BINS, Bins
from glam.evaluation.metrics import scores_of_all
from glam.files import replacing
from glam.reports.diagnosis import calibrated
from glam.reports.embedding import Embedding
from glam.reports.folds import outcomes
from glam.reports.summary import mean_std, read_runs
from glam.reports.views import SELECTION, View, result, scored
from glam.results.run import StoredExperiment, StoredRun
from glam.splits.population import composition_line
from glam.words import counted

COLUMN, PAGE = 3.35, 7.0  # inches
SMALL, LARGE = 7.0, 8.0  # points

# Okabe and Ito's colours (Color Universal Design, 2008) without yellow, which white paper swallows. Markers tell the
# same apart in black and white; the two lengths have no common divisor, so that 56 pairs differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")

# Of a reliability diagram; the hatching tells the two apart in black and white.
BARS: dict[str, dict[str, Any]] = {
    "Accuracy": {"facecolor": "#56B4E9", "edgecolor": "black", "linewidth": 0.4},
    "Gap": {"facecolor": "none", "edgecolor": "#D55E00", "linewidth": 0.6, "hatch": "/////"},
}

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
    """Mean training loss, WA and UA (percent, of the held-out utterances) after each epoch, by their axis label.

    The folds of a seed count as one run: their predictions together, and the mean of their losses.
    """
    seeds = list(_by_seed(runs).values())
    scores = scores_of_all(np.stack([np.sum([run.confusion for run in folds], axis=0) for folds in seeds]))
    losses = [np.mean([[epoch.loss for epoch in run.epochs] for run in folds], axis=0) for folds in seeds]
    return {
        "Training loss": curve(losses),
        "WA (%)": curve(scores.wa),
        "UA (%)": curve(scores.ua),
    }


def reliability_over_runs(runs: Sequence[Bins]) -> Reliability:
    """The bins of several runs as one: every run counts the same in a bin in which it has utterances."""
    accuracy, confidence = (np.array([getattr(one, field) for one in runs]) for field in ("accuracy", "confidence"))
    there = (~np.isnan(accuracy)).sum(axis=0)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        empty = np.full(there.shape, np.nan)
        found: NDArray[np.float64] = np.divide(np.nansum(values, axis=0), there, out=empty, where=there > 0)
        return found

    middle = mean(accuracy)
    squares = np.nansum((accuracy - middle) ** 2, axis=0)
    return Reliability(
        edges=runs[0].edges,
        accuracy=middle,
        spread=np.sqrt(np.divide(squares, there - 1, out=np.full(there.shape, np.nan), where=there > 1)),
        confidence=mean(confidence),
        share=np.mean([100 * one.count / one.count.sum() for one in runs], axis=0),
    )


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

    The folds of a seed are counted together before rows are normalised. Raises GlamError where an experiment has no
    finished run (or no seed with all folds), or where their classes differ.
    """
    classes = _same_classes(experiments)
    titles = _panel_titles(experiments)
    runs = [_whole_seeds(one) for one in experiments]
    found = [
        outcomes(one, [result(one, run, view) for run in of_one]) for one, of_one in zip(experiments, runs, strict=True)
    ]
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
    said = [
        f"{title}: {_runs(of_one)}, {_range([r.utterances for r in results])} test utterances each"
        f"{_left_out(classes, [r.confusion for r in results])}"
        for title, of_one, results in zip(titles, runs, found, strict=True)
    ]
    caption = (
        "Confusion matrices: percent of each true class (rows) predicted as each class (columns), mean over runs of "
        f"the matrices normalised by row. Epoch: {SELECTION[view]}. "
    )
    return Picture(figure, _caption(caption, said, experiments))


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
    runs = [_whole_seeds(one) for one in experiments]
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
        spread = any(len(_by_seed(of_one)) > 1 for of_one in runs)
        meaning = "Line: mean over runs; band: ± 1 standard deviation." if spread else "One run each: no spread."
        _note(figure, [f"WA and UA of the held-out utterances. {meaning}", *_warnings(experiments)])
    caption = (
        "Training loss (with mixup: of the mixed segments), and WA and UA on the held-out utterances, after each "
        "epoch: mean over runs, band of one sample standard deviation on either side. "
    )
    return Picture(figure, _caption(caption, labels, experiments))


def reliability(experiments: Sequence[StoredExperiment], view: View) -> Picture:
    """Reliability diagrams side by side: accuracy by confidence, and how many utterances have it.

    After Guo et al., "On calibration of modern neural networks", 2017, Figure 1. Raises GlamError where an experiment
    has no finished run, or for more experiments than stand side by side on a page.
    """
    titles = _panel_titles(experiments)
    across, width = _grid(len(experiments), 1.4, margin=0.4)
    if across < len(experiments):
        raise GlamError(f"{len(experiments)} experiments: on a page, {across} reliability diagrams fit side by side")
    runs = [_whole_seeds(one) for one in experiments]
    found = [
        [calibrated(*(scored(one, run, view) for run in folds)) for folds in _by_seed(of_one).values()]
        for one, of_one in zip(experiments, runs, strict=True)
    ]
    drawn = [reliability_over_runs([one.bins for one in of]) for of in found]
    errors = [f"ECE {mean_std([one.error for one in of])} %" for of in found]
    side = min((width - 0.4) / across - 0.1, 1.8)
    shown, heading = _folded(titles, side)
    with _style():
        figure = Figure(figsize=(width, 1.4 * side + heading + 0.2), layout="constrained")
        axes = figure.subplots(2, across, squeeze=False, sharex="col", sharey="row", height_ratios=[1, 0.3])
        for i, one in enumerate(experiments):
            upper, lower = axes[:, i]
            _draw_reliability(upper, lower, drawn[i], len(one.classes))
            upper.set_title(f"{shown[i]}\n{errors[i]}")
        axes[0, 0].set_ylabel("Accuracy (%)")
        axes[1, 0].set_ylabel("Share (%)")
        axes[1, 0].set_ylim(0, 1.12 * max(float(one.share.max()) for one in drawn))
        figure.align_ylabels(axes[:, 0])
        _legend(figure, [Patch(label=label, **look) for label, look in BARS.items()])
        spread = any(len(of) > 1 for of in found)
        meaning = "Mean over runs; whiskers: ± 1 standard deviation." if spread else "One run each: no spread."
        _note(figure, ["Confidence (%)", meaning, *_warnings(experiments)])
    said = [
        f"{title}: {_runs(of_one)}, ECE {mean_std([c.error for c in values])} (by chance "
        f"{np.mean([c.by_chance for c in values]):.2f}), WA {mean_std([c.accuracy for c in values])}, mean confidence "
        f"{mean_std([c.confidence for c in values])}"
        for title, of_one, values in zip(titles, runs, found, strict=True)
    ]
    caption = (
        f"Reliability: accuracy of the utterances in each of {BINS} equal bins of confidence, mean over the runs that "
        "have any there; whiskers: one sample standard deviation over these runs; gap: between accuracy and mean "
        "confidence; dashed: perfect calibration. Beneath: share of the utterances, mean over runs. ECE: expected "
        "calibration error (Guo et al., 2017), of each run; by chance: what it would be, of as many utterances, under "
        f"perfect calibration. Epoch: {SELECTION[view]}. "
    )
    return Picture(figure, _caption(caption, said, experiments))


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
        why = f"every run of it failed ({runs[0].failed})" if runs else "no run of it is finished"
        raise GlamError(f"{experiment.folder}: nothing to draw, {why}. Train one first: python train.py")
    return good


def _whole_seeds(experiment: StoredExperiment) -> list[StoredRun]:
    """The finished runs; of protocols with folds, those of the seeds that have all of them, as their scores are pooled.

    Raises GlamError where there is none.
    """
    runs = _finished(experiment)
    if not experiment.folds:
        return runs
    whole = [run for folds in _by_seed(runs).values() if len(folds) == len(experiment.folds) for run in folds]
    if not whole:
        raise GlamError(
            f"{experiment.folder}: nothing to draw, no seed has all its {len(experiment.folds)} folds, which are drawn "
            "together. The command that trained these runs goes on with the others."
        )
    return whole


def _by_seed(runs: Sequence[StoredRun]) -> dict[int, list[StoredRun]]:
    found: dict[int, list[StoredRun]] = {}
    for run in runs:
        found.setdefault(run.seed, []).append(run)
    return found


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


def _runs(runs: Sequence[StoredRun]) -> str:
    seeds = len(_by_seed(runs))
    return counted(seeds, "run") if seeds == len(runs) else f"{counted(seeds, 'seed')} with {len(runs)} folds in all"


def _legend(figure: Figure, handles: Sequence[Artist]) -> None:
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


def _look(i: int) -> dict[str, Any]:
    return {
        "color": _pick(COLOURS, i),
        "linestyle": _pick(LINES, i),
        "marker": _pick(MARKERS, i),
        "linewidth": 1.1,
        "markersize": 3.5,
    }
