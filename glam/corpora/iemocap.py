"""IEMOCAP as it was released, or as the released handleIEMOCAP.py left it: that renames recordings in place.

Layout (Busso et al., 2008), for N = 1 ... 5:

    SessionN/sentences/wav/<dialogue>/<dialogue>_<F|M><nnn>.wav
    SessionN/dialog/EmoEvaluation/<dialogue>.txt        labels, ratings, votes
    SessionN/dialog/transcriptions/<dialogue>.txt       words

Nothing is ever written here. Audio is listed, not opened: glam.corpora reads it and keeps what it found.
"""

import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glam.corpora.utterances import Corpus, Problem, Utterance
from glam.errors import GlamError

LABELS = ("neu", "hap", "exc", "sad", "ang", "fru", "fea", "sur", "dis", "oth", "xxx")
"""All labels of the release; xxx where the raters did not agree."""

KNOWN_COUNTS = {
    "improvised": {"neu": 1099, "hap": 284, "exc": 663, "sad": 608, "ang": 289},
    "scripted": {"neu": 609, "hap": 311, "exc": 378, "sad": 476, "ang": 814},
}
"""Utterances per style and label in the complete release, of any length."""

SESSIONS = tuple(f"Session{n}" for n in range(1, 6))
SYNTHETIC_MARK = "SYNTHETIC.txt"
AUDIO, EVALUATION, TRANSCRIPTIONS = "sentences/wav", "dialog/EmoEvaluation", "dialog/transcriptions"

