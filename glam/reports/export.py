"""The predictions of one run as CSV."""

import csv
from pathlib import Path
from typing import TextIO

import numpy as np

from glam.errors import GlamError
from glam.evaluation.metrics import scores_of_all
from glam.reports.views import best
from glam.results.run import experiment_of, read_run


def export(folder: Path, output: TextIO, epoch: int | None = None) -> int:
    """Write utterance, label, prediction and the probability of each class of a run's held-out utterances.

    epoch: 1-based; None for the best one on the test set. Returns the epoch written. Raises GlamError where there is
    no such run or epoch.
    """
    run = read_run(folder)
    experiment = experiment_of(folder)
    if run.failed is not None:
        raise GlamError(f"{folder}: this run failed and has no predictions ({run.failed})")
    if epoch is None:
        epoch = best(scores_of_all(run.confusion)) + 1
    if not 1 <= epoch <= len(run.epochs):
        raise GlamError(f"--epoch {epoch}: the run in {folder} has epochs 1 to {len(run.epochs)}")
    stored = run.predictions()
    logits = stored.logits[epoch - 1].astype(np.float64)
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    table = csv.writer(output, lineterminator="\n")
    table.writerow(["utterance", "label", "prediction", *experiment.classes])
    for row in np.argsort(stored.held_out):
        utterance = int(stored.held_out[row])
        label, guess = int(experiment.targets[utterance]), int(logits[row].argmax())
        table.writerow(
            [
                experiment.ids[utterance],
                experiment.classes[label],
                experiment.classes[guess],
                *(f"{score:.6f}" for score in scores[row]),
            ]
        )
    return epoch
