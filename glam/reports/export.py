"""The predictions of one run as CSV."""

import csv
from pathlib import Path
from typing import TextIO

import numpy as np

from glam.errors import GlamError
from glam.evaluation.metrics import softmax
from glam.foreign import cell
from glam.reports.views import SELECTION, Part, View, default_view, parts, take
from glam.results.experiment import experiment_of
from glam.results.run import read_run


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
