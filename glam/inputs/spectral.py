"""Features of the spectrum: one class a kind, the same on every device, in float32.

| kind               | shape for n samples      | what                                                              |
| `mfcc`             | (coefficients, frames)   | librosa's defaults (section 4.1); GLAM and its ablations          |
| `spectrogram`      | (400, frames)            | log power, 40 ms frames; APCNN                                    |
| `melspectrogram`   | (128, frames)            | log10 mel power; AACNN's own implementation                       |
| `fbank`            | (frames, 26)             | filterbank energies to 8 kHz, HTK mels                            |
| `logfbank`         | (frames, 40)             | log filterbank energies to 4 kHz                                  |
| `interspeech2018`  | (frequencies, frames)    | magnitudes, mu-law compressed                                     |

The release computes one segment at a time with librosa. Batched naively, the transform is slower than that: frames
and spectra of a large batch leave the processor's cache between one operation and the next. Here a few segments at a
time go through all operations, and each mel filter meets only the frequencies near it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.augmentation import warp_factor
from glam.inputs.cut import AnyCut, Part, Segments
from glam.inputs.filters import cosines
from glam.inputs.frames import (
    FRAME,
    FULL_PRECISION,
    MELS,
    PadMode,
    centred_frames,
    mel_bands,
    mel_power,
    slaney_mels,
    tail_padded,
    tail_padded_frames,
)
from glam.inputs.inputs import Extractor, Input, Rows, Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Transform = Callable[["Tensor"], "Tensor"]

# librosa's defaults
N_FFT, HOP = 2048, 512
FLOOR, TOP_DB = 1e-10, 80.0
# the release's log power spectrogram
SPECTRUM, BINS = 3198, 400
# AACNN's mel spectrogram
WIDE_FFT, WIDE_HOP = 800, 400
PRE_EMPHASIS = 0.97
MU = 255

CPU_CHUNK = 4  # segments at a time: their frames and spectra stay in the second-level cache
GPU_CHUNK = 256
GROUP = 256  # segments of an utterance that are extracted at a time: bounds the memory, whatever its length


class Spectral(Input):
    """A kind of features of the spectrum. centred: length of frames that are centred, and so reach beyond both ends."""

    time_axis: int | None = 1
    centred = 0
    pad_mode: PadMode = "constant"

    def of_samples(self, samples: int) -> Shape:
        """The shape of the features of so many samples."""
        raise NotImplementedError

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """The function from a chunk of segments (n, samples) to their features (n, *shape), on that device."""
        raise NotImplementedError

    def shape(self, cut: AnyCut) -> Shape:
        """The shape of a row; ValueError where the cut has too few samples for it."""
        self.check(cut.samples)
        return self.of_samples(cut.samples)

    def check(self, samples: int) -> None:
        """ValueError where so many samples are too few."""
        if self.centred and self.pad_mode == "reflect" and samples <= self.centred // 2:
            raise ValueError(
                f"{samples} samples are too short for it: it reflects {self.centred // 2} samples at each end. Choose "
                "a greater cut.length, or pad_mode constant"
            )

    def padded(self, cut: AnyCut) -> bool:
        """True of whole utterances, behind which there are zeros."""
        return not isinstance(cut, Segments)

    def extractor(self, cut: AnyCut, device: str = "cpu") -> Extractor:
        """See Input."""
        return SpectralExtractor(self, cut, device)


class SpectralExtractor(Extractor):
    """Features of segments, or of whole utterances with zeros behind them, on one device."""

    def __init__(self, of: Spectral, cut: AnyCut, device: str = "cpu") -> None:
        import torch

        super().__init__(of, cut)
        self.spectral, self.device = of, torch.device(device)
        self._chunk = CPU_CHUNK if self.device.type == "cpu" else GPU_CHUNK
        self._plain = of.transform(self.device)

    @property
    def reads_on(self) -> bool:
        """False: a row is of the samples within the cut alone."""
        return False

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        """See Extractor."""
        import torch

        warp = warp_factor(utterance.id, copy) if copy else 1.0
        transform = self.spectral.transform(self.device, warp) if copy else self._plain
        if isinstance(self.cut, Segments):
            # A view: neighbouring segments share most of their samples, and copies would be several times the corpus.
            segments = torch.from_numpy(samples).unfold(0, self.cut.samples, self.cut.hop(part))
            for first in range(0, len(segments), GROUP):
                yield self._computed(segments[first : first + GROUP], transform).cpu().numpy(), None
            return
        samples = samples[: self.cut.samples]
        try:
            self.spectral.check(len(samples))
        except ValueError as error:
            raise GlamError(f"{utterance.id}: {error}") from None
        true = self._computed(torch.from_numpy(samples)[None], transform).cpu().numpy()
        axis = 1 + (self.spectral.time_axis or 0)
        behind = [(0, 0)] * true.ndim
        behind[axis] = (0, self.shape[axis - 1] - true.shape[axis])
        yield np.pad(true, behind), np.array([true.shape[axis]])

    def of_segments(self, segments: "Tensor") -> "Tensor":
        """Features (n, *shape) float32 on the device, of segments (n, samples) float32 in [-1, 1]."""
        return self._computed(segments, self._plain)

    def _computed(self, segments: "Tensor", transform: Transform) -> "Tensor":
        import torch

        parts = []
        # Without autocast and TF32, whatever the caller has switched on: they would change the features.
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False), FULL_PRECISION:
            for start in range(0, len(segments), self._chunk):
                parts.append(transform(segments[start : start + self._chunk].to(self.device)))
            return torch.cat(parts) if parts else torch.empty(0, *self.shape, device=self.device)


class Mfcc(Spectral):
    """MFCC of a segment (GLAM paper, section 4.1).

    coefficients: how many. pad_mode: what lies before the first and after the last sample of a segment: `reflect` as in
    librosa up to 0.8, `constant` zeros as from 0.9. vtlp_copies: copies of the training utterances with the vocal tract
    length perturbed (augmentation.py).
    """

    centred = N_FFT

    def __init__(
        self, *, coefficients: int = 26, pad_mode: Literal["reflect", "constant"] = "reflect", vtlp_copies: int = 0
    ) -> None:
        if not 1 <= coefficients <= MELS:
            raise ValueError(f"coefficients: given {coefficients}, expected 1 to {MELS}")
        _check_copies(vtlp_copies)
        self.coefficients, self.pad_mode, self.copies = coefficients, pad_mode, vtlp_copies

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return self.coefficients, 1 + samples // HOP

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        import torch

        window = torch.hann_window(N_FFT, device=device)
        mel = mel_bands(slaney_mels(N_FFT, warp), device)
        dct = cosines(self.coefficients, MELS).to(device)

        def transform(segments: "Tensor") -> "Tensor":
            frames = centred_frames(segments, N_FFT, HOP, self.pad_mode)
            power = mel_power(frames * window, mel)  # (n, T, MELS)
            decibels = power.clamp_(min=FLOOR).log10_().mul_(10)
            # What counts is TOP_DB below the loudest point of each segment alone. A constant number of decibels is all
            # in the first coefficient: the middle of that range is added there, so that the sums over mels are of
            # small numbers and keep their digits.
            middle = decibels.amax((1, 2), keepdim=True) - TOP_DB / 2
            mfcc = dct @ (decibels - middle).clamp_(min=-TOP_DB / 2).transpose(1, 2)
            mfcc[:, 0] += middle[:, 0] * MELS**0.5
            return mfcc

        return transform


class MelSpectrogram(Spectral):
    """The log10 mel power of AACNN's own implementation.

    pad_mode, vtlp_copies: as of Mfcc.
    """

    centred = WIDE_FFT

    def __init__(self, *, pad_mode: Literal["reflect", "constant"] = "reflect", vtlp_copies: int = 0) -> None:
        _check_copies(vtlp_copies)
        self.pad_mode, self.copies = pad_mode, vtlp_copies

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return MELS, 1 + samples // WIDE_HOP

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        import torch

        window = torch.hann_window(WIDE_FFT, device=device)
        mel = mel_bands(slaney_mels(WIDE_FFT, warp), device)

        def transform(segments: "Tensor") -> "Tensor":
            frames = centred_frames(segments, WIDE_FFT, WIDE_HOP, self.pad_mode)
            # its authors take the logarithm as it is: of silence that is -inf, so there is a floor here
            return mel_power(frames * window, mel).clamp_(min=FLOOR).log10_().transpose(1, 2)

        return transform


class Spectrogram(Spectral):
    """The release's log power spectrogram, relative to its loudest point."""

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return BINS, tail_padded(samples)

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        import torch

        def transform(segments: "Tensor") -> "Tensor":
            power: Tensor = torch.fft.rfft(tail_padded_frames(segments), n=SPECTRUM).abs().square_().div_(SPECTRUM)
            decibels = power.clamp_(min=1e-30).log10_().mul_(10)
            decibels -= decibels.amax((1, 2), keepdim=True)
            return decibels[..., :BINS].transpose(1, 2)

        return transform


