"""Word vectors from a GloVe text file, of which a corpus needs a few thousand among millions.

A line is a word and its numbers, separated by single spaces, in UTF-8 and without a header; a word may hold spaces
and every other kind of white space. Files that begin with word2vec's line of count and dimension are read too.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.outside import is_number
from glam.errors import GlamError
from glam.files import only_one, write_bytes
from glam.inputs.tokens import UNKNOWN, Vocabulary
from glam.progress import bar
from glam.words import counted

LONGEST_LINE = 2**20  # bytes: what has no line ends is not read into memory
SPREAD = 0.25  # a word without a vector gets one drawn from -0.25 to 0.25, as in MDRE
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of the words that were asked for.

    words: those that the file has, sorted. array: (n, d) float32, a row for each. lower_case: those of them that it
    has in lower case only. dimension: d. lines: how many words the whole file has. sha256: of the file, hexadecimal.
    name: the file's.
    """

    words: tuple[str, ...]
    array: NDArray[np.float32]
    lower_case: frozenset[str]
    dimension: int
    lines: int
    sha256: str
    name: str


def read_vectors(path: Path, words: Set[str]) -> WordVectors:
    """The vectors of these words: of a word as it is or, failing that, of the word in lower case.

    The file is read once, line by line: memory is that of the vectors which are kept. Of a word that occurs twice, the
    first counts. The numbers of lines that are not kept are counted, and not looked at.

    Raises GlamError, with the file and the line, for a file that cannot be read, is packed or is something else, for a
    line with another number of values than the first, for values that are no finite numbers, and for an end that is
    missing.
    """
    wanted = {_bytes(spelling) for word in words for spelling in (word, word.lower())}
    kept: dict[bytes, NDArray[np.float32]] = {}
    digest = sha256()
    promised: int | None = None
    dimension = number = 0
    try:
        with (
            path.open("rb") as file,
            bar(path.stat().st_size, f"reading {path.name}", "B", unit_scale=True) as progress,
        ):
            while raw := file.readline(LONGEST_LINE):
                number += 1
                digest.update(raw)
                progress.update(len(raw))
                line = raw.rstrip(b" \r\n")  # Windows ends lines with \r\n, and fastText with a space
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                    promised, dimension = _first(path, line)
                    if promised is not None:
                        continue
                if line.count(b" ") == dimension:
                    word = line[: line.index(b" ")]
                else:
                    word = _spaced_word(path, number, raw, line, dimension)
                if word in wanted and word not in kept:
                    kept[word] = _numbers(path, number, line, dimension)
    except OSError as error:
        raise GlamError(f"{path}: cannot be read: {error.strerror or error}") from None
    lines = number - (promised is not None)
    if not lines:
        raise GlamError(f"{path}: has no words in it; expected a word and its numbers on each line")
    if promised not in (None, lines):
        raise GlamError(f"{path}: line 1 promises {promised} words, and {lines} follow; get the file again")
    return _of_words(path, words, kept, dimension, lines, digest.hexdigest())


