"""Movement of the class within an utterance: agreement of its segments, their accuracy by position, majority voting.

Segments come in time order, utterance by utterance; `offsets` (U+1,) say where each utterance's begin: segments
offsets[u] .. offsets[u+1]-1 belong to utterance u. Shares are in percent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import Ints, checked_classes, checked_offsets, segments_like

PARTS = 5  # of an utterance, for accuracy by position


def votes(segment_classes: ArrayLike, offsets: ArrayLike, classes: int) -> Ints:
    """Number of segments of each utterance that have each class: (U, classes) int64.

    segment_classes: (S,) integers in 0..classes-1. Raises ValueError for other input.
    """
    checked = checked_classes(segment_classes, classes, "segment classes")
    starts, lengths = checked_offsets(offsets, checked.size)
    cells = np.repeat(np.arange(starts.size), lengths) * classes + checked
    return np.bincount(cells, minlength=starts.size * classes).reshape(starts.size, classes)


def majority_vote(counts: ArrayLike, scores: ArrayLike) -> Ints:
    """The class that most segments of each utterance have: (U,) int64.

    counts: (U, C), of `votes`. scores: (U, C), what the utterance's own class is the highest of (its mean logits):
    they decide between classes with equally many votes. Raises ValueError where the shapes differ.
    """
    of_class, preference = np.asarray(counts), np.asarray(scores, dtype=np.float64)
    if of_class.ndim != 2 or of_class.shape != preference.shape:
        raise ValueError(f"votes and scores are (U, C) both, not {of_class.shape} and {preference.shape}")
    most = of_class == of_class.max(axis=1, keepdims=True)
    chosen: Ints = np.where(most, preference, -np.inf).argmax(axis=1)
    return chosen


@dataclass(frozen=True, eq=False)
class SegmentAgreement:
    """Movement of the class within utterances: one number an utterance (U,)."""

    agreement: NDArray[np.float64]  # percent of its segments that have the utterance's class
    changes: Ints  # how often the class differs from one segment to the next
    segments: Ints  # its segments, so there are segments - 1 places for a change

    @property
    def change_rate(self) -> float | None:
        """Changes in percent of all pairs of neighbouring segments; None where no utterance has a pair."""
        pairs = int((self.segments - 1).sum())
        return 100 * int(self.changes.sum()) / pairs if pairs else None


def segment_agreement(segment_classes: ArrayLike, utterance_classes: ArrayLike, offsets: ArrayLike) -> SegmentAgreement:
    """Compare the classes of segments (S,) with those of their utterances (U,).

    The utterances' classes are given, because the mean of logits may choose a class that most segments do not. Give
    predicted classes for agreement, true ones for the accuracy of segments. Raises ValueError if the lengths do not
    fit or an utterance has no segments.
    """
    same, starts, lengths = segments_like(utterance_classes, segment_classes, offsets)
    agree, segment = np.add.reduceat(same.astype(np.int64), starts), np.asarray(segment_classes)
    change = np.zeros(segment.size, dtype=np.int64)  # at each segment: does it differ from the one before it?
    change[1:] = segment[1:] != segment[:-1]
    change[starts] = 0  # the first segment of an utterance has none before it
    return SegmentAgreement(100 * agree / lengths, np.add.reduceat(change, starts), lengths)


@dataclass(frozen=True, eq=False)
class ByPosition:
    """The share of segments that are right, by where in the utterance they lie; NaN where no utterance is counted.

    ends: (3,), of the first, the middle and the last segment. parts: (parts,), of equal parts of the utterance, one
    after the other. Every utterance counts the same, whatever its length. utterances: how many are counted.
    """

    ends: NDArray[np.float64]
    parts: NDArray[np.float64]
    utterances: int


def accuracy_by_position(
    segment_classes: ArrayLike, truth: ArrayLike, offsets: ArrayLike, parts: int = PARTS
) -> ByPosition:
    """Accuracy of segments by their position within the utterance.

    segment_classes: (S,). truth: (U,), the true classes of the utterances. Of the segments i = 0 .. n-1 of an
    utterance, the middle one is (n-1)//2, and those with (i + 1/2) / n in the k-th of `parts` equal intervals make
    part k. Only utterances of `parts` segments or more are counted: they have one in every part, so that all positions
    are compared on the same utterances. Raises ValueError as `segment_agreement`.
    """
    same, starts, lengths = segments_like(truth, segment_classes, offsets)
    counted = np.flatnonzero(lengths >= parts)
    if not counted.size:
        return ByPosition(np.full(3, np.nan), np.full(parts, np.nan), 0)
    right = same.astype(np.float64)
    ends = [right[(starts + place)[counted]].mean() for place in (0, (lengths - 1) // 2, lengths - 1)]
    owner = np.repeat(np.arange(starts.size), lengths)
    index = np.arange(same.size) - starts[owner]
    cell = owner * parts + (2 * index + 1) * parts // (2 * lengths[owner])
    size = np.bincount(cell, minlength=starts.size * parts).reshape(-1, parts)[counted]
    hits = np.bincount(cell, weights=right, minlength=starts.size * parts).reshape(-1, parts)[counted]
    return ByPosition(100 * np.array(ends), 100 * (hits / size).mean(axis=0), int(counted.size))
