"""How sure scores are: three 95 % intervals of a mean, each named for what it says something about.

*further splits*: of this corpus, Student's t over the runs; whether a printed number was reproduced is asked of it.
*other utterances*: of these speakers, corrected for test sets that overlap (Nadeau and Bengio); of a recall, and of a
single run, from counts (Clopper and Pearson).
*other speakers*: Student's t over the speakers' own scores, each counting the same. It alone says anything of speakers
who are not in the corpus. `glam.evaluation.intervals` has what was simulated of all three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.intervals import OverGroups, mean_over_groups, over_groups, share
from glam.evaluation.scored import Scored
from glam.evaluation.spread import Interval, within_a_step
from glam.evaluation.statistics import interval_of_mean
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import PerUtterance, per_utterance
from glam.reports.grid import grid
from glam.results.experiment import StoredExperiment
from glam.words import counted

INTERVALS = ("further splits", "other utterances", "other speakers")
Bounds = Interval | Unknown


@dataclass(frozen=True, eq=False)
class Measured:
    """A score with its three intervals, by the names of INTERVALS.

    title: WA, UA or the recall of a class. speakers: how many the last interval is over, 0 where there is none.
    cautions: why an interval is rough, by the names of INTERVALS; only of those that are.
    """

    title: str
    intervals: tuple[Bounds, Bounds, Bounds]
    speakers: int
    cautions: Mapping[str, str] = field(default_factory=dict)

    def with_intervals(self, splits: Bounds, utterances: Bounds) -> "Measured":
        """The same with other intervals over the runs, of which no caution holds."""
        cautions = {name: why for name, why in self.cautions.items() if name == INTERVALS[2]}
        return Measured(self.title, (splits, utterances, self.intervals[2]), self.speakers, cautions)


def measured(
    experiment: StoredExperiment,
    scored: Sequence[Scored],
    values: tuple[Sequence[float], Sequence[float]],
    ratio: float,
    *,
    folds: bool = False,
    single_class: bool = False,
) -> list[Measured]:
    """WA, UA and the recall of each class with their intervals.

    scored: the predictions of each run, or of the folds of each seed together. values: WA and UA of the runs or folds
    that the mean is over. ratio: test / training utterances of one of them. folds: whether they are folds, which are no
    random splits. single_class: whether the UA of a fold means nothing.
    """
    everything = Scored.together(scored)
    one_split = len(scored) > 1 and not folds and len({frozenset(part.utterances.tolist()) for part in scored}) == 1
    means = per_utterance(100 * (everything.predicted == everything.truth), everything.utterances)
    recalls = [_recall(experiment, scored, everything, means, c) for c in range(len(experiment.classes))]
    wa, ua = values
    steps = _steps(scored)
    speakers = speakers_of(experiment)
    rows = [_whole("WA", wa, steps[0], ratio, everything, _accuracy_of_speakers(means, speakers))]
    if not single_class:
        rows.append(_whole("UA", ua, steps[1], ratio, None, ua_of_speakers(experiment, means, speakers)))
    rows += recalls
    if one_split:
        none = Unknown("all runs test the same utterances: they differ by their training alone")
        right = share(everything.predicted == everything.truth, everything.utterances).interval
        others: list[Bounds] = [right if row.title == "WA" else none for row in rows[: len(rows) - len(recalls)]]
        others += [row.intervals[1] for row in recalls]
        rows = [row.with_intervals(none, other) for row, other in zip(rows, others, strict=True)]
    if folds:
        none = Unknown("folds are no random splits")
        rows = [replace(row, intervals=(none, *row.intervals[1:])) for row in rows]
    return rows


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

    means: of the utterances tested, 100 where a prediction is right.
    """
    if isinstance(speakers, Unknown):
        return speakers
    truth, codes = experiment.targets[means.utterances], speakers[means.utterances]
    classes = np.unique(truth)
    count = int(codes.max()) + 1
    sizes = np.stack([np.bincount(codes[truth == c], minlength=count) for c in classes])
    sums = np.stack([np.bincount(codes[truth == c], means.mean[truth == c], count) for c in classes])
    whole = (sizes > 0).all(axis=0)
    if not whole.any():
        return Unknown("no speaker is tested on every class")
    own = (sums[:, whole] / sizes[:, whole]).mean(axis=0)
    step = 100 / classes.size / float(np.median(sizes[:, whole].min(axis=0)))  # of each speaker's rarest class
    return mean_over_groups(own, step=step)


def interval_table(rows: Sequence[Measured]) -> str:
    """The intervals as a table, a score a row; without a kind that no score has."""
    kinds = [i for i in range(len(INTERVALS)) if any(isinstance(row.intervals[i], Interval) for row in rows)]
    cells = [[row.title, *(between(row.intervals[i]) for i in kinds)] for row in rows]
    return grid(["95 % interval", *(INTERVALS[i] for i in kinds)], cells)


