"""The rows of a table beside each other: each against the first, and what choosing the best of them adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from glam.evaluation.intervals import FEWEST_GROUPS
from glam.evaluation.metrics import steps_of
from glam.evaluation.selection import Choice, optimism_of_choice
from glam.evaluation.statistics import Comparison, compare_paired, holm
from glam.evaluation.unknown import Unknown
from glam.papers.against_print import CHANCE
from glam.reports.grid import p_value, signed
from glam.reports.spread import speakers_of
from glam.reports.views import Result
from glam.results.experiment import StoredExperiment


@dataclass(frozen=True)
class AgainstFirst:
    """A row against the first one, row minus first: the paired, corrected test, and p after Holm for all rows."""

    label: str
    test: Comparison | Unknown
    pairs: int
    p: float | None = None


def against_first(rows: Mapping[str, tuple[StoredExperiment, Sequence[Result]]], first: str) -> list[AgainstFirst]:
    """Paired tests of every row against the row `first`, in WA.

    rows: by label, the experiment and its results. Pairs are runs of one seed that test the same utterances. Corrected
    (Nadeau and Bengio) with test / training utterances.
    """
    experiment, ours = rows[first]
    by_set = {_tested(experiment, outcome): outcome for outcome in ours}
    tests = []
    for label, (other, outcomes) in rows.items():
        if label == first:
            continue
        pairs = [(outcome, by_set[key]) for outcome in outcomes if (key := _tested(other, outcome)) in by_set]
        if len(pairs) < 2:
            reason = f"{len(pairs)} of its runs tested what a run of {first} did, and two or more are needed"
            if min(len(ours), len(outcomes)) > 1 and not set(experiment.ids).isdisjoint(other.ids):
                both = f"{other.folder.name} {experiment.folder.name}"
                reason += f"; on the utterances that both tested: glam compare {both} --common"
            tests.append(AgainstFirst(label, Unknown(reason), len(pairs)))
            continue
        step = float(np.median([steps_of(mine.confusion)[0] for mine, _ in pairs]))
        ratio = max(mine.utterances / mine.training for mine, _ in pairs)
        values = [[outcome.scores.wa for outcome in side] for side in zip(*pairs, strict=True)]
        test = compare_paired(values[0], values[1], ratio=ratio, step=step)
        tests.append(AgainstFirst(label, test, len(pairs)))
    family = [i for i, row in enumerate(tests) if isinstance(row.test, Comparison)]
    adjusted = holm([row.test.p for row in tests if isinstance(row.test, Comparison)])
    for i, p in zip(family, adjusted.tolist(), strict=True):
        tests[i] = replace(tests[i], p=p)
    return tests


def best(rows: Mapping[str, tuple[StoredExperiment, Sequence[Result]]]) -> str | Unknown:
    """The label of the row with the highest mean WA, if it is better than every other by the test of `against_first`.

    Unknown where there is no such row, or fewer than two rows.
    """
    if len(rows) < 2:
        return Unknown("fewer than two rows have runs that can be paired")
    means = {label: np.mean([outcome.scores.wa for outcome in of]) for label, (_, of) in rows.items()}
    first = max(means, key=lambda label: means[label])
    for row in against_first(rows, first):
        if isinstance(row.test, Unknown) or row.p is None:
            return Unknown(f"{first}, the highest, is not tested against {row.label}")
        if row.p > CHANCE or row.test.difference >= 0:
            beside = f"WA {signed(row.test.difference)}, p {p_value(row.p)}"
            return Unknown(f"{row.label} is not worse than {first}, the highest, by more than chance ({beside})")
    return first


def choice(rows: Mapping[str, tuple[StoredExperiment, Sequence[Result]]]) -> tuple[str, Choice] | Unknown:
    """The best of the rows by WA on the test set, and what choosing it there adds.

    Over the runs that test the same utterances in every row. Unknown where there are none, or fewer than two rows.
    """
    if len(rows) < 2:
        return Unknown("fewer than two rows have runs")
    by_set = [{_tested(experiment, outcome): outcome for outcome in of} for experiment, of in rows.values()]
    common = [key for key in by_set[0] if all(key in others for others in by_set[1:])]
    if not common:
        return Unknown("no runs of all rows test the same utterances")
    experiment = next(iter(rows.values()))[0]
    place = {name: i for i, name in enumerate(experiment.ids)}
    right: list[list[np.ndarray]] = [[] for _ in rows]
    utterances: list[int] = []
    for key in common:
        names = sorted(key[1])
        utterances += [place[name] for name in names]
        for of_row, (own, _), outcomes in zip(right, rows.values(), by_set, strict=True):
            scored = outcomes[key].scored()
            hits = {own.ids[i]: hit for i, hit in zip(scored.utterances, scored.predicted == scored.truth, strict=True)}
            of_row.append(np.array([hits[name] for name in names]))
    numbers = np.array(utterances)
    speakers = speakers_of(experiment)
    groups = None if isinstance(speakers, Unknown) else speakers[numbers]
    if groups is not None and len(np.unique(groups)) < FEWEST_GROUPS:
        groups = None
    if len(set(utterances)) < 4:
        return Unknown("fewer than four utterances are tested")
    made = optimism_of_choice(np.stack([np.concatenate(of_row) for of_row in right]), numbers, groups)
    return list(rows)[made.row], made


def _tested(experiment: StoredExperiment, outcome: Result) -> tuple[int, frozenset[str]]:
    """The seed of a run, and the utterances that it tests: what makes it a pair with a run of another row."""
    return outcome.seed, frozenset(experiment.ids[i] for i in outcome.scored().utterances)
