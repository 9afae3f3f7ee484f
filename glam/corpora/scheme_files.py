"""The reader of every corpus whose files are named by a scheme (scheme.py). Nothing is opened but its small tables."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from glam.corpora.rows import finite, read_rows, read_text
from glam.corpora.scheme import STEM, Scheme, TableOf, filled
from glam.corpora.utterances import Corpus, Problem, Utterance
from glam.errors import GlamError
from glam.words import counted

# Of a recording that lies there twice in other forms, the first of these is read.
ENDINGS = (".wav", ".flac", ".aiff", ".aif", ".aifc", ".ogg", ".opus", ".mp3", ".m4a", ".mp4", ".avi", ".mkv")
SHOWN = 3  # names in a message
UNKNOWN = ("unknown",)  # what tables write for a speaker nobody knows


@dataclass
class _Findings:
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, kind: str, subject: str, detail: str) -> None:
        self.problems.append(Problem(kind, subject, detail))


def read_by_scheme(name: str, root: Path, scheme: Scheme, label_set: str = "") -> Corpus:
    """The corpus at or below `root`, as the names of its files and its tables have it; no recording is opened.

    label_set: which of the scheme's, '' for its first. What cannot be used is a problem. Raises GlamError where no file
    has a name of the scheme, where a table that is needed is missing, or for a label set that there is none of.
    """
    label = scheme.label_field(label_set)
    findings = _Findings()
    recordings = audio_files(root, findings.notes)
    matches = {
        path: match for path in recordings if (match := scheme.regex.search(str(PurePosixPath(path).with_suffix(""))))
    }
    if not matches:
        raise GlamError(_no_such_corpus(scheme, root, recordings))
    tables = [_Joined.of(table, root, findings) for table in scheme.tables]
    utterances: dict[str, Utterance] = {}
    for path, match in sorted(matches.items(), key=lambda item: (_rank(item[0]), item[0])):
        utterance = _utterance(root, path, match, scheme, label, tables, findings)
        if utterance is None:
            continue
        if first := utterances.get(utterance.id):
            findings.problem("duplicate audio", utterance.id, f"{path} is ignored, {first.audio} is used")
        else:
            utterances[utterance.id] = utterance
    for path in sorted(set(recordings) - matches.keys()):
        findings.problem("stray file", path, f"ignored: its name is not of the scheme of {scheme.title}")
    for table in tables:
        table.leftover(findings)
    return Corpus(
        name=name,
        root=root,
        utterances=tuple(sorted(utterances.values(), key=lambda utterance: utterance.id)),
        problems=tuple(sorted(findings.problems)),
        notes=(*scheme.notes, *findings.notes),
    )


def audio_files(root: Path, notes: list[str]) -> list[str]:
    """The recordings at any depth below `root`, as paths relative to it; hidden ones are left out and noted."""
    if not root.is_dir():
        raise GlamError(f"{root}: there is no such folder; expected the one that the corpus lies in")
    paths: list[str] = []
    hidden, visited = 0, set()
    for folder, folders, files in os.walk(root, followlinks=True):
        here = os.path.realpath(folder)
        if here in visited:  # a link that leads back
            folders.clear()
            continue
        visited.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in files:
            if PurePosixPath(name).suffix.lower() not in ENDINGS:
                continue
            if name.startswith("."):
                hidden += 1
            else:
                paths.append((Path(folder) / name).relative_to(root).as_posix())
    if hidden:
        notes.append(f"{counted(hidden, 'hidden file')} (._*) ignored")
    return sorted(paths)


def _rank(path: str) -> int:
    return ENDINGS.index(PurePosixPath(path).suffix.lower())


@dataclass
class _Joined:
    """The rows of a table of the corpus, by the key that its scheme gives them."""

    table: TableOf
    place: str = ""
    rows: dict[str, Mapping[str, str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, table: TableOf, root: Path, findings: _Findings) -> "_Joined":
        places = [path for pattern in table.files for path in sorted(root.glob(pattern)) if path.is_file()]
        if not places and table.needed:
            raise GlamError(
                f"{root}: has no {' or '.join(table.files)}, which tells the labels; is the release complete?"
            )
        if not places:
            findings.notes.append(f"no {' or '.join(table.files)}: {', '.join(table.fields)} not known")
        joined = cls(table, places[0].relative_to(root).as_posix() if places else "")
        for path in places if table.every else places[:1]:
            joined._read(path, findings)
        return joined

    def _read(self, path: Path, findings: _Findings) -> None:
        for number, cells in self._cells(path, findings):
            key = _key(filled(self.table.key, cells))
            if not key:
                findings.problem("unreadable row", f"{path.name} line {number}", f"has no {self.table.key}")
            elif key in self.rows and self._fields(cells) != self._fields(self.rows[key]):
                findings.problem("duplicate row", f"{path.name} line {number}", f"{key} has a row before; that counts")
            else:
                self.rows.setdefault(key, cells)

    def _cells(self, path: Path, findings: _Findings) -> Iterator[tuple[int, Mapping[str, str]]]:
        if not self.table.lines:
            table = read_rows(path, self.table.columns, self.table.encodings)
            if absent := [name for name, column in self.table.fields.items() if column not in table.columns]:
                columns = ", ".join(self.table.fields[name] for name in absent)
                findings.notes.append(f"{path.name} has no column {columns}: {', '.join(absent)} not known")
            for row in table.rows:
                yield row.number, row.cells
            return
        for number, line in enumerate(read_text(path, self.table.encodings).splitlines(), start=1):
            if match := re.fullmatch(self.table.lines, line.strip()):
                yield number, {name: text.strip() for name, text in match.groupdict(default="").items()}

    def _fields(self, cells: Mapping[str, str]) -> list[str | None]:
        return [cells.get(column) for column in self.table.fields.values()]

    def fields_of(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The fields that the table adds to those of a file."""
        key = _key(filled(self.table.of, fields))
        cells = self.rows.get(key)
        if cells is None:
            return {}
        self.used.add(key)
        found_in = {name: cells.get(column, "") for name, column in self.table.fields.items()}
        return {name: "" if text.casefold() in UNKNOWN else text for name, text in found_in.items() if text}

    def leftover(self, findings: _Findings) -> None:
        """Note the rows that are about no recording; of a table that is needed, each is a recording that is missing."""
        left = sorted(self.rows.keys() - self.used)
        if self.table.needed:
            for key in left:
                findings.problem("no audio", key, f"is in {self.place}, but there is no such recording")
        elif left:
            more = "" if len(left) <= SHOWN else ", ..."
            findings.notes.append(
                f"{counted(len(left), 'row')} of {self.place} about no recording: {', '.join(left[:SHOWN])}{more}"
            )


