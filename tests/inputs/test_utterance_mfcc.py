"""MFCC of whole utterances: against recorded values, against librosa, and in pieces."""

import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import utterance_mfcc as module
from glam.inputs.cut import Segments, Whole
from glam.inputs.utterance_mfcc import UtteranceMfcc, utterance_mfcc

BOUND = 2e-3
DEFAULT = UtteranceMfcc()


def voice(samples: int = 24_000) -> NDArray[np.float32]:
    """Harmonics of a moving pitch, breath, and a pause."""
    rng, time = np.random.RandomState(7), np.arange(samples) / 16_000
    pitch = np.cumsum(120 + 30 * np.sin(9 * time)) / 16_000
    sound = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 40)) + 0.05 * rng.randn(samples)
    return np.asarray(0.2 * sound * np.clip(np.sin(5 * time), 0, None), dtype=np.float32)


SIGNALS = {
    "voice": voice(),
    "silence": np.zeros(8000, dtype=np.float32),
    "quiet": (voice(8000) / 3000).astype(np.float32),
    "click": np.eye(1, 8000, 5000, dtype=np.float32)[0],
    "nine frames": voice(1280),
    "an odd length": voice(12_345),
}


def librosas(samples: NDArray[np.float32], settings: UtteranceMfcc) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters detected")
        mfcc = librosa.feature.mfcc(
            y=samples,
            sr=16_000,
            n_mfcc=settings.coefficients,
            n_fft=settings.frame,
            hop_length=settings.hop,
            window=settings.window,
            pad_mode=settings.pad_mode,
        )
    differences = [librosa.feature.delta(mfcc, order=order + 1) for order in range(settings.differences)]
    result: NDArray[np.float32] = np.concatenate([mfcc, *differences])
    return result


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_features_are_the_recorded_ones(pad_mode: Any, shared: Path) -> None:
    settings = UtteranceMfcc(pad_mode=pad_mode)
    with np.load(shared / "parity" / "next" / "mscnn_mfcc.npz") as golden:
        names = [key.split("/")[0] for key in golden if key.endswith(pad_mode)]
        assert names
        for name in names:
            samples = read_audio(shared / "corpora" / "emodb" / "wav" / f"{name}.wav")
            assert len(samples) == golden[f"{name}/samples"]
            features = utterance_mfcc(samples, settings)
            np.testing.assert_allclose(features, golden[f"{name}/{pad_mode}"], rtol=0, atol=BOUND, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pad_mode": "constant"},
        {"window": "hann", "coefficients": 13, "differences": 1},
        {"frame": 512, "hop": 128, "differences": 0},
    ],
    ids=str,
)
def test_features_are_librosas(options: dict[str, Any]) -> None:
    settings = UtteranceMfcc(**options)
    for name, samples in SIGNALS.items():
        features, expected = utterance_mfcc(samples, settings), librosas(samples, settings)
        assert features.dtype == np.float32
        assert features.shape == expected.shape == (settings.size, settings.frames(len(samples))), name
        np.testing.assert_allclose(features, expected, rtol=0, atol=BOUND, err_msg=name)


def test_the_padding_matters_at_the_edges_alone() -> None:
    reflect, constant = (utterance_mfcc(voice(), UtteranceMfcc(pad_mode=m)) for m in ("reflect", "constant"))
    assert np.abs(reflect - constant)[:, :2].max() > 1
    np.testing.assert_allclose(reflect[:, 8:-8], constant[:, 8:-8], atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 7, 150, 10_000])
def test_the_size_of_a_chunk_changes_nothing_and_bounds_what_is_in_memory(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, transformed, rfft = utterance_mfcc(voice(), DEFAULT), [], torch.fft.rfft

    def watched(frames: torch.Tensor) -> torch.Tensor:
        transformed.append(len(frames))
        spectrum: torch.Tensor = rfft(frames)
        return spectrum

    monkeypatch.setattr(torch.fft, "rfft", watched)
    monkeypatch.setattr(module, "CHUNK", chunk)
    np.testing.assert_allclose(utterance_mfcc(voice(), DEFAULT), whole, rtol=0, atol=1e-5)
    assert sum(transformed) == DEFAULT.frames(24_000) == 151
    assert max(transformed) == min(chunk, 151)


def test_the_floor_is_below_the_maximum_of_the_whole_utterance() -> None:
    samples = voice(64_000)
    samples[:8000] *= 1e-4  # 80 dB: the beginning sinks to the floor if it is an utterance's, not if it is one itself
    alone = utterance_mfcc(samples[:8000], DEFAULT)
    assert np.abs(utterance_mfcc(samples, DEFAULT)[:, :40] - alone[:, :40]).max() > 10


def test_precision_of_the_process_does_not_show() -> None:
    expected = utterance_mfcc(voice(), DEFAULT)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(utterance_mfcc(voice(), DEFAULT), expected)


def test_too_short_for_a_difference_is_said() -> None:
    with pytest.raises(GlamError, match=r"1279 samples has 8 frames, and a difference is taken over 9"):
        utterance_mfcc(voice(1279), DEFAULT)
    assert utterance_mfcc(voice(1), UtteranceMfcc(differences=0)).shape == (32, 1)


@pytest.mark.parametrize("wrong", [{"hop": 0}, {"coefficients": 129}, {"differences": 3}], ids=str)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UtteranceMfcc(**wrong)


def test_what_is_cut_is_what_all_of_it_begins_with() -> None:
    for seconds in (0.5, 1.2, 1.49, 1.5, 3.0):  # with the differences' neighbours beyond the cut, and without
        longest = int(seconds * 100)
        whole = utterance_mfcc(voice(), DEFAULT)
        np.testing.assert_allclose(utterance_mfcc(voice(), DEFAULT, longest), whole[:, :longest], rtol=0, atol=1e-5)


def test_a_row_is_cut_or_padded_and_its_length_goes_beside(tmp_path: Path) -> None:
    cut = Whole(name="whole", longest=1)
    assert DEFAULT.shape(cut) == (96, 100)
    utterances = [Utterance(name, "neu", "s", "", samples=n) for name, n in (("long", 24_000), ("short", 8_000))]
    for utterance, frames in zip(utterances, (100, 51), strict=True):
        samples = voice(utterance.samples)
        ((row, length),) = DEFAULT.extractor(cut)(utterance, samples, "train")
        assert length is not None
        assert length.tolist() == [frames]
        np.testing.assert_allclose(row[0, :, :frames], utterance_mfcc(samples, DEFAULT)[:, :frames], atol=1e-5)
        assert (row[0, :, frames:] == 0).all()
    made = UtteranceMfcc()
    made.look_through(utterances, tmp_path)
    assert made.remarks(cut) == ("sound: 1 of 2 utterances are longer than 1 s, cut there",)
    with pytest.raises(GlamError, match=r"^brief: a recording of 100 samples has 1 frame"):
        list(DEFAULT.extractor(cut)(Utterance("brief", "neu", "s", "", samples=100), voice(100), "train"))
    with pytest.raises(ValueError, match="set cut to whole"):
        DEFAULT.shape(Segments(name="segments"))


def test_memory_does_not_grow_with_the_utterance() -> None:
    def peak(seconds: int) -> int:
        samples = np.zeros(seconds * 16_000, dtype=np.float32)
        tracemalloc.start()
        utterance_mfcc(samples, DEFAULT, 750)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is made once
    assert peak(120) < peak(20) + 100_000
