"""The predictions of one run as CSV."""

import csv
from pathlib import Path
from typing import TextIO

import numpy as np

from glam.errors import GlamError
from glam.evaluation.metrics import softmax
from glam.foreign import cell
from glam.reports.runs import sound_runs
from glam.reports.views import SELECTION, Part, View, default_view, parts, take
from glam.results.experiment import StoredExperiment, experiment_of, read_experiment
from glam.results.run import Predictions, StoredRun, read_run
from glam.words import counted


def export_all(folder: Path, output: TextIO, epoch: int | None = None, view: View | None = None) -> str:
    """Write the same of every run of an experiment, with the run in the first column; failed runs have none.

    Returns how many runs were written and how many had failed, in words. Raises GlamError as `export` does, and where
    no run is finished.
    """
    experiment = read_experiment(folder)
    table = csv.writer(output, lineterminator="\n")
    written = failed = 0
    for run, stored in sound_runs(experiment):
        if stored is None:
            failed += 1
            continue
        rows, _ = _rows(experiment, run, stored, epoch, view)
        if not written:
            table.writerow(["run", *_headings(experiment)])
        table.writerows([run.folder.name, *row] for row in rows)
        written += 1
    if not written:
        raise GlamError(f"{folder}: no run of it is finished" + (f", {failed} failed" if failed else ""))
    return counted(written, "run") + (f"; {counted(failed, 'run')} failed and left out" if failed else "")


def export(folder: Path, output: TextIO, epoch: int | None = None, view: View | None = None) -> str:
    """Write utterance, label, prediction and the probability of each class of the utterances that a run is scored on.

    epoch: 1-based; None for the utterances that the view (if not the default one) scores, at the epoch that it
    chooses. Returns which epoch was written, in words. Raises GlamError where there is no such run or epoch.
    """
    run = read_run(folder)
    experiment = experiment_of(folder)
    if run.failed is not None:
        raise GlamError(f"{folder}: this run failed and has no predictions ({run.failed})")
    rows, what = _rows(experiment, run, run.predictions(experiment.targets), epoch, view)
    table = csv.writer(output, lineterminator="\n")
    table.writerow(_headings(experiment))
    table.writerows(rows)
    return what


def _headings(experiment: StoredExperiment) -> list[str]:
    return ["utterance", "label", "prediction", *map(cell, experiment.classes)]


def _rows(
    experiment: StoredExperiment, run: StoredRun, stored: Predictions, epoch: int | None, view: View | None
) -> tuple[list[list[str]], str]:
    """The rows of a run, in the order of the experiment's utterances, and which epoch they are from, in words."""
    if epoch is not None and not 1 <= epoch <= len(run.epochs):
        raise GlamError(f"--epoch {epoch}: the run in {run.folder} has epochs 1 to {len(run.epochs)}")
    view = view or default_view(experiment)
    if epoch is None:
        chosen = parts(experiment, run, stored, view)
    else:
        chosen = (Part(slice(run.validation_only, None), epoch - 1),)
    scored = take(experiment, stored, chosen)
    guesses, chances = scored.logits.argmax(axis=1), softmax(scored.logits)
    rows = [
        [
            cell(experiment.ids[scored.utterances[row]]),
            cell(experiment.classes[scored.truth[row]]),
            cell(experiment.classes[guesses[row]]),
            *(f"{chance:.6f}" for chance in chances[row]),
        ]
        for row in np.argsort(scored.utterances)
    ]
    epochs = " and ".join(str(part.epoch + 1) for part in chosen)
    return rows, f"epoch {epochs}" + (f" ({SELECTION[view]})" if epoch is None else "")
