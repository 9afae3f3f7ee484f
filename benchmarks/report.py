"""Results as a table and as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from tabulate import tabulate

from benchmarks.results import ModelResult, Row
from glam.learning.settings import Precision
from glam.reports.figures.experiments import TITLES
from glam.reports.figures.page import COLOURS, PAGE, STYLE

STRAW_MAN = 1.15  # how many times a bare step the plain loop's may take

ROW_HEAD = (
    *("part", "engine", "precision", "runs", "threads a run", "segments/s", "GFLOP/s", "of matrix rate"),
    *("x plain", "min to max", "target"),
)
WHOLE_HEAD = ("whole runs", "precision", "how", "plain loop", "ours", "x plain", "target")
LOOKS: tuple[tuple[Precision, str, str], ...] = (("fp32", COLOURS[0], "o"), ("bf16", COLOURS[1], "s"))


def model_text(model: str, result: ModelResult) -> str:
    """All that was measured of a model, as tables."""
    rows = [
        [
            row.part,
            row.engine,
            row.precision,
            row.runs,
            row.threads or "",
            f"{row.rate.median:,.0f}",
            "" if row.flops is None else f"{row.flops / 1e9:,.0f}",
            "" if row.share is None else f"{100 * row.share:.0f} %",
            f"{row.ratio.median:.2f}",
            f"{row.ratio.lowest:.2f} to {row.ratio.highest:.2f}",
            _target(row.target),
        ]
        for row in result.rows
    ]
    wholes = [
        [
            f"{w.runs} x {w.epochs} epochs",
            w.precision,
            w.how,
            _duration(w.plain),
            _duration(w.ours),
            f"{w.ratio:.2f}",
            _target(w.target),
        ]
        for w in result.wholes
    ]
    lines = [
        f"{model}: features {result.shape[0]} x {result.shape[1]}, batch {result.batch}, "
        f"{result.training_flop / 1e6:,.0f} MFLOP a segment in training, "
        f"{result.evaluation_flop / 1e6:,.0f} in evaluation",
        "",
        tabulate(rows, ROW_HEAD, "github", disable_numparse=True),
        "",
        tabulate(wholes, WHOLE_HEAD, "github", disable_numparse=True),
        "",
        f"the plain loop's step on tensors in memory takes {result.step_to_bare.median:.2f} times a bare step "
        f"({result.step_to_bare.lowest:.2f} to {result.step_to_bare.highest:.2f}; at most {STRAW_MAN:g} allowed), "
        f"with its DataLoader {result.loop_to_bare.median:.2f}",
        *(_fastest_text(precision, rates, result.rows) for precision, rates in result.fastest_batch.items()),
    ]
    return "\n".join(lines)


def _fastest_text(precision: str, rates: Mapping[int, float], rows: Sequence[Row]) -> str:
    batch = max(rates, key=lambda size: rates[size])
    text = f"one run in {precision} is fastest at batch {batch}: {rates[batch]:,.0f} segments/s"
    here = ("training", "side by side", precision)
    side = [row.rate.median for row in rows if (row.part, row.engine, row.precision) == here]
    if not side:
        return text
    return f"{text}; side by side reaches {100 * max(side) / rates[batch]:.0f} % of that (target >= 60 %)"


def _target(target: float | None) -> str:
    return "" if target is None else f">= {target:g}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def draw(models: Mapping[str, ModelResult], path: Path) -> None:
    """Segments a second against runs at once, a panel a model; the plain loop is a line."""
    columns = min(4, len(models))
    lines = -(-len(models) // columns)
    with matplotlib.style.context([STYLE]):
        figure = Figure(figsize=(PAGE if columns > 1 else PAGE / 2, 0.7 + 1.9 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for panel, (name, model) in zip(panels, models.items(), strict=False):
            _panel(panel, [row for row in model.rows if row.part == "training"], model.fastest_batch)
            panel.set_title(f"{TITLES.get(name, name)}, batch {model.batch}")
        for panel in panels[len(models) :]:
            panel.set_axis_off()
        figure.supxlabel("Runs at once")
        figure.supylabel("Training, segments/s")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3 if columns > 1 else 2, frameon=False)
        figure.savefig(path)


def _panel(panel: Any, rows: Sequence[Row], fastest: Mapping[Precision, Mapping[int, float]]) -> None:
    plain = [row.rate for row in rows if row.engine == "plain loop"]
    panel.axhline(median(rate.median for rate in plain), color="black", linestyle="--", label="plain loop, fp32")
    for precision, colour, marker in LOOKS:
        ours = {
            engine: [row for row in rows if row.engine == engine and row.precision == precision]
            for engine in ("side by side", "one run")
        }
        if side := ours["side by side"]:
            runs = [row.runs for row in side]
            error = [
                [row.rate.median - row.rate.lowest for row in side],
                [row.rate.highest - row.rate.median for row in side],
            ]
            values = [row.rate.median for row in side]
            label = f"side by side, {precision}"
            panel.errorbar(runs, values, error, color=colour, marker=marker, markersize=3.5, capsize=2, label=label)
        for row in ours["one run"]:
            label = f"one run on {row.threads} threads, {precision}" if row.threads else f"one run, {precision}"
            at = {"marker": marker, "markerfacecolor": "white", "markersize": 5, "linestyle": ""}
            panel.plot([1], [row.rate.median], color=colour, label=label, zorder=3, **at)
        if rates := fastest.get(precision):
            panel.axhline(max(rates.values()), color=colour, linestyle=":", label=f"fastest batch, {precision}")
    runs = sorted({row.runs for row in rows})
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_locator(FixedLocator(runs))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.set_xlim(runs[0] / 1.25, runs[-1] * 1.25)
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
