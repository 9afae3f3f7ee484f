"""Whether confidence is accuracy, over the predictions of all runs together, and the temperature that would mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glam.evaluation.calibration import Calibration, Temperature, calibration, fit_temperature
from glam.evaluation.metrics import softmax
from glam.evaluation.scored import Scored
from glam.evaluation.unknown import Unknown
from glam.reports.grid import grid, signed
from glam.reports.views import VIEWS, View, parts, take, validation_rows
from glam.results.experiment import StoredExperiment
from glam.results.run import Predictions, StoredRun


@dataclass(frozen=True, eq=False)
class Confidence:
    """The calibration of all runs' predictions together under a view.

    tempered: the same with each run's logits divided by the temperature fitted on its validation utterances, and
    temperatures: those; Unknown where the view has no utterances for that.
    """

    whole: Calibration
    tempered: Calibration | Unknown
    temperatures: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Sure:
    """What a view scores of a run, and the temperature fitted on what it keeps for choosing the epoch."""

    scored: Scored
    temperature: Temperature | Unknown


def sure_of(experiment: StoredExperiment, run: StoredRun, stored: Predictions, view: View) -> Sure:
    """The predictions of a finished run under a view that it has utterances enough for."""
    chosen = parts(experiment, run, stored, view)
    tested = take(experiment, stored, chosen)
    if view != "validation":
        none = f"a temperature is fitted on utterances that are not tested, and the view {view} keeps none; "
        return Sure(tested, Unknown(f"{none}--select validation does"))
    rows = validation_rows(run, stored)
    fitted = fit_temperature(stored.logits[chosen[0].epoch, rows], experiment.targets[stored.held_out[rows]])
    return Sure(tested, Unknown(f"of {run.key}, {fitted.reason}") if isinstance(fitted, Unknown) else fitted)


def confidence_of(runs: Sequence[Sure]) -> Confidence:
    """The calibration of the predictions of runs together, all under one view."""
    whole = Scored.together([run.scored for run in runs])
    before = calibration(softmax(whole.logits), whole.truth, utterances=whole.utterances)
    fitted = [run.temperature for run in runs if isinstance(run.temperature, Temperature)]
    if len(fitted) < len(runs):
        why = next(run.temperature for run in runs if isinstance(run.temperature, Unknown))
        return Confidence(before, why, ())
    divided = [of.probabilities(run.scored.logits) for of, run in zip(fitted, runs, strict=True)]
    after = calibration(np.concatenate(divided), whole.truth, utterances=whole.utterances)
    return Confidence(before, after, tuple(of.value for of in fitted))


def confidence_table(runs: Sequence[Mapping[View, Sure]]) -> str:
    """The calibration of all runs together under every view that they all have utterances for, as text."""
    rows, lines = [], []
    for view in VIEWS:
        if not all(view in run for run in runs):
            continue
        confidence = confidence_of([run[view] for run in runs])
        rows.append([f"all runs, {view}", *cells(confidence.whole)])
        if isinstance(confidence.tempered, Unknown):
            if view == "validation":
                lines.append(f"temperature: {confidence.tempered}")
            continue
        values = confidence.temperatures
        rows.append([f"all runs, {view}, divided", *cells(confidence.tempered)])
        lines.append(
            f"divided: logits divided by a temperature, fitted on each run's validation utterances; median "
            f"{np.median(values):.2f}, from {min(values):.2f} to {max(values):.2f}; above 1, the model was too sure"
        )
    return "\n".join(
        [
            grid(["predictions", "gap", "its sd", "in sd", "error", "by chance", "Brier"], rows),
            "",
            "gap: accuracy minus confidence, in points; sd: its standard deviation if confidence were accuracy (an "
            "utterance that several runs test is right or wrong in all of them together, as far as their confidences "
            "allow); beyond 2 sd it is not chance. Above 0, the model is more often right than it believes",
            *lines,
        ]
    )


def cells(of: Calibration) -> list[str]:
    """A calibration as cells: gap, its standard deviation, gap in these, error, error by chance, Brier score."""
    deviations = of.deviations
    return [
        signed(of.gap),
        f"{of.gap_std:.2f}",
        "-" if isinstance(deviations, Unknown) else f"{deviations:+.1f}",
        f"{of.error:.2f}",
        f"{of.by_chance:.2f}",
        f"{of.brier:.3f}",
    ]
