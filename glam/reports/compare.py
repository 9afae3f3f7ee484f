"""Comparison of two experiments: is one better, beyond this corpus? From stored runs; nothing is trained.

Runs are paired where both held out the same utterances, which equal seeds alone do not ensure: two experiments split
the same list only if they drop the same utterances as too short.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of
from glam.evaluation.statistics import Comparison, compare_paired, compare_unpaired
from glam.progress import bar
from glam.reports.grid import grid
from glam.reports.summary import heading, mean_std, read_runs
from glam.reports.views import SELECTION, View, default_view, parts, take
from glam.results.experiment import StoredExperiment, read_experiment
from glam.results.run import StoredRun
from glam.splits.population import composition_line
from glam.words import counted

METRICS = {"WA": "wa", "UA": "ua"}
TO_SHOW = 1.0  # points: the difference for which the number of runs is given


@dataclass(frozen=True, eq=False)
class Arm:
    """A finished run under a view.

    held_out: ids of all utterances that it did not train on. guesses: class predicted, by name, for those that its
    scores mean. training: number of utterances trained on.
    """

    scores: Scores
    held_out: frozenset[str]
    guesses: Mapping[str, str]
    training: int


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two experiments with its finished runs, by the names of their folders, and how many failed."""

    experiment: StoredExperiment
    runs: Mapping[str, Arm]
    failed: int


@dataclass(frozen=True, eq=False)
class Contest:
    """The two sides of a comparison: the scores of their runs, and whether run i of both make a pair.

    ratios: test / training utterances of a run, of each side. sets: for each run of each side, which test set it has,
    as a number: folds that leave a group out test the same utterances with every seed.
    remarks: how the runs were brought together.
    """

    first: tuple[Scores, ...]
    second: tuple[Scores, ...]
    paired: bool
    ratios: tuple[float, float]
    sets: tuple[tuple[int, ...], tuple[int, ...]]
    remarks: tuple[str, ...]

    def values(self, metric: str) -> tuple[list[float], list[float]]:
        """One value of a metric for each test set of each side: the mean over the runs that have it."""
        return _by_set(self.first, self.sets[0], metric), _by_set(self.second, self.sets[1], metric)

    def compare(self, metric: str, *, corrected: bool = True) -> Comparison:
        """The difference in one metric, first minus second; naive as to what is beyond this corpus if not corrected."""
        first, second = self.values(metric)
        ratios = self.ratios if corrected else (0.0, 0.0)
        if self.paired:
            return compare_paired(first, second, ratio=max(ratios), to_show=TO_SHOW)
        return compare_unpaired(first, second, ratios=ratios, to_show=TO_SHOW)


def compare(first: Path, second: Path, view: View | None = None, common: bool = False) -> str:
    """The comparison of the experiments in two folders, as Markdown text; only reads what is stored.

    view: if not the default one of the first. common: score run i of both on the utterances that both held out, where
    that differs; each run's epoch remains the one that the view chooses on its own. Raises GlamError where the
    classes differ or there are fewer than two runs.
    """
    view = view or default_view(read_experiment(first))
    sides = [_read(folder, view) for folder in (first, second)]
    a, b = sides
    _same_classes(a.experiment, b.experiment)
    contest = bring_together(a, b, common)
    lines = []
    for name, side in zip("AB", sides, strict=True):
        lines += [f"{name}  {side.experiment.folder}", *(f"   {line}" for line in _about(side))]
    kind = "paired" if contest.paired else "unpaired"
    single_class = any(side.experiment.split.single_class for side in sides)
    metrics = {"WA": "wa"} if single_class else METRICS
    lines += ["", _table(contest, metrics), "", f"{kind}: {contest.remarks[0]}", *contest.remarks[1:]]
    if single_class:
        lines.append("UA is left out: what a fold is tested on is nearly of one class")
    return "\n".join([*lines, f"epoch: {SELECTION[view]}", *_explained(contest)])


