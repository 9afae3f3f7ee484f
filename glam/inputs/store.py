"""Inputs kept on disk: computed once for all runs, parts and splits, and read through a memory map.

A store holds the rows of every utterance of a label selection, one after another, of one input under one cut:
`features/<input>-<hash>.npy`, and beside it a JSON file that is written last. Without that the array counts as absent.
"""

import io
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.errors import GlamError, in_the_way
from glam.files import hashed_json, only_one, read_hashed, replacing, set_aside, write_text, written_from
from glam.inputs.cut import AnyCut, Part, Segments
from glam.inputs.inputs import Input, InputSettings
from glam.inputs.recordings import samples_of
from glam.processor import cores
from glam.progress import bar, say
from glam.words import counted, in_bytes

FORMAT = 2
ARRAY = "array_sha256"  # in the description of a store


@dataclass(frozen=True, eq=False)
class Store:
    """The rows of utterances.

    path: the array (N, ...). ids: the U utterances. offsets: (U+1,) int64, the first row of each. lengths: (N,) int64,
    how much of each row is not padding; None where rows have none.
    """

    path: Path
    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64] | None
    checksum: str

    @cached_property
    def array(self) -> np.memmap[Any, np.dtype[Any]]:
        """The array, mapped read-only."""
        array: np.memmap[Any, np.dtype[Any]] = np.load(self.path, mmap_mode="r")
        return array

    def rows(self, positions: Sequence[int]) -> NDArray[np.int64]:
        """Rows of the utterances at these positions, in that order."""
        parts = [np.arange(self.offsets[p], self.offsets[p + 1]) for p in positions]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def verify(self) -> None:
        """Read all of the array; raises GlamError where it is no longer what was written."""
        if _checksum(self.path) != self.checksum:
            raise GlamError(
                f"{self.path}: the stored features have changed on disk. Delete that file; they are extracted again."
            )

    def sound(self) -> bool:
        """True where the array is what was written: read once for a file of this size, time of change and inode.

        That it was read is remembered beside it.
        """
        seen = self.path.with_suffix(".checked")
        on_disk = self.path.stat()
        state = json.dumps([on_disk.st_size, on_disk.st_mtime_ns, on_disk.st_ino, self.checksum])
        with suppress(OSError, ValueError):
            if seen.read_text(encoding="utf-8") == state:
                return True
        if _checksum(self.path) != self.checksum:
            return False
        with suppress(OSError):  # a folder that cannot be written is read all the same, each time anew
            write_text(seen, state)
        return True


def open_store(
    root: Path,
    utterances: Sequence[Utterance],
    settings: InputSettings,
    made: Input,
    cut: AnyCut,
    part: Part,
    folder: Path,
    *,
    copy: int = 0,
    device: str = "cpu",
) -> Store:
    """The store of these utterances and settings in `folder`, extracted now if it is not there.

    Args:
        root: of the corpus. utterances: all of them kept by the cut.
        made: the input that these settings make, which has looked through the corpus.
        part: whether the rows are to train on or to test on, which the cut may make differ.
        copy: 0 for the recordings; from 1, the augmented copies of that number (augmentation.py).
        device: where features are computed.

    Memory stays bounded whatever the corpus. Several processes may ask at once: one extracts, the others wait. A store
    that is no longer what was written is set aside, and extracted again; that is said on stderr.
    Raises GlamError where a recording has changed since it was indexed, or where the folder cannot take the store.
    """
    wanted = _Wanted(root, tuple(utterances), settings, made, cut, part, copy, device)
    base = wanted.base(folder)
    try:
        if (store := _read(base, wanted)) is not None and store.sound():
            return store
        base.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"{base}.npy: another process is extracting these features; waiting for it"
        with only_one(_lock(base), waiting):
            store = _read(base, wanted)
            if store is not None and store.sound():  # another process has made it meanwhile
                return store
            if store is not None:
                place = set_aside(store.path)
                say(f"{store.path}: has changed on disk; set aside as {place}, extracted again")
            _extract(base, wanted)
            if (store := _read(base, wanted)) is not None and store.sound():
                return store
    except OSError as error:
        raise GlamError(
            f"{base.parent}: features cannot be kept there ({error}); choose another folder with GLAM_DATA or "
            "--data-folder."
        ) from None
    raise GlamError(f"{base}.npy: was written, but cannot be read back; is the disk failing?")


