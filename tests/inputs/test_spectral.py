"""Features: against librosa, against recorded values, and against plain NumPy in double precision.

The project's own recorded values are made by `python tests/inputs/test_spectral.py`, with librosa.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.errors import GlamError
from glam.inputs.cut import PARTS, Part, Segments
from glam.inputs.frames import PadMode
from glam.inputs.inputs import InputSettings
from glam.inputs.spectral import Fbank, Mfcc, Spectral, SpectralExtractor, librosa_mfcc

GOLDEN = Path(__file__).parent / "golden_mfcc.npz"
BOUND = 2e-3  # on every coefficient
SAMPLES = 28_800
KINDS = ["mfcc", "spectrogram", "melspectrogram", "fbank", "logfbank", "interspeech2018"]
PAD_MODES: list[PadMode] = ["reflect", "constant"]


def signals() -> dict[str, NDArray[np.float32]]:
    """Segments that are hard in their own way; the voice has pitch, formants, breath and a pause."""
    rng = np.random.RandomState(7)
    time = np.arange(SAMPLES) / 16_000
    pitch = np.cumsum(120 + 30 * np.sin(2 * np.pi * 1.5 * time)) / 16_000
    voice = sum(
        np.sin(2 * np.pi * k * pitch) / (1 + abs(120 * k - 600) / 200 + abs(120 * k - 2200) / 900) for k in range(1, 60)
    )
    voice = (voice + 0.05 * rng.randn(SAMPLES)) * np.clip(np.sin(2 * np.pi * 0.9 * time), 0, None)
    voice = 0.5 * voice / np.abs(voice).max()
    least = 1 / 32768
    click = np.zeros(SAMPLES)
    click[10_000] = 1.0
    one_step = np.zeros(SAMPLES)
    one_step[20_000] = least
    hard = {
        "voice": np.round(voice / least) * least,
        "clipping": np.clip(20 * voice, -1, 1),
        "very quiet": np.round(voice / 3000 / least) * least,
        "noise of one step": rng.randint(-1, 2, SAMPLES) * least,
        "one step once": one_step,
        "silence": np.zeros(SAMPLES),
        "click": click,
        "silent half": np.where(time < 0.9, voice, 0),
        "tone": 0.9 * np.sin(2 * np.pi * 440 * time),
        "constant": np.full(SAMPLES, 0.5),
    }
    return {name: signal.astype(np.float32) for name, signal in hard.items()}


SIGNALS = signals()
BATCH = torch.from_numpy(np.stack(list(SIGNALS.values())))


def kind_of(name: str) -> Spectral:
    """The features of that name, with the options that they have by default."""
    made = InputSettings(name=name).make()
    assert isinstance(made, Spectral)
    return made


def cut_into(samples: int) -> Segments:
    """Segments of so many samples."""
    cut = Segments(name="segments", length=(samples + 0.5) / 16_000, train_hop=1, test_hop=1)
    assert cut.samples == samples
    return cut


def extract(features: Spectral, segments: torch.Tensor = BATCH) -> NDArray[np.float32]:
    values: NDArray[np.float32] = (
        SpectralExtractor(features, cut_into(segments.shape[1])).of_segments(segments).cpu().numpy()
    )
    return values


def recorded(pad_mode: PadMode) -> NDArray[np.float32]:
    """librosa's own words for the whole of it, as the release uses them."""
    return np.stack([librosa.feature.mfcc(y=s, sr=16_000, n_mfcc=26, pad_mode=pad_mode) for s in SIGNALS.values()])


@pytest.mark.parametrize("pad_mode", PAD_MODES)
def test_mfcc_are_librosas(pad_mode: PadMode) -> None:
    values = extract(Mfcc(pad_mode=pad_mode))
    for name, mine, theirs in zip(SIGNALS, values, recorded(pad_mode), strict=True):
        assert np.abs(mine - theirs).max() < BOUND, name


@pytest.mark.parametrize("pad_mode", PAD_MODES)
def test_mfcc_are_the_recorded_ones(pad_mode: PadMode) -> None:
    with np.load(GOLDEN) as golden:
        assert [str(name) for name in golden["names"]] == list(SIGNALS)
        np.testing.assert_allclose(extract(Mfcc(pad_mode=pad_mode)), golden[pad_mode], rtol=0, atol=BOUND)


