"""The inputs: what a model sees of an utterance, computed once for all runs and kept.

An input is a class, by name below or of a file of the user's own. Its keyword-only parameters are its options.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Part, Segments
from glam.named import Chosen, in_file

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUTS = {
    "mfcc": "glam.inputs.spectral:Mfcc",
    "spectrogram": "glam.inputs.spectral:Spectrogram",
    "melspectrogram": "glam.inputs.spectral:MelSpectrogram",
    "fbank": "glam.inputs.spectral:Fbank",
    "logfbank": "glam.inputs.spectral:LogFbank",
    "interspeech2018": "glam.inputs.spectral:Interspeech2018",
    "light-sernet": "glam.inputs.light_sernet:LightSernetMfcc",
    "deep-cnn": "glam.inputs.deep_cnn:DeepCnnStatistics",
    "utterance-mfcc": "glam.inputs.utterance_mfcc:UtteranceMfcc",
    "words": "glam.inputs.words:Words",
    "vectors": "glam.inputs.vectors:Vectors",
}
Normalisation = Literal["none", "training", "speaker"]
Needs = Literal["recording", "words", "vector"]

Shape = tuple[int, ...]
Rows = tuple[NDArray[Any], NDArray[np.int64] | None]
"""Rows (n, *shape) of an utterance, and how much of each is not padding (n,), where the cut pads."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of an input that a run trains on: all that an entrance may be fitted on.

    values: (N, *shape), rows of the corpus. rows: (n,) int64, those of the run's training utterances, which alone are
    to be read. lengths: (N,) int64, how much of each row is not padding; None where rows have none. speakers: (N,)
    int64, who speaks in each row, of so many as `count` says. seed: of what is drawn.
    """

    values: "Tensor"
    rows: "Tensor"
    lengths: "Tensor | None"
    speakers: "Tensor"
    count: int
    seed: int


class Input:
    """An input: what a model sees of an utterance. A user's own overrides `row`, and whatever else is not as here.

    dtype: of what is kept. copies: augmented copies of the training utterances beside the recordings. time_axis: the
    axis of a row along which time runs (None: it has none); normalisation is of all else. needs: what of an utterance
    its rows are made of. normalises: whether its rows are numbers that can be normalised.
    """

    dtype: str = "<f4"
    copies: int = 0
    time_axis: int | None = None
    needs: Needs = "recording"
    normalises: bool = True

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

    def padded(self, cut: AnyCut) -> bool:
        """True where padding fills up rows of the cut, so that lengths go beside them."""
        return False

    def look_through(self, utterances: Sequence[Utterance], folder: Path) -> None:
        """Take in what is to be known of a corpus before any row is made, such as its vocabulary.

        utterances: all that rows will be made of. folder: what took long to read may be kept there. Raises GlamError
        where something is missing that the rows need.
        """

    def places(self) -> tuple[str, ...]:
        """Names of the places (see glam/places.py) of files beside the corpus that it cannot do without."""
        return ()

    def outside(self) -> Mapping[str, str]:
        """Hashes, by what they are of, of whatever decides about rows or entrance beside recordings and settings."""
        return {}

    def remarks(self, cut: AnyCut) -> tuple[str, ...]:
        """Lines for the head of a report, on what was looked through."""
        return ()

    def unlike_print(self) -> str:
        """The reason why numbers cannot be compared with printed ones; empty where they can."""
        return ""

    def entered(self, shape: Shape) -> Shape:
        """The shape of a row behind the entrance, which is what the network sees."""
        return shape

    def entrance(self, training: TrainingRows, normalisation: Normalisation) -> "nn.Module | None":
        """The module before the network with what is fitted on the training part; None where nothing is."""
        if normalisation == "none":
            return None
        import torch

        from glam.models.entrances import fitted

        speakers, groups = training.speakers, training.count + 1  # the last is of all speakers together
        if normalisation == "training":
            speakers, groups = torch.zeros_like(speakers), 1
        return fitted(training.values, training.rows, speakers, groups, self.time_axis, training.lengths)

    def restored(self, state: "Mapping[str, Tensor]", shape: Shape) -> "nn.Module":
        """The entrance of a saved model, by the state that it had; ValueError where that cannot be of such rows."""
        from glam.models.entrances import Standardise

        mean, deviation = state["mean"], state["deviation"]
        fits = len(mean.shape) == len(shape) + 1 and all(
            size in (1, of_row) for size, of_row in zip(mean.shape[1:], shape, strict=True)
        )
        if not fits or mean.shape != deviation.shape:
            raise ValueError(f"rows are of shape {shape}, and {tuple(mean.shape)} is subtracted")
        return Standardise(mean, deviation, self.time_axis)

    def remembered(self) -> dict[str, Any]:
        """Plain data that a saved model keeps of what was looked through, to make rows of other utterances."""
        return {}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Take in what a saved model kept; ValueError where it is not such."""
        if remembered:
            raise ValueError(f"{', '.join(remembered)}: nothing that this input remembers")


