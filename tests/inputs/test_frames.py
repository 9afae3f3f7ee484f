"""Frames, mel filters and their products, against plain NumPy in double precision; and the switches of precision."""

import threading
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from glam.inputs.augmentation import spread
from glam.inputs.frames import (
    FRAME,
    FULL_PRECISION,
    MEL_BANDS,
    MELS,
    STEP,
    PadMode,
    _OlderSwitch,
    centred_frames,
    mel_bands,
    mel_power,
    slaney_mels,
    tail_padded,
    tail_padded_frames,
)

CPU = torch.device("cpu")


def noise(rows: int, samples: int, seed: int = 0) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.random.default_rng(seed).standard_normal((rows, samples), dtype=np.float32)
    return values


@given(st.integers(1, 6000))
@settings(deadline=None)
def test_frames_at_the_tail_are_filled_with_zeros(samples: int) -> None:
    segments = noise(2, samples)
    frames = tail_padded_frames(torch.from_numpy(segments)).numpy()
    assert frames.shape == (2, tail_padded(samples), FRAME)
    padded = np.pad(segments, [(0, 0), (0, FRAME + STEP)])
    for i in range(frames.shape[1]):
        np.testing.assert_array_equal(frames[:, i], padded[:, STEP * i : STEP * i + FRAME])
    # every sample is in a frame, and no frame is of zeros alone
    covered = (tail_padded(samples) - 1) * STEP + FRAME
    assert covered >= samples
    assert tail_padded(samples) == 1 or covered - STEP < samples


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize(("samples", "length", "hop"), [(3000, 2048, 512), (1025, 2048, 512), (2000, 800, 400)])
def test_centred_frames_are_those_of_the_padded_signal(samples: int, length: int, hop: int, pad_mode: PadMode) -> None:
    segments = noise(3, samples)
    frames = centred_frames(torch.from_numpy(segments), length, hop, pad_mode).numpy()
    assert frames.shape == (3, 1 + samples // hop, length)
    padded = np.pad(segments, [(0, 0), (length // 2, length // 2)], mode=pad_mode)
    for i in range(frames.shape[1]):
        np.testing.assert_array_equal(frames[:, i], padded[:, hop * i : hop * i + length])


@pytest.mark.parametrize("fft", [800, 2048])
def test_mel_filters_are_librosas(fft: int) -> None:
    theirs = librosa.filters.mel(sr=16_000, n_fft=fft, n_mels=MELS)
    np.testing.assert_allclose(slaney_mels(fft, 1.0).numpy(), theirs.T, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("warp", [0.8, 1.1])
def test_a_warped_spectrum_meets_the_same_filters(warp: float) -> None:
    plain = slaney_mels(800, 1.0)
    expected = spread(warp, 800).astype(np.float64) @ plain.double().numpy()
    np.testing.assert_allclose(slaney_mels(800, warp).numpy(), expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("fft", "warp"), [(800, 1.0), (2048, 1.0), (800, 0.85), (800, 1.2)])
def test_the_power_by_bands_is_that_of_all_filters_at_once(fft: int, warp: float) -> None:
    filters = slaney_mels(fft, warp)
    bands = mel_bands(filters, CPU)
    assert len(bands) == MEL_BANDS
    # each band has the rows that its filters meet, and no others at its ends
    for (low, high, weights), part in zip(bands, filters.split(MELS // MEL_BANDS, dim=1), strict=True):
        assert weights.shape == (high - low, MELS // MEL_BANDS)
        assert weights[0].any()
        assert weights[-1].any()
        outside = torch.cat([part[: low // 2], part[high // 2 :]])
        assert not outside.any()
    frames = noise(4 * 5, fft).reshape(4, 5, fft)
    power = np.abs(np.fft.rfft(frames.astype(np.float64))) ** 2
    expected = power @ filters.double().numpy()
    np.testing.assert_allclose(mel_power(torch.from_numpy(frames), bands).numpy(), expected, rtol=1e-4)


def precision(switches: tuple[Any, Any]) -> list[str]:
    return [switch.fp32_precision for switch in switches]


def test_products_are_in_full_precision_within_the_block_and_as_before_after_it(switches: tuple[Any, Any]) -> None:
    switches[0].fp32_precision, switches[1].fp32_precision = "tf32", "bf16"
    with FULL_PRECISION:
        assert precision(switches) == ["ieee", "ieee"]
        with FULL_PRECISION:
            assert precision(switches) == ["ieee", "ieee"]
        assert precision(switches) == ["ieee", "ieee"]
    assert precision(switches) == ["tf32", "bf16"]
    with pytest.raises(KeyError), FULL_PRECISION:
        raise KeyError
    assert precision(switches) == ["tf32", "bf16"]


def test_the_last_thread_to_leave_puts_back_what_the_first_met(switches: tuple[Any, Any]) -> None:
    switches[0].fp32_precision, switches[1].fp32_precision = "tf32", "tf32"
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with FULL_PRECISION:
            inside.set()
            leave.wait(60)

    other = threading.Thread(target=stay)
    with FULL_PRECISION:
        other.start()
        assert inside.wait(60)
    assert precision(switches) == ["ieee", "ieee"]  # the other one is at it still
    leave.set()
    other.join()
    assert precision(switches) == ["tf32", "tf32"]


def test_the_one_switch_of_an_older_torch_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    monkeypatch.setattr(FULL_PRECISION, "_switches", lambda: (_OlderSwitch(),))
    try:
        torch.set_float32_matmul_precision("medium")
        with FULL_PRECISION:
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
