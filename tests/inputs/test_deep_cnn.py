"""Deep-CNN's statistics against recorded ones of EmoDB, and against librosa asked for its features one by one."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.inputs.cut import Segments
from glam.inputs.deep_cnn import DeepCnnStatistics
from glam.inputs.deep_cnn import statistics as statistics_of

PARTS = {
    "mfcc": slice(0, 40),
    "mel": slice(40, 168),
    "chroma": slice(168, 180),
    "contrast": slice(180, 187),
    "tonnetz": slice(187, 193),
}
BOUND = 1e-4  # on every statistic


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, NDArray[Any]]:
    with np.load(shared / "parity" / "next" / "deepcnn_features.npz") as arrays:
        return dict(arrays)


def statistics(segments: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([statistics_of(segment) for segment in segments])


@pytest.mark.parity
@pytest.mark.parametrize("name", ["12b03Ta", "03b01Wc", "12a02Ac"])
def test_statistics_of_recordings_and_segments_are_the_recorded_ones(
    shared: Path, golden: dict[str, NDArray[Any]], name: str
) -> None:
    speech = read_audio(shared / "corpora" / "emodb" / "wav" / f"{name}.wav")
    assert len(speech) == golden[f"{name}/samples"]
    pairs = [(statistics(speech[None]), golden[f"{name}/features"][None])]
    if f"{name}/features_2s" in golden:
        recorded = golden[f"{name}/features_2s"]
        segments = np.stack([speech[6400 * i :][:32_000] for i in range(len(recorded))])
        pairs.append((statistics(segments), recorded))
    for ours, recorded in pairs:
        for part, columns in PARTS.items():
            np.testing.assert_allclose(ours[:, columns], recorded[:, columns], rtol=0, atol=BOUND, err_msg=part)
    # the habits of other code are told apart
    magnitude = golden[f"{name}/features_magnitude"][PARTS["chroma"]]
    assert np.abs(pairs[0][0][0, PARTS["chroma"]] - magnitude).max() > 0.01


def of_librosa(segment: NDArray[np.float32]) -> NDArray[np.float64]:
    """The five features, each from the waveform by librosa's defaults."""
    sound: dict[str, Any] = {"y": segment, "sr": 16_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of low octaves shorter than a frame, and of silence
        features = (
            librosa.feature.mfcc(**sound, n_mfcc=40),
            librosa.feature.melspectrogram(**sound),
            librosa.feature.chroma_stft(**sound),
            librosa.feature.spectral_contrast(**sound),
            librosa.feature.tonnetz(**sound),
        )
    return np.concatenate([feature.mean(axis=1) for feature in features])


def signals(samples: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(samples)
    time = np.arange(samples) / 16_000
    noise = rng.normal(0, 0.05, samples)
    voice = sum(np.sin(2 * np.pi * 131 * k * time + k) / k for k in range(1, 30))
    least = 1 / 32768
    sounds = {
        "noise": noise,
        "voice": 0.2 * voice + 0.01 * noise,
        "very quiet": np.round(noise / 300 / least) * least,
        "tone out of tune": 0.5 * np.sin(2 * np.pi * 451.3 * time) + 1e-3 * noise,
        "below all pitches": 0.5 * np.sin(2 * np.pi * 20 * time),
        "silence": np.zeros(samples),
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


@pytest.mark.parametrize("samples", [32_000, 28_800, 32_255, 2048])
def test_statistics_are_librosas_for_every_length(samples: int) -> None:
    sounds = signals(samples)
    ours = statistics(np.stack(list(sounds.values())))
    assert ours.dtype == np.float32
    assert ours.shape[1:] == (193,)
    for row, (name, sound) in zip(ours, sounds.items(), strict=True):
        np.testing.assert_allclose(row, of_librosa(sound), rtol=1e-5, atol=BOUND, err_msg=name)


def test_a_process_may_begin_with_several_threads() -> None:
    """librosa loads its parts, and compiles, when they are first used; here by all threads at once."""
    program = """
import warnings
warnings.simplefilter("error", UserWarning)
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from glam.inputs.deep_cnn import statistics
segments = np.sin(np.arange(8000) * np.arange(1, 9)[:, None] / 50).astype(np.float32)
with ThreadPoolExecutor(8) as pool:
    rows = np.stack(list(pool.map(statistics, segments)))
expected = np.stack([statistics(segment) for segment in segments])
assert np.array_equal(rows, expected), np.abs(rows - expected).max()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_windows_that_overlap_in_memory_are_told_apart() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(signals(8000)["voice"], 4000)[::1600]
    assert np.array_equal(statistics(windows), statistics(windows.copy()))


def test_a_segment_shorter_than_a_frame_is_refused() -> None:
    made = DeepCnnStatistics()
    assert made.shape(Segments(name="segments", length=0.128, train_overlap=0, test_overlap=0)) == (193,)
    with pytest.raises(ValueError, match=r"2032 samples are too short for it: its frames have 2048\. Choose a greater"):
        made.shape(Segments(name="segments", length=0.127, train_overlap=0, test_overlap=0))
