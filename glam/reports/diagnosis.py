"""Diagnosis of runs: the class within utterances, and confidence beside accuracy. From stored runs; nothing is trained.

Every figure is computed run by run; shown are mean and sample standard deviation over the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.evaluation.calibration import BINS, Calibration, calibration
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of, softmax
from glam.evaluation.scored import Scored
from glam.evaluation.segments import (
    PARTS,
    ByPosition,
    SegmentAgreement,
    accuracy_by_position,
    majority_vote,
    segment_agreement,
    votes,
)
from glam.inputs.cut import Segments
from glam.progress import bar
from glam.reports.confidence import Sure, confidence_table, sure_of
from glam.reports.grid import grid, mean_std, signed
from glam.reports.runs import sound_runs
from glam.reports.summary import heading
from glam.reports.views import VIEWS, View, default_view, parts, possible_views, selection, take
from glam.results.experiment import StoredExperiment, experiment_of, read_experiment
from glam.results.run import RUN, Predictions, StoredRun, read_run
from glam.splits.population import composition_line
from glam.words import counted, range_of

LENGTHS = 4  # groups of utterances by their number of segments
EVERYONE = "all"


@dataclass(frozen=True, eq=False)
class RunDiagnosis:
    """The diagnosis of one run.

    within: by measure, its value over all utterances and over those of each true class; None where there is none.
    decided, voted: the scores of the utterances' classes as the model decides them, and by majority vote of their
    segments. torn: (n,) whether the two differ; right, voted_right: (n,) whether each is the true class; segments:
    (n,) of the utterance. position: accuracy of segments by position. sure: by view.
    """

    within: Mapping[str, Sequence[float | None]]
    decided: Scores
    voted: Scores
    torn: NDArray[np.bool_]
    right: NDArray[np.bool_]
    voted_right: NDArray[np.bool_]
    segments: NDArray[np.int64]
    position: ByPosition
    sure: Mapping[View, Sure]


def diagnosis(folder: Path, view: View | None = None) -> str:
    """The diagnosis of an experiment, or of one run of it, as Markdown text. view: if not the default one.

    Raises GlamError where the folder is neither, or where no run of it is finished.
    """
    alone = (folder / RUN).is_file()
    experiment = experiment_of(folder) if alone else read_experiment(folder)
    view = view or default_view(experiment)
    diagnoses: list[RunDiagnosis] = []
    failed: list[StoredRun] = []
    with bar(1 if alone else len(experiment.seeds()), "reading runs", "run", leave=False) as progress:
        for run, stored in [_alone(experiment, folder)] if alone else sound_runs(experiment):
            if stored is None:
                failed.append(run)
            else:
                diagnoses.append(diagnose(experiment, run, stored, view))
            progress.update()
    if not diagnoses:
        why = f"failed: {failed[0].failed}" if failed else "it has no runs yet"
        raise GlamError(f"{folder}: nothing to look into, {why}")
    return "\n\n".join(
        [
            "\n".join(_head(experiment, view, len(diagnoses), len(failed))),
            "How the class moves within an utterance (in percent, by true class)\n\n" + _within(experiment, diagnoses),
            "The segments' majority vote instead\n\n" + _majority(experiment, diagnoses),
            "Segments classified correctly, by their position in the utterance\n\n" + _position(diagnoses),
            "Utterances classified correctly, by their length\n\n" + _length(experiment, diagnoses),
            "Calibration, under every choice of the epoch, run by run\n\n" + _calibration(diagnoses),
            "Calibration of all runs' predictions together\n\n" + confidence_table([run.sure for run in diagnoses]),
        ]
    )


def _alone(experiment: StoredExperiment, folder: Path) -> tuple[StoredRun, Predictions | None]:
    run = read_run(folder)
    return run, run.predictions(experiment.targets) if run.failed is None else None


def diagnose(experiment: StoredExperiment, run: StoredRun, stored: Predictions, view: View) -> RunDiagnosis:
    """Look into a finished run: its segments under one view, its calibration under all that it has utterances for."""
    scored = take(experiment, stored, parts(experiment, run, stored, view))
    classes = len(experiment.classes)
    decided = scored.logits.argmax(axis=1)
    voted = majority_vote(votes(scored.segment_classes, scored.offsets, classes), scored.logits)
    return RunDiagnosis(
        within=_measures(scored, decided, voted, classes),
        decided=scores_of(confusion_matrix(scored.truth, decided, classes)),
        voted=scores_of(confusion_matrix(scored.truth, voted, classes)),
        torn=decided != voted,
        right=decided == scored.truth,
        voted_right=voted == scored.truth,
        segments=scored.segments,
        position=accuracy_by_position(scored.segment_classes, scored.truth, scored.offsets),
        sure={choice: sure_of(experiment, run, stored, choice) for choice in possible_views(run)},
    )


def calibrated(*scored: Scored) -> Calibration:
    """The calibration of what a view scores: of the softmax of the stored logits, which are utterances' means.

    Of several, as the folds of a seed are, it is that of all their predictions.
    """
    return calibration(
        np.concatenate([softmax(part.logits) for part in scored]), np.concatenate([part.truth for part in scored])
    )


def _measures(
    scored: Scored, decided: NDArray[np.int64], voted: NDArray[np.int64], classes: int
) -> dict[str, list[float | None]]:
    """Each measure over all utterances, then over those of each true class."""
    counts = votes(scored.segment_classes, scored.offsets, classes)
    distinct = (counts > 0).sum(axis=1)
    agreement = segment_agreement(scored.segment_classes, decided, scored.offsets)
    of_truth = segment_agreement(scored.segment_classes, scored.truth, scored.offsets)
    by_utterance = {
        "utterances classified correctly": 100 * (decided == scored.truth),
        "segments classified correctly": of_truth.agreement,
        "segments that agree with their utterance": agreement.agreement,
        "utterances of one class throughout": 100 * (distinct == 1),
        "different classes in an utterance (number)": distinct,
        "utterances whose majority vote differs": 100 * (decided != voted),
        "segments in an utterance (number)": scored.segments,
    }
    groups = [np.ones(len(scored.truth), dtype=bool), *(scored.truth == c for c in range(classes))]
    measures: dict[str, list[float | None]] = {
        name: [float(values[group].mean()) if group.any() else None for group in groups]
        for name, values in by_utterance.items()
    }
    measures["neighbouring segments that differ"] = [
        SegmentAgreement(agreement.agreement[group], agreement.changes[group], scored.segments[group]).change_rate
        for group in groups
    ]
    return measures


def _head(experiment: StoredExperiment, view: View, runs: int, failed: int) -> list[str]:
    return [
        heading(experiment),
        f"runs: {runs}" + (" (mean ± sample standard deviation)" if runs > 1 else ""),
        *([f"FAILED, left out: {counted(failed, 'run')}"] if failed else []),
        *(["folds: a run is one fold; the figures are means over the folds, not pooled"] if experiment.folds else []),
        f"epoch: {selection(view, experiment)}",
        f"corpus: {composition_line(experiment.composition)}",
    ]


def _over_runs(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and not np.isnan(value)]
    return mean_std(known) if known else "-"


def _within(experiment: StoredExperiment, diagnoses: Sequence[RunDiagnosis]) -> str:
    columns = [EVERYONE, *experiment.classes]
    rows = [
        [name, *(_over_runs([run.within[name][i] for run in diagnoses]) for i in range(len(columns)))]
        for name in diagnoses[0].within
    ]
    return grid(["", *columns], rows)


def _majority(experiment: StoredExperiment, diagnoses: Sequence[RunDiagnosis]) -> str:
    average = experiment.recipe.evaluation.average
    decisions = {
        f"mean of {average}": [run.decided for run in diagnoses],
        "majority vote": [run.voted for run in diagnoses],
    }
    metrics = {"WA": "wa"} if experiment.split.single_class else {"WA": "wa", "UA": "ua"}
    rows = [
        [name, *(mean_std([getattr(scores, metric) for scores in of]) for metric in metrics.values())]
        for name, of in decisions.items()
    ]
    gains = [
        signed(float(np.mean([getattr(run.voted, metric) - getattr(run.decided, metric) for run in diagnoses])))
        for metric in metrics.values()
    ]
    torn = [
        np.concatenate(values)
        for values in zip(*((run.torn, run.right, run.voted_right) for run in diagnoses), strict=True)
    ]
    differ, right, voted_right = (int((torn[0] & flags).sum()) for flags in (torn[0], *torn[1:]))
    predictions = counted(len(torn[0]), "prediction")
    return grid(["", *metrics], [*rows, ["difference", *gains]]) + (
        f"\n\nthey differ for {differ} of {predictions} of all runs: there the mean is right in {right} and the vote "
        f"in {voted_right}; of classes with equally many votes, the vote takes the one that the mean puts first"
    )


def _position(diagnoses: Sequence[RunDiagnosis]) -> str:
    values = np.array([[*run.position.ends, *run.position.parts] for run in diagnoses])
    headers = ["first", "middle", "last", *(f"part {i + 1} of {PARTS}" for i in range(PARTS))]
    utterances = range_of([run.position.utterances for run in diagnoses])
    return grid(headers, [[_over_runs(column) for column in values.T.tolist()]]) + (
        f"\n\nutterances of {PARTS} segments or more ({utterances} a run), each counting the same"
    )


def _length(experiment: StoredExperiment, diagnoses: Sequence[RunDiagnosis]) -> str:
    """Groups of about as many utterances each, by the quantiles of all runs' numbers of segments."""
    cut = experiment.recipe.cut
    everyone = np.concatenate([run.segments for run in diagnoses])
    cuts = np.quantile(everyone, np.arange(1, LENGTHS) / LENGTHS, method="lower")
    edges = np.unique([0, *cuts, everyone.max()])  # a group is above one edge, up to the next
    rows = []
    for low, high in zip(edges[:-1] + 1, edges[1:], strict=True):
        inside = [(run.segments >= low) & (run.segments <= high) for run in diagnoses]
        hop = cut.hop("test") if isinstance(cut, Segments) else 0
        seconds = [(cut.samples + (n - 1) * hop) / RATE for n in (low, high)]
        rows.append(
            [
                range_of([low, high]),
                range_of(seconds, ".1f"),
                f"{np.mean([group.sum() for group in inside]):.1f}",
                _over_runs(
                    [
                        float(100 * run.right[group].mean())
                        for run, group in zip(diagnoses, inside, strict=True)
                        if group.any()
                    ]
                ),
            ]
        )
    return grid(["segments", "seconds that they cover", "utterances a run", "WA"], rows)


def _calibration(diagnoses: Sequence[RunDiagnosis]) -> str:
    rows = []
    for view in VIEWS:
        calibrations = [calibrated(run.sure[view].scored) for run in diagnoses if view in run.sure]
        if calibrations:
            rows.append(
                [
                    view,
                    *(
                        mean_std([getattr(calibration, field) for calibration in calibrations])
                        for field in ("accuracy", "confidence", "error", "by_chance")
                    ),
                    f"{np.mean([calibration.brier for calibration in calibrations]):.3f}",
                ]
            )
    headers = ["epoch", "accuracy (WA)", "confidence", "calibration error", "by chance", "Brier score"]
    return grid(headers, rows) + (
        f"\n\ncalibration error: sum over {BINS} equal bins of confidence of count/n * |accuracy - confidence|, in "
        "percent (Guo et al. 2017); by chance: what it would be, of as many utterances, if confidence were accuracy; "
        "Brier score: 0 to 2, sum over classes"
    )
