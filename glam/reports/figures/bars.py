"""One metric of several experiments as bars: Figure 4 of the GLRF paper, which shows pure accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from glam.evaluation.metric import METRICS, Metric
from glam.evaluation.statistics import summary
from glam.reports.figures.experiments import caption_of, names, number_of_runs, unlike, warnings, whole_seeds
from glam.reports.figures.page import COLOURS, Picture, columns_and_width, fold_titles, letters_within, note, style
from glam.reports.folds import fold_values, outcomes, pool
from glam.reports.summary import cut_line
from glam.reports.views import SELECTION, View, result, value
from glam.results.experiment import StoredExperiment
from glam.words import range_of

HIGH = 1.7  # inches, of the bars' axis


@dataclass(frozen=True)
class Bar:
    """A metric of an experiment: mean, and sample standard deviation over `of` (runs, seeds or folds) if there are two.

    With folds, the mean is that of the seeds' pooled scores; the spread is over seeds or, of a single one, over folds.
    runs: how many, in words.
    """

    mean: float
    std: float | None
    of: str
    utterances: tuple[int, ...]
    runs: str


def bar(experiment: StoredExperiment, metric: Metric, view: View) -> Bar:
    """The bar of an experiment; GlamError where it has no finished run, or no seed with all folds."""
    runs = whole_seeds(experiment)
    results = [result(experiment, run, view) for run in runs]
    scored = outcomes(experiment, results)
    values = [value(outcome, metric) for outcome in scored]
    utterances = tuple(outcome.utterances for outcome in scored)
    whole = summary(values)
    if not experiment.folds:
        return Bar(whole.mean, whole.std, "runs", utterances, number_of_runs(runs))
    if len(values) > 1:
        return Bar(whole.mean, whole.std, "seeds", utterances, number_of_runs(runs))
    spread = summary(fold_values(experiment, pool(experiment, results), metric))
    return Bar(whole.mean, spread.std, "folds", utterances, number_of_runs(runs))


def _ends(of: Bar, metric: Metric) -> tuple[float, float]:
    """The ends of a bar's whisker: within 0 and 100, except for a metric of the user's own, which may go beyond."""
    low, high = of.mean - (of.std or 0), of.mean + (of.std or 0)
    return (max(0, low), min(100, high)) if metric.name in METRICS else (low, high)


def bars(experiments: Sequence[StoredExperiment], metric: Metric, view: View) -> Picture:
    """A bar for each experiment, with its value above it and a whisker of one standard deviation on either side."""
    titles = names(experiments)
    drawn = [bar(experiment, metric, view) for experiment in experiments]
    ends = [_ends(of, metric) for of in drawn]
    _, width = columns_and_width(len(experiments), 0.5, margin=0.5)
    each = (width - 0.5) / len(experiments)
    shown, heading = fold_titles(titles, each)
    longest = max(len(line) for title in shown for line in title.split("\n"))
    turned = longest > letters_within(each)  # a word alone is wider than its bar
    if turned:
        shown, heading = titles, 0.05 * max(map(len, titles))
    with style():
        figure = Figure(figsize=(width, HIGH + heading), layout="constrained")
        axis = figure.subplots()
        for i, (of, (low, high)) in enumerate(zip(drawn, ends, strict=True)):
            axis.bar(
                i,
                of.mean,
                0.62,
                yerr=None if of.std is None else [[of.mean - low], [high - of.mean]],
                color=COLOURS[5],
                edgecolor="black",
                linewidth=0.5,
                capsize=2.5,
                error_kw={"linewidth": 0.8},
            )
            place = (i, max(0, high))
            axis.annotate(f"{of.mean:.1f}", place, (0, 2), textcoords="offset points", ha="center", va="bottom")
        highest, lowest = max(high for _, high in ends), min(low for low, _ in ends)
        top = 1.15 * highest if highest > 0 else 1
        axis.set_ylim(min(0, 1.15 * lowest), min(100, top) if highest <= 100 else top)
        if lowest < 0:
            axis.axhline(0, color="black", linewidth=0.6)
        axis.set_xticks(range(len(shown)), shown)
        if turned:
            axis.tick_params(axis="x", rotation=40)
            for label in axis.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axis.tick_params(axis="x", length=0)
        axis.set_ylabel(f"{metric.title[:1].upper()}{metric.title[1:]} (%)")
        axis.spines[["top", "right"]].set_visible(False)
        kinds = list(dict.fromkeys(of.of for of in drawn if of.std is not None))
        meaning = f"Whiskers: ± 1 standard deviation over {' or '.join(kinds)}"
        spread = [of.std or 0 for of in drawn]
        if any(
            of.mean - std < low or of.mean + std > high
            for of, std, (low, high) in zip(drawn, spread, ends, strict=True)
        ):
            meaning += ", within 0 and 100"
        meaning = f"{meaning}." if kinds else "One run each: no spread."
        note(figure, [meaning, *unlike(experiments), *warnings(experiments)])
    panels = [
        f"{title}: {of.mean:.2f}{'' if of.std is None else f' ± {of.std:.2f} over {of.of}'}, "
        f"{of.runs}, {range_of(of.utterances)} test utterances"
        + (f", {cut_line(experiment.recipe)}" if metric.by_segment else "")
        for title, of, experiment in zip(titles, drawn, experiments, strict=True)
    ]
    text = f"{metric.title[:1].upper()}{metric.title[1:]} in percent, mean. Epoch: {SELECTION[view]}. "
    return Picture(figure, caption_of(text, panels, experiments))
