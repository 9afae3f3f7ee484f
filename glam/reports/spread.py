"""How sure scores are: three 95 % intervals of a mean, each named for what it says something about.

*further splits*: of this corpus, Student's t over the runs; whether a printed number was reproduced is asked of it.
*other utterances*: of these speakers, corrected for test sets that overlap (Nadeau and Bengio); of a recall, and of a
single run, from counts (Clopper and Pearson).
*other speakers*: Student's t over the speakers' own scores, each counting the same. It alone says anything of speakers
who are not in the corpus. `glam.evaluation.intervals` has what was simulated of all three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.intervals import FEWEST_GROUPS, OverGroups, interval_from_counts, mean_over_groups, over_groups
from glam.evaluation.metric import METRICS
from glam.evaluation.metrics import steps_of
from glam.evaluation.scored import Scored
from glam.evaluation.spread import Interval
from glam.evaluation.statistics import interval_of_mean
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import PerUtterance, per_utterance
from glam.reports.folds import fold_values, pool
from glam.reports.grid import Table
from glam.reports.views import Result, value
from glam.results.experiment import StoredExperiment
from glam.words import counted

INTERVALS = ("further splits", "other utterances", "other speakers")
Bounds = Interval | Unknown


@dataclass(frozen=True, eq=False)
class Measured:
    """A score with its three intervals, by the names of INTERVALS.

    title: WA, UA or the recall of a class. speakers: how many the last interval is over, 0 where there is none.
    """

    title: str
    intervals: tuple[Bounds, Bounds, Bounds]
    speakers: int


@dataclass(frozen=True, eq=False)
class Intervals:
    """WA, UA (but where a fold is nearly of one class) and the recall of each class with their intervals.

    number: of the runs or folds, called `noun`, that the means are over. ratio: their test / training utterances.
    """

    rows: tuple[Measured, ...]
    number: int
    noun: str
    ratio: float


def intervals_of(experiment: StoredExperiment, results: Sequence[Result]) -> Intervals:
    """The intervals of an experiment's results; of one with folds, over those of the seeds that have all of them.

    Recalls, and what is over speakers, are of the predictions of a seed's folds together.
    """
    if experiment.folds:
        folds = pool(experiment, results)
        scored = [outcome.scored() for outcome in folds.pooled]
        over = [outcome for of_fold in folds.each.values() for outcome in of_fold]
        wa, ua = (fold_values(experiment, folds, METRICS[name]) for name in ("wa", "ua"))
    else:
        scored, over = [outcome.scored() for outcome in results], list(results)
        wa, ua = ([value(outcome, METRICS[name]) for outcome in results] for name in ("wa", "ua"))
    # a fold that every seed has counts once, with its mean
    steps = np.median([steps_of(outcome.confusion) for outcome in over], axis=0) * len(wa) / len(over)
    noun, ratio = "fold" if experiment.folds else "run", tested_per_trained(results)
    everything = Scored.together(scored)
    means = per_utterance(100 * (everything.predicted == everything.truth), everything.utterances)
    speakers = speakers_of(experiment)
    no_splits = _no_splits(experiment, scored)

    def of_mean(values: Sequence[float], step: float) -> tuple[Bounds, Bounds]:
        splits = no_splits or interval_of_mean(values, ratio=0, step=step, noun=noun)
        return splits, interval_of_mean(values, ratio=ratio, step=step, noun=noun)

    of_wa, of_ua = of_mean(wa, steps[0]), of_mean(ua, steps[1])
    if len(wa) == 1 or (no_splits and not experiment.folds):  # a single test set
        of_wa = of_wa[0], interval_from_counts(everything.predicted == everything.truth, everything.utterances)
        of_ua = of_ua[0], no_splits or Unknown("a single run gives no interval of a mean of recalls")
    rows = [_row("WA", *of_wa, _over_speakers(means.mean, means.utterances, speakers))]
    if not experiment.split.single_class:
        rows.append(_row("UA", *of_ua, ua_of_speakers(experiment, means, speakers)))
    for index in range(len(experiment.classes)):
        rows.append(_recall(experiment, scored, everything, means, speakers, no_splits, index))
    return Intervals(tuple(rows), len(wa), noun, ratio)


def _no_splits(experiment: StoredExperiment, scored: Sequence[Scored]) -> Unknown | None:
    """The reason why the runs say nothing of further splits, if they do not."""
    if experiment.folds:
        return Unknown("folds are no random splits")
    if len(scored) > 1 and len({frozenset(part.utterances.tolist()) for part in scored}) == 1:
        return Unknown("all runs test the same utterances: they differ by their training alone")
    return None


def tested_per_trained(results: Sequence[Result]) -> float:
    """Test / training utterances of a run, mean over the runs: what Nadeau and Bengio's correction asks for."""
    return float(np.mean([outcome.utterances / outcome.training for outcome in results]))


def speakers_of(experiment: StoredExperiment) -> NDArray[np.int64] | Unknown:
    """The speaker of each utterance (n,), as a number; Unknown where the corpus does not tell everyone's."""
    grouping = experiment.groups.get("speaker")
    if grouping is None or "" in grouping.names:
        return Unknown("it is not stored who speaks in every utterance")
    return grouping.codes


