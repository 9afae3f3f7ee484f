"""A comparison of two experiments as text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glam.evaluation.bayes import Posterior, posterior
from glam.evaluation.intervals import OverGroups
from glam.evaluation.paired import Pairing, pairing
from glam.evaluation.statistics import Comparison
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import per_utterance
from glam.reports.compare import METRICS, TO_SHOW, Contest, Side, bring_together, sides_of
from glam.reports.grid import grid, mean_std, p_value, signed, signed_interval
from glam.reports.spread import speakers_of, ua_of_speakers, unknown
from glam.reports.summary import heading, shown
from glam.reports.views import View, selection
from glam.splits.population import composition_line
from glam.words import counted

REGION = 1.0  # points, either way, that are no difference in practice
SETTINGS = 8  # that are named where the recipes differ
NONE = "-"
NO_NUMBER = "no number is enough"


def compare(first: Path, second: Path, view: View | None = None, common: bool = False) -> str:
    """The comparison of the experiments in two folders, as Markdown text; only reads what is stored.

    view: if not the default one of each. common: score run i of both on the utterances that both held out, where that
    differs; each run's epoch remains the one that the view chooses on its own. Raises GlamError where both are the
    same, the classes differ or there are fewer than two runs.
    """
    sides = sides_of(first, second, view)
    a, b = sides
    contest = bring_together(a, b, common)
    lines = []
    for name, side in zip("AB", sides, strict=True):
        lines += [f"{name}  {side.experiment.folder}", *(f"   {line}" for line in _about(side))]
    single_class = any(side.experiment.split.single_class for side in sides)
    metrics = {"WA": "wa"} if single_class else METRICS
    by_utterance = _by_utterance(a, contest, metrics)
    tests = {title: _test(contest, metric) for title, metric in metrics.items()}
    kind = "paired" if contest.paired else "unpaired"
    lines += [*_unlike(a, b), "", _table(contest, metrics, tests, by_utterance), ""]
    lines += [f"{kind}: {contest.remarks[0]}", *contest.remarks[1:]]
    lines += [
        f"no test of {title}: {test.corrected.reason}"
        for title, test in tests.items()
        if isinstance(test.corrected, Unknown)
    ]
    if single_class:
        lines.append("UA is left out: what a fold is tested on is nearly of one class")
    lines += _counts(by_utterance)
    epochs = dict.fromkeys(selection(side.view, side.experiment) for side in sides)
    lines += [f"epoch: {epoch}" for epoch in epochs] if len(epochs) == 1 else _two_epochs(sides)
    return "\n".join([*lines, *_explained(contest, by_utterance, tests)])


@dataclass(frozen=True)
class Test:
    """The tests of one metric: corrected for overlapping test sets, naive, and what is probable."""

    corrected: Comparison | Unknown
    naive: Comparison | Unknown
    probable: Posterior | Unknown


def _test(contest: Contest, metric: str) -> Test:
    corrected, naive = contest.compare(metric), contest.compare(metric, corrected=False)
    if not contest.paired:
        return Test(corrected, naive, Unknown("the runs are not paired"))
    first, second = contest.values(metric)
    ratio, step = max(contest.ratios), max(contest.steps(metric))
    return Test(corrected, naive, posterior(first, second, ratio=ratio, region=REGION, step=step))


def _about(side: Side) -> list[str]:
    runs = side.counted() + (f", {side.failed} more FAILED and left out" if side.failed else "")
    lines = [*heading(side.experiment).splitlines(), composition_line(side.experiment.composition), runs]
    return [*lines, *(f"LEFT OUT: {reason}" for reason in side.left_out)]


def _unlike(a: Side, b: Side) -> list[str]:
    """Lines on what differs but for the model: without them, two protocols or corpora would stand side by side."""
    first, second = a.experiment, b.experiment
    unlike = []
    if first.split.title != second.split.title:
        unlike.append(f"protocol ({first.split.title} and {second.split.title})")
    for name, values in {
        "corpus": (first.composition.corpus, second.composition.corpus),
        "part of the corpus": (first.composition.part, second.composition.part),
        "choice of the epoch": (a.view, b.view),
    }.items():
        if values[0] != values[1]:
            unlike.append(f"{name} ({values[0]} and {values[1]})")
    lines = [f"NOT LIKE WITH LIKE: A and B differ in {', '.join(unlike)}"] if unlike else []
    if first.digest == second.digest:
        lines.append("THE SAME EXPERIMENT: A and B have the same settings and corpus; only their runs can differ")
    settings = first.recipe.fields(), second.recipe.fields()
    set_there = first.recipe.fields(defaults=False) | second.recipe.fields(defaults=False)
    differ = [
        f"{field} {shown(field, settings[0].get(field))} and {shown(field, settings[1].get(field))}"
        for field in dict.fromkeys((*settings[0], *settings[1]))
        if settings[0].get(field) != settings[1].get(field)
        and (field in set_there or (field in settings[0] and field in settings[1]))
    ]
    if differ:
        rest = f", and {len(differ) - SETTINGS} more" if len(differ) > SETTINGS else ""
        lines.append(f"settings that differ, of A and B: {', '.join(differ[:SETTINGS])}{rest}")
    return ["", *lines] if lines else []


@dataclass(frozen=True, eq=False)
class ByUtterance:
    """What the pairs of runs say utterance by utterance.

    right: which of them A, B, both or neither get right. over: the difference in WA and UA, by title, over speakers.
    """

    right: Pairing
    over: Mapping[str, OverGroups | Unknown]


def _by_utterance(a: Side, contest: Contest, metrics: Mapping[str, str]) -> ByUtterance | Unknown:
    if not contest.matched:
        return Unknown("the runs are not paired one by one")
    speakers = speakers_of(a.experiment)
    if isinstance(speakers, Unknown):
        return speakers
    place = {utterance: i for i, utterance in enumerate(a.experiment.ids)}
    tested: list[int] = []
    right: tuple[list[bool], list[bool]] = [], []
    for pair in zip(contest.first, contest.second, strict=True):
        for utterance in pair[0].guesses:
            tested.append(place[utterance])
            truth = a.experiment.classes[a.experiment.targets[place[utterance]]]
            for of_side, arm in zip(right, pair, strict=True):
                of_side.append(arm.guesses[utterance] == truth)
    numbers = np.array(tested, dtype=np.int64)
    ours, theirs = np.array(right[0]), np.array(right[1])
    pairs = pairing(ours, theirs, numbers, speakers[numbers])
    differences = per_utterance(100 * (ours.astype(np.int64) - theirs), numbers)
    over = {"WA": pairs.over, "UA": ua_of_speakers(a.experiment, differences, speakers)}
    return ByUtterance(pairs, {title: over[title] for title in metrics})


def _table(
    contest: Contest, metrics: Mapping[str, str], tests: Mapping[str, Test], by_utterance: ByUtterance | Unknown
) -> str:
    columns = []
    for title, metric in metrics.items():
        values, test = contest.values(metric), tests[title]
        columns.append(
            {
                "A": mean_std(values[0]),
                "B": mean_std(values[1]),
                "A - B, points": signed(float(np.mean(values[0]) - np.mean(values[1]))),
                **_tested(contest, test),
                **({"95 % interval, other speakers": _over_speakers(by_utterance, title)} if contest.matched else {}),
                **({f"A better / same / worse, {REGION:g} point": _probable(test.probable)} if contest.paired else {}),
            }
        )
    return grid(["", *metrics], [[name, *(column[name] for column in columns)] for name in columns[0]])


def _tested(contest: Contest, test: Test) -> dict[str, str]:
    corrected, naive = test.corrected, test.naive
    effect = f"effect size ({'dz' if contest.paired else 'd'})"
    needed = f"runs of each that would show {TO_SHOW:g} point"
    names = ["95 % interval, other utterances", "p, other utterances", "degrees of freedom", effect, needed, "p, naive"]
    if isinstance(corrected, Unknown) or isinstance(naive, Unknown):
        cells = dict.fromkeys(names, NONE)
    else:
        runs = NO_NUMBER if math.isinf(corrected.runs_needed) else f"{corrected.runs_needed:.0f}"
        values = [
            signed_interval(corrected.interval),
            p_value(corrected.p),
            f"{corrected.df:.1f}".removesuffix(".0"),
            f"{corrected.effect:.2f}",
            runs,
            p_value(naive.p),
        ]
        cells = dict(zip(names, values, strict=True))
    if contest.unit == "fold":  # there are as many as the corpus has, and more seeds make their differences steadier
        del cells[effect], cells[needed]
    return cells


def _over_speakers(by_utterance: ByUtterance | Unknown, title: str) -> str:
    if isinstance(by_utterance, Unknown) or isinstance(over := by_utterance.over[title], Unknown):
        return NONE
    return signed_interval(over.interval)


def _probable(probable: Posterior | Unknown) -> str:
    if isinstance(probable, Unknown):
        return NONE
    return " / ".join(f"{share:.0f} %" for share in (probable.better, probable.same, probable.worse))


def _counts(by_utterance: ByUtterance | Unknown) -> list[str]:
    if isinstance(by_utterance, Unknown):
        return [f"utterances that A alone or B alone gets right: {by_utterance}"]
    right = by_utterance.right
    shares = "" if right.tests == right.utterances else ", each with the share of its runs"
    return [
        f"of {counted(right.utterances, 'utterance')}, tested {right.tests} times{shares}: A alone is right in "
        f"{right.only_first:.1f}, B alone in {right.only_second:.1f}, both in {right.both:.1f}, neither in "
        f"{right.neither:.1f}"
    ]


def _two_epochs(sides: tuple[Side, Side]) -> list[str]:
    return [f"epoch of {name}: {selection(side.view, side.experiment)}" for name, side in zip("AB", sides, strict=True)]


def _explained(contest: Contest, by_utterance: ByUtterance | Unknown, tests: Mapping[str, Test]) -> list[str]:
    a, b = contest.ratios
    ratio = f"{max(a, b):.3f}" if contest.paired else f"{a:.3f} and {b:.3f}"
    number = len(contest.values("wa")[0])
    over = f"{number} pairs" if contest.paired else f"{number} of A and {len(contest.values('wa')[1])} of B"
    lines = []
    if any(isinstance(test.corrected, Comparison) for test in tests.values()):
        lines += [
            f"other utterances: of these speakers. Student's t over {over}, corrected (Nadeau and Bengio) with test / "
            f"training utterances {ratio}: the larger that is, the more the test sets of two runs overlap",
            "naive: takes the runs as independent; it finds differences that are not there",
        ]
        if contest.unit == "run":
            unit = "of the differences of pairs" if contest.paired else "of the runs"
            lines.append(
                f"effect size: in standard deviations {unit}. Runs of each: for four chances in five to show it at the "
                f"5 % level, with this spread; {NO_NUMBER} where only a larger corpus could show it"
            )
        if contest.paired:
            lines.append(
                f"better / same / worse: how probable it is that A is better by more than {REGION:g} point, that they "
                "differ by less, that A is worse by more (correlated Bayesian t-test, Corani and Benavoli 2015)"
            )
    return lines if isinstance(by_utterance, Unknown) else [*lines, *_of_speakers(by_utterance.over)]


def _of_speakers(over: Mapping[str, OverGroups | Unknown]) -> list[str]:
    """Over how many speakers the intervals are, what they mean, and why some are not given."""
    whole = {"WA": "", "UA": " with utterances of every class"}
    given = [
        f"in {title} of the {of.groups} speakers{whole[title]} ({of.groups - 1} df)"
        for title, of in over.items()
        if isinstance(of, OverGroups)
    ]
    missing = [f"other speakers: none for {', '.join(titles)}, because {why}" for why, titles in unknown(over).items()]
    if not given:
        return missing
    return [
        f"other speakers: Student's t over the differences {' and '.join(given)}, each counting the same, each "
        "utterance with its mean over the runs: that runs differ is left out",
        *missing,
    ]
