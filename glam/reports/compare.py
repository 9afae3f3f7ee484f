"""Comparison of two experiments: is one better, on other utterances and for other speakers? From stored runs.

Runs are paired where both held out the same utterances, which equal seeds alone do not ensure: two experiments split
the same list only if they drop the same utterances as too short. Folds that leave a group out test the same utterances
with every seed, and pair by those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of, steps_of
from glam.evaluation.statistics import Comparison, compare_paired, compare_unpaired
from glam.evaluation.unknown import Unknown
from glam.progress import bar
from glam.reports.runs import sound_runs
from glam.reports.views import View, default_view, parts, take
from glam.results.experiment import StoredExperiment, read_experiment
from glam.results.run import Predictions, StoredRun
from glam.words import counted

METRICS = {"WA": "wa", "UA": "ua"}
TO_SHOW = 1.0  # points: the difference for which the number of runs is given


@dataclass(frozen=True, eq=False)
class Arm:
    """A finished run under a view.

    confusion: (C, C) of what it is scored on, rows truth. held_out: ids of all utterances that it did not train on.
    guesses: class predicted, by name, for those that its scores mean. training: number of utterances trained on.
    """

    confusion: NDArray[np.int64]
    held_out: frozenset[str]
    guesses: Mapping[str, str]
    training: int

    @cached_property
    def scores(self) -> Scores:
        """Its scores in percent."""
        return scores_of(self.confusion)


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two experiments under a view: its finished runs, by the names of their folders, how many failed, and
    what was left out, and why.
    """

    experiment: StoredExperiment
    view: View
    runs: Mapping[str, Arm]
    failed: int
    left_out: tuple[str, ...] = ()

    def counted(self) -> str:
        """How many finished runs there are, in words; folds are called so."""
        return counted(len(self.runs), "fold" if self.experiment.folds else "run")


@dataclass(frozen=True, eq=False)
class Contest:
    """The two sides of a comparison: their runs, and whether they are paired by what they test.

    ratios: test / training utterances of a run, of each side. sets: for each run of each side, which test set it has,
    as a number, the same for both sides where they are paired. matched: whether run i of both makes a pair.
    unit: what a test set is called, run or fold. remarks: how the runs were brought together.
    """

    first: tuple[Arm, ...]
    second: tuple[Arm, ...]
    paired: bool
    ratios: tuple[float, float]
    sets: tuple[tuple[int, ...], tuple[int, ...]]
    remarks: tuple[str, ...]
    matched: bool = True
    unit: str = "run"

    def values(self, metric: str) -> tuple[list[float], list[float]]:
        """One value of a metric for each test set of each side: the mean over the runs that have it."""
        return _by_set(self.first, self.sets[0], metric), _by_set(self.second, self.sets[1], metric)

    def steps(self, metric: str) -> tuple[float, float]:
        """The points that a single utterance makes at most in a value of each side: the median over its runs."""
        index = list(METRICS.values()).index(metric)
        first, second = (
            float(np.median([steps_of(arm.confusion)[index] for arm in arms])) / min(map(numbers.count, numbers))
            for arms, numbers in zip((self.first, self.second), self.sets, strict=True)
        )
        return first, second

    def compare(self, metric: str, *, corrected: bool = True) -> Comparison | Unknown:
        """The difference in one metric, first minus second; not corrected, naive as to other utterances."""
        first, second = self.values(metric)
        ratios = self.ratios if corrected else (0.0, 0.0)
        steps = self.steps(metric)
        if self.paired:
            return compare_paired(first, second, ratio=max(ratios), step=max(steps), to_show=TO_SHOW)
        return compare_unpaired(first, second, ratios=ratios, steps=steps, noun=self.unit, to_show=TO_SHOW)


def sides_of(first: Path, second: Path, view: View | None = None) -> tuple[Side, Side]:
    """Read both experiments, each under its own default view if none is given.

    Raises GlamError where both are the same, or where their classes differ.
    """
    a, b = (_read(folder, view) for folder in (first, second))
    if first.resolve() == second.resolve():
        raise GlamError(f"{first}: is compared with itself; give two different experiments")
    _same_classes(a.experiment, b.experiment)
    return a, b


