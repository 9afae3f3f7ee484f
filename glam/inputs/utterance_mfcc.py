"""MFCC of whole utterances, with their first and second differences: the sound of MSCNN-SPU (section 4.2).

The paper gives 32 coefficients, frames of 25 ms every 10 ms, a Hamming window and librosa; the rest are librosa's
defaults: 128 Slaney mels, power, 80 dB below the utterance's own maximum, orthonormal DCT, differences by a
Savitzky-Golay filter over 9 frames. An utterance is cut afterwards: its differences and its floor know all of it.
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Part, Whole
from glam.inputs.filters import cosines, mel_filters
from glam.inputs.frames import MELS
from glam.inputs.inputs import Extractor, Input, Rows, Shape
from glam.words import counted

if TYPE_CHECKING:
    from torch import Tensor

FLOOR, TOP_DB = 1e-10, 80.0
WIDTH = 9  # frames that a difference is taken over
CHUNK = 512  # frames at a time: what they take stays in the second-level cache


class UtteranceMfcc(Input):
    """Coefficients and their differences of a whole utterance, cut at the end and zeros behind; MSCNN-SPU's defaults.

    frame, hop: in samples. window: periodic. differences: 2 adds first and second differences, 1 the first alone.
    pad_mode: what lies before the first and after the last sample: `reflect` as in librosa up to 0.8, the one of the
    paper's time, `constant` zeros as from 0.9.

    Raises ValueError for values outside what is possible.
    """

    time_axis = 1

    def __init__(
        self,
        *,
        coefficients: int = 32,
        frame: int = 400,
        hop: int = 160,
        window: Literal["hamming", "hann"] = "hamming",
        differences: int = 2,
        pad_mode: Literal["reflect", "constant"] = "reflect",
    ) -> None:
        limits = {"coefficients": (1, MELS), "frame": (2, RATE), "hop": (1, RATE), "differences": (0, 2)}
        given = {"coefficients": coefficients, "frame": frame, "hop": hop, "differences": differences}
        for name, (least, most) in limits.items():
            if not least <= given[name] <= most:
                raise ValueError(f"{name}: given {given[name]}, expected {least} to {most}")
        self.coefficients, self.frame, self.hop, self.differences = coefficients, frame, hop, differences
        self.window, self.pad_mode = window, pad_mode
        self.samples: tuple[int, ...] = ()  # of each utterance of the corpus

    @property
    def size(self) -> int:
        """Number of coefficients with their differences."""
        return self.coefficients * (1 + self.differences)

    def frames(self, samples: int) -> int:
        """Frames of an utterance of so many samples."""
        return 1 + (samples + 2 * (self.frame // 2) - self.frame) // self.hop

    def shape(self, cut: AnyCut) -> Shape:
        """(coefficients and differences, frames): 750 frames of 7.5 s; ValueError for a cut into segments."""
        if not isinstance(cut, Whole):
            raise ValueError("its differences are of whole utterances: set cut to whole")
        if cut.samples < self.hop:
            raise ValueError(f"{cut.samples} samples have no frame of it: choose a greater cut.longest")
        return self.size, cut.samples // self.hop

    def padded(self, cut: AnyCut) -> bool:
        """True: zeros fill up what is shorter."""
        return True

    def look_through(self, utterances: Sequence[Utterance], folder: Path) -> None:
        """The lengths of the utterances."""
        self.samples = tuple(utterance.samples for utterance in utterances)

    def remarks(self, cut: AnyCut) -> tuple[str, ...]:
        """A line on how many utterances are cut."""
        longer = sum(samples > cut.samples for samples in self.samples)
        limit = cut.samples / RATE
        return (f"sound: {longer} of {counted(len(self.samples), 'utterance')} are longer than {limit:g} s, cut there",)

    def extractor(self, cut: AnyCut, device: str = "cpu") -> Extractor:
        """See Input. Computed on the CPU, whatever the device."""
        return _Features(self, cut)


class _Features(Extractor):
    """The row of an utterance."""

    def __init__(self, of: UtteranceMfcc, cut: AnyCut) -> None:
        super().__init__(of, cut)
        self.mfcc = of

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """See Extractor."""
        row = np.zeros(self.shape, dtype=np.float32)
        try:
            features = utterance_mfcc(samples, self.mfcc, self.shape[1])
        except GlamError as error:
            raise GlamError(f"{utterance.id}: {error}") from None
        row[:, : features.shape[1]] = features
        yield row[None], np.array([features.shape[1]], dtype=np.int64)


def utterance_mfcc(samples: NDArray[np.float32], of: UtteranceMfcc, longest: int | None = None) -> NDArray[np.float32]:
    """Coefficients, first and second differences (size, frames) float32 of one utterance, or its first `longest` ones.

    samples: (n,) in [-1, 1] at 16 kHz, n of 1 or more. Frames and spectra exist for CHUNK frames at a time, and
    decibels of as many frames as are given back, however long the utterance is: the rest only has a maximum, which the
    floor hangs on.

    Raises GlamError for an utterance of fewer frames than a difference is taken over.
    """
    import torch
    from scipy.signal import savgol_filter

    frames = of.frames(len(samples))
    if of.differences and frames < WIDTH:
        raise GlamError(
            f"a recording of {len(samples)} samples has {counted(frames, 'frame')}, and a difference is taken over "
            f"{WIDTH}: leave such recordings out (corpus.min_length), or set differences to 0"
        )
    # The differences of the last frame that is given back look at the frames behind it.
    kept = frames if longest is None else min(frames, longest + WIDTH // 2)
    window, mel, dct = _constants(of.coefficients, of.frame, of.window)
    # In double precision: neither the size of a chunk nor the precision a process has chosen for float32 shows.
    decibels, loudest = torch.empty(kept, MELS), -torch.inf
    with torch.inference_mode():
        for start in range(0, frames, CHUNK):
            stop = min(start + CHUNK, frames)
            spectrum = torch.fft.rfft(_framed(samples, of, start, stop).double() * window)
            power = torch.view_as_real(spectrum).square().sum(-1) @ mel
            part = (10 * power.clamp(min=FLOOR).log10()).float()
            loudest = max(loudest, float(part.max()))
            if start < kept:
                decibels[start:stop] = part[: kept - start]
        decibels.clamp_(min=loudest - TOP_DB)
        mfcc = torch.empty(of.coefficients, kept)
        for start in range(0, kept, CHUNK):
            mfcc[:, start : start + CHUNK] = dct @ decibels[start : start + CHUNK].double().T
    result = np.empty((of.size, kept), dtype=np.float32)
    parts = result.reshape(-1, of.coefficients, kept)
    parts[0] = mfcc.numpy()
    for order in range(1, of.differences + 1):
        parts[order] = savgol_filter(parts[0], WIDTH, polyorder=order, deriv=order, mode="interp")
    return result[:, :longest]


def _framed(samples: NDArray[np.float32], of: UtteranceMfcc, start: int, stop: int) -> "Tensor":
    """The frames `start` to `stop` (stop - start, frame) of an utterance whose ends are padded by half a frame."""
    import torch

    half = of.frame // 2
    first, last = start * of.hop - half, (stop - 1) * of.hop + of.frame - half
    # What is reflected at an end lies within half a frame of it.
    low, high = max(0, first - of.frame), min(len(samples), last + of.frame)
    ends = (half if low == 0 else 0, half if high == len(samples) else 0)
    around = torch.from_numpy(np.pad(samples[low:high], ends, mode=of.pad_mode))
    place = first - low + ends[0]
    return around[place : place + last - first].unfold(0, of.frame, of.hop)


@lru_cache(4)
def _constants(coefficients: int, frame: int, window: str) -> "tuple[Tensor, Tensor, Tensor]":
    """Window (frame,), mel filters (frequencies, MELS) and DCT (coefficients, MELS), in double precision."""
    import torch

    make = {"hamming": torch.hamming_window, "hann": torch.hann_window}[window]
    with warnings.catch_warnings():  # short frames leave the lowest filters without a frequency, in librosa too
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
        warnings.filterwarnings("ignore", message="Empty filters detected")
        mel = mel_filters(frame, MELS, RATE)
    return make(frame, dtype=torch.float64), mel.double(), cosines(coefficients, MELS).double()
