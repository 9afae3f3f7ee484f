"""Reference points that need no model: what an utterance's group (its scenario, its dialogue) gives away."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
AnyInts = NDArray[np.integer[Any]]


def majority_of_group(groups: AnyInts, targets: AnyInts, asked: AnyInts, classes: int) -> Ints:
    """The commonest class of each asked group: (m,) int64, fitted on the utterances of `groups` and `targets`.

    groups, targets: (n,) group and class (0..classes-1) of each utterance fitted on, n of 1 or more. asked: (m,)
    groups of the utterances to predict. A group that was not fitted gets the commonest class of all; of classes
    equally common, the first by index is taken. With one group for all utterances, this is the majority class.
    Raises ValueError for nothing to fit on, shapes that differ, negative groups and classes out of range.
    """
    if groups.shape != targets.shape or groups.ndim != 1 or groups.size == 0:
        raise ValueError(f"groups and targets are (n,) with n of 1 or more, not {groups.shape} and {targets.shape}")
    if targets.min() < 0 or targets.max() >= classes:
        raise ValueError(f"targets are classes 0 to {classes - 1}, found {targets.min()} to {targets.max()}")
    if min(groups.min(), asked.min(initial=0)) < 0:
        raise ValueError("groups are numbers from 0")
    counts = np.zeros((max(groups.max(), asked.max(initial=0)) + 1, classes), dtype=np.int64)
    np.add.at(counts, (groups, targets), 1)
    commonest = counts.argmax(axis=1)
    commonest[counts.sum(axis=1) == 0] = counts.sum(axis=0).argmax()
    return np.asarray(commonest[asked], dtype=np.int64)
