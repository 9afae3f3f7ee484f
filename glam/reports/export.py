"""The predictions of one run as CSV."""

import csv
import io
from pathlib import Path
from typing import TextIO

import numpy as np

from glam.errors import GlamError
from glam.evaluation.metrics import softmax
from glam.foreign import cell
from glam.reports.views import SELECTION, Part, View, default_view, parts, take
from glam.results.experiment import experiment_of, read_experiment
from glam.results.run import read_run
from glam.words import counted


def export_all(folder: Path, output: TextIO, epoch: int | None = None, view: View | None = None) -> str:
    """Write the same of every run of an experiment, with the run in the first column; failed runs have none.

    Returns how many runs were written and how many had failed, in words. Raises GlamError as `export` does, and where
    no run is finished.
    """
    runs = {name: read_run(folder / name) for name in read_experiment(folder).seeds()}
    good = [name for name, run in runs.items() if run.failed is None]
    if not good:
        raise GlamError(f"{folder}: no run of it is finished" + (f", {len(runs)} failed" if runs else ""))
    for number, name in enumerate(good):
        lines = io.StringIO()
        export(folder / name, lines, epoch, view)
        for i, line in enumerate(lines.getvalue().splitlines(keepends=True)):
            if i or not number:  # one line of headings
                output.write(f"{name if i else 'run'},{line}")
    failed = f"; {counted(len(runs) - len(good), 'run')} failed and left out" if len(good) < len(runs) else ""
    return f"{counted(len(good), 'run')}{failed}"


def export(folder: Path, output: TextIO, epoch: int | None = None, view: View | None = None) -> str:
    """Write utterance, label, prediction and the probability of each class of the utterances that a run is scored on.

    epoch: 1-based; None for the utterances that the view (if not the default one) scores, at the epoch that it
    chooses. Returns which epoch was written, in words. Raises GlamError where there is no such run or epoch.
    """
    run = read_run(folder)
    experiment = experiment_of(folder)
    if run.failed is not None:
        raise GlamError(f"{folder}: this run failed and has no predictions ({run.failed})")
    if epoch is not None and not 1 <= epoch <= len(run.epochs):
        raise GlamError(f"--epoch {epoch}: the run in {folder} has epochs 1 to {len(run.epochs)}")
    stored, view = run.predictions(experiment.targets), view or default_view(experiment)
    if epoch is None:
        chosen = parts(experiment, run, stored, view)
    else:
        chosen = (Part(slice(run.validation_only, None), epoch - 1),)
    scored = take(experiment, stored, chosen)
    guesses, chances = scored.logits.argmax(axis=1), softmax(scored.logits)
    table = csv.writer(output, lineterminator="\n")
    table.writerow(["utterance", "label", "prediction", *map(cell, experiment.classes)])
    for row in np.argsort(scored.utterances):
        table.writerow(
            [
                cell(experiment.ids[scored.utterances[row]]),
                cell(experiment.classes[scored.truth[row]]),
                cell(experiment.classes[guesses[row]]),
                *(f"{chance:.6f}" for chance in chances[row]),
            ]
        )
    epochs = " and ".join(str(part.epoch + 1) for part in chosen)
    return f"epoch {epochs}" + (f" ({SELECTION[view]})" if epoch is None else "")
