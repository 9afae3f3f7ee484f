"""IEMOCAP as it was released, or as the released handleIEMOCAP.py left it: that renames recordings in place.

Layout (Busso et al., 2008), for N = 1 ... 5:

    SessionN/sentences/wav/<dialogue>/<dialogue>_<F|M><nnn>.wav
    SessionN/dialog/EmoEvaluation/<dialogue>.txt        labels, ratings, votes
    SessionN/dialog/transcriptions/<dialogue>.txt       words

Nothing is ever written here. Audio is listed, not opened: glam.corpora reads it and keeps what it found.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glam.corpora.iemocap_release import (
    CODES,
    DIALOGUE,
    SESSIONS,
    find_release,
    is_folder,
    restore_id,
    speaker_of,
)
from glam.corpora.made import SYNTHETIC_MARK
from glam.corpora.rows import finite
from glam.corpora.utterances import Corpus, Problem, Utterance
from glam.words import counted

LABELS = ("neu", "hap", "exc", "sad", "ang", "fru", "fea", "sur", "dis", "oth", "xxx")
"""All labels of the release; xxx where the raters did not agree."""

KNOWN_COUNTS = {
    "improvised": {"neu": 1099, "hap": 284, "exc": 663, "sad": 608, "ang": 289},
    "scripted": {"neu": 609, "hap": 311, "exc": 378, "sad": 476, "ang": 814},
}
"""Utterances per style and label in the complete release, of any length."""

SCALES = ("valence", "arousal", "dominance")  # of the ratings, from 1 to 5
AUDIO, EVALUATION, TRANSCRIPTIONS = "sentences/wav", "dialog/EmoEvaluation", "dialog/transcriptions"

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
    renamed = sum(recording.code is not None for recording in audio.values())
    if renamed:
        findings.notes.append(
            f"{counted(renamed, 'audio file')} named as the released handleIEMOCAP.py names them; "
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


@dataclass(slots=True)
class _Findings:
    """Problems and notes collected on the way through a release."""

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
        """The entries of a folder, sorted by name, less hidden files; a missing folder is a problem."""
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
        return [self.root / session for session in SESSIONS if is_folder(self.root / session)]

    def texts(self, part: str) -> Iterator[tuple[str, list[str]]]:
        """The text files, one a dialogue, of one kind: their paths relative to the root, and their lines."""
        for session in self.sessions():
            for entry in self.folder(session / part):
                path = Path(entry.path)
                if re.fullmatch(rf"{DIALOGUE}\.txt", entry.name, re.ASCII | re.IGNORECASE):
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
    ratings: dict[str, float]
    votes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Labels:
    usable: dict[str, _Label] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)  # ids whose label lines are listed as problems


def _list_audio(findings: _Findings) -> dict[str, _Audio]:
    audio: dict[str, _Audio] = {}
    for session in SESSIONS:
        if not is_folder(findings.root / session):
            findings.problem("missing session", session, f"no such folder in {findings.root}")
    for session_folder in findings.sessions():
        for entry in findings.folder(session_folder / AUDIO):
            if is_folder(Path(entry.path)):
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
    recording = _Audio(findings.relative(path), code)
    first = audio.get(name)
    if first is not None and first.code is not None and code is None:
        first, recording = recording, first  # of an original and a renamed file, the original counts
    audio[name] = first or recording
    if first:
        findings.problem("duplicate audio", name, f"{recording.path} is ignored, {first.path} is used")


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
    if len(ratings) < len(SCALES):
        detail = f"found {_short(match[3])} in {place}, expected [valence, arousal, dominance]"
        findings.problem("unreadable ratings", name, detail)
    label = labels.usable[name] = _Label(place, text, ratings)
    return label


def _unreadable_label(findings: _Findings, labels: _Labels, place: str, line: str) -> None:
    named = [restored[0] for word in re.split(r"[^\w-]+", line) if (restored := restore_id(word))]
    labels.spoilt.update(named)
    expected = "[start - end] <tab> utterance <tab> label <tab> [valence, arousal, dominance]"
    about = f"; about {', '.join(dict.fromkeys(named))}" if named else ""
    findings.problem("unreadable label", place, f"found {_short(line)}, expected {expected}{about}")


def _ratings(text: str) -> dict[str, float]:
    """The ratings that can be read, by scale: all three, unless something is wrong."""
    cells = text.strip("[] ").split(",")
    if len(cells) != len(SCALES):
        return {}
    return {scale: value for scale, cell in zip(SCALES, cells, strict=True) if (value := finite(cell)) is not None}


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
        recording, label = audio.get(name), labels.usable.get(name)
        if not label:
            if recording and name not in labels.spoilt:
                findings.problem("no label", name, f"{recording.path} is in no file of {EVALUATION}")
            continue
        if not recording:
            findings.problem("no audio", name, f"{label.label} in {label.place}, but no audio file")
            continue
        if recording.code is not None and CODES.get(recording.code, label.label) != label.label:
            other = CODES[recording.code]
            detail = f"{recording.path} says {other}, {label.place} says {label.label}, which counts"
            findings.problem("renamed otherwise", name, detail)
        utterance = _utterance(name, recording, label, words.get(name, ""))
        without_words[utterance.groups["dialogue"]] += name not in words
        yield utterance
    for dialogue, count in without_words.items():
        if count:
            detail = (
                f"{counted(count, 'utterance')} without a line in {TRANSCRIPTIONS}/{dialogue}.txt, so without words"
            )
            findings.problem("no words", dialogue, detail)


def _utterance(name: str, audio: _Audio, label: _Label, words: str) -> Utterance:
    dialogue = name.rsplit("_", 1)[0]
    speaker = speaker_of(name)
    return Utterance(
        id=name,
        label=label.label,
        speaker=speaker,
        audio=audio.path,
        groups={
            "session": name[:5],
            "dialogue": dialogue,
            "scenario": dialogue.split("_", 1)[1],
            "style": "improvised" if "impro" in dialogue else "scripted",
            "gender": {"F": "female", "M": "male"}[speaker[-1]],
        },
        words=words,
        votes=tuple(label.votes),
        ratings=label.ratings,
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
