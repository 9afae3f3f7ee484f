"""Recordings as the rest of the package wants them: mono, 16 kHz, float32."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.words import counted

RATE = 16_000
"""Samples per second of everything behind this module; IEMOCAP's own rate."""

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
LOUDEST = 8.0  # float files may overshoot 1 a little; far above it, they hold integers or noise
# What files that are called .wav begin with: WAV, its large and big-endian forms, NIST SPHERE, and what is misnamed.
_BEGINNINGS = (b"RIFF", b"RF64", b"riff", b"RIFX", b"NIST", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")
LATE = 0.1  # seconds by which a piece may end after its file
LFS = b"version https://git-lfs"
PLACEHOLDER = 0x7FFF_0000  # sizes from here on are what programs write that could not know the length


class AudioError(GlamError):
    """A recording that cannot be used; `reason` is the message without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A decoded audio file.

    samples: float32 (samples,), mono, at 16 kHz.
    rate, channels: of the file itself, in Hz and as a count. loudest: of the samples of its channels; full scale is 1.
    """

    samples: NDArray[np.float32]
    rate: int
    channels: int
    loudest: float


def read_audio(path: Path, start: float = 0.0, end: float = 0.0) -> NDArray[np.float32]:
    """The samples of an audio file, or of a piece of it: float32 (samples,), mono, 16 kHz, full scale is [-1, 1].

    start, end: of the piece, in seconds; an end of 0 is the file's. Of a piece nothing else is read than its samples.

    Channels are averaged; other rates are resampled (soxr, high quality). That, like a float file, may
    overshoot full scale slightly: nothing is clipped. Raises AudioError, with a message of one line, for a
    file that is unreadable, empty, truncated (its header promises more than there is), without samples, or
    not finite.
    """
    if not (start or end):
        return decode(read_bytes(path), path).samples
    with opened(path, path) as file:
        return _recording(file, path, start, end).samples


def read_bytes(path: Path) -> bytes:
    """The content of an audio file; AudioError where it cannot be had or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(path, f"cannot be read: {error.strerror or error}") from None
    if not content:
        raise AudioError(path, "is empty (0 bytes)")
    return content


def decode(content: bytes, path: Path, start: float = 0.0, end: float = 0.0, channel: int | None = None) -> Recording:
    """Decode the content of an audio file, or a piece of it; `path` is for the messages only.

    start, end: of the piece, in seconds; an end of 0 is the file's. channel: the only one to be heard, from 1. Raises
    as `read_audio` does, also for a piece that is not within the file.
    """
    check_wav(content, path)
    with opened(_Content(content), path) as file:
        return _recording(file, path, start, end, channel)


@contextmanager
def opened(file: "Path | _Content", path: Path) -> Iterator[soundfile.SoundFile]:
    """An audio file for reading; whatever its decoder raises within the block becomes an AudioError of `path`."""
    try:
        with soundfile.SoundFile(file) as recording:
            yield recording
    except soundfile.LibsndfileError as error:
        raise AudioError(path, f"is not readable as audio: {error.error_string.rstrip('.')}") from None
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # of formats that cannot be sought in
        raise AudioError(path, f"is not readable as audio: {' '.join(str(error).split())}") from None
    except MemoryError:
        raise AudioError(path, "is not readable as audio: its header promises more than memory holds") from None


def _recording(
    file: soundfile.SoundFile, path: Path, start: float, end: float, channel: int | None = None
) -> Recording:
    rate, channels, promised = file.samplerate, file.channels, file.frames
    if start or end:
        promised = _seek(file, path, start, end)
    frames = file.read(promised, dtype="float32", always_2d=True)  # "all" is nothing that GSM 6.10 could be asked for
    if len(frames) < promised:
        raise AudioError(path, f"is truncated: {promised} frames promised, {len(frames)} there")
    if not len(frames):
        raise AudioError(path, "has no samples")
    check_rate(rate, path)
    loudest = loudest_of(frames, path)
    samples = mono_of(frames, path, channel)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE, quality="HQ")
        if not len(samples):
            raise AudioError(path, f"has no samples at {RATE} Hz ({len(frames)} at {rate} Hz)")
    return Recording(np.ascontiguousarray(samples), rate, channels, loudest)


def mono_of(frames: NDArray[np.float32], path: Path, channel: int | None = None) -> NDArray[np.float32]:
    """One channel of frames (n, channels), counted from 1, or the mean of all: (n,); AudioError where there is none."""
    if channel is not None:
        if channel > frames.shape[1]:
            raise AudioError(path, f"has {counted(frames.shape[1], 'channel')}, and no channel {channel}")
        return np.ascontiguousarray(frames[:, channel - 1])
    return frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)


def check_rate(rate: int, path: Path) -> None:
    """AudioError where no speech is sampled at that rate, in Hz."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(path, f"has a rate of {rate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE} Hz")


def loudest_of(frames: NDArray[np.float32], path: Path) -> float:
    """Loudest of the samples, any shape, 0 of none; AudioError where they are not finite, or far above full scale."""
    if not np.isfinite(frames).all():
        raise AudioError(path, "has samples that are not finite (NaN or infinity)")
    if (loudest := float(np.abs(frames).max(initial=0.0))) > LOUDEST:
        raise AudioError(path, f"has samples up to {loudest:g}; full scale is 1: save it as 16-bit PCM")
    return loudest


def _seek(file: soundfile.SoundFile, path: Path, start: float, end: float) -> int:
    """Go to the first frame of a piece; returns how many it has. Tables are rounded: an end a little late is cut."""
    whole, rate = int(file.frames), int(file.samplerate)
    first, last = round(start * rate), round(end * rate) if end else whole
    if not 0 <= first < min(last, whole) or last > whole + LATE * rate:
        shown = f"{end:g}" if end else "its end"
        raise AudioError(path, f"has no piece from {start:g} s to {shown}: it is {whole / rate:.3f} s long")
    file.seek(first)
    return min(last, whole) - first


def _hint(content: bytes | mmap) -> str:
    """What is known of a file that is no recording."""
    return " (a pointer of Git LFS: `git lfs pull` fetches the recording)" if content[: len(LFS)] == LFS else ""


class _Content(io.BytesIO):
    """A file in memory; a damaged header that sends libsndfile before its start moves nothing.

    Python's own would raise within a callback from C, where nothing can catch it and a traceback is printed.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell()}.get(whence, len(self.getbuffer()))
        return super().seek(base + offset) if base + offset >= 0 else self.tell()


def check_wav(content: bytes | mmap, path: Path) -> None:
    """Refuse a file called .wav that is none, and a WAV file that ends before the end of its samples.

    libsndfile would take noise for MPEG, and shorten the other silently.

    Programs that write to a pipe leave a placeholder close to 2 or 4 GiB for the size of the samples. Such a
    file says nothing about its length, so what is there counts. A size of 0 is taken at its word: no samples.
    """
    if path.suffix.lower() == ".wav" and not content[:4].startswith(_BEGINNINGS):
        raise AudioError(path, "is not readable as audio: Format not recognised" + _hint(content))
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    at, frame = 12, 1
    while at + 8 <= len(content):
        tag, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8
        if tag == b"fmt ":
            frame = max(1, int.from_bytes(content[at + 12 : at + 14], "little"))
        elif tag == b"data":
            left = len(content) - at
            if size < PLACEHOLDER and size // frame > left // frame:
                raise AudioError(path, f"is truncated: {size // frame} frames promised, {left // frame} there")
            return
        at += size + size % 2
