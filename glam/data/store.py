"""Features kept on disk: extracted once for all runs, styles and splits, and read through a memory map.

A store holds the segments of every utterance of a label selection, one after another, under one setting of features,
length, hop and padding: `features/<kind>-<hash>.npy`, and beside it a JSON file that is written last. Without that
the array counts as absent.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from glam.data.audio import read_audio
from glam.data.features import Extractor, FeatureSettings
from glam.data.segments import Padding, padded_length, segment_starts
from glam.data.utterances import Utterance
from glam.errors import GlamError
from glam.progress import bar

FORMAT = 1
GROUP = 64  # segments that a thread extracts at a time: bounds the memory whatever the corpus


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
    device: str = "cpu",
) -> SegmentStore:
    """The store of these utterances and settings in `folder`, extracted now if it is not there.

    Args:
        root: of the corpus. utterances: all of them long enough for a segment.
        length, hop: of segments, in samples. padding: of utterances shorter than a segment.
        device: where features are computed.

    Memory stays bounded whatever the corpus. Several processes may ask at once: one extracts, the others wait.
    Raises GlamError where a recording has changed since it was indexed, or where the folder cannot take the store.
    """
    sources = [(u.id, u.sha256) for u in utterances]
    key = sha256(
        json.dumps([FORMAT, sources, features.model_dump(), length, hop, padding], separators=(",", ":")).encode()
    ).hexdigest()
    base = folder / "features" / f"{features.kind}-{key[:16]}"
    if (found := _read(base, key)) is not None:
        return found
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{base}.lock"):
            if (found := _read(base, key)) is None:  # another process may have made it meanwhile
                _extract(base, key, root, utterances, features, length, hop, padding, device)
                found = _read(base, key)
    except NotImplementedError:
        raise GlamError(f"{folder}: lies on a file system without locks; choose another with GLAM_DATA") from None
    except OSError as error:
        raise GlamError(
            f"{base}.npy: the features cannot be written ({error}). Nothing half-written is left; choose another "
            "folder with GLAM_DATA or --data-folder."
        ) from None
    if found is None:
        raise GlamError(f"{base}.npy: was written, but cannot be read back; is the disk failing?")
    return found


def _read(base: Path, key: str) -> SegmentStore | None:
    try:
        about = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
        array = base.with_suffix(".npy")
        if about["key"] != key or array.stat().st_size != about["bytes"]:
            return None
        offsets = np.array(about["offsets"], dtype=np.int64)
        return SegmentStore(array, tuple(about["utterances"]), offsets, about["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _extract(
    base: Path,
    key: str,
    root: Path,
    utterances: Sequence[Utterance],
    features: FeatureSettings,
    length: int,
    hop: int,
    padding: Padding,
    device: str,
) -> None:
    starts = [segment_starts(padded_length(u.samples, length, padding), length, hop) for u in utterances]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in starts])]).astype(np.int64)
    shape = (int(offsets[-1]), *features.shape(length))
    array, about = base.with_suffix(".npy"), base.with_suffix(".json")
    temporary = base.with_name(f".{base.name}.tmp-{os.getpid()}")
    for stale in base.parent.glob(f".{base.name}.tmp-*"):
        stale.unlink()  # of a process that was killed: the lock is ours
    _check_room(base.parent, 4 * int(np.prod(shape)))
    try:
        with temporary.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
            rows = _Rows(file, file.tell(), shape)
            _fill(rows, root, utterances, features, starts, offsets, length, padding, device)
            file.flush()
            os.fsync(file.fileno())
        description = {
            "key": key,
            "bytes": temporary.stat().st_size,
            "sha256": _checksum(temporary),
            "settings": features.model_dump() | {"length": length, "hop": hop, "padding": padding},
            "utterances": [u.id for u in utterances],
            "offsets": offsets.tolist(),
        }
        about.unlink(missing_ok=True)
        temporary.replace(array)
        temporary.write_text(json.dumps(description), encoding="utf-8")
        temporary.replace(about)
    finally:
        temporary.unlink(missing_ok=True)


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


def _fill(
    rows: _Rows,
    root: Path,
    utterances: Sequence[Utterance],
    features: FeatureSettings,
    starts: Sequence[NDArray[np.int64]],
    offsets: NDArray[np.int64],
    length: int,
    padding: Padding,
    device: str,
) -> None:
    import torch

    extractor = Extractor(features, length, device)

    def work(group: Sequence[int]) -> int:
        segments = [segment for i in group for segment in _segments(root, utterances[i], starts[i], length, padding)]
        for first in range(0, len(segments), GROUP):  # one utterance may be longer than a group
            part = torch.from_numpy(np.stack(segments[first : first + GROUP]))
            rows.write(int(offsets[group[0]]) + first, extractor(part).cpu().numpy())
        return len(segments)

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    groups = _groups(starts)
    with (
        bar(len(starts) and int(offsets[-1]), f"extracting {features.kind}", "segment") as progress,
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        waiting: set[Future[int]] = set()
        try:
            for group in groups:
                waiting.add(pool.submit(work, group))
                if len(waiting) > 2 * threads:  # not the whole corpus ahead of the disk
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    progress.update(sum(future.result() for future in done))
            for future in waiting:
                progress.update(future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _groups(starts: Sequence[NDArray[np.int64]]) -> Iterator[list[int]]:
    """Neighbouring utterances that together have about GROUP segments."""
    group: list[int] = []
    size = 0
    for i, first in enumerate(starts):
        group.append(i)
        size += len(first)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _segments(
    root: Path, utterance: Utterance, starts: NDArray[np.int64], length: int, padding: Padding
) -> list[NDArray[np.float32]]:
    path = root / utterance.audio
    samples = read_audio(path)
    if len(samples) != utterance.samples:
        raise GlamError(
            f"{path}: has {len(samples)} samples, but had {utterance.samples} when the corpus was indexed a moment "
            "ago. Is something writing to the corpus? Run the same command again once it is at rest."
        )
    needed = padded_length(utterance.samples, length, padding)
    if needed > len(samples):
        samples = np.tile(samples, needed // len(samples))
    return [samples[start : start + length] for start in starts]


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise GlamError(
            f"{folder}: the features need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free. Make room, or "
            "choose another folder with GLAM_DATA or --data-folder."
        )


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
