"""Mel filters and the discrete cosine transform: torchaudio's where it is of this torch, else librosa's and SciPy's.

torchaudio only works with the torch that it was built for, and is made for no other than those up to 2.11.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@cache
def torchaudio_matches() -> bool:
    """True where torchaudio is installed, of the version of torch."""
    try:
        return _release(version("torchaudio")) == _release(version("torch"))
    except PackageNotFoundError:
        return False


def mel_filters(fft: int, mels: int, rate: int) -> "Tensor":
    """Slaney's mel filters (fft // 2 + 1, mels) float32 from 0 to half the rate, each of area 1."""
    if torchaudio_matches():
        from torchaudio.functional import melscale_fbanks

        filters: Tensor = melscale_fbanks(fft // 2 + 1, 0.0, rate / 2, mels, rate, norm="slaney", mel_scale="slaney")
        return filters
    return mel_filters_of_librosa(fft, mels, rate)


def cosines(coefficients: int, mels: int) -> "Tensor":
    """The orthonormal discrete cosine transform (coefficients, mels) float32, of type 2."""
    if torchaudio_matches():
        from torchaudio.functional import create_dct

        matrix: Tensor = create_dct(coefficients, mels, "ortho")
        return matrix.T.contiguous()
    return cosines_of_scipy(coefficients, mels)


def mel_filters_of_librosa(fft: int, mels: int, rate: int) -> "Tensor":
    """See mel_filters."""
    import torch
    from librosa.filters import mel

    return torch.from_numpy(mel(sr=rate, n_fft=fft, n_mels=mels, dtype=np.float64).T.astype(np.float32).copy())


def cosines_of_scipy(coefficients: int, mels: int) -> "Tensor":
    """See cosines."""
    import torch
    from scipy.fft import dct

    matrix = dct(np.eye(mels), type=2, norm="ortho", axis=0)[:coefficients]
    return torch.from_numpy(matrix.astype(np.float32))


def _release(of: str) -> str:
    return of.partition("+")[0]
