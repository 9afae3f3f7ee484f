"""Features kept on disk: extracted once for all runs, styles and splits, and read through a memory map.

A store holds the segments of every utterance of a label selection, one after another, under one setting of features,
length, hop and padding: `features/<kind>-<hash>.npy`, and beside it a JSON file that is written last. Without that
the array counts as absent.
"""

import io
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.files import only_one, replacing, write_text, written_from
from glam.inputs.augmentation import warp_factor
from glam.inputs.cut import Padding, padded_length, segment_starts
from glam.inputs.spectral import Extractor, FeatureSettings
from glam.progress import bar

FORMAT = 1
GROUP = 256  # segments of an utterance that are extracted at a time: bounds the memory, whatever its length


@dataclass(frozen=True, eq=False)
class SegmentStore:
    """Features of the segments of utterances.

    path: the array (N, F, T) float32. ids: the U utterances. offsets: (U+1,) int64, the first row of each.
    """

    path: Path
    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    checksum: str

    @cached_property
    def features(self) -> np.memmap[Any, np.dtype[np.float32]]:
        """The array, mapped read-only."""
        array: np.memmap[Any, np.dtype[np.float32]] = np.load(self.path, mmap_mode="r")
        return array

    def rows(self, positions: Sequence[int]) -> NDArray[np.int64]:
        """Rows of the segments of the utterances at these positions, in that order."""
        parts = [np.arange(self.offsets[p], self.offsets[p + 1]) for p in positions]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def verify(self) -> None:
        """Read all of the array; raises GlamError where it is no longer what was written."""
        if _checksum(self.path) != self.checksum:
            raise GlamError(
                f"{self.path}: the stored features have changed on disk. Delete that file; they are extracted again."
            )


