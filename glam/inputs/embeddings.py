"""Embeddings that a lab has, by utterance id: x-vectors, or what any frozen encoder gives.

| file   | what is in it                                                                                       |
| `.npz` | arrays `ids` (n,) and `vectors` (n, d) or (n, T, d); or one array for each id, (d,) or (T, d)       |
| `.npy` | one array (n, d) or (n, T, d); its ids in `<name>.ids` or `<name>.txt` beside it, one on each line  |
| `.csv` | id and d numbers in each row, with or without a first row that names the columns                    |
| `.ark`, `.txt` | Kaldi's text archive: `id [ 1 2 3 ]`, or a matrix over several lines, a line for each frame |

Nothing is unpickled.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.outside import check_all_there, content_of, csv_rows, is_number, text_of
from glam.errors import GlamError
from glam.words import counted

IDS = (".ids", ".txt")  # endings of the file beside an .npy that names its rows
Numbers = NDArray[np.float32]
Row = tuple[str, str, NDArray[Any]]  # where it is in the file, the id, the embedding


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of a file, as they are.

    ids: in the file's order. arrays: float32, one for each id: (d,) pooled, or (T, d) frames with a T of its own.
    dimension: d. frames: whether they are frames. sha256: of the file and its ids, in hexadecimal.
    """

    path: Path
    ids: tuple[str, ...]
    arrays: tuple[Numbers, ...]
    dimension: int
    frames: bool
    sha256: str

    def of(self, ids: Sequence[str]) -> list[Numbers]:
        """The embeddings of these utterances; GlamError that counts and names those that are not in the file."""
        check_all_there(self.path, ids, self._row_of, "embedding")
        return [self.arrays[self._row_of[name]] for name in ids]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}

    def expect(self, frames: bool) -> None:
        """GlamError where they are pooled and frames are expected, or the other way round."""
        if frames and not self.frames:
            raise GlamError(f"{self.path}: has an embedding for each utterance, not frames; set the option frames to 0")
        if self.frames and not frames:
            longest = max(len(array) for array in self.arrays)
            raise GlamError(
                f"{self.path}: has frames, up to {longest} an utterance; set the option frames to how many a row has"
            )


def read_embeddings(path: Path) -> Embeddings:
    """The embeddings of a file of one of the kinds above, all of them in memory.

    Raises GlamError for a file that cannot be read or is of another kind, and, with the line or the id: for what is no
    finite number, dimensions that differ, pooled embeddings among frames, and an id that is empty or a duplicate.
    """
    readers: dict[str, Callable[[Path, bytes], Iterable[Row]]] = {
        ".npz": _npz,
        ".npy": _npy,
        ".csv": _csv,
        ".ark": _ark,
        ".txt": _ark,
    }
    if path.suffix.lower() not in readers:
        raise GlamError(f"{path}: ends in {path.suffix!r}; embeddings are read from {', '.join(readers)}")
    content = content_of(path)
    arrays: dict[str, Numbers] = {}
    place_of: dict[str, str] = {}
    for place, name, array in readers[path.suffix.lower()](path, content):
        if not name:
            raise GlamError(f"{path}: {place} has no id")
        if name in arrays:
            raise GlamError(f"{path}: duplicate id {name}: {place_of[name]} and {place}")
        arrays[name], place_of[name] = _checked(path, place, name, array, next(iter(arrays.items()), None)), place
    if not arrays:
        raise GlamError(f"{path}: has no embedding in it")
    first = next(iter(arrays.values()))
    digest = sha256(content + (content_of(_ids_of(path)) if path.suffix.lower() == ".npy" else b""))
    return Embeddings(path, tuple(arrays), tuple(arrays.values()), first.shape[-1], first.ndim == 2, digest.hexdigest())


