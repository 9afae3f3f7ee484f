"""Files that are whole or absent: written under a temporary name, flushed to the disk, then renamed.

And locks, which are the kernel's and go with the process that holds them.
"""

import glob
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from filelock import FileLock, Timeout

from glam.errors import GlamError
from glam.progress import say

HASH = "sha256"  # the name under which JSON carries its own hash


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` at the end of the block; gone if the block raises.

    A link is followed: what it leads to is replaced. Raises GlamError for what is no file.
    """
    if not path.name:
        raise GlamError(f"{str(path)!r} is no name of a file to write")
    if path.exists() and not path.is_file():  # a folder, or a device, which a rename would destroy
        raise GlamError(f"{path}: is there already, and is no file; a file is to be written. Choose another name.")
    path = path.resolve()
    temporary = _temporary(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `path` (absent so far, or empty) at the end of the block.

    For one writer at a time (`only_one`): what an earlier one left half-filled is removed.
    """
    for stale in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
        shutil.rmtree(stale)  # of a process that was killed while writing: whoever writes holds the lock
    temporary = _temporary(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        with ThreadPoolExecutor(16) as pool:  # a disk takes many at once
            list(pool.map(_flush, [temporary, *temporary.rglob("*")]))
        temporary.replace(path)
        _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece, in UTF-8 and with the line ends of the text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def hashed_json(content: dict[str, Any], indent: int | None = None) -> str:
    """The content as JSON that carries its own SHA-256, so that `read_hashed` notices whatever is changed in it."""
    return json.dumps(content | {HASH: _hash(content)}, indent=indent, allow_nan=False) + "\n"


def read_hashed(text: bytes) -> tuple[dict[str, Any], bool]:
    """The content of JSON without its hash, and whether it carried one; ValueError where it is not what was written."""
    try:
        content = json.loads(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    written = content.pop(HASH, None)
    if written is not None and written != _hash(content):
        raise ValueError("its content is not what was written")
    return content, written is not None


def _hash(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def set_aside(path: Path) -> Path:
    """Move a damaged file or folder into `.set-aside` beside it, where nothing reads it; returns where it lies now.

    Nothing is deleted: what was trained for days may be worth a look.
    """
    folder = path.parent / ".set-aside"
    folder.mkdir(exist_ok=True)
    number = 1
    while (place := folder / f"{path.name}-{number}").exists():
        number += 1
    path.rename(place)
    return place


def written_from(temporary: Path) -> Path | None:
    """The path that a temporary one was to become; None for any other path."""
    name, mark, _ = temporary.name.rpartition(".tmp-")
    return temporary.with_name(name[1:]) if mark and name.startswith(".") else None


def _temporary(path: Path) -> Path:
    # A process number alone is not unique where machines or containers share a folder.
    return path.with_name(f".{path.name}.tmp-{os.getpid()}-{token_hex(4)}")


def _flush(path: Path) -> None:
    """Make sure that a file's content, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle on a folder to flush; the rename itself is journalled there
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def only_one(path: Path, waiting: str | None = None) -> Iterator[bool]:
    """Yield whether this process got the lock of that name; it is the kernel's, and goes with the process.

    waiting: say so where another process has the lock, and wait for it.
    Raises GlamError where the folder cannot be written or the file system has no locks.
    """
    # A file that merely exists would outlive a killed process: no such substitute where the kernel has no locks.
    lock = FileLock(path, fallback_to_soft=False)
    mine = True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is None:
                mine = False
            else:
                say(waiting)
                lock.acquire()
    except (NotImplementedError, OSError) as error:
        raise GlamError(
            f"{path}: cannot be locked ({error}). A folder is needed that can be written, on a file system with "
            "locks: choose another with --runs-folder or GLAM_RUNS (results), --data-folder or GLAM_DATA (what is "
            "derived from a corpus)."
        ) from None
    try:
        yield mine
    finally:
        lock.release()
