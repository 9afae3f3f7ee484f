"""What a corpus is made of, and the index that keeps it: one row an utterance, readable by people."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from glam.errors import GlamError
from glam.files import hashed_json, read_hashed, write_bytes, write_text

FORMAT = 1  # of the index; another number on disk means: read the corpus again
VOTES = " | "  # between the rater votes of an utterance in the index


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recorded utterance of a corpus with everything known about it.

    id: the corpus's own name of it, `Ses01F_impro01_F000`.
    label: the corpus's own, before any merging into classes: neu hap sad ang exc fru fea sur dis oth xxx.
    speaker: session and the letter of the utterance's own suffix, `Ses01F`; not the letter of the dialogue,
        which says who wore the motion-capture markers.
    session, dialogue: `Ses03`, `Ses03M_script03_2`.
    scenario: what is acted, `script03_2`: the dialogue's name without session and actor.
    style: `improvised` or `scripted`.
    valence, arousal, dominance: mean ratings on scales of 1 to 5; None where the corpus has none.
    votes: what each rater chose, `E1:Neutral` or `E3:Neutral; Sadness`; no `|` in it.
    words: the transcription.
    audio: path of the recording relative to the corpus's root, with forward slashes.
    samples: length at 16 kHz; 0 until the recording has been read.
    size, mtime_ns, sha256: of the audio file, in bytes, nanoseconds, and as the hash of its content.
    rate, channels: of the audio file; reading it resamples and mixes to 16 kHz mono.
    """

    id: str
    label: str
    speaker: str
    session: str
    dialogue: str
    scenario: str
    style: str
    valence: float | None
    arousal: float | None
    dominance: float | None
    votes: tuple[str, ...]
    words: str
    audio: str
    samples: int
    size: int
    mtime_ns: int
    sha256: str
    rate: int = 16_000
    channels: int = 1


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
    """

    name: str
    root: Path
    synthetic: bool
    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...]
    renamed: bool
    notes: tuple[str, ...]


def corpus_digest(utterances: Sequence[Utterance]) -> str:
    """SHA-256, in hexadecimal, over id, label and audio content of these utterances, whatever their order."""
    rows = sorted(f"{one.id}\t{one.label}\t{one.sha256}\n" for one in utterances)
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def write_index(corpus: Corpus, folder: Path) -> Path:
    """Write the index of a corpus: `index.csv`, a row an utterance, and `index.json` with the rest.

    Returns the path of index.csv. Each file appears whole or not at all, and index.json comes last with the
    hash of index.csv, so that an interrupted write is noticed. Raises GlamError where it cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(_COLUMNS)
    for one in corpus.utterances:
        values = (getattr(one, column) for column in _COLUMNS)
        writer.writerow([VOTES.join(value) if isinstance(value, tuple) else value for value in values])
    rows = table.getvalue().encode("utf-8", "surrogateescape")  # file names need not be UTF-8
    rest = {
        "format": FORMAT,
        "name": corpus.name,
        "root": str(corpus.root),
        "synthetic": corpus.synthetic,
        "renamed": corpus.renamed,
        "notes": corpus.notes,
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
            f"the index of {corpus.name} cannot be written to {folder}: {error.strerror or error}. "
            "Set the environment variable GLAM_DATA to a folder that can be written."
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
        if tuple(next(table)) != _COLUMNS:
            return None
        return Corpus(
            name=rest["name"],
            root=Path(rest["root"]),
            synthetic=rest["synthetic"],
            utterances=tuple(_utterance(row) for row in table),
            problems=tuple(Problem(**problem) for problem in rest["problems"]),
            renamed=rest["renamed"],
            notes=tuple(rest["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None


_COLUMNS = tuple(field.name for field in fields(Utterance))


def _utterance(row: list[str]) -> Utterance:
    cell = dict(zip(_COLUMNS, row, strict=True))
    return Utterance(
        id=cell["id"],
        label=cell["label"],
        speaker=cell["speaker"],
        session=cell["session"],
        dialogue=cell["dialogue"],
        scenario=cell["scenario"],
        style=cell["style"],
        valence=_number(cell["valence"]),
        arousal=_number(cell["arousal"]),
        dominance=_number(cell["dominance"]),
        votes=tuple(cell["votes"].split(VOTES)) if cell["votes"] else (),
        words=cell["words"],
        audio=cell["audio"],
        samples=int(cell["samples"]),
        size=int(cell["size"]),
        mtime_ns=int(cell["mtime_ns"]),
        sha256=cell["sha256"],
        rate=int(cell["rate"]),
        channels=int(cell["channels"]),
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
