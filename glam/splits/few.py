"""What test sets, and speakers, are too few for: said before anything is trained."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glam.splits.groups import Groups
from glam.splits.protocol import Protocol
from glam.splits.runs import runs_of
from glam.words import counted

FEW_SPEAKERS = 2
LISTED = 3  # folds in a warning


def few(
    groups: Groups, protocol: Protocol, seeds: Sequence[int], targets: NDArray[np.int64], classes: Sequence[str]
) -> list[str]:
    """Warnings of classes and of folds with a single test utterance, and of one or two speakers, in all or to train on.

    targets: (N,) the class of each utterance, an index into `classes`. Of a protocol with folds only the first seed is
    looked at, as all seeds test the same utterances.
    """
    folds = protocol.folds_of(groups)
    runs = runs_of(seeds[:1] if folds else seeds, len(folds))
    splits = [protocol.split(groups, run) for run in runs]
    if not splits:
        return []
    counts = np.array([np.bincount(targets[split.scored], minlength=len(classes)) for split in splits])
    alone = [name for name, size in zip(folds, counts.sum(axis=1), strict=False) if size == 1]
    speakers = groups["speaker"]
    trained = min(sum(bool(speakers.names[code]) for code in np.unique(speakers.codes[s.train])) for s in splits)
    return [
        *_of_classes(counts.sum(axis=0, keepdims=True) if folds else counts, classes),
        *_of_folds(alone, len(folds)),
        *_of_speakers([name for name in speakers.names if name], trained, "speaker" in protocol.uses),
    ]


def _of_classes(counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """counts: (seeds, C) test utterances."""
    return [
        f"WARNING: {name} has at most one test utterance with {seeds} of {counted(len(counts), 'seed')}: it alone "
        f"moves UA by {100 / len(classes):.0f} points"
        for name, seeds in zip(classes, (counts <= 1).sum(axis=0), strict=True)
        if seeds
    ]


def _of_folds(alone: Sequence[str], folds: int) -> list[str]:
    names = ", ".join(alone[:LISTED]) + (", ..." if len(alone) > LISTED else "")
    verb = "is" if len(alone) == 1 else "are"
    return [f"WARNING: {len(alone)} of {folds} folds {verb} tested on a single utterance ({names})"] if alone else []


def _of_speakers(names: Sequence[str], trained: int, apart: bool) -> list[str]:
    """names: of the known speakers. trained: the fewest that a run is trained on. apart: whether speakers are split."""
    if 1 <= len(names) <= FEW_SPEAKERS:
        return [f"WARNING: only {counted(len(names), 'speaker')} ({', '.join(names)}): scores say little of others"]
    if apart and 1 <= trained <= FEW_SPEAKERS:
        return [
            f"WARNING: runs are trained on as few as {trained} of {len(names)} speakers: scores say little of others"
        ]
    return []
