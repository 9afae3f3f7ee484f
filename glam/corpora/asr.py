"""Transcripts of a speech recogniser, which stand in for those of people."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from glam.corpora.outside import check_all_there, content_of, headed_rows
from glam.errors import GlamError

COLUMNS = ("utterance", "text")
MODEL = "model"  # a third column that a file may have


@dataclass(frozen=True)
class Transcripts:
    """Transcripts of a recogniser.

    texts: by utterance id; a text may be empty. models: the recognisers that the file names, sorted. sha256: of the
    file, in hexadecimal.
    """

    path: Path
    texts: dict[str, str]
    models: tuple[str, ...]
    sha256: str

    def of(self, ids: Sequence[str]) -> list[str]:
        """The texts of these utterances; GlamError that counts and names those that are not in the file."""
        check_all_there(self.path, ids, self.texts, "text")
        return [self.texts[name] for name in ids]


def read_asr(path: Path) -> Transcripts:
    """The transcripts of a CSV file in UTF-8 whose first row names its columns: utterance, text and perhaps model.

    Raises GlamError, with the line, for a file that cannot be read, other columns, a row with more or fewer cells,
    and an utterance without an id or with two rows.
    """
    content = content_of(path)
    line_of: dict[str, int] = {}
    texts: dict[str, str] = {}
    models: set[str] = set()
    for line, cell in headed_rows(path, content, COLUMNS, (*COLUMNS, MODEL)):
        name = cell["utterance"].strip()
        if not name:
            raise GlamError(f"{path}: line {line} has no utterance id")
        if name in texts:
            raise GlamError(f"{path}: duplicate utterance {name}: line {line_of[name]} and line {line}")
        line_of[name], texts[name] = line, cell["text"]
        models |= {cell[MODEL].strip()} - {""} if MODEL in cell else set()
    return Transcripts(path, texts, tuple(sorted(models)), sha256(content).hexdigest())
