"""Filters and transform without torchaudio are those with it."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from glam.inputs import filters
from glam.inputs.cut import Segments
from glam.inputs.filters import (
    cosines,
    cosines_of_scipy,
    mel_filters,
    mel_filters_of_librosa,
    torchaudio_matches,
)
from glam.inputs.frames import slaney_mels
from glam.inputs.spectral import Mfcc, SpectralExtractor, librosa_mfcc

RATE = 16_000
BOUND = 1e-6


@pytest.mark.skipif(not torchaudio_matches(), reason="needs a torchaudio of the version of torch")
@pytest.mark.parametrize("fft", [512, 800, 2048])
@pytest.mark.parametrize("mels", [40, 128])
def test_mel_filters_and_cosines_are_torchaudios(fft: int, mels: int) -> None:
    np.testing.assert_allclose(
        mel_filters_of_librosa(fft, mels, RATE), mel_filters(fft, mels, RATE), rtol=0, atol=BOUND
    )
    # torchaudio computes its cosines in float32; of 40 mels they are 1.4e-6 off, and nothing uses those.
    np.testing.assert_allclose(cosines_of_scipy(26, 128), cosines(26, 128), rtol=0, atol=BOUND)


def slaney(fft: int, mels: int) -> np.ndarray:
    """Slaney's filters as they are defined: linear to 1000 Hz, 27 to a factor of 6.4 above, triangles of area 1."""
    highest = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mel = np.linspace(0, highest, mels + 2)
    edges = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    bins = np.linspace(0, RATE / 2, fft // 2 + 1)[:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    filters: np.ndarray = 2 / (right - left) * np.maximum(0, np.minimum(rising, falling))
    return filters


@pytest.mark.parametrize("fft", [512, 800, 2048])
@pytest.mark.parametrize("mels", [40, 128])
def test_mel_filters_are_slaneys_whoever_makes_them(fft: int, mels: int) -> None:
    """With torchaudio where it is of this torch, and without: both ends of the range are held to one definition."""
    for made in (mel_filters, mel_filters_of_librosa):
        np.testing.assert_allclose(made(fft, mels, RATE), slaney(fft, mels), rtol=0, atol=BOUND)


def test_cosines_are_the_transform_whoever_makes_them() -> None:
    order, place = np.arange(26)[:, None], np.arange(128)
    transform = np.sqrt(2 / 128) * np.cos(np.pi * order * (2 * place + 1) / 256)
    transform[0] /= np.sqrt(2)
    for made in (cosines, cosines_of_scipy):
        np.testing.assert_allclose(made(26, 128), transform, rtol=0, atol=BOUND)


def test_cosines_are_orthonormal() -> None:
    matrix = cosines_of_scipy(128, 128).double().numpy()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(128), atol=1e-6)


@pytest.mark.parametrize(
    ("torch", "torchaudio", "matches"),
    [
        ("2.11.0+cu130", "2.11.0", True),
        ("2.13.0+cpu", "2.11.0", False),
        ("2.4.0", "2.4.0+cpu", True),
        ("2.4.0", "", False),
    ],
)
def test_torchaudio_matches_the_torch_of_its_own_version(
    torch: str, torchaudio: str, matches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package == "torchaudio" and not torchaudio:
            raise PackageNotFoundError
        return torchaudio if package == "torchaudio" else torch

    monkeypatch.setattr(filters, "version", version)
    assert torchaudio_matches.__wrapped__() == matches


def test_features_without_torchaudio_are_librosas(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    signal = np.random.RandomState(3).randn(28_800).astype(np.float32) * 0.1
    segments, cut = torch.from_numpy(signal)[None], Segments(name="segments")
    with_it = SpectralExtractor(Mfcc(), cut).of_segments(segments)[0].numpy()
    monkeypatch.setattr(filters, "torchaudio_matches", lambda: False)
    slaney_mels.cache_clear()
    try:
        without = SpectralExtractor(Mfcc(), cut).of_segments(segments)[0].numpy()
    finally:
        slaney_mels.cache_clear()
    np.testing.assert_allclose(without, librosa_mfcc(signal, Mfcc()), atol=2e-3)
    np.testing.assert_allclose(without, with_it, rtol=0, atol=2e-4)
