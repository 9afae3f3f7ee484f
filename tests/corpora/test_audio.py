"""Reading recordings: what is converted, what is refused, and in which words."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.corpora.audio import RATE, AudioError, decode, read_audio
from glam.errors import GlamError


def tone(rate: int, seconds: float = 0.5, frequency: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def wav(pcm: bytes, data_size: int | None = None, channels: int = 1) -> bytes:
    """A 16-bit WAV file whose header claims `data_size` bytes of samples."""
    size = len(pcm) if data_size is None else data_size
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", size) + pcm
    return struct.pack("<4sI", b"RIFF", min(len(body), 0xFFFF_FFFF)) + body


PCM = np.arange(1000, dtype="<i2").tobytes()


def test_16_bit_mono_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a b ü.wav"
    path.write_bytes(wav(PCM))
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert samples.flags.c_contiguous
    np.testing.assert_array_equal(samples, np.arange(1000, dtype=np.float32) / 32768)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_rates_and_sample_formats_become_16_khz(tmp_path: Path, rate: int, subtype: str) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate), rate, subtype=subtype)
    samples = read_audio(path)
    assert len(samples) == RATE // 2
    inner = slice(1000, -1000)  # a resampler rings where the tone sets in and ends
    np.testing.assert_allclose(samples[inner], tone(RATE)[inner], atol=2e-3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(RATE, frequency=300), tone(RATE, frequency=1000)
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), (left + right) / 2, atol=1e-6)
    recording = decode(path.read_bytes(), path)
    assert (recording.rate, recording.channels) == (RATE, 2)


def test_chunks_before_and_after_the_samples_are_skipped() -> None:
    filler = struct.pack("<4sI", b"FLLR", 7) + b"x" * 8  # odd sizes are padded to even ones
    content = wav(PCM)
    content = content[:12] + filler + content[12:] + struct.pack("<4sI", b"LIST", 4) + b"INFO"
    assert len(decode(content, Path("x.wav")).samples) == 1000


@pytest.mark.parametrize("placeholder", [0xFFFF_FFFF, 0x7FFF_F000])
def test_a_header_written_to_a_pipe_takes_what_is_there(placeholder: int) -> None:
    assert len(decode(wav(PCM, placeholder), Path("x.wav")).samples) == 1000


def test_half_a_frame_too_much_is_no_truncation() -> None:
    assert len(decode(wav(PCM, len(PCM) + 1), Path("x.wav")).samples) == 1000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"no audio at all " * 10, "is not readable as audio: Format not recognised"),
        (wav(PCM)[:30], "is not readable as audio"),
        (wav(PCM)[:-500], "is truncated: 1000 frames promised, 750 there"),
        (wav(PCM, 8_000), "is truncated: 4000 frames promised, 1000 there"),
        (wav(PCM, 4_004, channels=2), "is truncated: 1001 frames promised, 500 there"),
        (wav(b""), "has no samples"),
        (wav(PCM, 0), "has no samples"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as raised:
        read_audio(path)
    assert isinstance(raised.value, GlamError)
    assert str(raised.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (20_000.0, "up to 20000; full scale")],
)
def test_float_samples_that_are_no_sound_are_refused(tmp_path: Path, value: float, reason: str) -> None:
    path = tmp_path / "bad.wav"
    samples = tone(RATE)
    samples[100] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=reason):
        read_audio(path)


def test_an_absurd_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, tone(RATE), 11, subtype="PCM_16")
    with pytest.raises(AudioError, match="rate of 11 Hz; expected 4000 to 384000 Hz"):
        read_audio(path)


def test_a_damaged_beginning_is_not_taken_for_mpeg(capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 60_000, dtype=np.uint8).tobytes()
    for content in (b"\0" + wav(noise)[1:], b"ID3" + wav(noise), b"\xff\xfb\x90\x64" + noise):
        with pytest.raises(AudioError, match="not readable as audio: Format not recognised"):
            decode(content, Path("x.wav"))
    assert capfd.readouterr().err == ""


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be read: No such file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="cannot be read"):
        read_audio(tmp_path)


@settings(deadline=None)
@given(cut=st.integers(0, len(wav(PCM)) - 1), noise=st.binary(max_size=40), at=st.integers(0, 43))
def test_damage_gives_samples_or_a_message(cut: int, noise: bytes, at: int) -> None:
    whole = wav(PCM)
    for content in (whole[:cut], whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(AudioError):
            samples = decode(content, Path("x.wav")).samples
            assert len(samples)
            assert np.isfinite(samples).all()


def test_files_as_they_are_distributed(shared: Path) -> None:
    for path in sorted((shared / "corpora/ravdess").rglob("*.wav"))[::6]:
        info = soundfile.info(str(path))
        samples = read_audio(path)
        assert info.samplerate == 48_000
        assert abs(len(samples) - info.frames / 3) <= 1
        assert 0 < np.abs(samples).max() <= 1
