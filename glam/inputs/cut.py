"""The cut, what a model decides on: segments of an utterance, or utterances as they are.

An utterance is cut into segments of `length` seconds; the model classifies segments, and the mean over its segments is
the utterance's prediction (GLAM paper, section 2). Training and test segments may overlap differently. A model that
takes whole utterances has one row for each, zeros behind it.
"""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from glam.corpora.audio import RATE
from glam.settings import Settings, by_name

Padding = Literal["none", "repeat"]
Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")


class Segments(Settings):
    """Segments of equal length. The defaults are the released implementation's for GLAM; the paper says 2 s.

    length: of a segment, in seconds.
    train_overlap, test_overlap: of neighbouring segments, in seconds. A test overlap that is not shorter than
        the segment stands for half of it, as in the release; such a training overlap is an error.
    train_hop, test_hop: samples from the start of one segment to the next, in place of the overlap.
    padding: what happens to an utterance shorter than a segment: `none` drops it, `repeat` repeats it a whole
        number of times until it is long enough.
    """

    name: Literal["segments"]
    length: float = Field(1.8, gt=0, le=86_400, allow_inf_nan=False)
    train_overlap: float = Field(1.6, ge=0, allow_inf_nan=False)
    test_overlap: float = Field(1.6, ge=0, allow_inf_nan=False)
    train_hop: int | None = Field(None, ge=1)
    test_hop: int | None = Field(None, ge=1)
    padding: Padding = "none"

    @property
    def samples(self) -> int:
        """Length of a segment in samples."""
        return int(self.length * RATE)

    def hop(self, part: Part) -> int:
        """Samples from the start of one segment to the next."""
        if part == "train":
            return self.train_hop or _hop(self.length, self.train_overlap)
        overlap = self.test_overlap if self.test_overlap < self.length else self.length / 2
        return self.test_hop or _hop(self.length, overlap)

    def keeps(self, samples: int) -> bool:
        """True where an utterance of so many samples has at least one segment; one of a segment's length has."""
        return self.padded(samples) >= self.samples

    def padded(self, samples: int) -> int:
        """Samples of an utterance once it is padded."""
        if self.padding == "none" or samples >= self.samples or samples == 0:
            return samples
        return samples * -(-self.samples // samples)

    def rows(self, samples: int, part: Part) -> int:
        """Number of segments of an utterance of so many samples."""
        return len(self.starts(samples, part))

    def starts(self, samples: int, part: Part) -> NDArray[np.int64]:
        """First samples of the segments of a padded utterance: 0, hop, 2 hop, ... while a whole one still fits."""
        return np.arange(0, self.padded(samples) - self.samples + 1, self.hop(part), dtype=np.int64)

    @property
    def title(self) -> str:
        """The cut in words."""
        return f"segments of {self.length:g} s"

    @model_validator(mode="after")
    def _segments_advance(self) -> Self:
        fields = type(self).model_fields
        for part in ("train", "test"):
            hop, overlap = getattr(self, f"{part}_hop"), getattr(self, f"{part}_overlap")
            if hop is not None and overlap != fields[f"{part}_overlap"].default:
                raise ValueError(f"{part}_hop and {part}_overlap say the same in two ways: give one of them")
        if self.train_hop is None and self.train_overlap >= self.length:
            raise ValueError(
                f"train_overlap is {self.train_overlap:g} s, the segments are {self.length:g} s long: "
                "the overlap of training segments must be shorter than a segment"
            )
        if self.samples < 1 or self.hop("train") < 1 or self.hop("test") < 1:
            raise ValueError(
                f"segments of {self.length:g} s that overlap by {self.train_overlap:g} s (training) and "
                f"{self.test_overlap:g} s (test) advance by less than one sample at {RATE} Hz"
            )
        return self


class Whole(Settings):
    """Utterances as they are, a row each, cut at `longest` seconds; zeros fill up what is shorter."""

    name: Literal["whole"]
    longest: float = Field(7.5, gt=0, le=86_400, allow_inf_nan=False)

    @property
    def samples(self) -> int:
        """Length of a row in samples."""
        return int(self.longest * RATE)

    def keeps(self, samples: int) -> bool:
        """True where an utterance of so many samples has a row: if it has any sample."""
        return samples > 0

    def rows(self, samples: int, part: Part) -> int:
        """1, whatever the length of the utterance."""
        return 1

    @property
    def title(self) -> str:
        """The cut in words."""
        return f"whole utterances of up to {self.longest:g} s"


AnyCut = Annotated[Segments | Whole, Field(discriminator="name"), by_name("segments")]


def _hop(length: float, overlap: float) -> int:
    # The release truncates a floating point product, and the segment counts of the paper's corpus depend on
    # it: 1.8 s overlapping by 1.6 s advance by int(3199.9999999999995) = 3199 samples, not 3200.
    return int((length - overlap) * RATE)
