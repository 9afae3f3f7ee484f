"""Light-SERNet's MFCC against those that its authors' release computed of EmoDB recordings."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.inputs.cut import Segments
from glam.inputs.light_sernet import LightSernetMfcc, mel_filters, mfcc_of, scaled, sixteen_bit
from glam.inputs.spectral import Transform

NAMES = ["12b03Ta", "03b01Wc", "12a02Ac"]
TWO_SECONDS = 32_000
BOUND = 2e-4  # on every coefficient


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, NDArray[Any]]:
    with np.load(shared / "parity" / "next" / "lightsernet_features.npz") as arrays:
        return dict(arrays)


def transform_of() -> Transform:
    return LightSernetMfcc().transform(torch.device("cpu"))


def speech(shared: Path, name: str) -> NDArray[np.float32]:
    return read_audio(shared / "corpora" / "emodb" / "wav" / f"{name}.wav")


def segments_of(shared: Path, golden: dict[str, NDArray[Any]], name: str) -> torch.Tensor:
    samples = speech(shared, name)
    return torch.from_numpy(np.stack([samples[start : start + TWO_SECONDS] for start in golden[f"{name}/starts2"]]))


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES[:2])
def test_features_of_segments_are_the_release_s(shared: Path, golden: dict[str, NDArray[Any]], name: str) -> None:
    segments = segments_of(shared, golden, name)
    features = transform_of()(segments)
    assert features.dtype == torch.float32
    assert features.shape[1:] == LightSernetMfcc().of_samples(TWO_SECONDS) == (122, 40)
    np.testing.assert_allclose(features.numpy(), golden[f"{name}/mfcc2"], rtol=0, atol=BOUND)
    unscaled = mfcc_of("cpu")(segments.double()).numpy()
    np.testing.assert_allclose(unscaled, golden[f"{name}/mfcc2_unscaled"], rtol=0, atol=BOUND)
    assert (features == 10).any()
    assert np.abs(features.numpy() - unscaled).max() > 1


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES)
def test_the_16_bit_samples_are_the_release_s(shared: Path, golden: dict[str, NDArray[Any]], name: str) -> None:
    """Of 2 s segments, and of whole recordings that were cut in the middle or padded to 3 and 7 s."""
    if f"{name}/starts2" in golden:
        ours = sixteen_bit(scaled(segments_of(shared, golden, name)[:2])) * 32768
        assert np.array_equal(ours.numpy(), golden[f"{name}/segment2"])
    for seconds in (3, 7):
        if f"{name}/segment{seconds}" in golden:
            surplus = len(samples := speech(shared, name)) - 16_000 * seconds
            cut = samples[surplus // 2 :][: 16_000 * seconds] if surplus > 0 else samples
            ours = sixteen_bit(scaled(torch.from_numpy(cut)[None]))[0] * 32768
            padded = np.pad(ours.numpy(), (max(-surplus, 0) // 2, max(-surplus, 0) - max(-surplus, 0) // 2))
            assert np.array_equal(padded, golden[f"{name}/segment{seconds}"])
            mfcc = mfcc_of("cpu")(torch.from_numpy(padded)[None] / 32768)[0].numpy()
            np.testing.assert_allclose(mfcc, golden[f"{name}/mfcc{seconds}"], rtol=0, atol=BOUND)


@pytest.mark.parity
def test_filters_magnitudes_and_logarithms_are_the_release_s(golden: dict[str, NDArray[Any]]) -> None:
    np.testing.assert_allclose(mel_filters(), golden["mel_matrix"], rtol=0, atol=1e-4)
    (name,) = [name for name in NAMES if f"{name}/logmel3" in golden]
    samples = golden[f"{name}/segment3"] / 32768
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::256]
    magnitudes = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024))))
    np.testing.assert_allclose(magnitudes[80:84], golden[f"{name}/spectrogram3_frames"], rtol=0, atol=1e-4)
    logarithms = np.log(magnitudes @ mel_filters() + 1e-6)
    np.testing.assert_allclose(logarithms, golden[f"{name}/logmel3"], rtol=0, atol=1e-3)


def test_percentile_is_numpy_s() -> None:
    rng = np.random.default_rng(0)
    for samples in (1024, 32_000, 2001):  # the last has it on a sample
        segments = rng.normal(0, 0.1, (3, samples)).astype(np.float32)
        percentiles = np.percentile(np.abs(segments).astype(np.float64), 99.9, axis=1, keepdims=True)
        expected = np.clip(segments / percentiles, -1, 1)
        np.testing.assert_allclose(scaled(torch.from_numpy(segments)).numpy(), expected, rtol=1e-6)


def test_samples_are_rounded_to_16_bits() -> None:
    steps = torch.tensor([-32768, -1.5, -0.5, 0.49, 0.5, 2.5, 32766.6, 32767.6, 32768], dtype=torch.float64)
    rounded = [-32768, -2, -1, 0, 1, 3, 32767, 32767, 32767]
    assert (sixteen_bit(steps / 32768) * 32768).tolist() == rounded


def test_each_segment_is_on_its_own_and_silence_is_finite() -> None:
    torch.manual_seed(0)
    loud = torch.rand(20, 1)
    segments = torch.cat((loud * torch.randn(20, 4096), torch.zeros(2, 4096), torch.eye(1, 4096)))
    transform = transform_of()
    together = transform(segments)
    assert together.isfinite().all()
    assert together.shape == (23, 13, 40)
    assert torch.equal(together[20], together[21])
    with ThreadPoolExecutor(4) as pool:
        alone = torch.cat(list(pool.map(lambda segment: transform(segment[None]), segments)))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    windows = torch.randn(9000).unfold(0, 4096, 700)  # which overlap in memory
    assert torch.equal(transform(windows), transform(windows.clone()))


def test_a_segment_shorter_than_a_frame_is_refused() -> None:
    made = LightSernetMfcc()
    assert made.shape(Segments(name="segments", length=0.064, train_overlap=0, test_overlap=0)) == (1, 40)
    assert made.of_samples(48_000) == (184, 40)
    with pytest.raises(ValueError, match=r"1008 samples are too short for it: its frames have 1024\. Choose a greater"):
        made.shape(Segments(name="segments", length=0.063, train_overlap=0, test_overlap=0))