class Fbank(Spectral):
    """Filterbank energies to 8 kHz."""

    time_axis = 0

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return tail_padded(samples), 26

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        return _filterbank(26, 8000, device)


class LogFbank(Spectral):
    """Log filterbank energies to 4 kHz."""

    time_axis = 0

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return tail_padded(samples), 40

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        energies = _filterbank(40, 4000, device)
        return lambda segments: energies(segments).log_()


class Interspeech2018(Spectral):
    """Magnitudes, mu-law compressed."""

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return FRAME // 2 + 1, tail_padded(samples)

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        import torch

        def transform(segments: "Tensor") -> "Tensor":
            magnitude: Tensor = torch.fft.rfft(tail_padded_frames(segments)).abs()
            loudest = magnitude.amax((1, 2), keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
            scaled = magnitude.div_(loudest).mul_(2).sub_(1)
            return (scaled.sign() * (MU * scaled.abs()).log1p_() / float(np.log1p(MU))).transpose(1, 2)

        return transform


MOST_COPIES = 1000  # each is as large as the recordings


def _check_copies(copies: int) -> None:
    if not 0 <= copies <= MOST_COPIES:
        raise ValueError(f"vtlp_copies: given {copies}, expected 0 to {MOST_COPIES}")


def librosa_mfcc(segment: NDArray[np.float32], settings: "Mfcc") -> NDArray[np.float32]:
    """The reference that the default is tested against: MFCC (F, T) of one segment (samples,) by librosa itself."""
    import librosa

    spectrum = librosa.feature.melspectrogram(y=segment, sr=RATE, pad_mode=settings.pad_mode)
    mfcc: NDArray[np.float32] = librosa.feature.mfcc(S=librosa.power_to_db(spectrum), n_mfcc=settings.coefficients)
    return mfcc


def _filterbank(filters: int, highest: int, device: "torch.device") -> Transform:
    import torch

    fft = 1024
    # Triangles between whole bins, as in python_speech_features, whose energies the release takes.
    edges = np.linspace(0, 2595 * np.log10(1 + highest / 700), filters + 2)
    bins = np.floor((fft + 1) * 700 * (10 ** (edges / 2595) - 1) / RATE)
    bank = np.zeros((fft // 2 + 1, filters), dtype=np.float32)
    for j, (low, top, high) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        for i in range(int(low), int(high)):
            bank[i, j] = (i - low) / (top - low) if i < top else (high - i) / (high - top)
    weights = torch.from_numpy(bank).to(device)
    epsilon = float(np.finfo(np.float64).eps)

    def transform(segments: "Tensor") -> "Tensor":
        emphasised = segments.clone()
        emphasised[:, 1:] -= PRE_EMPHASIS * segments[:, :-1]
        power: Tensor = torch.fft.rfft(tail_padded_frames(emphasised), n=fft).abs().square_().div_(fft)
        energies = power @ weights
        return energies.masked_fill_(energies == 0, epsilon)

    return transform
