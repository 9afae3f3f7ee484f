"""Files from outside a corpus that speak of its utterances by id: transcripts of a recogniser, embeddings."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from glam.errors import GlamError
from glam.words import counted

NAMED = 3  # missing ids that a message names


def content_of(path: Path) -> bytes:
    """The content of a file; GlamError where it cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GlamError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not content:
        raise GlamError(f"{path}: is empty (0 bytes)")
    return content


def text_of(path: Path, content: bytes) -> str:
    """The content as text, less a byte order mark; GlamError, with the line, where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GlamError(f"{path}: line {line} is not UTF-8 ({error.reason}); save the file as UTF-8") from None


def csv_rows(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, each with the number of the line it ends on.

    Raises GlamError, with the line, for what is no CSV in UTF-8.
    """
    reader = csv.reader(io.StringIO(text_of(path, content), newline=""), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise GlamError(f"{path}: line {reader.line_num} is no CSV: {error}") from None


def is_number(field: str | bytes) -> bool:
    """True where a field of a text file is a number as Python reads it, NaN and infinity among them."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def headed_rows(path: Path, content: bytes, *headings: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file whose first row names the columns of one of these headings, in any order: by column.

    Raises GlamError, with the line, for other columns, a row with more or fewer cells, and as `csv_rows`.
    """
    rows = csv_rows(path, content)
    columns = [cell.strip() for cell in next(rows, (1, []))[1]]
    if sorted(columns) not in [sorted(heading) for heading in headings]:
        raise GlamError(
            f"{path}: line 1 is {','.join(columns)[:80]!r}; expected the names of the columns: "
            f"{' or '.join(map(','.join, headings))}"
        )
    for line, row in rows:
        if len(row) != len(columns):
            raise GlamError(
                f"{path}: line {line} has {counted(len(row), 'cell')}, expected {len(columns)}; "
                'a text with a comma in it must be in quotes: "yes, I did"'
            )
        yield line, dict(zip(columns, row, strict=True))


def check_all_there(path: Path, asked: Sequence[str], present: Collection[str], noun: str) -> None:
    """GlamError that counts and names the utterances asked for of which the file has none; noun: of what."""
    missing = [name for name in asked if name not in present]
    if missing:
        more = ", ..." if len(missing) > NAMED else ""
        raise GlamError(
            f"{path}: has no {noun} of {len(missing)} of {counted(len(asked), 'utterance')} "
            f"({', '.join(missing[:NAMED])}{more}); every utterance needs one"
        )