_DIALOGUE = r"Ses\d\d[FM]_(?:impro\d\d[a-z]?|script\d\d_\d[a-z]?)"
_ID = re.compile(rf"({_DIALOGUE})_([FM]\w{{3}})", re.ASCII)
# Ses01F-impro01-01-01-F000, Ses03M-script03-01-01-2_F032: the name's first two parts, the label's code, a
# constant, and whatever was left of the name.
_RENAMED = re.compile(r"(Ses\d\d[FM])-(impro\w+|script\w+)-(\w\w)-01-(\w+)", re.ASCII)
_CODES = {
    "01": "neu", "02": "fru", "03": "hap", "04": "sad", "05": "ang", "06": "fea", "07": "exc", "08": "sur",
    "09": "xxx",
}  # fmt: skip
_LABEL_LINE = re.compile(r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(\S+)\s+(\S+)\s*(.*)")
_VOTE_LINE = re.compile(r"C-(\w+):\s*(.*?)\s*(?:\(.*)?")
_WORDS_LINE = re.compile(r"(\S+)\s*\[[^\]]*\]:\s*(.*)")
# The release has the single raters' files in folders of these names; the labels are in the files above them.
_RATERS_FOLDERS = {"Attribute", "Categorical", "Self-evaluation"}


def read(name: str, root: Path) -> Corpus:
    """Read labels, ratings, votes and words, and list the audio, of the release at or just below `root`.

    The utterances are those with a label and an audio file; what that file holds is still unknown (samples
    and size 0, no hash). Everything else is a problem or a note. Raises GlamError where there is no session.
    """
    root = find_release(root)
    findings = _Findings(root)
    audio = _list_audio(findings)
    labels = _read_labels(findings)
    words = _read_words(findings)
    utterances = tuple(_match(findings, audio, labels, words))
    renamed = sum(found.code is not None for found in audio.values())
    if renamed:
        findings.notes.append(
            f"{renamed} audio files have the names that the released handleIEMOCAP.py gives them; "
            "the ids are restored, the files stay as they are"
        )
    return Corpus(
        name=name,
        root=root,
        synthetic=(root / SYNTHETIC_MARK).is_file(),
        utterances=utterances,
        problems=tuple(sorted(findings.problems)),
        renamed=renamed > 0,
        notes=findings.all_notes(),
    )


def find_release(root: Path) -> Path:
    """The folder with Session1 ... Session5 in it: `root`, or the only such folder directly below it.

    Raises GlamError, saying what was expected and what is there, where there is none or more than one.
    """
    expected = "expected the folder of the release, with Session1 ... Session5 in it"
    try:
        root = root.resolve()  # so that one corpus has one root, whatever links lead to it
        if not root.exists():
            raise GlamError(f"{root} does not exist; {expected}.")
        if not root.is_dir():
            raise GlamError(f"{root} is a file; {expected}. If this is the archive, unpack it first.")
        if _has_session(root):
            return root
        if (root / "sentences").is_dir() and (root / "dialog").is_dir():
            raise GlamError(f"{root} is a single session; {expected}: {root.parent}.")
        below = sorted(path for path in root.iterdir() if path.is_dir())
        releases = [path for path in below if _has_session(path)]
    except OSError as error:
        raise GlamError(f"{error.filename or root} cannot be read: {error.strerror}; {expected}.") from None
    if len(releases) == 1:
        return releases[0]
    if releases:
        names = ", ".join(path.name for path in releases)
        raise GlamError(f"{root} has several releases in it ({names}); give one of them.")
    seen = [path.name for path in below if not path.name.startswith(".")]
    more = f" and {len(seen) - 8} more" if len(seen) > 8 else ""
    raise GlamError(f"{root} has no session in it; {expected}, found: {', '.join(seen[:8]) or 'no folder'}{more}.")


def restore_id(stem: str) -> tuple[str, str | None] | None:
    """The utterance's id for an audio file's name without extension, and the label code in a renamed one.

    `Ses03M_script03_2_F032` stays, with None; `Ses03M-script03-04-01-2_F032` becomes it, with "04". None for
    what is no utterance's name.
    """
    if renamed := _RENAMED.fullmatch(stem):
        actor, scenario, code, rest = renamed.groups()
        stem = f"{actor}_{scenario}_{rest}"
        return (stem, code) if _ID.fullmatch(stem) else None
    return (stem, None) if _ID.fullmatch(stem) else None


def speaker_of(name: str) -> str:
    """Who speaks an utterance, `Ses03F` of Ses03M_script03_2_F032: session and the letter of its own suffix.

    The letter after the session is the dialogue's (who wore the markers), and dialogue names differ in length.
    """
    return name[:5] + name.rsplit("_", 1)[1][0]


@dataclass(slots=True)
class _Findings:
    """What is noticed on the way through a release."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hidden: int = 0
    odd_lines: int = 0

    def problem(self, kind: str, subject: str, detail: str) -> None:
        self.problems.append(Problem(kind, subject, detail))

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def all_notes(self) -> tuple[str, ...]:
        notes = list(self.notes)
        if self.hidden:
            notes.append(f"{self.hidden} hidden files (._*, .DS_Store) ignored")
        if self.odd_lines:
            notes.append(f"{self.odd_lines} lines of the transcriptions are about no labelled utterance")
        return tuple(notes)

    def folder(self, folder: Path) -> list[os.DirEntry[str]]:
        """What lies in a folder, sorted by name, less hidden files; a missing folder is a problem."""
        try:
            with os.scandir(folder) as entries:
                visible = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            self.problem("missing folder", self.relative(folder), "expected in every session")
            return []
        except OSError as error:
            self.problem("unreadable folder", self.relative(folder), str(error.strerror))
            return []
        kept = [entry for entry in visible if not entry.name.startswith(".")]
        self.hidden += len(visible) - len(kept)
        return kept

    def stray(self, path: Path, expected: str) -> None:
        self.problem("stray file", self.relative(path), f"ignored: {expected}")

    def sessions(self) -> list[Path]:
        return [self.root / session for session in SESSIONS if _is_folder(self.root / session)]

    def texts(self, part: str) -> Iterator[tuple[str, list[str]]]:
        """The text files, one a dialogue, of one kind: their paths relative to the root, and their lines."""
        for session in self.sessions():
            for entry in self.folder(session / part):
                path = Path(entry.path)
                if re.fullmatch(rf"{_DIALOGUE}\.txt", entry.name, re.ASCII | re.IGNORECASE):
                    yield self.relative(path), self._lines(path)
                elif entry.name not in _RATERS_FOLDERS:
                    self.stray(path, "the name is not <dialogue>.txt")

    def _lines(self, path: Path) -> list[str]:
        name = self.relative(path)
        try:
            if path.exists() and not path.is_file():
                self.problem("unreadable file", name, "is no file")  # reading a pipe would wait for ever
                return []
            content = path.read_bytes()
        except OSError as error:
            self.problem("unreadable file", name, str(error.strerror))
            return []
        if not content:
            self.problem("empty file", name, "0 bytes")
            return []
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.problem("not UTF-8", name, f"line {line} is not UTF-8; the file is read as Latin-1")
            text = content.decode("latin-1")
        return re.split(r"\r\n|\r|\n", text)


@dataclass(frozen=True, slots=True)
class _Audio:
    path: str
    code: str | None


@dataclass(slots=True)
class _Label:
    place: str
    label: str
    ratings: tuple[float | None, float | None, float | None]
    votes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Labels:
    usable: dict[str, _Label] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)  # ids whose label lines are listed as problems


def _list_audio(findings: _Findings) -> dict[str, _Audio]:
    audio: dict[str, _Audio] = {}
    for session in SESSIONS:
        if not _is_folder(findings.root / session):
            findings.problem("missing session", session, f"no such folder in {findings.root}")
    for session_folder in findings.sessions():
        for entry in findings.folder(session_folder / AUDIO):
            if _is_folder(Path(entry.path)):
                for file in findings.folder(Path(entry.path)):
                    _add_audio(findings, audio, Path(file.path))
            else:
                _add_audio(findings, audio, Path(entry.path))
    return audio


def _add_audio(findings: _Findings, audio: dict[str, _Audio], path: Path) -> None:
    restored = restore_id(path.stem) if path.suffix.lower() == ".wav" else None
    if restored is None:
        findings.stray(path, "the name is not <utterance>.wav")
        return
    name, code = restored
    found = _Audio(findings.relative(path), code)
    first = audio.get(name)
    if first is not None and first.code is not None and code is None:
        first, found = found, first  # of an original and a renamed file, the original counts
    audio[name] = first or found
    if first:
        findings.problem("duplicate audio", name, f"{found.path} is ignored, {first.path} is used")


def _read_labels(findings: _Findings) -> _Labels:
    labels = _Labels()
    for path, lines in findings.texts(EVALUATION):
        current: _Label | None = None
        begun = False  # votes below a label line that cannot be used need no rows of their own
        for number, line in enumerate(map(str.strip, lines), start=1):
            place = f"{path} line {number}"
            if not line or line.startswith(("%", "A-")):
                continue
            vote = _VOTE_LINE.fullmatch(line)
            if vote and current:
                current.votes.append(_vote(*vote.groups()))
            elif vote and not begun:
                findings.problem("unreadable label", place, f"a vote before any label: {_short(line)}")
            elif line.startswith("["):
                current, begun = _read_label(findings, labels, place, line), True
            elif not vote:
                _unreadable_label(findings, labels, place, line)
        if lines and not begun:
            findings.problem("unreadable label", path, "no label line in it")
    return labels


def _read_label(findings: _Findings, labels: _Labels, place: str, line: str) -> _Label | None:
    """Take in one label line; None where it cannot be used or is a repetition."""
    match = _LABEL_LINE.fullmatch(line)
    restored = restore_id(match[1]) if match else None
    if not match or not restored:
        _unreadable_label(findings, labels, place, line)
        return None
    name, text, ratings = restored[0], match[2], _ratings(match[3])
    if text not in LABELS:
        labels.spoilt.add(name)
        findings.problem("unreadable label", name, f"{_short(text)} in {place} is none of {' '.join(LABELS)}")
        return None
    first = labels.usable.get(name)
    if first and first.label == text:
        findings.problem("duplicate label", name, f"{place} repeats {text} of {first.place}; the first counts")
        return None
    if first:
        del labels.usable[name]
        labels.spoilt.add(name)
        detail = f"{first.label} in {first.place}, {text} in {place}; the utterance is not used"
        findings.problem("conflicting labels", name, detail)
        return None
    if name in labels.spoilt:
        findings.problem("duplicate label", name, f"{text} in {place} comes after a line that cannot be used")
        return None
    if None in ratings:
        detail = f"found {_short(match[3])} in {place}, expected [valence, arousal, dominance]"
        findings.problem("unreadable ratings", name, detail)
    label = labels.usable[name] = _Label(place, text, ratings)
    return label


def _unreadable_label(findings: _Findings, labels: _Labels, place: str, line: str) -> None:
    named = [found[0] for word in re.split(r"[^\w-]+", line) if (found := restore_id(word))]
    labels.spoilt.update(named)
    expected = "[start - end] <tab> utterance <tab> label <tab> [valence, arousal, dominance]"
    about = f"; about {', '.join(dict.fromkeys(named))}" if named else ""
    findings.problem("unreadable label", place, f"found {_short(line)}, expected {expected}{about}")


def _ratings(text: str) -> tuple[float | None, float | None, float | None]:
    cells = text.strip("[] ").split(",")
    if len(cells) != 3:
        return None, None, None
    valence, arousal, dominance = map(_rating, cells)
    return valence, arousal, dominance


def _rating(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _vote(rater: str, chosen: str) -> str:
    # "Neutral; Sadness;" -- a rater may choose several; | separates votes in the index
    return f"{rater}:" + "; ".join(part for cell in re.split(r"[;|]", chosen) if (part := cell.strip()))


def _read_words(findings: _Findings) -> dict[str, str]:
    words: dict[str, str] = {}
    for path, lines in findings.texts(TRANSCRIPTIONS):
        for number, line in enumerate(map(str.strip, lines), start=1):
            if not line:
                continue
            match = _WORDS_LINE.fullmatch(line)
            restored = restore_id(match[1]) if match else None
            if not match or not restored:
                findings.odd_lines += 1
            elif restored[0] in words and words[restored[0]] != match[2]:
                findings.problem("duplicate words", restored[0], f"{path} line {number} is ignored")
            else:
                words[restored[0]] = match[2]
    return words


def _match(
    findings: _Findings, audio: dict[str, _Audio], labels: _Labels, words: dict[str, str]
) -> Iterator[Utterance]:
    """The utterances with label and audio, sorted by id; whatever lacks one of the two is a problem."""
    without_words: dict[str, int] = defaultdict(int)
    findings.odd_lines += len(words.keys() - labels.usable.keys() - labels.spoilt)
    for name in sorted(audio.keys() | labels.usable.keys()):
        found, label = audio.get(name), labels.usable.get(name)
        if not label:
            if found and name not in labels.spoilt:
                findings.problem("no label", name, f"{found.path} is in no file of {EVALUATION}")
            continue
        if not found:
            findings.problem("no audio", name, f"{label.label} in {label.place}, but no audio file")
            continue
        if found.code is not None and _CODES.get(found.code, label.label) != label.label:
            said = _CODES[found.code]
            detail = f"{found.path} says {said}, {label.place} says {label.label}, which counts"
            findings.problem("renamed otherwise", name, detail)
        one = _utterance(name, found, label, words.get(name, ""))
        without_words[one.dialogue] += name not in words
        yield one
    for dialogue, count in without_words.items():
        if count:
            detail = f"{count} utterances have no line in {TRANSCRIPTIONS}/{dialogue}.txt; their words are empty"
            findings.problem("no words", dialogue, detail)


def _utterance(name: str, audio: _Audio, label: _Label, words: str) -> Utterance:
    dialogue = name.rsplit("_", 1)[0]
    valence, arousal, dominance = label.ratings
    return Utterance(
        id=name,
        label=label.label,
        speaker=speaker_of(name),
        session=name[:5],
        dialogue=dialogue,
        scenario=dialogue.split("_", 1)[1],
        style="improvised" if "impro" in dialogue else "scripted",
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        votes=tuple(label.votes),
        words=words,
        audio=audio.path,
        samples=0,
        size=0,
        mtime_ns=0,
        sha256="",
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link into a folder that may not be read
        return False


def _has_session(folder: Path) -> bool:
    return any(_is_folder(folder / session) for session in SESSIONS)
