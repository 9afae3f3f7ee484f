"""Features of segments: one function a kind, the same on every device, in float32.

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

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.inputs.augmentation import spread
from glam.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Kind = Literal["mfcc", "spectrogram", "melspectrogram", "fbank", "logfbank", "interspeech2018"]
PadMode = Literal["reflect", "constant"]

# librosa's defaults
N_FFT, HOP, MELS = 2048, 512, 128
FLOOR, TOP_DB = 1e-10, 80.0
# the release's log power spectrogram
FRAME, STEP, SPECTRUM, BINS = 640, 160, 3198, 400
# AACNN's mel spectrogram
WIDE_FFT, WIDE_HOP = 800, 400
PRE_EMPHASIS = 0.97
MU = 255

CPU_CHUNK = 4  # segments at a time: their frames and spectra stay in the second-level cache
GPU_CHUNK = 256
_CENTRED = {"mfcc": N_FFT, "melspectrogram": WIDE_FFT}  # kinds whose frames are centred, and the frames' length
MEL_BANDS = 8  # groups of neighbouring mel filters, each multiplied with its own frequencies only


class FeatureSettings(Settings):
    """Which features, and what a kind can be told.

    coefficients: of `mfcc`. pad_mode: what lies before the first and after the last sample of a segment where frames
    are centred (`mfcc`, `melspectrogram`): `reflect` as in librosa up to 0.8, `constant` zeros as from 0.9.
    """

    kind: Kind = "mfcc"
    coefficients: int = Field(26, ge=1, le=MELS)
    pad_mode: PadMode = "reflect"

    @model_validator(mode="after")
    def _every_option_acts(self) -> Self:
        fields = type(self).model_fields
        if self.kind != "mfcc" and self.coefficients != fields["coefficients"].default:
            raise ValueError(f"coefficients belong to kind mfcc; kind is {self.kind}")
        if self.kind not in _CENTRED and self.pad_mode != fields["pad_mode"].default:
            raise ValueError(f"pad_mode belongs to the kinds mfcc and melspectrogram; kind is {self.kind}")
        return self

    @property
    def time_axis(self) -> int:
        """Axis of the frames in features (n, F, T) of a batch: the filterbanks are laid out (frames, filters)."""
        return 1 if self.kind in ("fbank", "logfbank") else 2

    def shape(self, samples: int) -> tuple[int, int]:
        """(F, T) of the features of a segment of so many samples."""
        tail_padded = 1 + max(0, -(-(samples - FRAME) // STEP))
        return {
            "mfcc": (self.coefficients, 1 + samples // HOP),
            "spectrogram": (BINS, tail_padded),
            "melspectrogram": (MELS, 1 + samples // WIDE_HOP),
            "fbank": (tail_padded, 26),
            "logfbank": (tail_padded, 40),
            "interspeech2018": (FRAME // 2 + 1, tail_padded),
        }[self.kind]


class Extractor:
    """Features of segments of one length on one device.

    settings, samples: which features, and the length of a segment. device: a torch device. Raises GlamError where the
    segments are too short for the features. May be called by several threads at once.
    """

    def __init__(self, settings: FeatureSettings, samples: int, device: str = "cpu", warp: float = 1.0) -> None:
        import torch

        if settings.kind in _CENTRED and settings.pad_mode == "reflect" and samples <= _CENTRED[settings.kind] // 2:
            raise GlamError(
                f"segments of {samples} samples are too short for {settings.kind}, which reflects "
                f"{_CENTRED[settings.kind] // 2} samples at each end: choose a greater segments.length, or "
                "features.pad_mode constant"
            )
        self.settings = settings
        self.shape = settings.shape(samples)
        self.device = torch.device(device)
        self._chunk = CPU_CHUNK if self.device.type == "cpu" else GPU_CHUNK
        self._transform = _transform(settings, self.device, warp)

    def __call__(self, segments: "Tensor") -> "Tensor":
        """Features (n, F, T) float32 on the device, of segments (n, samples) float32 in [-1, 1]."""
        import torch

        out = torch.empty((len(segments), *self.shape), device=self.device)
        # Without autocast and TF32, whatever the caller has switched on: they would change the features.
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False), _FULL_PRECISION:
            for start in range(0, len(segments), self._chunk):
                chunk = segments[start : start + self._chunk].to(self.device)
                out[start : start + self._chunk] = self._transform(chunk)
        return out


def librosa_mfcc(segment: NDArray[np.float32], settings: FeatureSettings) -> NDArray[np.float32]:
    """The reference that the default is tested against: MFCC (F, T) of one segment (samples,) by librosa itself."""
    import librosa

    spectrum = librosa.feature.melspectrogram(y=segment, sr=RATE, pad_mode=settings.pad_mode)
    mfcc: NDArray[np.float32] = librosa.feature.mfcc(S=librosa.power_to_db(spectrum), n_mfcc=settings.coefficients)
    return mfcc


def _transform(settings: FeatureSettings, device: "torch.device", warp: float) -> Callable[["Tensor"], "Tensor"]:
    """The function from a chunk of segments (n, samples) to their features (n, F, T)."""
    if settings.kind == "mfcc":
        return _mfcc(settings, device, warp)
    if settings.kind == "melspectrogram":
        return _melspectrogram(settings, device, warp)
    make: dict[str, Callable[[FeatureSettings, torch.device], Callable[[Tensor], Tensor]]] = {
        "spectrogram": _spectrogram,
        "fbank": _fbank,
        "logfbank": _logfbank,
        "interspeech2018": _interspeech2018,
    }
    return make[settings.kind](settings, device)


def _mfcc(settings: FeatureSettings, device: "torch.device", warp: float) -> Callable[["Tensor"], "Tensor"]:
    import torch
    from torchaudio.functional import create_dct

    window = torch.hann_window(N_FFT, device=device)
    mel = _bands(_slaney_mels(N_FFT, warp), device)
    dct: Tensor = create_dct(settings.coefficients, MELS, "ortho").T.contiguous().to(device)

    def transform(segments: "Tensor") -> "Tensor":
        frames = _centred_frames(segments, N_FFT, HOP, settings.pad_mode)
        power = _mel_power(frames * window, mel)  # (n, T, MELS)
        decibels = power.clamp_(min=FLOOR).log10_().mul_(10)
        # What counts is TOP_DB below the loudest point of each segment alone. A constant number of decibels is all in
        # the first coefficient: the middle of that range is added there, so that the sums over mels are of small
        # numbers and keep their digits.
        middle = decibels.amax((1, 2), keepdim=True) - TOP_DB / 2
        mfcc = dct @ (decibels - middle).clamp_(min=-TOP_DB / 2).transpose(1, 2)
        mfcc[:, 0] += middle[:, 0] * MELS**0.5
        return mfcc

    return transform


def _melspectrogram(settings: FeatureSettings, device: "torch.device", warp: float) -> Callable[["Tensor"], "Tensor"]:
    import torch

    window = torch.hann_window(WIDE_FFT, device=device)
    mel = _bands(_slaney_mels(WIDE_FFT, warp), device)

    def transform(segments: "Tensor") -> "Tensor":
        frames = _centred_frames(segments, WIDE_FFT, WIDE_HOP, settings.pad_mode)
        # its authors take the logarithm as it is: of silence that is -inf, so there is a floor here
        return _mel_power(frames * window, mel).clamp_(min=FLOOR).log10_().transpose(1, 2)

    return transform


def _spectrogram(settings: FeatureSettings, device: "torch.device") -> Callable[["Tensor"], "Tensor"]:
    import torch

    def transform(segments: "Tensor") -> "Tensor":
        power: Tensor = torch.fft.rfft(_tail_padded_frames(segments), n=SPECTRUM).abs().square_().div_(SPECTRUM)
        decibels = power.clamp_(min=1e-30).log10_().mul_(10)
        decibels -= decibels.amax((1, 2), keepdim=True)
        return decibels[..., :BINS].transpose(1, 2)

    return transform


def _fbank(settings: FeatureSettings, device: "torch.device") -> Callable[["Tensor"], "Tensor"]:
    return _filterbank(26, 8000, device)


def _logfbank(settings: FeatureSettings, device: "torch.device") -> Callable[["Tensor"], "Tensor"]:
    energies = _filterbank(40, 4000, device)
    return lambda segments: energies(segments).log_()


def _filterbank(filters: int, highest: int, device: "torch.device") -> Callable[["Tensor"], "Tensor"]:
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
        power: Tensor = torch.fft.rfft(_tail_padded_frames(emphasised), n=fft).abs().square_().div_(fft)
        energies = power @ weights
        return energies.masked_fill_(energies == 0, epsilon)

    return transform


def _interspeech2018(settings: FeatureSettings, device: "torch.device") -> Callable[["Tensor"], "Tensor"]:
    import torch

    def transform(segments: "Tensor") -> "Tensor":
        magnitude: Tensor = torch.fft.rfft(_tail_padded_frames(segments)).abs()
        loudest = magnitude.amax((1, 2), keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
        scaled = magnitude.div_(loudest).mul_(2).sub_(1)
        return (scaled.sign() * (MU * scaled.abs()).log1p_() / float(np.log1p(MU))).transpose(1, 2)

    return transform


def _centred_frames(segments: "Tensor", length: int, hop: int, pad_mode: PadMode) -> "Tensor":
    from torch.nn import functional as F

    # reflection needs more samples than it pads; librosa repeats it where a segment is shorter
    padded = F.pad(segments.unsqueeze(1), (length // 2, length // 2), mode=pad_mode).squeeze(1)
    return padded.unfold(1, length, hop)


def _tail_padded_frames(segments: "Tensor") -> "Tensor":
    from torch.nn import functional as F

    n = segments.shape[1]
    frames = 1 + max(0, -(-(n - FRAME) // STEP))
    return F.pad(segments, (0, (frames - 1) * STEP + FRAME - n)).unfold(1, FRAME, STEP)


@lru_cache(4)  # every warped copy has filters of its own
def _slaney_mels(fft: int, warp: float) -> "Tensor":
    """The mel filters (frequencies, mels), of a spectrum that is warped before it meets them."""
    import torch
    from torchaudio.functional import melscale_fbanks

    mels: Tensor = melscale_fbanks(fft // 2 + 1, 0.0, RATE / 2, MELS, RATE, norm="slaney", mel_scale="slaney")
    return mels if warp == 1 else torch.from_numpy(spread(warp, fft)) @ mels


def _bands(mels: "Tensor", device: "torch.device") -> list[tuple[int, int, "Tensor"]]:
    """The filters (frequencies, mels) in groups: first and last row of |spectrum|^2 they meet, and their weights.

    Rows stand twice, for the squares of the real and the imaginary part, which the product then adds up.
    """
    bands = []
    for filters in mels.split(MELS // MEL_BANDS, dim=1):
        used = filters.any(dim=1).nonzero()[:, 0]
        low, high = int(used[0]), int(used[-1]) + 1
        weights = filters[low:high].repeat_interleave(2, dim=0).contiguous().to(device)
        bands.append((2 * low, 2 * high, weights))
    return bands


def _mel_power(frames: "Tensor", bands: list[tuple[int, int, "Tensor"]]) -> "Tensor":
    import torch

    squares = torch.view_as_real(torch.fft.rfft(frames)).flatten(-2).square_()
    return torch.cat([squares[..., low:high] @ weights for low, high, weights in bands], dim=-1)


class _FullPrecision:
    """Matrix products of float32 in float32 within the block, on every device; before and after as the process had it.

    The switches are the whole process's, and several threads extract at once: the first one to enter sets them, the
    last one to leave puts back what was there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [switch.fp32_precision for switch in self._switches()]
                for switch in self._switches():
                    switch.fp32_precision = "ieee"
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for switch, before in zip(self._switches(), self._before, strict=True):
                    switch.fp32_precision = before

    @staticmethod
    def _switches() -> tuple[Any, ...]:
        import torch

        backends: Any = torch.backends
        return backends.cuda.matmul, backends.mkldnn.matmul


_FULL_PRECISION = _FullPrecision()