def _checked(path: Path, place: str, name: str, array: NDArray[Any], first: tuple[str, Numbers] | None) -> Numbers:
    """The embedding in float32, if it is one and like the first of the file."""
    where = f"{path}: {place}: {name}"
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or not array.size:
        raise GlamError(
            f"{where} has shape {array.shape} of {array.dtype}; expected numbers of shape (d,), or (frames, d)"
        )
    with np.errstate(over="ignore"):  # becomes infinite, and is refused
        numbers = np.asarray(array, dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise GlamError(f"{where} has a number that is not finite (NaN or infinity) or beyond float32")
    if first is not None and (numbers.ndim, numbers.shape[-1]) != (first[1].ndim, first[1].shape[-1]):
        kinds = {1: "pooled", 2: "frames"}
        raise GlamError(
            f"{where} is {kinds[numbers.ndim]} of dimension {numbers.shape[-1]}, and {first[0]} "
            f"{kinds[first[1].ndim]} of dimension {first[1].shape[-1]}; expected the same of all"
        )
    return numbers


def _loaded(path: Path, content: bytes) -> Any:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> GlamError:
    return GlamError(f"{path}: cannot be read as NumPy's {path.suffix}, without pickles: {error}")


def _npz(path: Path, content: bytes) -> Iterator[Row]:
    archive = _loaded(path, content)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise GlamError(f"{path}: is no .npz archive; save it with numpy.savez")
    try:
        arrays = [(name, archive[name]) for name in archive.files]
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from None
    if sorted(archive.files) == ["ids", "vectors"]:
        both = dict(arrays)
        if both["ids"].dtype.kind != "U" or both["ids"].ndim != 1:
            raise GlamError(f"{path}: ids is {both['ids'].dtype} of shape {both['ids'].shape}; expected text, (n,)")
        yield from _stacked(path, [(f"row {i}", str(name)) for i, name in enumerate(both["ids"])], both["vectors"])
    else:
        yield from ((f"array {i}", name, array) for i, (name, array) in enumerate(arrays))


def _npy(path: Path, content: bytes) -> Iterator[Row]:
    array = _loaded(path, content)
    if not isinstance(array, np.ndarray):
        raise GlamError(f"{path}: is no array; save it with numpy.save, or name the archive .npz")
    beside = _ids_of(path)
    lines = text_of(beside, content_of(beside)).rstrip("\n").split("\n")
    yield from _stacked(path, [(f"line {i} of {beside.name}", line.strip()) for i, line in enumerate(lines, 1)], array)


def _ids_of(path: Path) -> Path:
    """The file beside an array that names its rows."""
    beside = [path.with_suffix(suffix) for suffix in IDS]
    for candidate in beside:
        if candidate.is_file():
            return candidate
    names = " or ".join(candidate.name for candidate in beside)
    raise GlamError(f"{path}: needs a file of its ids, one on each line, beside it: {names}")


def _stacked(path: Path, names: Sequence[tuple[str, str]], array: NDArray[Any]) -> Iterator[Row]:
    if array.ndim not in (2, 3) or len(array) != len(names):
        raise GlamError(
            f"{path}: has {counted(len(names), 'id')} and an array of shape {array.shape}; "
            f"expected ({len(names)}, d) or ({len(names)}, frames, d)"
        )
    for (place, name), row in zip(names, array, strict=True):
        yield place, name, row


def _csv(path: Path, content: bytes) -> Iterator[Row]:
    width = 0
    for number, (line, cells) in enumerate(csv_rows(path, content)):
        width = width or len(cells)
        if len(cells) != width or width < 2:
            expected = f"{width} as above" if width > 1 else "an id and its numbers"
            raise GlamError(f"{path}: line {line} has {counted(len(cells), 'cell')}, expected {expected}")
        if number == 0 and _names_columns(cells):
            continue
        yield f"line {line}", cells[0].strip(), _numbers(path, line, cells[1:])


def _names_columns(cells: Sequence[str]) -> bool:
    """True where a first row names the columns: by no number at all or, as pandas does, by 0, 1, 2, ..."""
    first, *others = cells
    numbered = others == [str(i) for i in range(len(others))] and first.strip().lower() in ("", "id", "utterance")
    return numbered or not any(map(is_number, others))


def _ark(path: Path, content: bytes) -> Iterator[Row]:
    if b"\0B" in content:
        raise GlamError(
            f"{path}: is a binary archive; make a text of it with Kaldi's copy-vector (or copy-feats) "
            f"ark:{path.name} ark,t:{path.stem}.txt"
        )
    *records, rest = text_of(path, content).split("]")
    line = 1
    for record in records:
        head, bracket, body = record.partition("[")
        start, name = line + head.count("\n"), head.strip()
        if not bracket or len(name.split()) != 1:
            raise GlamError(
                f"{path}: line {start} has {head.strip()[:40]!r}; expected an id and its numbers: id [ 1 2 ]"
            )
        rows = [
            (number, _numbers(path, number, fields))
            for number, text in enumerate(body.split("\n"), start)
            if (fields := text.split())
        ]
        for number, row in rows:
            if len(row) != len(rows[0][1]):
                raise GlamError(
                    f"{path}: line {number} has {counted(len(row), 'number')}, "
                    f"and the first frame of {name} has {len(rows[0][1])}"
                )
        array = np.array([row for _, row in rows])
        yield f"line {start}", name, array if "\n" in body else array.reshape(-1)
        line += record.count("\n")
    if rest.strip():
        raise GlamError(f"{path}: ends without a closing bracket after {rest.strip()[:40]!r}; get the file again")


def _numbers(path: Path, line: int, fields: Sequence[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(field) for field in fields])
    except ValueError:
        wrong = next(field for field in fields if not is_number(field))
        raise GlamError(f"{path}: line {line}: {wrong[:40]!r} is no number") from None
