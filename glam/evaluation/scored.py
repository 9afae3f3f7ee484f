"""Predictions for utterances, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glam.evaluation.metrics import confusion_matrix

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions for n utterances, and the truth.

    classes: their names, by index. utterances: (n,) int64, indices into the experiment's. truth: (n,) int64. logits:
    (n, C) float32, of which the highest is the class predicted. segments: (n,) int64, and segment_classes: (S,) uint8,
    the classes of their segments, utterance by utterance.
    """

    classes: tuple[str, ...]
    utterances: Ints
    truth: Ints
    logits: NDArray[np.float32]
    segments: Ints
    segment_classes: NDArray[np.uint8]

    @cached_property
    def predicted(self) -> Ints:
        """(n,) the class predicted of each."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @cached_property
    def confusion(self) -> Ints:
        """(C, C) counts, rows truth."""
        return confusion_matrix(self.truth, self.predicted, len(self.classes))

    @property
    def offsets(self) -> Ints:
        """(n + 1,) first segment of each utterance, and the number of all segments."""
        return np.concatenate([[0], np.cumsum(self.segments)])

    @staticmethod
    def together(parts: "Sequence[Scored]") -> "Scored":
        """The predictions of several as one, one after the other: the folds of a seed, say."""
        return Scored(
            parts[0].classes,
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("utterances", "truth", "logits", "segments", "segment_classes")
            ),
        )