def test_the_reference_is_the_whole_of_librosas_mfcc() -> None:
    for coefficients in (13, 26):
        features = Mfcc(coefficients=coefficients)
        whole = librosa.feature.mfcc(y=SIGNALS["voice"], sr=16_000, n_mfcc=coefficients, pad_mode="reflect")
        np.testing.assert_allclose(librosa_mfcc(SIGNALS["voice"], features), whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", [2048, 20_000, 32_000])
def test_mfcc_of_other_lengths_and_numbers_of_coefficients(samples: int) -> None:
    features = Mfcc(coefficients=13)
    signal = np.resize(SIGNALS["voice"], samples)
    values = extract(features, torch.from_numpy(signal)[None])[0]
    assert values.shape == features.of_samples(samples) == features.shape(cut_into(samples))
    assert np.abs(values - librosa_mfcc(signal, features)).max() < BOUND


@pytest.mark.parity
@pytest.mark.parametrize("record", ["glam_impro_released", "glam_script_paper"])
def test_features_are_those_of_the_recorded_runs(record: str, shared: Path, emodb: Path) -> None:
    about = json.loads((shared / "parity" / f"{record}.json").read_text())
    cut = Segments(name="segments", length=about["segment_length"])
    extractor = SpectralExtractor(Mfcc(pad_mode="constant"), cut)

    def features(ids: list[str], part: Part) -> NDArray[np.float32]:
        segments = []
        for name in ids:
            session, dialogue = name[4], name.rsplit("_", 1)[0]
            speech = read_audio(emodb / f"Session{session}" / "sentences" / "wav" / dialogue / f"{name}.wav")
            segments += [speech[start : start + cut.samples] for start in cut.starts(len(speech), part)]
        values: NDArray[np.float32] = extractor.of_segments(torch.from_numpy(np.stack(segments))).numpy()
        return values

    with np.load(shared / "parity" / f"{record}.npz") as arrays:
        for part in PARTS:
            values = np.asarray(features(about[f"{part}_ids"], part))
            np.testing.assert_allclose(values, arrays[f"{part}_X"], rtol=0, atol=BOUND)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_as_announced_and_every_segment_is_on_its_own(kind: str) -> None:
    """Neither the other segments nor their number matter: the decibel floor is each segment's own."""
    features = kind_of(kind)
    shape = features.shape(cut_into(SAMPLES))
    together = extract(features)
    assert together.dtype == np.float32
    assert together.shape == (len(SIGNALS), *shape)
    assert np.isfinite(together).all()
    alone = np.concatenate([extract(features, segment[None]) for segment in BATCH])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-3)
    assert extract(features, BATCH[:0]).shape == (0, *shape)


def test_segments_may_overlap_in_memory() -> None:
    windows = torch.from_numpy(SIGNALS["voice"]).unfold(0, 20_000, 3199)
    np.testing.assert_array_equal(extract(Mfcc(), windows), extract(Mfcc(), windows.clone()))


