"""Files that are whole or absent: written under a temporary name, flushed to the disk, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from glam.errors import GlamError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` at the end of the block; gone if the block raises."""
    if not path.name:
        raise GlamError(f"{str(path)!r} is no name of a file to write")
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `path` (absent so far) at the end of the block.

    For one writer at a time (`only_one`): what an earlier one left half-filled is removed.
    """
    for stale in path.parent.glob(f".{path.name}.tmp-*"):
        shutil.rmtree(stale)  # of a process that was killed while writing: whoever writes holds the lock
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.iterdir():
            flush(file)
        _flush_folder(temporary)
        temporary.rename(path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def flush(path: Path) -> None:
    """Make sure that a file's content is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle on a folder to flush; the rename itself is journalled there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Whether this process got the lock of that name; it is the kernel's, and goes with the process.

    Raises GlamError where the folder cannot be written or the file system has no locks.
    """
    # A file that merely exists would outlive a killed process: no such substitute where the kernel has no locks.
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except (NotImplementedError, OSError) as error:
        raise GlamError(
            f"{path}: cannot be locked ({error}). Results need a folder that can be written, on a file system "
            "with locks; choose another with --runs-folder or GLAM_RUNS."
        ) from None
    try:
        yield True
    finally:
        lock.release()
