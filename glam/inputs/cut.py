"""Where the segments of an utterance lie: pieces of equal length, overlapping, all within the utterance.

An utterance is cut into segments of `length` seconds; the model classifies segments, and the mean over its
segments is the utterance's prediction (paper, section 2). Training and test segments may overlap differently.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from glam.corpora.audio import RATE
from glam.settings import Settings

Padding = Literal["none", "repeat"]


class SegmentSettings(Settings):
    """How utterances are cut. The defaults are the released implementation's for GLAM; the paper says 2 s.

    length: of a segment, in seconds.
    train_overlap, test_overlap: of neighbouring segments, in seconds. A test overlap that is not shorter than
        the segment stands for half of it, as in the release; such a training overlap is an error.
    padding: what happens to an utterance shorter than a segment: `none` drops it, `repeat` repeats it a whole
        number of times until it is long enough.
    """

    length: float = Field(1.8, gt=0, allow_inf_nan=False)
    train_overlap: float = Field(1.6, ge=0, allow_inf_nan=False)
    test_overlap: float = Field(1.6, ge=0, allow_inf_nan=False)
    padding: Padding = "none"

    @property
    def samples(self) -> int:
        """Length of a segment in samples."""
        return int(self.length * RATE)

    @property
    def train_hop(self) -> int:
        """Samples from the start of one training segment to the next."""
        return _hop(self.length, self.train_overlap)

    @property
    def test_hop(self) -> int:
        """Samples from the start of one test segment to the next."""
        overlap = self.test_overlap if self.test_overlap < self.length else self.length / 2
        return _hop(self.length, overlap)

    @model_validator(mode="after")
    def _segments_advance(self) -> Self:
        if self.train_overlap >= self.length:
            raise ValueError(
                f"train_overlap is {self.train_overlap:g} s, the segments are {self.length:g} s long: "
                "the overlap of training segments must be shorter than a segment"
            )
        if self.samples < 1 or self.train_hop < 1 or self.test_hop < 1:
            raise ValueError(
                f"segments of {self.length:g} s that overlap by {self.train_overlap:g} s (training) and "
                f"{self.test_overlap:g} s (test) advance by less than one sample at {RATE} Hz"
            )
        return self


def _hop(length: float, overlap: float) -> int:
    # The release truncates a floating point product, and the segment counts of the paper's corpus depend on
    # it: 1.8 s overlapping by 1.6 s advance by int(3199.9999999999995) = 3199 samples, not 3200.
    return int((length - overlap) * RATE)


def padded_length(n: int, length: int, padding: Padding) -> int:
    """Samples of an utterance of `n` samples once it is padded for segments of `length` samples."""
    if padding == "none" or n >= length or n == 0:
        return n
    return n * -(-length // n)


def long_enough(n: int, length: int, padding: Padding) -> bool:
    """Whether an utterance of `n` samples has at least one segment of `length` samples; an equal one has."""
    return padded_length(n, length, padding) >= length


def segment_starts(n: int, length: int, hop: int) -> NDArray[np.int64]:
    """First samples of the segments of an utterance: 0, hop, 2 hop, ... while a whole segment still fits.

    n, length, hop: samples of the (padded) utterance, of a segment, and from one segment to the next.
    """
    return np.arange(0, n - length + 1, hop, dtype=np.int64)