def bring_together(a: Side, b: Side, common: bool) -> Contest:
    """Pair the runs of two experiments where that is right; else leave them unpaired, and say why."""
    shared = [name for name in a.runs if name in b.runs]
    if common:
        return _on_common(a, b, shared)
    pairs = [name for name in shared if _same_utterances(a.runs[name], b.runs[name])]
    remarks = []
    if len(pairs) >= 2:
        remarks.append(f"{len(pairs)} pairs of runs that held out the same utterances")
        left = [len(side.runs) - len(pairs) for side in (a, b)]
        if any(left):
            remarks.append(f"left out, as they have no partner: {counted(left[0], 'run')} of A, {left[1]} of B")
        first, second = [a.runs[name] for name in pairs], [b.runs[name] for name in pairs]
        return _contest(first, second, paired=True, remarks=remarks)
    for name, side in zip("AB", (a, b), strict=True):
        if len(side.runs) < 2:
            raise GlamError(
                f"{side.experiment.folder} ({name}): {counted(len(side.runs), 'finished run')}; to compare, two or "
                "more are needed"
            )
    if not shared:
        why = "the experiments have no seed (and fold) in common"
    else:
        why = f"of {counted(len(shared), 'seed')} in common, {len(pairs)} held out the same utterances in both"
    remarks.append(f"{why}; all {len(a.runs)} runs of A against all {len(b.runs)} of B")
    if shared and not pairs:
        remarks.append("--common compares them in pairs, on the utterances that both runs of a seed held out")
    return _contest(list(a.runs.values()), list(b.runs.values()), paired=False, remarks=remarks)


def _on_common(a: Side, b: Side, shared: Sequence[str]) -> Contest:
    """Pairs of equal seeds, scored again on the utterances that both held out."""
    first, second, sizes = [], [], []
    for name in shared:
        ids = sorted(a.runs[name].guesses.keys() & b.runs[name].guesses.keys())
        if ids:
            first.append(_scored_on(a, a.runs[name], ids))
            second.append(_scored_on(b, b.runs[name], ids))
            sizes.append(len(ids))
    if len(first) < 2:
        raise GlamError(
            f"--common: of {counted(len(shared), 'seed')} in common, {len(first)} with utterances that both "
            f"experiments held out; two or more are needed. A has {counted(len(a.runs), 'finished run')}, B "
            f"{len(b.runs)}."
        )
    least, most = min(sizes), max(sizes)
    remarks = [
        f"{len(first)} pairs of runs of the same seed (and fold), scored on the "
        f"{least if least == most else f'{least} to {most}'} utterances that both held out"
    ]
    return _contest(first, second, paired=True, remarks=remarks)


def _contest(first: Sequence[Arm], second: Sequence[Arm], *, paired: bool, remarks: Sequence[str]) -> Contest:
    def ratio(arms: Sequence[Arm]) -> float:
        return float(np.mean([len(arm.guesses) / arm.training for arm in arms]))

    sets = (_test_sets(first), _test_sets(second))
    for side, numbers in zip("AB", sets, strict=True):
        if len(set(numbers)) < 2:
            raise GlamError(
                f"{side}: all {len(numbers)} runs test the same utterances; two test sets or more are needed"
            )
    more = ["runs that test the same utterances (those of other seeds) count once, with their mean"]
    return Contest(
        first=tuple(arm.scores for arm in first),
        second=tuple(arm.scores for arm in second),
        paired=paired,
        ratios=(ratio(first), ratio(second)),
        sets=sets,
        remarks=(*remarks, *(more if any(len(set(numbers)) < len(numbers) for numbers in sets) else [])),
    )


def _test_sets(arms: Sequence[Arm]) -> tuple[int, ...]:
    """The test set of each run, numbered in the order in which they first occur."""
    numbers: dict[frozenset[str], int] = {}
    return tuple(numbers.setdefault(frozenset(arm.guesses), len(numbers)) for arm in arms)


def _by_set(scores: Sequence[Scores], sets: Sequence[int], metric: str) -> list[float]:
    values: dict[int, list[float]] = {}
    for score, number in zip(scores, sets, strict=True):
        values.setdefault(number, []).append(getattr(score, metric))
    return [float(np.mean(same)) for same in values.values()]


def _same_utterances(first: Arm, second: Arm) -> bool:
    return first.held_out == second.held_out and first.guesses.keys() == second.guesses.keys()