def bytes_to_write(
    root: Path,
    utterances: Sequence[Utterance],
    settings: InputSettings,
    made: Input,
    cut: AnyCut,
    part: Part,
    folder: Path,
    copy: int,
) -> tuple[Path, int]:
    """The array that open_store would give, and the bytes that it would write for it: 0 where it is there."""
    wanted = _Wanted(root, tuple(utterances), settings, made, cut, part, copy, "cpu")
    base = wanted.base(folder)
    return base.with_suffix(".npy"), 0 if _read(base, wanted) is not None else wanted.size


@dataclass(frozen=True, eq=False)
class _Wanted:
    """The request to `open_store`, and what follows from it."""

    root: Path
    utterances: tuple[Utterance, ...]
    settings: InputSettings
    input: Input
    cut: AnyCut
    part: Part
    copy: int
    device: str

    def base(self, folder: Path) -> Path:
        """The store's files in the data folder, without their suffixes."""
        return folder / "features" / f"{self.title}-{self.key[:16]}"

    @property
    def title(self) -> str:
        """The name of the input as part of a file's name."""
        return re.sub(r"[^\w-]", "-", self.settings.title)  # a dot would begin a suffix

    @cached_property
    def about(self) -> dict[str, Any]:
        """The settings that decide about the rows, but for the utterances."""
        settings = self.settings.scientific() | {"normalisation": None}  # which is of a run, not of what is kept
        hops = [self.cut.hop(self.part)] if isinstance(self.cut, Segments) else []
        cut = self.cut.model_dump(mode="json", include={"name", "length", "longest", "padding"})
        return {"input": settings, "outside": dict(self.input.outside()), "cut": cut, "hop": hops, "copy": self.copy}

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything that decides about the rows."""
        sources = [[utterance.id, *self.input.source(utterance)] for utterance in self.utterances]
        whole = json.dumps([FORMAT, sources, self.about], separators=(",", ":"), sort_keys=True)
        return sha256(whole.encode()).hexdigest()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the utterances."""
        return tuple(utterance.id for utterance in self.utterances)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(U+1,): the first row of each utterance."""
        counts = [self.cut.rows(utterance.samples, self.part) for utterance in self.utterances]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(N, ...) of the array."""
        return (int(self.offsets[-1]), *self.input.shape(self.cut))

    @property
    def size(self) -> int:
        """Bytes of the file of the array."""
        return len(self.header) + np.dtype(self.input.dtype).itemsize * int(np.prod(self.shape))

    @cached_property
    def header(self) -> bytes:
        """The first bytes of the array's file."""
        header = io.BytesIO()
        about = {"descr": self.input.dtype, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(header, about)
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


def _read(base: Path, wanted: _Wanted) -> Store | None:
    """The store as it lies there; None where it is absent, half-written, or not exactly what is wanted."""
    array = base.with_suffix(".npy")
    try:
        about, hashed = _about(base.with_suffix(".json").read_bytes())
        with array.open("rb") as file:
            whole = file.read(len(wanted.header)) == wanted.header and file.seek(0, os.SEEK_END) == about["bytes"]
        written = (about["key"], about["utterances"], about["offsets"], about["bytes"])
        expected = (wanted.key, list(wanted.ids), wanted.offsets.tolist(), wanted.size)
        if not whole or written != expected:
            return None
        if not hashed and about["lengths"] is not None:  # nothing says that they are what was written
            return None
        lengths = None if about["lengths"] is None else np.array(about["lengths"], dtype=np.int64)
        if lengths is not None and lengths.shape != (wanted.shape[0],):
            return None
        return Store(array, wanted.ids, wanted.offsets, lengths, str(about[ARRAY]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _about(content: bytes) -> tuple[dict[str, Any], bool]:
    """The description of a store, and whether its own hash was in it: the earliest have that of the array alone."""
    about = json.loads(content)
    if ARRAY in about:
        return read_hashed(content)
    return {**about, ARRAY: about["sha256"]}, False


def _extract(base: Path, wanted: _Wanted) -> None:
    for utterance, count in zip(wanted.utterances, np.diff(wanted.offsets), strict=True):
        if not count:
            raise GlamError(f"{utterance.id}: has {utterance.samples} samples, too few for {wanted.cut.title}")
    array, about = base.with_suffix(".npy"), base.with_suffix(".json")
    _clear(base)
    _check_room(base.parent, wanted.size)
    try:
        with replacing(array) as temporary:
            with temporary.open("wb") as file:
                file.write(wanted.header)
                rows = _Rows(file, len(wanted.header), wanted.shape, wanted.input.dtype)
                _fill(rows, wanted)
            description = {
                "key": wanted.key,
                "bytes": wanted.size,
                ARRAY: _checksum(temporary),
                "settings": wanted.about,
                "utterances": wanted.ids,
                "offsets": wanted.offsets.tolist(),
                "lengths": None if rows.lengths is None else rows.lengths.tolist(),
            }
            about.unlink(missing_ok=True)
        write_text(about, hashed_json(description))
    except OSError as error:
        if not about.exists():
            array.unlink(missing_ok=True)  # before what is free is counted
        raise GlamError(
            f"{array}: the features cannot be written; nothing half-written is left. They need "
            f"{in_bytes(wanted.size)}, {_room(base.parent)} are free: "
            + in_the_way(error, "Make room, or choose another folder with GLAM_DATA or --data-folder.")
        ) from None


class _Rows:
    """The rows of an array being written: a plain file, because a memory map on a full disk kills the process."""

    def __init__(self, file: Any, header: int, shape: tuple[int, ...], dtype: str) -> None:
        self.lengths: NDArray[np.int64] | None = None
        self._file, self._header, self._dtype, self._count = file, header, dtype, shape[0]
        self._row = np.dtype(dtype).itemsize * int(np.prod(shape[1:]))
        self._lock = threading.Lock()

    def write(self, first: int, values: NDArray[Any], lengths: NDArray[np.int64] | None) -> None:
        """Write the rows from the row `first` on."""
        with self._lock:
            self._file.seek(self._header + first * self._row)
            self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
            if lengths is not None:
                if self.lengths is None:
                    self.lengths = np.zeros(self._count, dtype=np.int64)
                self.lengths[first : first + len(lengths)] = lengths


def _fill(rows: _Rows, wanted: _Wanted) -> None:
    import torch

    extractor = wanted.input.extractor(wanted.cut, wanted.device)
    total, title = wanted.shape[0], wanted.settings.title

    def work(i: int) -> int:
        utterance, row = wanted.utterances[i], int(wanted.offsets[i])
        samples = samples_of(wanted.root, utterance, wanted.cut) if extractor.needs_audio else np.empty(0, np.float32)
        for values, lengths in extractor(utterance, samples, wanted.part, wanted.copy):
            rows.write(row, values, lengths)
            row += len(values)
        if row != wanted.offsets[i + 1]:
            raise GlamError(f"{utterance.id}: {title} gave {row - wanted.offsets[i]} rows, expected {counts[i]}")
        return int(counts[i])

    # Each thread takes its utterances from the file to the features alone, which keeps every core busy: threads that
    # share one operation wait for each other.
    counts = np.diff(wanted.offsets)
    begun = time.monotonic()
    say(f"extracting {title} of {total} rows of {counted(len(wanted.utterances), 'utterance')}")
    threads = cores()
    torch_threads = torch.get_num_threads()
    with (
        bar(total, f"extracting {title}", "row") as progress,
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
    say(f"extracted in {time.monotonic() - begun:.0f} s, and kept for every later run")


def _check_room(folder: Path, needed: int) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise GlamError(
            f"{folder}: the features need {in_bytes(needed)}, {_room(folder)} are free. Make room, or choose another "
            "folder with GLAM_DATA or --data-folder."
        )


def _room(folder: Path) -> str:
    return in_bytes(shutil.disk_usage(folder).free)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
