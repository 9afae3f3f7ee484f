"""Sharing between training and test in the splits of a protocol, and what scores without hearing anything.

From groups and classes alone: neither the corpus nor a prediction is needed, so that every report can say it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.baselines import majority_of_group
from glam.evaluation.metrics import Scores, confusion_matrix, scores_of
from glam.reports.grid import Table, mean_std
from glam.results.experiment import StoredExperiment
from glam.splits.groups import TEXT, Groups
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import RunKey
from glam.splits.splits import Split

Ints = NDArray[np.int64]

# What utterances may share, by name of an audit's row.
SHARED = {
    "speakers": "speaker",
    "sessions": "session",
    "dialogues": "dialogue",
    "scenarios": "scenario",
    "texts": TEXT,
    "files": "file",
    "recordings": "recording",
}
EVERYTHING = "the majority class"
REFERENCES = {
    EVERYTHING: "",
    "the majority of its scenario": "scenario",
    "the majority of its dialogue": "dialogue",
    "the majority of its text": TEXT,
}
UNKNOWN = -1  # in codes: of this utterance nothing is known
HEARS_NOTHING = tuple(REFERENCES.values())  # kinds of group whose commonest class is a reference; "": of all utterances


@dataclass(frozen=True)
class Overlap:
    """Numbers of distinct values of an attribute, where it is known; train, test and both are means over the splits.

    whole: among all utterances. train, test: in that part of a split. both: in the two of them. seen: the share of test
    utterances, in percent, whose own occurs in training.
    """

    whole: int
    train: float
    test: float
    both: float
    seen: float


@dataclass(frozen=True)
class Reference:
    """A reference point, its scores in percent.

    test: one a seed, fitted on the training part of its split and scored on the test part; over the folds of a seed,
    predictions are pooled. in_sample: fitted and scored on all utterances. unseen: mean number of test utterances a
    split whose group does not occur in training.
    """

    test: tuple[Scores, ...]
    in_sample: Scores
    unseen: float


@dataclass(frozen=True, eq=False)
class Sharing:
    """The splits of a protocol, what they share by the names of SHARED, and the reference points of REFERENCES.

    What the corpus does not know of any utterance is left out.
    """

    splits: tuple[Split, ...]
    overlaps: dict[str, Overlap]
    references: dict[str, Reference]


def look_through(protocol: AnyProtocol, groups: Groups, targets: Ints, classes: int, runs: Sequence[RunKey]) -> Sharing:
    """Look through the splits of these runs. targets: (n,) classes of the utterances that `groups` divides.

    Raises GlamError where the utterances have too little for the protocol.
    """
    splits = [protocol.split(groups, run) for run in runs]
    overlaps = {"utterances": _overlap(np.arange(len(targets)), splits)}
    overlaps |= {
        name: _overlap(np.where(groups[kind].known, groups[kind].codes, UNKNOWN), splits)
        for name, kind in SHARED.items()
        if kind in groups and groups[kind].known.any()
    }
    seeds = [run.seed for run in runs]
    references = {
        name: _reference(codes, targets, classes, splits, seeds)
        for name, kind in REFERENCES.items()
        if (codes := reference_codes(groups, kind)) is not None
    }
    return Sharing(tuple(splits), overlaps, references)


def reference_codes(groups: Groups, kind: str) -> Ints | None:
    """The group (n,) of each utterance by whose commonest class it can be answered; None where none is known.

    An utterance of which nothing is known has a group of its own: two of unknown text were not said to be of one text.
    kind: empty for one group of all utterances.
    """
    if groups and not kind:
        return np.zeros(len(next(iter(groups.values())).codes), dtype=np.int64)
    grouping = groups.get(kind)
    if grouping is None or not any(grouping.names):
        return None
    codes = grouping.codes.copy()
    unknown = np.flatnonzero(~grouping.known)
    codes[unknown] = len(grouping.names) + np.arange(len(unknown))
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def audit_line(sharing: Sharing) -> str:
    """The audit in one line: what training and test share, and what scores without hearing anything."""
    shared = [
        f"{_number(overlap.both)} of {_number(overlap.test)} {name}"
        for name, overlap in sharing.overlaps.items()
        if name in ("speakers", "dialogues", "scenarios", "texts", "files")
    ]
    if twins := sharing.overlaps.get("recordings"):
        shared.append(f"{_number(twins.both)} identical recordings")
    points = [
        f"{f'of the {of}' if (of := REFERENCES[name]) else 'majority class'} "
        f"{np.mean([scores.wa for scores in reference.test]):.1f} / "
        f"{np.mean([scores.ua for scores in reference.test]):.1f}"
        for name, reference in sharing.references.items()
    ]
    return f"test shares with training {', '.join(shared)}; WA / UA without hearing anything: {', '.join(points)}"


def sharing_of(experiment: StoredExperiment, runs: Sequence[RunKey]) -> Sharing | None:
    """What the splits of these runs of a stored experiment share; reads no corpus and no run.

    None without runs, and of an experiment that was stored before groups were.
    """
    if not experiment.groups or not runs:
        return None
    return look_through(experiment.split, experiment.groups, experiment.targets, len(experiment.classes), runs)


def protocol_line(experiment: StoredExperiment, sharing: Sharing | None) -> str:
    """The protocol of a stored experiment, with the audit of its splits (`sharing_of`) in short."""
    protocol = experiment.split
    seed = None if protocol.fixed else protocol.seed
    title = protocol.title + (f", in every run the split of seed {seed}" if seed is not None else "")
    if not experiment.groups:
        return f"{title}; what training and test share was not stored with this experiment: glam audit says it"
    return title if sharing is None else f"{title}; {audit_line(sharing)}"


def overlap_table(overlaps: Mapping[str, Overlap]) -> Table:
    """What training and test share, a kind of group a row."""
    rows = [
        [
            name,
            str(overlap.whole),
            *(f"{value:.1f}" for value in (overlap.train, overlap.test, overlap.both)),
            f"{overlap.seen:.1f} %",
        ]
        for name, overlap in overlaps.items()
    ]
    return Table(["distinct", "all", "training", "test", "in both", "test utterances of those in both"], rows)


def reference_table(references: Mapping[str, Reference]) -> Table:
    """What scores without hearing anything, a reference a row."""
    rows = [
        [
            name,
            mean_std([scores.wa for scores in reference.test]),
            mean_std([scores.ua for scores in reference.test]),
            f"{reference.in_sample.wa:.2f}",
            f"{reference.in_sample.ua:.2f}",
        ]
        for name, reference in references.items()
    ]
    headings = ["always answering", "WA, fitted on training", "UA", "WA, fitted on all, in sample", "UA, in sample"]
    return Table(headings, rows)


def _overlap(codes: Ints, splits: Sequence[Split]) -> Overlap:
    rows = []
    for split in splits:
        train, test = (np.setdiff1d(codes[part], UNKNOWN) for part in (split.train, split.scored))
        both = np.intersect1d(train, test)
        heard = np.isin(codes[split.scored], both).sum()
        rows.append((train.size, test.size, both.size, 100 * heard / split.scored.size))
    train_size, test_size, in_both, seen = np.mean(rows, axis=0).tolist()
    return Overlap(np.setdiff1d(codes, UNKNOWN).size, train_size, test_size, in_both, seen)


def _reference(codes: Ints, targets: Ints, classes: int, splits: Sequence[Split], seeds: Sequence[int]) -> Reference:
    def counted(train: Ints, test: Ints) -> Ints:
        guess = majority_of_group(codes[train], targets[train], codes[test], classes)
        return confusion_matrix(targets[test], guess, classes)

    pooled: dict[int, Ints] = {}
    for seed, split in zip(seeds, splits, strict=True):
        empty = np.zeros((classes, classes), dtype=np.int64)
        pooled[seed] = pooled.get(seed, empty) + counted(split.train, split.scored)
    everyone = np.arange(len(targets))
    return Reference(
        test=tuple(scores_of(counts) for counts in pooled.values()),
        in_sample=scores_of(counted(everyone, everyone)),
        unseen=float(np.mean([(~np.isin(codes[split.scored], codes[split.train])).sum() for split in splits])),
    )


def _number(mean: float) -> str:
    return f"{mean:.1f}".removesuffix(".0")
