"""The inputs: what a model sees of an utterance, computed once for all runs and kept.

An input is a class, by name below or of a file of the user's own. Its keyword-only parameters are its options.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Part, Segments
from glam.named import Chosen

INPUTS = {
    "mfcc": "glam.inputs.spectral:Mfcc",
    "spectrogram": "glam.inputs.spectral:Spectrogram",
    "melspectrogram": "glam.inputs.spectral:MelSpectrogram",
    "fbank": "glam.inputs.spectral:Fbank",
    "logfbank": "glam.inputs.spectral:LogFbank",
    "interspeech2018": "glam.inputs.spectral:Interspeech2018",
    "light-sernet": "glam.inputs.light_sernet:LightSernetMfcc",
    "deep-cnn": "glam.inputs.deep_cnn:DeepCnnStatistics",
}

Shape = tuple[int, ...]
Rows = tuple[NDArray[Any], NDArray[np.int64] | None]
"""Rows (n, *shape) of an utterance, and how much of each is not padding (n,), where the cut pads."""


class Input:
    """An input: what a model sees of an utterance. A user's own overrides `row`, and whatever else is not as here.

    dtype: of what is kept. copies: augmented copies of the training utterances beside the recordings. time_axis: the
    axis of a row along which time runs (None: it has none); normalisation is of all else.
    """

    dtype: str = "<f4"
    copies: int = 0
    time_axis: int | None = None

    def row(self, samples: NDArray[np.float32]) -> NDArray[Any]:
        """The input of one row of the cut: an array of the same shape for the same number of samples."""
        raise NotImplementedError

    def shape(self, cut: AnyCut) -> Shape:
        """The shape of a row; ValueError where the cut has too few samples for it."""
        return tuple(self.row(np.zeros(cut.samples, dtype=np.float32)).shape)

    def extractor(self, cut: AnyCut, device: str = "cpu") -> "Extractor":
        """The extractor that computes the rows of utterances. device: a torch device, for those that use one."""
        return Extractor(self, cut)

    def source(self, utterance: Utterance) -> list[str]:
        """Everything about an utterance that its rows depend on: where any of it changes, they are computed anew."""
        return [utterance.sha256]

    def outside(self) -> Mapping[str, str]:
        """Hashes of files beside the corpus that decide about the rows, by what they are."""
        return {}


class Extractor:
    """The rows of utterances, as the input's `row` gives them. May be called by several threads at once."""

    needs_audio = True

    def __init__(self, of: Input, cut: AnyCut) -> None:
        self.of, self.cut, self.shape = of, cut, of.shape(cut)

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """The rows of an utterance, some at a time.

        samples: of the recording, padded for segments; copy: from 1, the augmented copy of that number.
        """
        if isinstance(self.cut, Segments):
            for start in self.cut.starts(len(samples), part):
                yield self._checked(self.of.row(samples[start : start + self.cut.samples]))[None], None
        else:
            row = np.zeros(self.cut.samples, dtype=np.float32)
            row[: len(samples)] = samples[: len(row)]
            yield self._checked(self.of.row(row))[None], None

    def _checked(self, row: NDArray[Any]) -> NDArray[Any]:
        if np.shape(row) != self.shape:
            raise GlamError(f"an input gives rows of different shapes: {np.shape(row)}, and {self.shape} before")
        return np.asarray(row, dtype=self.of.dtype)


class InputSettings(Chosen):
    """An input by name, with its options.

    normalisation: of each coefficient to mean 0 and deviation 1, fitted on the training utterances: over all of them
        (`training`) or each speaker's (`speaker`).
    """

    kind: ClassVar[str] = "input"
    ours: ClassVar[Mapping[str, str]] = INPUTS

    normalisation: Literal["none", "training", "speaker"] = "none"

    def make(self) -> Input:
        """The input itself. Raises GlamError where an option has a value that it does not take."""
        make = self.source().load()
        try:
            made: Input = make(**self.options())
        except ValueError as error:
            raise GlamError(f"{self.title}: {error}") from None
        return made
