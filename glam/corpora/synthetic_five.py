"""A synthetic corpus in the shape of ST-EMO, which GLRF's second set of numbers is of and which is not public.

Five classes, as many women as men, and three parts: what is said is the same in every emotion (`independent`), goes
with the emotion (`dependent`), or is the speaker's own (`improvised`). It lies as a folder of recordings with a table,
metadata.csv. The voices are those of the other synthetic corpus, of speakers of their own.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from glam.corpora.made import SYNTHETIC_MARK, make_once
from glam.corpora.synthetic import COMMON, EMOTIONS, turn_of
from glam.corpora.utterances import Corpus, Utterance
from glam.corpora.voice import Turn, random_of, record
from glam.errors import GlamError
from glam.progress import bar

NOTE = """This corpus of five classes is synthetic: version 1, made by GLAM's glam/corpora/synthetic_five.py.

Nobody speaks here, and nothing measured on it says anything about speech. It has the classes and the parts of ST-EMO.
"""
TABLE = "metadata.csv"
COLUMNS = ("file", "emotion", "speaker", "gender", "part", "text")
CLASSES = {"angry": "ang", "happy": "hap", "neutral": "neu", "sad": "sad", "fear": "fea"}  # to the voice's manners
SPEAKERS = tuple(f"S{number:02d}{gender}" for number in range(1, 11) for gender in "FM")
TIMES = {"independent": 3, "dependent": 3, "improvised": 1}  # a speaker speaks in each class
SENTENCES = 6  # of the independent part, and of each class in the dependent one


class Row(NamedTuple):
    """A row of the table: a recording, and what is spoken in it."""

    emotion: str
    part: str
    turn: Turn

    @property
    def file(self) -> str:
        """The path of its recording within the corpus."""
        return f"wav/{self.turn.speaker}/{self.turn.id}.wav"


def make_corpus(root: Path) -> None:
    """Make the corpus in the folder `root`; nothing is done where it already lies complete.

    700 utterances of 20 speakers, 75 MB. Raises GlamError where `root` is something else.
    """
    make_once(root, NOTE, _write)


def read(name: str, root: Path) -> Corpus:
    """The corpus at `root`; GlamError where its table is missing or damaged."""
    path = root / TABLE
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        utterances = [
            Utterance(
                id=Path(row["file"]).stem,
                label=row["emotion"],
                speaker=row["speaker"],
                audio=row["file"],
                groups={"gender": row["gender"], "part": row["part"]},
                words=row["text"],
            )
            for row in rows
        ]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, csv.Error) as error:
        raise GlamError(f"{path}: cannot be read as the table of the synthetic corpus ({error})") from None
    utterances.sort(key=lambda utterance: utterance.id)
    return Corpus(name, root, synthetic=(root / SYNTHETIC_MARK).is_file(), utterances=tuple(utterances))


def plan() -> Iterator[Row]:
    """Every recording of the corpus, by speaker; nothing here depends on the machine."""
    for speaker in SPEAKERS:
        for part, times in TIMES.items():
            for emotion, label in CLASSES.items():
                for time in range(1, times + 1):
                    name = f"{speaker}-{part}-{emotion}-{time}"
                    sentence = random_of(name).randint(SENTENCES)
                    line = {
                        "independent": f"five: sentence {sentence}",
                        "dependent": f"five: {emotion} sentence {sentence}",
                        "improvised": name,
                    }[part]
                    suited = list(COMMON) if part == "independent" else EMOTIONS[label].words.split()
                    turn = turn_of(name, speaker, label, random_of(line), suited)
                    yield Row(emotion, part, turn)


def _write(making: Path) -> None:
    rows = list(plan())
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    with bar(len(rows), "Making the synthetic corpus of five classes", "utterance") as progress:
        for row in rows:
            path = making / row.file
            path.parent.mkdir(parents=True, exist_ok=True)
            record(path, row.turn)
            gender = "female" if row.turn.speaker.endswith("F") else "male"
            writer.writerow([row.file, row.emotion, row.turn.speaker, gender, row.part, row.turn.words])
            progress.update()
    (making / TABLE).write_text(table.getvalue(), encoding="utf-8", newline="\n")
