"""Utterances and corpora, and the index that keeps them: one row an utterance, readable by people."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from glam.errors import GlamError, in_the_way
from glam.files import hashed_json, read_hashed, write_bytes, write_text
from glam.words import counted

FORMAT = 3  # of the index; another number on disk means: read the corpus again
VOTES = " | "  # between the rater votes of an utterance in the index
GROUP, RATING = "group:", "rating:"  # before the names of the index's columns of that kind


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recorded utterance of a corpus with everything known about it.

    id: the corpus's own name of it, `Ses01F_impro01_F000`.
    label: the corpus's own, before any merging into classes.
    speaker: who speaks; empty where the corpus does not say.
    groups: what else it belongs to, by kind: session, dialogue, scenario, style, gender, text, ... as far as the corpus
        knows. Never `speaker` or `recording`, which are known otherwise.
    words: the transcription.
    votes: what each rater chose, `E1:Neutral` or `E3:Neutral; Sadness`; no `|` in it.
    ratings: mean ratings by scale (valence, arousal, dominance), as far as there are any.
    audio: path of the recording relative to the corpus's root, with forward slashes.
    start, end: seconds within the recording, where the utterance is a piece of it; end is 0 where that is its end.
    samples: length at 16 kHz; 0 until the recording has been read.
    size, mtime_ns: of the audio file, in bytes and nanoseconds.
    sha256: of the file's content; of a piece, of the content and where it lies.
    rate, channels: of the audio file; reading it resamples and mixes to 16 kHz mono.
    """

    id: str
    label: str
    speaker: str
    audio: str
    groups: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    votes: tuple[str, ...] = ()
    ratings: Mapping[str, float] = field(default_factory=dict)
    start: float = 0.0
    end: float = 0.0
    samples: int = 0
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    rate: int = 16_000
    channels: int = 1

    @property
    def place(self) -> tuple[str, float, float]:
        """The recording, and where in it the utterance begins and ends."""
        return self.audio, self.start, self.end

    def group(self, kind: str) -> str:
        """The group of that kind that it belongs to; empty where that is not known."""
        return self.speaker if kind == "speaker" else self.groups.get(kind, "")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something in a corpus that is missing or cannot be used.

    kind: what is wrong, the same words for the same mistake: `no audio`, `no label`, `unreadable audio`, ...
    subject: the utterance, file or folder it is wrong with.
    detail: what was found, expected, and done about it.
    """

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True)
class Corpus:
    """A corpus as it was found on disk.

    utterances: the usable ones, sorted by id (plain code points).
    problems: everything that is not usable or not as expected; sorted.
    synthetic: whether the corpus is artificial, which every report on it says.
    renamed: whether audio files carry the names that the released handleIEMOCAP.py gives them.
    notes: remarks on the corpus as a whole.
    release: which release it is and how much of it is there, in words; empty where nothing is known of that.
    """

    name: str
    root: Path
    synthetic: bool = False
    utterances: tuple[Utterance, ...] = ()
    problems: tuple[Problem, ...] = ()
    renamed: bool = False
    notes: tuple[str, ...] = ()
    release: str = ""

    def __repr__(self) -> str:
        """What a cell of a notebook ends with: no utterance by itself."""
        counts = f"{counted(len(self.utterances), 'utterance')}, {counted(len(self.problems), 'problem')}"
        return f"{type(self).__name__}({self.name} in {self.root}: {counts})"


def corpus_digest(utterances: Sequence[Utterance]) -> str:
    """SHA-256, in hexadecimal, over id, label and audio content of these utterances, whatever their order."""
    rows = sorted(f"{utterance.id}\t{utterance.label}\t{utterance.sha256}\n" for utterance in utterances)
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def write_index(corpus: Corpus, folder: Path) -> Path:
    """Write the index of a corpus: `index.csv`, a row an utterance, and `index.json` with the rest.

    Returns the path of index.csv. Each file appears whole or not at all, and index.json comes last with the
    hash of index.csv, so that an interrupted write is noticed. Raises GlamError where it cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    kinds = sorted({kind for utterance in corpus.utterances for kind in utterance.groups})
    scales = sorted({scale for utterance in corpus.utterances for scale in utterance.ratings})
    writer.writerow([*_COLUMNS, *(GROUP + kind for kind in kinds), *(RATING + scale for scale in scales)])
    for utterance in corpus.utterances:
        values = (getattr(utterance, column) for column in _COLUMNS)
        cells = [VOTES.join(value) if isinstance(value, tuple) else value for value in values]
        cells += [utterance.groups.get(kind, "") for kind in kinds]
        writer.writerow([*cells, *(utterance.ratings.get(scale, "") for scale in scales)])
    rows = table.getvalue().encode("utf-8", "surrogateescape")  # file names need not be UTF-8
    rest = {
        "format": FORMAT,
        "name": corpus.name,
        "root": str(corpus.root),
        "synthetic": corpus.synthetic,
        "renamed": corpus.renamed,
        "notes": corpus.notes,
        "release": corpus.release,
        "digest": corpus_digest(corpus.utterances),
        "index_csv_sha256": hashlib.sha256(rows).hexdigest(),
        "problems": [asdict(problem) for problem in corpus.problems],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "index.csv", rows)
        write_text(folder / "index.json", hashed_json(rest, indent=1))
    except OSError as error:
        raise GlamError(
            f"the index of {corpus.name} cannot be written to {folder}: "
            + in_the_way(error, "Set the environment variable GLAM_DATA to a folder that can be written.")
        ) from None
    return folder / "index.csv"


def read_index(folder: Path) -> Corpus | None:
    """The corpus as an index has it; None where there is no index, or an incomplete, edited or older one."""
    try:
        rest, hashed = read_hashed((folder / "index.json").read_bytes())
        rows = (folder / "index.csv").read_bytes()
        if not hashed or rest["format"] != FORMAT or rest["index_csv_sha256"] != hashlib.sha256(rows).hexdigest():
            return None
        table = csv.reader(io.StringIO(rows.decode("utf-8", "surrogateescape"), newline=""))
        columns = next(table)
        if tuple(columns[: len(_COLUMNS)]) != _COLUMNS:
            return None
        return Corpus(
            name=rest["name"],
            root=Path(rest["root"]),
            synthetic=rest["synthetic"],
            utterances=tuple(_utterance(dict(zip(columns, row, strict=True))) for row in table),
            problems=tuple(Problem(**problem) for problem in rest["problems"]),
            renamed=rest["renamed"],
            notes=tuple(rest["notes"]),
            release=rest.get("release", ""),
        )
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None


_COLUMNS = tuple(column.name for column in fields(Utterance) if column.name not in ("groups", "ratings"))


def _utterance(cell: dict[str, str]) -> Utterance:
    def under(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): text for name, text in cell.items() if name.startswith(prefix) and text}

    return Utterance(
        id=cell["id"],
        label=cell["label"],
        speaker=cell["speaker"],
        audio=cell["audio"],
        groups=under(GROUP),
        words=cell["words"],
        votes=tuple(cell["votes"].split(VOTES)) if cell["votes"] else (),
        ratings={scale: float(text) for scale, text in under(RATING).items()},
        start=float(cell["start"]),
        end=float(cell["end"]),
        samples=int(cell["samples"]),
        size=int(cell["size"]),
        mtime_ns=int(cell["mtime_ns"]),
        sha256=cell["sha256"],
        rate=int(cell["rate"]),
        channels=int(cell["channels"]),
    )
