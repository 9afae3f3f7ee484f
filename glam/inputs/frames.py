"""Frames of segments, mel filters, and their products in full precision."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from glam.corpora.audio import RATE
from glam.inputs.augmentation import spread
from glam.inputs.filters import mel_filters

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PadMode = Literal["reflect", "constant"]

MELS = 128  # librosa's default
FRAME, STEP = 640, 160  # of the release's own spectra
MEL_BANDS = 8  # groups of neighbouring mel filters, each multiplied with its own frequencies only


def tail_padded(samples: int) -> int:
    """Frames of so many samples whose end is padded to a whole frame."""
    return 1 + max(0, -(-(samples - FRAME) // STEP))


def centred_frames(segments: "Tensor", length: int, hop: int, pad_mode: PadMode) -> "Tensor":
    """Frames (n, frames, length) centred at every `hop` samples of segments (n, samples)."""
    from torch.nn import functional as F

    # reflection needs more samples than it pads; librosa repeats it where a segment is shorter
    padded = F.pad(segments.unsqueeze(1), (length // 2, length // 2), mode=pad_mode).squeeze(1)
    return padded.unfold(1, length, hop)


def tail_padded_frames(segments: "Tensor") -> "Tensor":
    """Frames (n, frames, FRAME) of segments (n, samples), zeros behind the last."""
    from torch.nn import functional as F

    n = segments.shape[1]
    frames = tail_padded(n)
    return F.pad(segments, (0, (frames - 1) * STEP + FRAME - n)).unfold(1, FRAME, STEP)


@lru_cache(4)  # every warped copy has filters of its own
def slaney_mels(fft: int, warp: float) -> "Tensor":
    """The mel filters (frequencies, mels), of a spectrum that is warped before it meets them."""
    import torch

    mels = mel_filters(fft, MELS, RATE)
    if warp == 1:
        return mels
    with FULL_PRECISION:  # as everything else: whether another thread is within it must not make other digits
        return torch.from_numpy(spread(warp, fft)) @ mels


def mel_bands(mels: "Tensor", device: "torch.device") -> list[tuple[int, int, "Tensor"]]:
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


def mel_power(frames: "Tensor", bands: list[tuple[int, int, "Tensor"]]) -> "Tensor":
    """The mel power (n, frames, mels) of windowed frames."""
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
        if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
            return (_OlderSwitch(),)
        return backends.cuda.matmul, backends.mkldnn.matmul


class _OlderSwitch:
    """The one switch of all devices, in the words of today's."""

    @property
    def fp32_precision(self) -> str:
        import torch

        return torch.get_float32_matmul_precision()

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        import torch

        torch.set_float32_matmul_precision("highest" if value == "ieee" else value)


FULL_PRECISION = _FullPrecision()