def _key(text: str) -> str:
    """A key as it is compared: without an ending of a recording, in small letters."""
    text = text.strip()
    stem, dot, ending = text.rpartition(".")
    return (stem if dot + ending.lower() in ENDINGS else text).casefold()


def _utterance(
    root: Path,
    path: str,
    match: re.Match[str],
    scheme: Scheme,
    label: str,
    tables: Sequence[_Joined],
    findings: _Findings,
) -> Utterance | None:
    raw = {STEM: PurePosixPath(path).stem} | match.groupdict(default="")
    named = {name: scheme.meaning.get(name, {}).get(text.casefold(), text) for name, text in raw.items()}
    for table in tables:
        raw |= table.fields_of(named)
    raw |= {name: text for name, template in scheme.made.items() if (text := filled(template, raw))}
    subject = PurePosixPath(path).stem
    if label not in raw:
        findings.problem("no label", subject, f"{path} has no {label} in the tables of the corpus")
        return None
    known = dict(raw)
    for name, codes in scheme.meaning.items():
        if name not in raw or raw[name] in scheme.codes[name]:
            continue
        if raw[name].casefold() not in codes:
            if name in scheme.label_sets.values() and name != label:
                known[name] = ""  # of another label set, which nobody asked for
                continue
            kind = "no label" if name == label else f"unknown {name}"
            findings.problem(kind, subject, f"the {name} of {path} is {raw[name]!r}, none of {', '.join(codes)}")
            return None
        known[name] = codes[raw[name].casefold()]
    if known[label] in scheme.without_label:
        findings.problem("no label", subject, f"{known[label]} on {path}")
        return None
    speaker = filled(scheme.speaker, known)
    groups = {kind: filled(template, known) for kind, template in scheme.groups.items()} | scheme.divided(speaker)
    return Utterance(
        id=filled(scheme.id, known),
        label=known[label],
        speaker=speaker,
        audio=path,
        groups={kind: group for kind, group in groups.items() if group},
        words=_words(root / path, scheme.words) if scheme.words else raw.get("words", ""),
        ratings={name: value for name in scheme.ratings if (value := finite(raw.get(name, ""))) is not None},
    )


def _words(recording: Path, ending: str) -> str:
    path = recording.with_suffix(ending)
    return " ".join(read_text(path).split()) if path.is_file() else ""


def _no_such_corpus(scheme: Scheme, root: Path, recordings: Sequence[str]) -> str:
    if not recordings:
        return (
            f"{root}: holds no recording at any depth; expected {scheme.title}. Where does it lie? Give that with -d."
        )
    endings = Counter(PurePosixPath(path).suffix for path in recordings)
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    return (
        f"{root}: no file there has a name of {scheme.title}. Files: {kinds}; the first is {recordings[0]}. Expected "
        f"names that end like the regular expression {scheme.pattern}"
    )
