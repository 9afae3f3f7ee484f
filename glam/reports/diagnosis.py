"""What runs do within utterances, and whether their confidence is accuracy: from stored runs; nothing is trained.

Every figure is computed run by run; shown are mean and sample standard deviation over the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.evaluation.calibration import BINS, Calibration, calibration
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of, softmax
from glam.evaluation.segments import (
    PARTS,
    ByPosition,
    SegmentAgreement,
    accuracy_by_position,
    majority_vote,
    segment_agreement,
    votes,
)
from glam.inputs.cut import SegmentSettings
from glam.progress import bar
from glam.reports.summary import heading, mean_std, read_runs, signed
from glam.reports.views import SELECTION, VIEWS, Scored, View, default_view, parts, possible_views, take
from glam.results.run import RUN, StoredExperiment, StoredRun, experiment_of, read_experiment, read_run
from glam.splits.population import composition_line
from glam.words import counted

LENGTHS = 4  # groups of utterances by their number of segments
EVERYONE = "all"


@dataclass(frozen=True, eq=False)
class RunDiagnosis:
    """What is shown of one run.

    within: by measure, its value over all utterances and over those of each true class; None where there is none.
    decided, voted: the scores of the utterances' classes as the model decides them, and by majority vote of their
    segments. torn: (n,) whether the two differ; right, voted_right: (n,) whether each is the true class; segments:
    (n,) of the utterance. position: accuracy of segments by position. calibrations: by view.
    """

    within: Mapping[str, Sequence[float | None]]
    decided: Scores
    voted: Scores
    torn: NDArray[np.bool_]
    right: NDArray[np.bool_]
    voted_right: NDArray[np.bool_]
    segments: NDArray[np.int64]
    position: ByPosition
    calibrations: Mapping[View, Calibration]


def diagnosis(folder: Path, view: View | None = None) -> str:
    """The diagnosis of an experiment, or of one run of it, as Markdown text. view: if not the default one.

    Raises GlamError where the folder is neither, or where no run of it is finished.
    """
    alone = (folder / RUN).is_file()
    experiment = experiment_of(folder) if alone else read_experiment(folder)
    view = view or default_view(experiment)
    runs = [read_run(folder)] if alone else read_runs(experiment)
    finished = [run for run in runs if run.failed is None]
    if not finished:
        why = f"failed: {runs[0].failed}" if runs else "it has no runs yet"
        raise GlamError(f"{folder}: nothing to look into, {why}")
    found = []
    with bar(len(finished), "reading runs", "run", leave=False) as progress:
        for run in finished:
            found.append(diagnose(experiment, run, view))
            progress.update()
    return "\n\n".join(
        [
            "\n".join(_head(experiment, view, len(finished), len(runs) - len(finished))),
            "How the class moves within an utterance (in percent, by true class)\n\n" + _within(experiment, found),
            "The segments' majority vote instead\n\n" + _majority(experiment, found),
            "Segments classified correctly, by their position in the utterance\n\n" + _position(found),
            "Utterances classified correctly, by their length\n\n" + _length(experiment, found),
            "Calibration, under every choice of the epoch\n\n" + _calibration(found),
        ]
    )


def diagnose(experiment: StoredExperiment, run: StoredRun, view: View) -> RunDiagnosis:
    """Look into a finished run: its segments under one view, its calibration under all that it has utterances for."""
    stored = run.predictions()
    found = take(experiment, stored, parts(experiment, run, stored, view))
    classes = len(experiment.classes)
    decided = found.logits.argmax(axis=1)
    voted = majority_vote(votes(found.segment_classes, found.offsets, classes), found.logits)
    return RunDiagnosis(
        within=_measures(found, decided, voted, classes),
        decided=scores_of(confusion_matrix(found.truth, decided, classes)),
        voted=scores_of(confusion_matrix(found.truth, voted, classes)),
        torn=decided != voted,
        right=decided == found.truth,
        voted_right=voted == found.truth,
        segments=found.segments,
        position=accuracy_by_position(found.segment_classes, found.truth, found.offsets),
        calibrations={
            one: calibrated(take(experiment, stored, parts(experiment, run, stored, one)))
            for one in possible_views(run)
        },
    )


def calibrated(*found: Scored) -> Calibration:
    """The calibration of what a view scores: of the softmax of the stored logits, which are utterances' means.

    Of several, as the folds of a seed are, it is that of all their predictions.
    """
    return calibration(
        np.concatenate([softmax(one.logits) for one in found]), np.concatenate([one.truth for one in found])
    )


def _measures(
    found: Scored, decided: NDArray[np.int64], voted: NDArray[np.int64], classes: int
) -> dict[str, list[float | None]]:
    """Each measure over all utterances, then over those of each true class."""
    counts = votes(found.segment_classes, found.offsets, classes)
    distinct = (counts > 0).sum(axis=1)
    agreement = segment_agreement(found.segment_classes, decided, found.offsets)
    of_truth = segment_agreement(found.segment_classes, found.truth, found.offsets)
    by_utterance = {
        "utterances classified correctly": 100 * (decided == found.truth),
        "segments classified correctly": of_truth.agreement,
        "segments that agree with their utterance": agreement.agreement,
        "utterances of one class throughout": 100 * (distinct == 1),
        "different classes in an utterance (number)": distinct,
        "utterances whose majority vote differs": 100 * (decided != voted),
        "segments in an utterance (number)": found.segments,
    }
    groups = [np.ones(len(found.truth), dtype=bool), *(found.truth == c for c in range(classes))]
    measures: dict[str, list[float | None]] = {
        name: [float(values[group].mean()) if group.any() else None for group in groups]
        for name, values in by_utterance.items()
    }
    measures["neighbouring segments that differ"] = [
        SegmentAgreement(agreement.agreement[group], agreement.changes[group], found.segments[group]).change_rate
        for group in groups
    ]
    return measures


def _head(experiment: StoredExperiment, view: View, runs: int, failed: int) -> list[str]:
    return [
        heading(experiment),
        f"runs: {runs}" + (" (mean ± sample standard deviation)" if runs > 1 else ""),
        *([f"FAILED, left out: {counted(failed, 'run')}"] if failed else []),
        *(["folds: a run is one fold; the figures are means over the folds, not pooled"] if experiment.folds else []),
        f"epoch: {SELECTION[view]}",
        f"corpus: {composition_line(experiment.composition)}",
    ]


def _over_runs(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None and not np.isnan(value)]
    return mean_std(there) if there else "-"


def _within(experiment: StoredExperiment, found: Sequence[RunDiagnosis]) -> str:
    columns = [EVERYONE, *experiment.classes]
    rows = [
        [name, *(_over_runs([one.within[name][i] for one in found]) for i in range(len(columns)))]
        for name in found[0].within
    ]
    return _table(rows, ["", *columns])


def _majority(experiment: StoredExperiment, found: Sequence[RunDiagnosis]) -> str:
    average = experiment.recipe.get("evaluation", {}).get("average", "logits")
    decisions = {
        f"mean of {average}": [one.decided for one in found],
        "majority vote": [one.voted for one in found],
    }
    metrics = {"WA": "wa"} if experiment.split.single_class else {"WA": "wa", "UA": "ua"}
    rows = [
        [name, *(mean_std([getattr(scores, metric) for scores in of]) for metric in metrics.values())]
        for name, of in decisions.items()
    ]
    gains = [
        signed(float(np.mean([getattr(one.voted, metric) - getattr(one.decided, metric) for one in found])))
        for metric in metrics.values()
    ]
    torn = [np.concatenate(values) for values in zip(*((o.torn, o.right, o.voted_right) for o in found), strict=True)]
    differ, right, voted_right = (int((torn[0] & one).sum()) for one in (torn[0], *torn[1:]))
    predictions = counted(len(torn[0]), "prediction")
    return _table([*rows, ["difference", *gains]], ["", *metrics]) + (
        f"\n\nthey differ for {differ} of {predictions} of all runs: there the mean is right in {right} and the vote "
        f"in {voted_right}; of classes with equally many votes, the vote takes the one that the mean puts first"
    )


def _position(found: Sequence[RunDiagnosis]) -> str:
    values = np.array([[*one.position.ends, *one.position.parts] for one in found])
    headers = ["first", "middle", "last", *(f"part {i + 1} of {PARTS}" for i in range(PARTS))]
    utterances = _range([one.position.utterances for one in found])
    return _table([[_over_runs(column) for column in values.T.tolist()]], headers) + (
        f"\n\nutterances of {PARTS} segments or more ({utterances} a run), each counting the same"
    )


def _length(experiment: StoredExperiment, found: Sequence[RunDiagnosis]) -> str:
    """Groups of about as many utterances each, by the quantiles of all runs' numbers of segments."""
    settings = SegmentSettings.model_validate(experiment.recipe.get("segments", {}))
    everyone = np.concatenate([one.segments for one in found])
    cuts = np.quantile(everyone, np.arange(1, LENGTHS) / LENGTHS, method="lower")
    edges = np.unique([0, *cuts, everyone.max()])  # a group is above one edge, up to the next
    rows = []
    for low, high in zip(edges[:-1] + 1, edges[1:], strict=True):
        inside = [(one.segments >= low) & (one.segments <= high) for one in found]
        seconds = [(settings.samples + (n - 1) * settings.test_hop) / RATE for n in (low, high)]
        rows.append(
            [
                _from_to(f"{low}", f"{high}"),
                _from_to(*(f"{value:.1f}" for value in seconds)),
                f"{np.mean([one.sum() for one in inside]):.1f}",
                _over_runs(
                    [
                        float(100 * one.right[group].mean())
                        for one, group in zip(found, inside, strict=True)
                        if group.any()
                    ]
                ),
            ]
        )
    return _table(rows, ["segments", "seconds that they cover", "utterances a run", "WA"])


def _calibration(found: Sequence[RunDiagnosis]) -> str:
    rows = []
    for view in VIEWS:
        there = [one.calibrations[view] for one in found if view in one.calibrations]
        if there:
            rows.append(
                [
                    view,
                    *(
                        mean_std([getattr(one, field) for one in there])
                        for field in ("accuracy", "confidence", "error", "by_chance")
                    ),
                    f"{np.mean([one.brier for one in there]):.3f}",
                ]
            )
    headers = ["epoch", "accuracy (WA)", "confidence", "calibration error", "by chance", "Brier score"]
    return _table(rows, headers) + (
        f"\n\ncalibration error: sum over {BINS} equal bins of confidence of count/n * |accuracy - confidence|, in "
        "percent (Guo et al. 2017); by chance: what it would be, of as many utterances, if confidence were accuracy; "
        "Brier score: 0 to 2, sum over classes"
    )


def _range(values: Sequence[int]) -> str:
    return _from_to(str(min(values)), str(max(values)))


def _from_to(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
