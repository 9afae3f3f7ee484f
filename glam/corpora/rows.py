"""Rows of a text table (CSV, TSV, JSON lines) with their numbers, as text and as they stand."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glam.errors import GlamError

ENCODINGS = ("utf-8-sig", "cp1252")
DELIMITERS = ",;\t|"
JSON_LINES = (".jsonl", ".ndjson")
MISSING = frozenset({"", "nan", "nat", "na", "n/a", "none", "null", "<na>"})  # what programs write for no value


@dataclass(frozen=True)
class Row:
    """One row: its line or object number in the file, and its cells by column; an empty cell is absent."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Rows:
    """The rows of a file, and the names of its columns in their order."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_rows(path: Path, columns: Sequence[str] = (), encodings: Sequence[str] = ENCODINGS) -> Rows:
    """The rows of a file that ends in .jsonl (or .ndjson), .tsv, or anything else for CSV.

    columns: their names, where the file has no heading; such a file is separated by tabs. encodings: tried in turn; a
    byte order mark of UTF-16 comes first. Raises GlamError where the file cannot be read or a row does not fit.
    """
    text = read_text(path, encodings)
    return _json_lines(path, text) if path.suffix.lower() in JSON_LINES else _table(path, text, columns)


def finite(text: str) -> float | None:
    """The finite number that a cell holds; None where it holds none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_text(path: Path, encodings: Sequence[str] = ENCODINGS) -> str:
    """The text of a file in whichever of the encodings it is in, else Latin-1, which takes every byte."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise GlamError(f"{path}: there is no such file")
        content = path.read_bytes()
    except OSError as error:
        raise GlamError(f"{path}: cannot be read ({error.strerror})") from None
    marked = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else []
    for encoding in (*marked, *encodings):
        try:
            return content.decode(encoding)
        except UnicodeError:
            continue
    return content.decode("latin-1")


def _table(path: Path, text: str, columns: Sequence[str]) -> Rows:
    first = text.partition("\n")[0]
    tabs = path.suffix.lower() == ".tsv" or columns
    delimiter = "\t" if tabs else max(DELIMITERS, key=lambda mark: (first.count(mark), -DELIMITERS.index(mark)))
    # An inch sign or an apostrophe in a transcription begins no quotation where tabs separate.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if columns else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    rows: list[Row] = []
    names = tuple(columns)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _names(path, cells)
                continue
            if len(cells) != len(names) and not columns:
                raise GlamError(
                    f"{path}, line {reader.line_num}: has {len(cells)} cells, and the heading {len(names)} "
                    f"({', '.join(names)})"
                )
            rows.append(Row(reader.line_num, _present(zip(names, cells, strict=False))))
    except csv.Error as error:
        raise GlamError(f"{path}, line {reader.line_num}: is no table row ({error})") from None
    if not names:
        raise GlamError(f"{path}: is empty; a heading and a row an utterance are expected")
    return Rows(names, tuple(rows))


def _names(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    if doubled := sorted({name for name in names if name and names.count(name) > 1}):
        raise GlamError(f"{path}: the heading has {', '.join(doubled)} twice")
    return names


def _json_lines(path: Path, text: str) -> Rows:
    rows: list[Row] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise GlamError(f"{path}, line {number}: is no JSON ({error}); an object a line is expected") from None
        if not isinstance(content, dict):
            raise GlamError(f"{path}, line {number}: expected an object, found {type(content).__name__}")
        cells = [(name, "" if value is None else _plain(value)) for name, value in content.items()]
        columns |= dict.fromkeys(content)
        rows.append(Row(number, _present(cells)))
    if not rows:
        raise GlamError(f"{path}: is empty; an object a line is expected")
    return Rows(tuple(columns), tuple(rows))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _present(cells: Iterable[tuple[str, str]]) -> dict[str, str]:
    # JSON may hold halves of letters, which no file takes.
    pairs = ((name, text.strip().encode(errors="replace").decode()) for name, text in cells)
    return {name: text for name, text in pairs if name and text.casefold() not in MISSING}
