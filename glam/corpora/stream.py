"""Recordings of any length and kind, a piece at a time: what `audio.read_audio` gives, without holding all of it.

What libsndfile does not know (video, AAC, AMR, ...) is decoded by ffmpeg, where that is installed.
"""

import mmap
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from glam.corpora.audio import (
    RATE,
    AudioError,
    check_rate,
    check_wav,
    decode,
    loudest_of,
    mono_of,
    opened,
    read_bytes,
)

Samples = NDArray[np.float32]

WHOLE = 32 * 2**20  # values (frames x channels) up to which a file is decoded in one piece, as corpora are
PIECE = 2**20  # values that are decoded at a time otherwise
UNKNOWN = "Format not recognised"
NO_CHANNEL = "not available from input layout"  # ffmpeg, of a channel


def stream(path: Path, channel: int | None = None) -> Iterator[Samples]:
    """The samples of an audio file in pieces: float32, mono, 16 kHz; to the bit those of `read_audio` together.

    channel: the only one to be heard, from 1; None for the mean of all.

    (Of an MP3 file of more than one piece, to the last digit: its decoder rounds otherwise where reading stops.)

    Raises AudioError as `read_audio` does; of a long file, it may do so after the first pieces.
    """
    try:
        if not S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
            raise AudioError(path, "is no file")
        promised = _values(path)
    except OSError as error:
        raise AudioError(path, f"cannot be read: {error.strerror or error}") from None
    except soundfile.LibsndfileError as error:
        if UNKNOWN not in error.error_string or not path.stat().st_size:
            promised = 0
        elif shutil.which("ffmpeg"):
            yield from _through_ffmpeg(path, channel)
            return
        else:
            raise AudioError(
                path, f"is not readable as audio: {UNKNOWN}; ffmpeg was not asked: it is not installed"
            ) from None
    except (ValueError, TypeError, RuntimeError, OverflowError):  # of headerless formats
        promised = 0  # so that decoding names the reason
    if promised <= WHOLE:
        yield decode(read_bytes(path), path, channel=channel).samples
    else:
        yield from _long(path, channel)


def _values(path: Path) -> int:
    with soundfile.SoundFile(path.absolute()) as file:  # "-" alone is standard input to libsndfile
        return int(file.frames) * int(file.channels)


def _long(path: Path, channel: int | None) -> Iterator[Samples]:
    with path.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        check_wav(mapped, path)
    with opened(path.absolute(), path) as file:
        rate, promised, frames = file.samplerate, file.frames, 0
        check_rate(rate, path)
        resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ") if rate != RATE else None
        while True:
            piece = file.read(max(1, PIECE // file.channels), dtype="float32", always_2d=True)
            frames += len(piece)
            loudest_of(piece, path)
            mono = mono_of(piece, path, channel)
            last = not len(piece)
            if resampler is not None:
                mono = resampler.resample_chunk(mono, last=last)
            if len(mono):
                yield np.ascontiguousarray(mono)
            if last:
                break
    if frames < promised:
        raise AudioError(path, f"is truncated: {promised} frames promised, {frames} there")


def _through_ffmpeg(path: Path, channel: int | None) -> Iterator[Samples]:
    """What ffmpeg decodes, mixes to mono and resamples; it opens that file and no other, nor any address.

    A channel that the file lacks is an error of `channelmap`; `pan` would make it silence.
    """
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", *(["-af", f"channelmap={channel - 1}:mono"] if channel is not None else [])]
    command += ["-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
    count = 0
    with tempfile.TemporaryFile() as told, _running(command, told) as process:
        assert process.stdout is not None
        while content := process.stdout.read(4 * PIECE):
            samples = np.frombuffer(bytearray(content[: len(content) // 4 * 4]), "<f4")  # writable, for torch
            count += len(samples)
            loudest_of(samples, path)
            yield samples
        status = process.wait()
        told.seek(0)
        reasons = told.read().decode(errors="replace").strip().splitlines()
    if status:
        if any(NO_CHANNEL in reason for reason in reasons):
            raise AudioError(path, f"has no channel {channel}")
        reason = reasons[-1].removeprefix(f"file:{path}: ") if reasons else f"status {status}"
        raise AudioError(path, f"is not readable as audio: ffmpeg: {reason}")
    if not count:
        raise AudioError(path, "has no samples")


@contextmanager
def _running(command: list[str], told: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process of that command; it ends with the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
