"""Words and vectors beside recordings, as the command line gives them: a text, a CSV file, files of embeddings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.outside import content_of, headed_rows
from glam.errors import GlamError, put_once
from glam.inputs.embeddings import IDS, read_embeddings
from glam.prediction.given import Given

COLUMNS = ("file", "text")
Vector = NDArray[np.floating[Any]]


class WordsFile:
    """The words of recordings in a CSV file in UTF-8 whose first row is `file,text`, in either order.

    A file is a path seen from where the CSV file lies, or the name of a recording, with its ending or without. Raises
    GlamError, with the line, for other columns, a row with more or fewer cells, a file without a name or with two.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.texts = path, dict[str, str]()
        for line, cell in headed_rows(path, content_of(path), COLUMNS):
            file = cell["file"].strip()
            if not file:
                raise GlamError(f"{path}: line {line} names no file")
            if file in self.texts:
                raise GlamError(f"{path}: line {line}: {file} has words already, above")
            self.texts[file] = cell["text"]

    @property
    def recordings(self) -> list[Path]:
        """The files that it names, in its order."""
        return [self.path.parent / Path(file).expanduser() for file in self.texts]

    def rows_of(self, recordings: Sequence[Path]) -> list[str | None]:
        """The row, by its file, of each recording; None where there is none.

        Raises GlamError where a name alone is that of several recordings.
        """
        by_path = dict(zip((path.resolve() for path in self.recordings), self.texts, strict=True))
        names = [list(dict.fromkeys((path.name, path.stem))) for path in recordings]
        shared = Counter(name for of_recording in names for name in of_recording)
        rows: list[str | None] = []
        for path, of_recording in zip(recordings, names, strict=True):
            row = by_path.get(path.resolve())
            by_name = next((name for name in of_recording if name in self.texts), None) if row is None else None
            if by_name is not None and shared[by_name] > 1:
                raise GlamError(
                    f"{self.path}: {by_name} is the name of {shared[by_name]} recordings; give their paths, seen from "
                    f"{self.path.parent}"
                )
            row = by_name if row is None else row
            rows.append(row)
        return rows


class VectorsFile:
    """The vectors of an input in a file of embeddings (glam/inputs/embeddings.py), by the names of recordings.

    An .npy without ids beside it, and an .npz of one array, are the vector of a single recording, whatever its name.
    Raises GlamError where the file is none, and where it is of a single recording and several are asked about.
    """

    def __init__(self, path: Path, several: bool) -> None:
        self.alone: Vector | None = None
        self.by_id: dict[str, Vector] = {}
        if path.suffix.lower() == ".npy" and not any(path.with_suffix(end).is_file() for end in IDS):
            try:
                self.alone = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise GlamError(f"{path}: cannot be read as NumPy's .npy, without pickles: {error}") from None
            if several:
                raise GlamError(
                    f"{path}: has no ids ({path.stem}.ids beside it, one on each line), so it is the vector of one "
                    "recording; several are asked about"
                )
            return
        embeddings = read_embeddings(path)
        self.by_id = dict(zip(embeddings.ids, embeddings.arrays, strict=True))
        if not several and len(embeddings.ids) == 1:
            self.alone = embeddings.arrays[0]

    def of(self, file: str) -> Vector | None:
        """The vector of the recording of that name: by it, by the name of the file, or that without its ending."""
        if self.alone is not None:
            return self.alone
        names = (file, Path(file).name, Path(file).stem)
        return next((self.by_id[name] for name in names if name in self.by_id), None)


def given_with(
    recordings: Sequence[Path], words: str | None, words_file: Path | None, vectors: Mapping[str, Path], hears: bool
) -> tuple[list[Given], int]:
    """The utterances that a command asks about; and how many rows of the file of words are of none of them.

    recordings: () for those that the file of words names. hears: whether the model takes recordings; else none is
    opened. Raises GlamError where nothing is asked about, or what is given does not fit together.
    """
    if words is not None and words_file is not None:
        raise GlamError("--words and --words-file exclude each other: the words of one recording, or a file of many")
    if words is not None and len(recordings) > 1:
        raise GlamError(f"--words: is of one recording, and {len(recordings)} are asked about; give --words-file")
    file = WordsFile(words_file) if words_file is not None else None
    paths: list[Path] = list(recordings) or (file.recordings if file else [])
    names: list[tuple[str, Path | None]] = [(str(path), path if hears else None) for path in paths]
    if not paths and not hears and (words is not None or vectors):
        names = [("-", None)]
    if not names:
        raise GlamError("no recordings are given: audio files, folders of them, or a list (.txt)")
    files = {name: VectorsFile(path, len(names) > 1) for name, path in vectors.items()}
    rows = file.rows_of(paths) if file else []
    texts = [file.texts[row] if row is not None else None for row in rows] if file else [words] * len(names)
    given = [
        Given(name, path, text, {key: v for key, of in files.items() if (v := of.of(name)) is not None})
        for (name, path), text in zip(names, texts, strict=True)
    ]
    return given, len(set(file.texts) - set(rows)) if file else 0


def vector_files(texts: Sequence[str]) -> dict[str, Path]:
    """Input -> file, of what --vector gives; GlamError where it is not INPUT=FILE."""
    files: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (equals and name.strip() and path.strip()):
            raise GlamError(f"--vector {text}: expected INPUT=FILE, for example --vector speaker=xvector.npy")
        put_once(files, name.strip(), Path(path.strip()).expanduser(), f"--vector {text}")
    return files