def ua_of_speakers(
    experiment: StoredExperiment, means: PerUtterance, speakers: NDArray[np.int64] | Unknown
) -> OverGroups | Unknown:
    """The mean over speakers of their UA, of the speakers who have every class that is tested at all.

    means: of the utterances tested, 100 where a prediction is right; or the difference of two such, for that of two UA.
    """
    if isinstance(speakers, Unknown):
        return speakers
    truth, codes = experiment.targets[means.utterances], speakers[means.utterances]
    classes = np.unique(truth)
    count = int(codes.max()) + 1
    sizes = np.stack([np.bincount(codes[truth == c], minlength=count) for c in classes])
    sums = np.stack([np.bincount(codes[truth == c], means.mean[truth == c], count) for c in classes])
    whole = (sizes > 0).all(axis=0)
    everyone, able = len(np.unique(codes)), int(whole.sum())
    if able < FEWEST_GROUPS <= everyone:
        have = f"only {able} of {counted(everyone, 'speaker')} {'has' if able == 1 else 'have'}"
        return Unknown(f"{have} utterances of every class, and an interval needs {FEWEST_GROUPS} of them or more")
    if not able:
        return Unknown("no speaker is tested on every class")
    own = (sums[:, whole] / sizes[:, whole]).mean(axis=0)
    step = 100 / classes.size / float(np.median(sizes[:, whole].min(axis=0)))  # of each speaker's rarest class
    return mean_over_groups(own, step=step)


def interval_table(intervals: Intervals) -> Table:
    """The intervals as a table, a score a row; without a kind that no score has."""
    rows = intervals.rows
    kinds = [i for i in range(len(INTERVALS)) if any(isinstance(row.intervals[i], Interval) for row in rows)]
    cells = [[row.title, *(between(row.intervals[i]) for i in kinds)] for row in rows]
    return Table(["95 % interval", *(INTERVALS[i] for i in kinds)], cells)


def interval_lines(intervals: Intervals) -> list[str]:
    """What the table of intervals means, over how many it is, and why some are not given."""
    rows, number, noun = intervals.rows, intervals.number, intervals.noun
    meanings = {
        INTERVALS[0]: f"of this corpus; Student's t over {counted(number, noun)} ({number - 1} df)",
        INTERVALS[1]: "of these speakers; "
        + (
            f"corrected for test sets that overlap (Nadeau and Bengio; test / training {intervals.ratio:.3f}, "
            f"{counted(number, noun)}, {number - 1} df); recalls from counts (Clopper and Pearson), which is another "
            f"quantity: every utterance counts once, with its mean over the runs that test it, and that {noun}s differ "
            "is left out"
            if number > 1
            else "from counts (Clopper and Pearson)"
        ),
        INTERVALS[2]: f"Student's t over {_speakers(rows)}, each counting the same"
        + (
            f", each utterance with its mean over the runs that test it: that {noun}s differ is left out, so that it "
            "may be narrower than the others and is not surer for it"
            if number > 1
            else ""
        ),
    }
    lines = []
    for i, (name, meaning) in enumerate(meanings.items()):
        reasons = unknown({row.title: row.intervals[i] for row in rows})
        if len(reasons) == 1 and len(next(iter(reasons.values()))) == len(rows):
            lines.append(f"interval, {name}: none, because {next(iter(reasons))}")
            continue
        if any(isinstance(row.intervals[i], Interval) for row in rows):
            lines.append(f"interval, {name}: {meaning}")
        else:
            lines.append(f"interval, {name}: for no score")
        lines += [f"none for {', '.join(titles)}, because {why}" for why, titles in reasons.items()]
    return lines


def unknown(scores: Mapping[str, object]) -> dict[str, list[str]]:
    """The titles of the scores that are Unknown, by the reason."""
    reasons: dict[str, list[str]] = {}
    for title, score in scores.items():
        if isinstance(score, Unknown):
            reasons.setdefault(score.reason, []).append(title)
    return reasons


def _speakers(rows: Sequence[Measured]) -> str:
    numbers = sorted({row.speakers for row in rows if row.speakers})
    if len(numbers) < 2:
        return counted(numbers[0] if numbers else 0, "speaker")
    return f"the {numbers[0]} to {numbers[-1]} speakers who can be scored"


def between(bounds: Bounds) -> str:
    """An interval of a score as a cell, cut at 0 and 100, where scores end; a dash where there is none."""
    if isinstance(bounds, Unknown):
        return "-"
    return f"{max(bounds.low, 0):.2f} to {min(bounds.high, 100):.2f}"


def _recall(
    experiment: StoredExperiment,
    scored: Sequence[Scored],
    everything: Scored,
    means: PerUtterance,
    speakers: NDArray[np.int64] | Unknown,
    no_splits: Unknown | None,
    index: int,
) -> Measured:
    title = f"recall {experiment.classes[index]}"
    own = everything.truth == index
    if not own.any():
        nothing = Unknown("no test set has such an utterance")
        return Measured(title, (no_splits or nothing, nothing, nothing), 0)
    right = everything.predicted[own] == index
    each = [of_run for part in scored if (of_run := part.predicted[part.truth == index] == index).size]
    recalls = [100 * float(of_run.mean()) for of_run in each]
    step = 100 / float(np.median([of_run.size for of_run in each]))
    tested = experiment.targets[means.utterances] == index
    over = _over_speakers(means.mean[tested], means.utterances[tested], speakers)
    splits = no_splits or interval_of_mean(recalls, ratio=0, step=step)
    return _row(title, splits, interval_from_counts(right, everything.utterances[own]), over)


def _row(title: str, splits: Bounds, utterances: Bounds, over: OverGroups | Unknown) -> Measured:
    if isinstance(over, Unknown):
        return Measured(title, (splits, utterances, over), 0)
    return Measured(title, (splits, utterances, over.interval), over.groups)


def _over_speakers(
    values: NDArray[np.float64], utterances: NDArray[np.int64], speakers: NDArray[np.int64] | Unknown
) -> OverGroups | Unknown:
    """The interval over speakers of the mean of a value of each of these utterances."""
    return speakers if isinstance(speakers, Unknown) else over_groups(values, speakers[utterances])