def interval_lines(rows: Sequence[Measured], number: int, noun: str, ratio: float) -> list[str]:
    """What the table of intervals means, over how many it is, and why some are not given.

    number: of the runs or folds, called `noun`, that a mean is over. ratio: their test / training utterances.
    """
    meanings = {
        INTERVALS[0]: f"of this corpus; Student's t over {counted(number, noun)} ({number - 1} df)",
        INTERVALS[1]: "of these speakers; "
        + (
            f"corrected for test sets that overlap (Nadeau and Bengio; test / training {ratio:.3f}, "
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
        reasons: dict[str, list[str]] = {}
        for row in rows:
            if isinstance(bounds := row.intervals[i], Unknown):
                reasons.setdefault(bounds.reason, []).append(row.title)
        if len(reasons) == 1 and len(next(iter(reasons.values()))) == len(rows):
            lines.append(f"interval, {name}: none, because {next(iter(reasons))}")
            continue
        if any(isinstance(row.intervals[i], Interval) for row in rows):
            lines.append(f"interval, {name}: {meaning}")
        else:
            lines.append(f"interval, {name}: none")
        cautions: dict[str, list[str]] = {}
        for row in rows:
            if name in row.cautions:
                cautions.setdefault(row.cautions[name], []).append(row.title)
        lines += [f"rough for {', '.join(titles)}: {why}" for why, titles in cautions.items()]
        lines += [f"none of {', '.join(titles)}, because {why}" for why, titles in reasons.items()]
    return lines


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


def _whole(
    title: str,
    values: Sequence[float],
    step: float,
    ratio: float,
    everything: Scored | None,
    over: OverGroups | Unknown,
) -> Measured:
    splits = interval_of_mean(values, ratio=0)
    utterances: Bounds = interval_of_mean(values, ratio=ratio)
    if len(values) == 1:
        utterances = (
            Unknown("a single run gives no interval of a mean of recalls")
            if everything is None
            else share(everything.predicted == everything.truth, everything.utterances).interval
        )
    return _row(title, splits, utterances, over, dict.fromkeys(INTERVALS[:2], _coarse(values, step)))


def _coarse(values: Sequence[float], step: float) -> str:
    """A caution where runs or folds differ by no more than one utterance can make."""
    return within_a_step(np.array(values), step, "value") if len(values) > 1 else ""


def _recall(
    experiment: StoredExperiment, scored: Sequence[Scored], everything: Scored, means: PerUtterance, index: int
) -> Measured:
    title = f"recall {experiment.classes[index]}"
    own = everything.truth == index
    if not own.any():
        nothing = Unknown("no test set has such an utterance")
        return Measured(title, (nothing, nothing, nothing), 0)
    right = everything.predicted[own] == index
    each = [(part.predicted[part.truth == index] == index) for part in scored]
    recalls = [100 * float(of_run.mean()) for of_run in each if of_run.size]
    step = 100 / float(np.median([of_run.size for of_run in each if of_run.size]))
    tested = experiment.targets[means.utterances] == index
    speakers = speakers_of(experiment)
    over: OverGroups | Unknown = (
        speakers
        if isinstance(speakers, Unknown)
        else over_groups(means.mean[tested], speakers[means.utterances[tested]])
    )
    splits = interval_of_mean(recalls, ratio=0)
    cautions = {INTERVALS[0]: _coarse(recalls, step)}
    return _row(title, splits, share(right, everything.utterances[own]).interval, over, cautions)


def _row(
    title: str, splits: Bounds, utterances: Bounds, over: OverGroups | Unknown, cautions: Mapping[str, str]
) -> Measured:
    speakers: Bounds = over if isinstance(over, Unknown) else over.interval
    number = 0 if isinstance(over, Unknown) else over.groups
    if not isinstance(over, Unknown):
        cautions = {**cautions, INTERVALS[2]: over.caution}
    intervals = splits, utterances, speakers
    known = {name for name, bounds in zip(INTERVALS, intervals, strict=True) if isinstance(bounds, Interval)}
    return Measured(title, intervals, number, {name: why for name, why in cautions.items() if why and name in known})


def _accuracy_of_speakers(means: PerUtterance, speakers: NDArray[np.int64] | Unknown) -> OverGroups | Unknown:
    if isinstance(speakers, Unknown):
        return speakers
    return over_groups(means.mean, speakers[means.utterances])


def _steps(scored: Sequence[Scored]) -> tuple[float, float]:
    """The points that a single utterance makes at most in WA and in UA of one of these: the median over them."""
    sizes = [part.confusion.sum(axis=1) for part in scored]
    wa = [100 / int(size.sum()) for size in sizes]
    ua = [100 / int((size > 0).sum()) / int(size[size > 0].min()) for size in sizes]
    return float(np.median(wa)), float(np.median(ua))