def kept_vectors(path: Path, words: Set[str], folder: Path) -> WordVectors:
    """The vectors of these words, kept in `folder` once they were read: a file of millions takes a minute or more.

    They are read again where the file's size or time of change is another. Raises GlamError as `read_vectors`.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise GlamError(f"{path}: cannot be read: {error.strerror or error}") from None
    about = json.dumps([str(path), status.st_size, status.st_mtime_ns, sorted(words)], ensure_ascii=True)
    kept = folder / "glove" / f"{sha256(about.encode()).hexdigest()[:16]}.npz"
    if (vectors := _kept(kept)) is not None:
        return vectors
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with only_one(kept.with_suffix(".lock"), f"{kept}: another process is reading {path.name}; waiting for it"):
            if (vectors := _kept(kept)) is None:
                vectors = read_vectors(path, words)
                content = io.BytesIO()
                np.savez(
                    content,
                    words=np.array([word.encode(errors="surrogatepass").hex() for word in vectors.words], dtype=str),
                    array=vectors.array,
                    lower_case=np.array([word in vectors.lower_case for word in vectors.words], dtype=bool),
                    about=np.array([path.name, str(vectors.lines), vectors.sha256]),
                )
                write_bytes(kept, content.getvalue())
    except OSError as error:
        raise GlamError(f"{kept}: cannot be written ({error}); choose another folder with GLAM_DATA.") from None
    return vectors


def _kept(path: Path) -> WordVectors | None:
    """The vectors that were kept; None where there are none, or no whole ones."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            words = tuple(bytes.fromhex(str(word)).decode(errors="surrogatepass") for word in arrays["words"])
            array, lower, (name, lines, digest) = arrays["array"], arrays["lower_case"], arrays["about"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    of_lower = frozenset(word for word, below in zip(words, lower, strict=True) if below)
    return WordVectors(words, array, of_lower, array.shape[1], int(lines), str(digest), str(name))


def table(
    vocabulary: Vocabulary, vectors: WordVectors | None, seed: int, dimension: int = 300
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The initial vector (V, d) float32 of every id of a vocabulary, and which of them (V,) are of the file.

    The others are drawn from -0.25 to 0.25, each a function of the seed and of the word alone, so that no word depends
    on which others a corpus has; padding is zero. Without vectors all are drawn, of that dimension.
    """
    size = (len(vocabulary), vectors.dimension if vectors else dimension)
    rows, pretrained = np.zeros(size, dtype=np.float32), np.zeros(len(vocabulary), dtype=bool)
    row_of = {word: row for row, word in enumerate(vectors.words)} if vectors else {}
    rows[UNKNOWN] = _drawn(seed, "", size[1])
    for i, word in enumerate(vocabulary.words, UNKNOWN + 1):
        if vectors is not None and word in row_of:
            rows[i], pretrained[i] = vectors.array[row_of[word]], True
        else:
            rows[i] = _drawn(seed, word, size[1])
    return rows, pretrained


def _drawn(seed: int, word: str, dimension: int) -> NDArray[np.float64]:
    words = np.frombuffer(sha256(f"{seed} ".encode() + _bytes(word)).digest(), dtype="<u4")
    return np.random.RandomState(words).uniform(-SPREAD, SPREAD, dimension)


def _first(path: Path, line: bytes) -> tuple[int | None, int]:
    """The number of words that a first line promises, if it is word2vec's, and the dimension it gives or shows."""
    for beginning, packer in _PACKED.items():
        if line.startswith(beginning):
            raise GlamError(f"{path}: is packed ({packer}); unpack it, and give the text file")
    fields = line.split(b" ")
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        promised, dimension = map(int, fields)
        if dimension:
            return promised, dimension
    values = 0  # from the end, as the word may have spaces in it; and may be a number itself
    while values < len(fields) - 1 and is_number(fields[-1 - values]):
        values += 1
    if not values:
        raise GlamError(
            f"{path}: line 1 is {_shown(line)}; expected a word and its numbers, separated by single spaces"
        )
    return None, values


def _spaced_word(path: Path, number: int, raw: bytes, line: bytes, dimension: int) -> bytes:
    """The word of a line with more or fewer spaces than its numbers need; only more can be right."""
    word, *values = line.rsplit(b" ", dimension)
    first, *others = word.split(b" ")
    if len(values) == dimension and not all(map(is_number, others)):
        return word
    place = f"{path}: line {number}"
    if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
        raise GlamError(f"{place} is longer than {LONGEST_LINE} bytes; expected a word and {dimension} numbers")
    numbers = len(others) + len(values)
    ending = "" if raw.endswith(b"\n") else ", and the file ends here: get it again"
    raise GlamError(
        f"{place} has {counted(numbers, 'value')} after {_shown(first)}, expected {dimension} as on the first "
        f"line{ending}"
    )


def _numbers(path: Path, number: int, line: bytes, dimension: int) -> NDArray[np.float32]:
    word, *values = line.rsplit(b" ", dimension)
    try:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused below
            vector = np.array(values).astype(np.float32)
    except ValueError:
        wrong = next(value for value in values if not is_number(value))
        raise GlamError(f"{path}: line {number}: {_shown(wrong)} of {_shown(word)} is no number") from None
    if not np.isfinite(vector).all():
        wrong = values[int(np.flatnonzero(~np.isfinite(vector))[0])]
        raise GlamError(f"{path}: line {number}: {_shown(wrong)} of {_shown(word)} is not finite")
    return vector


def _of_words(
    path: Path, words: Set[str], kept: dict[bytes, NDArray[np.float32]], dimension: int, lines: int, digest: str
) -> WordVectors:
    spelling = {
        word: next((s for s in (_bytes(word), _bytes(word.lower())) if s in kept), None) for word in sorted(words)
    }
    rows = {word: kept[s] for word, s in spelling.items() if s is not None}
    return WordVectors(
        words=tuple(rows),
        array=np.stack([*rows.values()]) if rows else np.empty((0, dimension), dtype=np.float32),
        lower_case=frozenset(word for word in rows if spelling[word] != _bytes(word)),
        dimension=dimension,
        lines=lines,
        sha256=digest,
        name=path.name,
    )


def _bytes(word: str) -> bytes:
    return word.encode(errors="surrogatepass")


def _shown(field: bytes) -> str:
    return repr(field[:40].decode(errors="replace"))