def bring_together(a: Side, b: Side, common: bool) -> Contest:
    """Pair the runs of two experiments where that is right; else leave them unpaired, and say why."""
    shared = [name for name in a.runs if name in b.runs]
    if common:
        return _on_common(a, b, shared)
    pairs = [name for name in shared if _same_utterances(a.runs[name], b.runs[name])]
    remarks = []
    if len(pairs) >= 2:
        remarks.append(f"{len(pairs)} pairs of {_unit(a, b)}s that held out the same utterances")
        left = [len(side.runs) - len(pairs) for side in (a, b)]
        if any(left):
            remarks.append(f"left out, as they have no partner: {counted(left[0], 'run')} of A, {left[1]} of B")
        first, second = [a.runs[name] for name in pairs], [b.runs[name] for name in pairs]
        return _contest(first, second, paired=True, remarks=remarks, unit=_unit(a, b))
    if a.experiment.split.left_out and b.experiment.split.left_out and (of_set := _by_test_set(a, b)):
        return of_set
    for name, side in zip("AB", (a, b), strict=True):
        if len(side.runs) < 2:
            raise GlamError(
                f"{side.experiment.folder} ({name}): {counted(len(side.runs), 'finished run')}; to compare, two or "
                "more are needed"
            )
    if not shared:
        why = "no run of one has the seed (and fold) of a run of the other"
    else:
        why = f"of {counted(len(shared), 'seed')} in common, {len(pairs)} held out the same utterances in both"
    remarks.append(f"{why}; all {a.counted()} of A against all {b.counted()} of B")
    if not pairs and sum(bool(a.runs[name].guesses.keys() & b.runs[name].guesses.keys()) for name in shared) >= 2:
        remarks.append("--common compares them in pairs, on the utterances that both runs of a seed held out")
    return _contest(list(a.runs.values()), list(b.runs.values()), paired=False, remarks=remarks, unit=_unit(a, b))


def _unit(a: Side, b: Side) -> str:
    return "fold" if a.experiment.folds and b.experiment.folds else "run"


def _by_test_set(a: Side, b: Side) -> Contest | None:
    """Folds of other seeds that test the same utterances in both; None for fewer than two such test sets."""
    common = {frozenset(arm.guesses) for arm in a.runs.values()} & {frozenset(arm.guesses) for arm in b.runs.values()}
    if len(common) < 2:
        return None
    first, second = ([arm for arm in side.runs.values() if frozenset(arm.guesses) in common] for side in (a, b))
    remarks = [f"{len(common)} test sets that both have, of folds trained with other seeds"]
    return _contest(first, second, paired=True, remarks=remarks, matched=False, unit="fold")


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
    return _contest(first, second, paired=True, remarks=remarks, unit=_unit(a, b))


def _contest(
    first: Sequence[Arm],
    second: Sequence[Arm],
    *,
    paired: bool,
    remarks: Sequence[str],
    unit: str,
    matched: bool = True,
) -> Contest:
    def ratio(arms: Sequence[Arm]) -> float:
        return float(np.mean([len(arm.guesses) / arm.training for arm in arms]))

    known: dict[frozenset[str], int] = {}
    sets = (_test_sets(first, known), _test_sets(second, known if paired else {}))
    for side, numbers in zip("AB", sets, strict=True):
        if len(set(numbers)) < 2:
            raise GlamError(
                f"{side}: all {len(numbers)} runs test the same utterances; two test sets or more are needed"
            )
    more = ["runs that test the same utterances (those of other seeds) count once, with their mean"]
    return Contest(
        first=tuple(first),
        second=tuple(second),
        paired=paired,
        ratios=(ratio(first), ratio(second)),
        sets=sets,
        remarks=(*remarks, *(more if any(len(set(numbers)) < len(numbers) for numbers in sets) else [])),
        matched=paired and matched,
        unit=unit,
    )


def _test_sets(arms: Sequence[Arm], numbers: dict[frozenset[str], int]) -> tuple[int, ...]:
    """The test set of each run, numbered in the order in which they first occur."""
    return tuple(numbers.setdefault(frozenset(arm.guesses), len(numbers)) for arm in arms)


def _by_set(arms: Sequence[Arm], sets: Sequence[int], metric: str) -> list[float]:
    values: dict[int, list[float]] = {}
    for arm, number in zip(arms, sets, strict=True):
        values.setdefault(number, []).append(getattr(arm.scores, metric))
    return [float(np.mean(values[number])) for number in sorted(values)]


def _same_utterances(first: Arm, second: Arm) -> bool:
    return first.held_out == second.held_out and first.guesses.keys() == second.guesses.keys()


def _scored_on(side: Side, arm: Arm, ids: Sequence[str]) -> Arm:
    index = {name: i for i, name in enumerate(side.experiment.classes)}
    truth = dict(zip(side.experiment.ids, side.experiment.targets.tolist(), strict=True))
    counts = confusion_matrix(
        [truth[utterance] for utterance in ids], [index[arm.guesses[utterance]] for utterance in ids], len(index)
    )
    return Arm(counts, arm.held_out, {utterance: arm.guesses[utterance] for utterance in ids}, arm.training)


def _read(folder: Path, view: View | None) -> Side:
    experiment = read_experiment(folder)
    chosen = view or default_view(experiment)
    left_out: list[str] = []
    arms: dict[str, Arm] = {}
    failed = 0
    with bar(len(experiment.seeds()), f"reading {folder.name}", "run", leave=False) as progress:
        for run, stored in sound_runs(experiment, left_out=left_out.append):
            if stored is None:
                failed += 1
            else:
                arms[run.folder.name] = _arm(experiment, run, stored, chosen)
            progress.update()
    return Side(experiment, chosen, arms, failed, tuple(left_out))


def _arm(experiment: StoredExperiment, run: StoredRun, stored: Predictions, view: View) -> Arm:
    shown = take(experiment, stored, parts(experiment, run, stored, view))
    guesses: NDArray[np.int64] = shown.logits.argmax(axis=1)
    return Arm(
        confusion=shown.confusion,
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
