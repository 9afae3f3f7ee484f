"""Embeddings from a file of the lab's as an input: x-vectors, or what any frozen encoder gives.

What such a file looks like: embeddings.py. Where it lies is a place (glam/places.py), which an option names.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.inputs.cut import AnyCut, Part, Whole
from glam.inputs.embeddings import IDS, Embeddings, read_embeddings
from glam.inputs.inputs import Extractor, Input, Rows, Shape
from glam.places import path_of

SHOWN = 12  # digits of a hash that people see


class Vectors(Input):
    """The embedding of an utterance: pooled (d,), the same for each of its rows, or frames (d, frames), cut or padded.

    place: the name of the file's place, in capitals. frames: of a row, where the file has frames; they need whole
    utterances.
    """

    needs = "vector"

    def __init__(self, *, place: str = "XVECTORS", frames: int = 0) -> None:
        if not place.isidentifier() or not place.isupper():
            raise ValueError(f"place: given {place!r}, expected a name such as XVECTORS")
        if frames < 0:
            raise ValueError(f"frames: given {frames}, expected 0 for pooled embeddings, or how many")
        self.place, self.frames = place, frames
        self.time_axis = 1 if frames else None
        self.dimension = 0
        self.file: tuple[Path, tuple[int, ...]] | None = None  # and when it, and that of its ids, were changed
        self.sha256, self.utterances, self.cut_off = "", 0, 0
        self.given: dict[str, NDArray[np.float32]] = {}  # embeddings that are of no file

    def shape(self, cut: AnyCut) -> Shape:
        """(d,) or (d, frames); ValueError for frames with a cut into segments."""
        if self.frames and not isinstance(cut, Whole):
            raise ValueError("its frames are of whole utterances: set cut to whole")
        return (self.dimension, self.frames) if self.frames else (self.dimension,)

    def padded(self, cut: AnyCut) -> bool:
        """True of frames."""
        return bool(self.frames)

    def extractor(self, cut: AnyCut, device: str = "cpu") -> Extractor:
        """See Input."""
        return _Rows(self, cut)

    def places(self) -> tuple[str, ...]:
        """The file's."""
        return (self.place,)

    def source(self, utterance: Utterance) -> list[str]:
        """Nothing of the utterance itself: the file decides."""
        return []

    def look_through(self, utterances: Sequence[Utterance], folder: Path) -> None:
        """The file's embeddings; GlamError where some utterance has none, or they are frames where pooled are meant."""
        path = path_of(self.place, "embeddings of the utterances (.npz, .npy, .csv or Kaldi's text .ark)")
        files = (path, *(path.with_suffix(end) for end in IDS))
        self.file = path, tuple(file.stat().st_mtime_ns for file in files if file.is_file())
        embeddings = _read(*self.file)
        embeddings.expect(bool(self.frames))
        rows = embeddings.of([utterance.id for utterance in utterances])
        self.dimension, self.sha256, self.utterances = embeddings.dimension, embeddings.sha256, len(rows)
        self.cut_off = sum(len(row) > self.frames for row in rows) if self.frames else 0

    def vector(self, utterance: str) -> NDArray[np.float32]:
        """The embedding of an utterance, (d,) or (T, d) frames."""
        if utterance in self.given or self.file is None:
            return self.given[utterance]
        (vector,) = _read(*self.file).of([utterance])
        return vector

    def outside(self) -> Mapping[str, str]:
        """The hash of the file."""
        return {self.place.lower(): self.sha256} if self.file else {}

    def remarks(self, cut: AnyCut) -> tuple[str, ...]:
        """A line on the file, and on what was cut."""
        if self.file is None:
            return ()
        what = f"{self.dimension} numbers"
        if self.frames:
            what += f" a frame, {self.cut_off} of {self.utterances} utterances cut at {self.frames} frames"
        return (f"{self.place.lower()}: {self.file[0].name}, SHA-256 {self.sha256[:SHOWN]}, {what}",)

    def remembered(self) -> dict[str, int]:
        """The dimension."""
        return {"dimension": self.dimension}

    def recall(self, remembered: Mapping[str, object]) -> None:
        """See Input."""
        dimension = remembered.get("dimension")
        if remembered.keys() != {"dimension"} or type(dimension) is not int or dimension < 1:
            raise ValueError("the dimension of its embeddings is missing")
        self.dimension = dimension


class _Rows(Extractor):
    """The rows of an utterance, from the file."""

    needs_audio = False

    def __init__(self, of: Vectors, cut: AnyCut) -> None:
        super().__init__(of, cut)
        self.vectors = of

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """See Extractor."""
        vector = self.vectors.vector(utterance.id)
        if not self.vectors.frames:
            count = self.cut.rows(utterance.samples, part)
            yield np.broadcast_to(vector, (count, *vector.shape)), None
            return
        row = np.zeros(self.shape, dtype=np.float32)
        kept = vector[: self.vectors.frames].T
        row[:, : kept.shape[1]] = kept
        yield row[None], np.array([kept.shape[1]], dtype=np.int64)


@lru_cache(2)
def _read(path: Path, changed: tuple[int, ...]) -> Embeddings:
    """The embeddings of a file that was changed, or whose ids were, at these times."""
    return read_embeddings(path)