def _scored_on(side: Side, arm: Arm, ids: Sequence[str]) -> Arm:
    index = {name: i for i, name in enumerate(side.experiment.classes)}
    truth = dict(zip(side.experiment.ids, side.experiment.targets.tolist(), strict=True))
    counts = confusion_matrix(
        [truth[utterance] for utterance in ids], [index[arm.guesses[utterance]] for utterance in ids], len(index)
    )
    return Arm(scores_of(counts), arm.held_out, {utterance: arm.guesses[utterance] for utterance in ids}, arm.training)


def _read(folder: Path, view: View) -> Side:
    experiment = read_experiment(folder)
    runs = read_runs(experiment)
    finished = [run for run in runs if run.failed is None]
    with bar(len(finished), f"reading {folder.name}", "run", leave=False) as progress:
        arms = {}
        for run in finished:
            arms[run.folder.name] = _arm(experiment, run, view)
            progress.update()
    return Side(experiment, arms, len(runs) - len(finished))


def _arm(experiment: StoredExperiment, run: StoredRun, view: View) -> Arm:
    stored = run.predictions()
    shown = take(experiment, stored, parts(experiment, run, stored, view))
    guesses: NDArray[np.int64] = shown.logits.argmax(axis=1)
    return Arm(
        scores=scores_of(confusion_matrix(shown.truth, guesses, len(experiment.classes))),
        held_out=frozenset(experiment.ids[i] for i in stored.held_out),
        guesses={
            experiment.ids[i]: experiment.classes[guess]
            for i, guess in zip(shown.utterances, guesses.tolist(), strict=True)
        },
        training=len(stored.train),
    )


def _same_classes(a: StoredExperiment, b: StoredExperiment) -> None:
    if set(a.classes) != set(b.classes):
        raise GlamError(
            f"{a.folder} has the classes {', '.join(a.classes)}, {b.folder} {', '.join(b.classes)}: scores of "
            "different classes cannot be compared"
        )
    truth = dict(zip(b.ids, (b.classes[target] for target in b.targets), strict=True))
    for utterance, target in zip(a.ids, a.targets.tolist(), strict=True):
        if truth.get(utterance, a.classes[target]) != a.classes[target]:
            raise GlamError(
                f"utterance {utterance} is {a.classes[target]} in {a.folder} and {truth[utterance]} in {b.folder}: "
                "these are not scores of the same task"
            )


def _about(side: Side) -> list[str]:
    runs = counted(len(side.runs), "run") + (f", {side.failed} more FAILED and left out" if side.failed else "")
    return [*heading(side.experiment).splitlines(), composition_line(side.experiment.composition), runs]


def _table(contest: Contest, metrics: Mapping[str, str]) -> str:
    effect = "dz" if contest.paired else "d"
    rows: dict[str, list[str]] = {
        "A": [],
        "B": [],
        "A - B, points": [],
        "95 % interval, corrected": [],
        "p, corrected": [],
        f"effect size ({effect})": [],
        f"runs of each that would show {TO_SHOW:g} point": [],
        "p, naive": [],
    }
    for metric in metrics.values():
        corrected, naive = contest.compare(metric), contest.compare(metric, corrected=False)
        cells = [
            *(mean_std(values) for values in contest.values(metric)),
            f"{corrected.difference:+.2f}",
            f"{corrected.interval.low:+.2f} to {corrected.interval.high:+.2f}",
            _p(corrected.p),
            f"{corrected.effect:.2f}",
            "no number" if math.isinf(corrected.runs_needed) else f"{corrected.runs_needed:.0f}",
            _p(naive.p),
        ]
        for row, cell in zip(rows.values(), cells, strict=True):
            row.append(cell)
    return grid(["", *metrics], [[name, *cells] for name, cells in rows.items()])


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _explained(contest: Contest) -> list[str]:
    a, b = contest.ratios
    ratio = f"{max(a, b):.3f}" if contest.paired else f"{a:.3f} and {b:.3f}"
    unit = "of the differences of pairs" if contest.paired else "of the runs"
    return [
        "corrected: does the difference hold beyond this corpus? For training sets that overlap (Nadeau and Bengio), "
        f"with test / training utterances {ratio}",
        "naive: takes the runs as independent; beyond this corpus it finds differences that are not there",
        f"effect size: in standard deviations {unit}; number of runs: at 80 % power, 5 % level, this spread; no number "
        "where it would take less overlap of the training sets, not more runs",
    ]