class Extractor:
    """The rows of utterances, as the input's `row` gives them. May be called by several threads at once."""

    needs_audio = True

    def __init__(self, of: Input, cut: AnyCut) -> None:
        self.of, self.cut, self.shape = of, cut, of.shape(cut)

    @property
    def reads_on(self) -> bool:
        """True where a row may depend on samples behind the cut: of any extractor with a `__call__` of its own."""
        return self.needs_audio and type(self).__call__ is not Extractor.__call__

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """The rows of an utterance, some at a time.

        samples: of the recording, padded for segments; copy: from 1, the augmented copy of that number.
        """
        if isinstance(self.cut, Segments):
            for start in self.cut.starts(len(samples), part):
                yield self._row(utterance, samples[start : start + self.cut.samples])[None], None
        else:
            row = np.zeros(self.cut.samples, dtype=np.float32)
            row[: len(samples)] = samples[: len(row)]
            yield self._row(utterance, row)[None], None

    def _row(self, utterance: Utterance, samples: NDArray[np.float32]) -> NDArray[Any]:
        """The row of these samples; GlamError, with the line, where the code of a user's own goes wrong in it."""
        what = f"the input {type(self.of).__name__} of {utterance.id}"
        try:
            row = np.asarray(self.of.row(samples), dtype=self.of.dtype)
        except Exception as error:
            if type(self.of).__module__.startswith("glam.") or isinstance(error, GlamError | MemoryError):
                raise
            raise GlamError(f"{what}: {in_file(error, Path(getfile(type(self.of))))}") from None
        if row.shape != self.shape:
            raise GlamError(f"{what} gives rows of different shapes: {row.shape}, and {self.shape} before")
        if row.dtype.kind == "f" and not np.isfinite(row).all():
            raise GlamError(f"{what} is not finite (NaN or infinity)")
        return row


class InputSettings(Chosen):
    """An input by name, with its options.

    normalisation: of each coefficient to mean 0 and deviation 1, fitted on the training utterances: over all of them
        (`training`) or each speaker's (`speaker`).
    """

    kind: ClassVar[str] = "input"
    ours: ClassVar[Mapping[str, str]] = INPUTS

    normalisation: Normalisation = "none"

    def make(self) -> Input:
        """The input itself. Raises GlamError where an option has a value that it does not take, or it is none."""
        make = self.source().load()
        try:
            made = make(**self.options())
        except ValueError as error:
            raise GlamError(f"{self.title}: {error}") from None
        if not isinstance(made, Input):
            raise GlamError(f"{self.title} makes {type(made).__name__}; expected a class with the base Input")
        if self.normalisation != "none" and not made.normalises:
            raise GlamError(f"{self.title}: normalisation is {self.normalisation}, but its rows are no measurements")
        return made
