"""Transcripts of the synthetic corpus with the errors of a speech recogniser that there never was.

Of a hundred words, four are lost, eight taken for another and three more heard; in lower case and without punctuation.
What is heard has nothing to do with the emotion.
"""

import csv
import io
from pathlib import Path

from glam.corpora.asr import COLUMNS, MODEL
from glam.corpora.synthetic import LEXICON, plan
from glam.corpora.voice import random_of
from glam.errors import GlamError
from glam.files import write_text

LOST, MISTAKEN, ADDED = 4, 8, 3  # of a hundred words
NAME = "made-up recogniser"


def make_transcripts(path: Path) -> None:
    """Write the transcripts, a CSV file as glam.corpora.asr reads it; nothing is done where the file is there.

    Raises GlamError where it cannot be written.
    """
    if path.is_file():
        return
    rows = io.StringIO(newline="")
    table = csv.writer(rows, lineterminator="\n")
    table.writerow([*COLUMNS, MODEL])
    table.writerows([turn.id, heard(turn.id, turn.words), NAME] for turn in plan())
    try:
        write_text(path, rows.getvalue())
    except OSError as error:
        raise GlamError(f"{path}: cannot be written: {error.strerror or error}") from None


def heard(utterance: str, words: str) -> str:
    """The words that are heard of an utterance: always the same of the same one."""
    rng, lexicon = random_of(f"{utterance} heard"), list(LEXICON)
    text: list[str] = []
    for word in words.rstrip(".").lower().split():
        chance = rng.randint(100)
        other = lexicon[rng.randint(len(lexicon))].lower()
        if chance >= LOST:
            text.append(other if chance < LOST + MISTAKEN else word)
        if rng.randint(100) < ADDED:
            text.append(lexicon[rng.randint(len(lexicon))].lower())
    return " ".join(text)
