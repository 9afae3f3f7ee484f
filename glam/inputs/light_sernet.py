"""MFCC as Light-SERNet's release computes them: TensorFlow's, of a segment that is first scaled and made 16-bit.

    segment -> scaled by its 99.9th percentile, clipped, 16 bits -> magnitudes -> HTK mels -> logarithm -> MFCC

Scaling is in float32 where the release's is, so that the 16-bit samples are the release's own; the rest is in float64,
which neither autocast nor TF32 touches.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE
from glam.inputs.inputs import Shape
from glam.inputs.spectral import Spectral, Transform

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FRAME, HOP = 1024, 256
MELS, LOWEST, HIGHEST = 128, 80.0, 7600.0
COEFFICIENTS = 40
FLOOR = 1e-6  # added to the mel magnitudes before their logarithm
LIMIT = 10.0  # coefficients are clipped to -10..10, which most first ones reach
PERCENTILE = 0.999


class LightSernetMfcc(Spectral):
    """MFCC (frames, 40) of a segment that is scaled by itself (the release's segment mode 0): (122, 40) for 2 s."""

    time_axis = 0

    def check(self, samples: int) -> None:
        """Raise ValueError where so many samples are too few."""
        if samples < FRAME:
            raise ValueError(
                f"{samples} samples are too short for it: its frames have {FRAME}. Choose a greater cut.length"
            )

    def of_samples(self, samples: int) -> Shape:
        """See Spectral."""
        return 1 + (samples - FRAME) // HOP, COEFFICIENTS

    def transform(self, device: "torch.device", warp: float = 1.0) -> Transform:
        """See Spectral."""
        mfcc = mfcc_of(device)
        return lambda segments: mfcc(sixteen_bit(scaled(segments))).float()


def scaled(segments: "Tensor") -> "Tensor":
    """Segments (n, samples) float32 divided by the 99.9th percentile of their magnitudes, and clipped to -1..1.

    The percentile is interpolated in float64, as NumPy does it. Where it is 0 the segment is only clipped; the release
    divides by it all the same.
    """
    place = PERCENTILE * (segments.shape[1] - 1)
    below = math.floor(place)
    loudest = segments.abs().topk(segments.shape[1] - below, dim=1).values.double()
    lower, upper = loudest[:, -1], loudest[:, max(loudest.shape[1] - 2, 0)]
    percentile = (lower + (place - below) * (upper - lower)).float().unsqueeze(1)
    return (segments / percentile.where(percentile > 0, 1.0)).clamp(-1, 1)


def sixteen_bit(segments: "Tensor") -> "Tensor":
    """What a 16-bit file keeps of samples in -1..1: multiples of 1/32768 below 1, float64. Halves go away from 0."""
    steps = segments.double() * 32768
    return (steps + steps.sign() / 2).trunc().clamp(max=32767) / 32768


def mfcc_of(device: "torch.device | str") -> Callable[["Tensor"], "Tensor"]:
    """The function from segments (n, samples) to MFCC (n, T, F), both float64.

    Frames are not centred; magnitudes, not powers; DCT-II times 2 / sqrt(256), by which the first coefficient is
    sqrt(2) larger than an orthonormal one.
    """
    import torch

    window = torch.hann_window(FRAME, dtype=torch.float64, device=device)
    mels = torch.from_numpy(mel_filters()).to(device)
    angles = np.outer(2 * np.arange(MELS) + 1, np.arange(COEFFICIENTS)) * np.pi / (2 * MELS)
    dct = torch.from_numpy(2 / np.sqrt(2 * MELS) * np.cos(angles)).to(device)

    def transform(segments: "Tensor") -> "Tensor":
        magnitudes = torch.fft.rfft(segments.unfold(1, FRAME, HOP) * window).abs()
        coefficients: Tensor = ((magnitudes @ mels + FLOOR).log() @ dct).clamp(-LIMIT, LIMIT)
        return coefficients

    return transform


def mel_filters() -> NDArray[np.float64]:
    """The mel filters (513, 128): triangles linear in HTK mel, not normalised by area; bin 0 is in none of them."""

    lowest, highest = (1127 * math.log1p(hertz / 700) for hertz in (LOWEST, HIGHEST))
    edges = np.linspace(lowest, highest, MELS + 2)
    low, top, high = edges[:-2], edges[1:-1], edges[2:]
    bins = 1127 * np.log1p(np.arange(FRAME // 2 + 1)[:, None] * RATE / FRAME / 700)
    filters: NDArray[np.float64] = np.minimum((bins - low) / (top - low), (high - bins) / (high - top)).clip(min=0)
    filters[0] = 0
    return filters