def rectangular_frames(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    count = 1 + int(np.ceil((len(signal) - 640) / 160))
    padded = np.concatenate([signal.astype(np.float64), np.zeros(count * 160 + 640)])
    return np.stack([padded[160 * i : 160 * i + 640] for i in range(count)])


def plain_spectrogram(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(rectangular_frames(signal), 3198)) ** 2 / 3198
    decibels = 10 * np.log10(np.maximum(power, 1e-30))
    shifted: NDArray[np.float64] = (decibels - decibels.max()).T[:400]
    return shifted


def plain_melspectrogram(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    padded = np.pad(signal.astype(np.float64), 400, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    frames = np.stack([padded[i : i + 800] * window for i in range(0, len(padded) - 799, 400)])
    mels = librosa.filters.mel(sr=16_000, n_fft=800, n_mels=128)
    energies: NDArray[np.float64] = np.log10(np.maximum(mels @ np.abs(np.fft.rfft(frames)).T ** 2, 1e-10))
    return energies


def plain_filterbank(signal: NDArray[np.float32], filters: int, highest: float) -> NDArray[np.float64]:
    emphasised = signal.astype(np.float64)
    emphasised[1:] -= 0.97 * emphasised[:-1].copy()
    power = np.abs(np.fft.rfft(rectangular_frames(emphasised.astype(np.float64)), 1024)) ** 2 / 1024
    mels = np.linspace(0, 2595 * np.log10(1 + highest / 700), filters + 2)
    edges = np.floor(1025 * 700 * (10 ** (mels / 2595) - 1) / 16_000)
    bank = np.zeros((513, filters))
    for bin_ in range(513):
        for j in range(filters):
            low, top, high = edges[j : j + 3]
            if low <= bin_ < top:
                bank[bin_, j] = (bin_ - low) / (top - low)
            elif top <= bin_ < high:
                bank[bin_, j] = (high - bin_) / (high - top)
    energies: NDArray[np.float64] = power @ bank
    return np.where(energies == 0, np.finfo(np.float64).eps, energies)


def plain_interspeech2018(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    magnitude = np.abs(np.fft.rfft(rectangular_frames(signal))).T
    scaled = 2 * magnitude / max(magnitude.max(), 1e-30) - 1
    compressed: NDArray[np.float64] = np.sign(scaled) * np.log(1 + 255 * np.abs(scaled)) / np.log(256)
    return compressed


@pytest.mark.parametrize(
    ("kind", "plain", "relative", "absolute"),
    [
        ("spectrogram", plain_spectrogram, 0, 0.01),  # decibels
        ("melspectrogram", plain_melspectrogram, 0, 1e-3),  # powers of ten
        ("fbank", lambda signal: plain_filterbank(signal, 26, 8000), 1e-4, 1e-9),
        ("logfbank", lambda signal: np.log(plain_filterbank(signal, 40, 4000)), 0, 1e-3),
        # close to 0 the compression magnifies rounding 46 times
        ("interspeech2018", plain_interspeech2018, 0, 1e-3),
    ],
)
def test_other_kinds_are_those_of_plain_numpy(
    kind: str, plain: Callable[[NDArray[np.float32]], NDArray[np.float64]], relative: float, absolute: float
) -> None:
    values = extract(kind_of(kind))
    for name, mine in zip(SIGNALS, values, strict=True):
        np.testing.assert_allclose(mine, plain(SIGNALS[name]), rtol=relative, atol=absolute, err_msg=name)


@pytest.mark.parametrize(
    ("kind", "samples", "shape"),
    [
        ("mfcc", 28_800, (26, 57)),
        ("mfcc", 32_000, (26, 63)),
        ("spectrogram", 32_000, (400, 197)),
        ("melspectrogram", 32_000, (128, 81)),
        ("fbank", 32_000, (197, 26)),
        ("logfbank", 32_000, (197, 40)),
        ("spectrogram", 500, (400, 1)),
    ],
)
def test_shapes_of_the_release(kind: str, samples: int, shape: tuple[int, int]) -> None:
    assert kind_of(kind).of_samples(samples) == kind_of(kind).shape(cut_into(samples)) == shape


@pytest.mark.parametrize("coefficients", [0, -1, 129])
def test_a_number_of_coefficients_that_there_is_not_is_refused(coefficients: int) -> None:
    settings = InputSettings.model_validate({"name": "mfcc", "coefficients": coefficients})
    with pytest.raises(GlamError, match=f"mfcc: coefficients: given {coefficients}, expected 1 to 128"):
        settings.make()


@pytest.mark.parametrize("kind", ["mfcc", "melspectrogram"])
def test_fewer_copies_than_none_are_refused(kind: str) -> None:
    settings = InputSettings.model_validate({"name": kind, "vtlp_copies": -1})
    with pytest.raises(GlamError, match=f"{kind}: vtlp_copies: given -1, expected 0 to 1000"):
        settings.make()


def test_segments_too_short_to_reflect_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1024 samples are too short for it: it reflects 1024 .*greater cut\.length"):
        SpectralExtractor(Mfcc(), cut_into(1024))
    SpectralExtractor(Mfcc(), cut_into(1025))
    SpectralExtractor(Mfcc(pad_mode="constant"), cut_into(1024))
    SpectralExtractor(Fbank(), cut_into(10))  # whose frames reach beyond one end alone, into zeros


def test_lower_precision_of_the_process_changes_neither_features_nor_itself(switches: Any) -> None:
    expected = extract(Mfcc())
    for lower in ("tf32", "bf16"):
        switches[0].fp32_precision, switches[1].fp32_precision = "tf32", lower
        with torch.autocast("cpu", dtype=torch.bfloat16), ThreadPoolExecutor(4) as pool:
            extracted = list(pool.map(lambda _: extract(Mfcc()), range(12)))
            extracted.append(extract(Mfcc()))
        for values in extracted:
            np.testing.assert_array_equal(values, expected)
        assert [switch.fp32_precision for switch in switches] == ["tf32", lower]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_same(kind: str, switches: Any) -> None:
    switches[0].fp32_precision = "tf32"
    features = kind_of(kind)
    values = SpectralExtractor(features, cut_into(SAMPLES), "cuda").of_segments(BATCH)
    assert values.device.type == "cuda"
    np.testing.assert_allclose(values.cpu().numpy(), extract(features), rtol=1e-4, atol=BOUND)


def write_golden() -> None:
    """Record librosa's MFCC of the signals."""
    np.savez_compressed(GOLDEN, names=list(SIGNALS), reflect=recorded("reflect"), constant=recorded("constant"))


if __name__ == "__main__":
    write_golden()