def open_store(
    root: Path,
    utterances: Sequence[Utterance],
    features: FeatureSettings,
    length: int,
    hop: int,
    padding: Padding,
    folder: Path,
    *,
    copy: int = 0,
    device: str = "cpu",
) -> SegmentStore:
    """The store of these utterances and settings in `folder`, extracted now if it is not there.

    Args:
        root: of the corpus. utterances: all of them long enough for a segment.
        length, hop: of segments, in samples. padding: of utterances shorter than a segment.
        copy: 0 for the recordings; from 1, the augmented copies of that number (augmentation.py).
        device: where features are computed.

    Memory stays bounded whatever the corpus. Several processes may ask at once: one extracts, the others wait.
    Raises GlamError where a recording has changed since it was indexed, or where the folder cannot take the store.
    """
    wanted = _Wanted(root, tuple(utterances), features, length, hop, padding, copy, device)
    base = folder / "features" / f"{features.kind}-{wanted.key[:16]}"
    if (found := _read(base, wanted)) is not None:
        return found
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"{base}.npy: another process is extracting these features; waiting for it"
        with only_one(_lock(base), waiting):
            if (found := _read(base, wanted)) is None:  # another process may have made it meanwhile
                _extract(base, wanted)
                found = _read(base, wanted)
    except OSError as error:
        raise GlamError(
            f"{base.parent}: features cannot be kept there ({error}); choose another folder with GLAM_DATA or "
            "--data-folder."
        ) from None
    if found is None:
        raise GlamError(f"{base}.npy: was written, but cannot be read back; is the disk failing?")
    return found


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What `open_store` was asked for, and what follows from it."""

    root: Path
    utterances: tuple[Utterance, ...]
    features: FeatureSettings
    length: int
    hop: int
    padding: Padding
    copy: int
    device: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything that decides about the features."""
        sources = [(u.id, u.sha256) for u in self.utterances]
        settings = [FORMAT, sources, self.features.model_dump(), self.length, self.hop, self.padding]
        settings += [self.copy] * (self.copy > 0)
        return sha256(json.dumps(settings, separators=(",", ":")).encode()).hexdigest()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Of the utterances."""
        return tuple(u.id for u in self.utterances)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(U+1,): the first row of each utterance."""
        lengths = (padded_length(u.samples, self.length, self.padding) for u in self.utterances)
        counts = [len(segment_starts(n, self.length, self.hop)) for n in lengths]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(N, F, T) of the array."""
        return (int(self.offsets[-1]), *self.features.shape(self.length))

    @property
    def size(self) -> int:
        """Bytes of the file of the array."""
        return len(self.header) + 4 * int(np.prod(self.shape))

    @cached_property
    def header(self) -> bytes:
        """What the file of the array begins with."""
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": self.shape})
        return header.getvalue()


def _lock(base: Path) -> Path:
    return base.with_suffix(".lock")


def _clear(base: Path) -> None:
    """Remove what killed processes left half-written: of this store, whose lock is ours, and of others."""
    for leftover in base.parent.glob(".*.tmp-*"):
        written = written_from(leftover)
        if written is None or written.stem == base.name:
            leftover.unlink(missing_ok=True)
            continue
        with only_one(_lock(written)) as dead:
            if dead:
                leftover.unlink(missing_ok=True)


def _read(base: Path, wanted: _Wanted) -> SegmentStore | None:
    """The store as it lies there; None where it is absent, half-written, or other than what is wanted in anything."""
    array = base.with_suffix(".npy")
    try:
        about = json.loads(base.with_suffix(".json").read_bytes())
        with array.open("rb") as file:
            whole = file.read(len(wanted.header)) == wanted.header and file.seek(0, os.SEEK_END) == about["bytes"]
        said = (about["key"], about["utterances"], about["offsets"], about["bytes"])
        expected = (wanted.key, list(wanted.ids), wanted.offsets.tolist(), wanted.size)
        if not whole or said != expected:
            return None
        return SegmentStore(array, wanted.ids, wanted.offsets, str(about["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _extract(base: Path, wanted: _Wanted) -> None:
    for u, count in zip(wanted.utterances, np.diff(wanted.offsets), strict=True):
        if not count:
            raise GlamError(f"{u.id}: has {u.samples} samples, which is shorter than one segment of {wanted.length}")
    array, about = base.with_suffix(".npy"), base.with_suffix(".json")
    _clear(base)
    _check_room(base.parent, wanted.size)
    try:
        with replacing(array) as temporary:
            with temporary.open("wb") as file:
                file.write(wanted.header)
                _fill(_Rows(file, len(wanted.header), wanted.shape), wanted)
            description = {
                "key": wanted.key,
                "bytes": wanted.size,
                "sha256": _checksum(temporary),
                "settings": wanted.features.model_dump()
                | {"length": wanted.length, "hop": wanted.hop, "padding": wanted.padding, "copy": wanted.copy},
                "utterances": wanted.ids,
                "offsets": wanted.offsets.tolist(),
            }
            about.unlink(missing_ok=True)
        write_text(about, json.dumps(description))
    except OSError as error:
        if not about.exists():
            array.unlink(missing_ok=True)  # before what is free is counted
        raise GlamError(
            f"{array}: the features cannot be written ({error}). They need {_gib(wanted.size)}, {_room(base.parent)} "
            "are free; nothing half-written is left. Make room, or choose another folder with GLAM_DATA or "
            "--data-folder."
        ) from None


class _Rows:
    """The rows of an array being written: a plain file, because a memory map on a full disk kills the process."""

    def __init__(self, file: Any, header: int, shape: tuple[int, ...]) -> None:
        self._file, self._header = file, header
        self._row = 4 * int(np.prod(shape[1:]))
        self._lock = threading.Lock()

    def write(self, first: int, values: NDArray[np.float32]) -> None:
        with self._lock:
            self._file.seek(self._header + first * self._row)
            self._file.write(np.ascontiguousarray(values, dtype="<f4").data)


def _fill(rows: _Rows, wanted: _Wanted) -> None:
    import torch

    features, length, device = wanted.features, wanted.length, wanted.device
    plain = Extractor(features, length, device)
    total = wanted.shape[0]

    def work(i: int) -> int:
        one = wanted.utterances[i]
        extractor = Extractor(features, length, device, warp_factor(one.id, wanted.copy)) if wanted.copy else plain
        # A view: neighbouring segments share most of their samples, and copies would be several times the corpus.
        speech = torch.from_numpy(_samples(wanted.root, one, length, wanted.padding))
        segments = speech.unfold(0, length, wanted.hop)
        for first in range(0, len(segments), GROUP):
            group = extractor(segments[first : first + GROUP]).cpu().numpy()
            rows.write(int(wanted.offsets[i]) + first, group)
        return len(segments)

    # Each thread takes its utterances from the file to the features alone, which keeps every core busy: threads that
    # share one operation wait for each other.
    begun = time.monotonic()
    print(f"extracting {features.kind} of {total} segments of {len(wanted.utterances)} utterances", file=sys.stderr)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch_threads = torch.get_num_threads()
    with (
        bar(total, f"extracting {features.kind}", "segment") as progress,
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        waiting: set[Future[int]] = set()
        try:
            for i in range(len(wanted.utterances)):
                waiting.add(pool.submit(work, i))
                if len(waiting) > 2 * threads:  # not the whole corpus ahead of the disk
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    progress.update(sum(future.result() for future in done))
            for future in waiting:
                progress.update(future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(torch_threads)  # the pool's 1 would be every later thread's too
    print(f"extracted in {time.monotonic() - begun:.0f} s, and kept for every later run", file=sys.stderr, flush=True)


def _samples(root: Path, utterance: Utterance, length: int, padding: Padding) -> NDArray[np.float32]:
    """The recording as it was indexed, padded for segments of `length` samples."""
    path = root / utterance.audio
    samples = read_audio(path)
    on_disk = path.stat()
    found = (on_disk.st_size, on_disk.st_mtime_ns, len(samples))
    if found != (utterance.size, utterance.mtime_ns, utterance.samples):
        raise GlamError(
            f"{path}: has changed since the corpus was indexed: {found[0]} bytes and {found[2]} samples, then "
            f"{utterance.size} and {utterance.samples}. Is something writing to the corpus? Run the same command again "
            "once it is at rest."
        )
    return np.tile(samples, padded_length(len(samples), length, padding) // len(samples))


def _check_room(folder: Path, needed: int) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise GlamError(
            f"{folder}: the features need {_gib(needed)}, {_room(folder)} are free. Make room, or choose another "
            "folder with GLAM_DATA or --data-folder."
        )


def _room(folder: Path) -> str:
    return _gib(shutil.disk_usage(folder).free)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
