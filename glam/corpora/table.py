"""A corpus that is a table: a row an utterance, in CSV, TSV or JSON lines, with columns known by their usual names."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from glam.corpora.made import SYNTHETIC_MARK
from glam.corpora.rows import Row, Rows, finite, read_rows
from glam.corpora.scheme_files import ENDINGS
from glam.corpora.table_forms import with_neighbours
from glam.corpora.utterances import VOTES, Corpus, Problem, Utterance
from glam.errors import GlamError
from glam.words import counted, did_you_mean, nearest

# What a column is, and how it is usually called, in small letters. Before others: what comes first.
USUAL: dict[str, tuple[str, ...]] = {
    "file": ("file", "file_name", "filename", "filepath", "file_path", "path", "wav", "wav_path", "audio", "audio_path",
             "audio_file", "audio_filepath", "recording", "clip"),
    "emotion": ("emotion", "emo", "label", "emoclass", "emotion_label", "class", "category", "gold", "sentiment"),
    "speaker": ("speaker", "spk", "spkrid", "speaker_id", "speakerid", "spk_id", "actor", "actor_id", "subject",
                "client_id"),
    "start": ("start", "begin", "onset", "start_time", "starttime"),
    "end": ("end", "stop", "end_time", "endtime"),
    "words": ("words", "text", "transcript", "transcription", "sentence", "raw_text"),
    "id": ("id", "utterance", "utterance_id", "utt_id", "segment_id", "key"),
    "gender": ("gender", "sex"),
    "part": ("part", "split", "split_set", "partition", "subset", "set"),
    "fold": ("fold", "folds"),
    "text": ("text_id", "sentence_id", "prompt", "statement"),
    "session": ("session", "session_id"),
    "dialogue": ("dialogue", "dialog", "dialogue_id", "dialog_id", "conversation"),
    "original": ("original", "copy_of", "augmented_from", "source_file"),
    "valence": ("valence", "emoval", "val"),
    "arousal": ("arousal", "emoact", "activation", "aro"),
    "dominance": ("dominance", "emodom", "dom"),
}  # fmt: skip
NEEDED = ("file", "emotion")
RATINGS = ("valence", "arousal", "dominance")
PARTS = {"train": ("train", "training"), "dev": ("dev", "development", "validation", "valid", "val", "devel"),
         "test": ("test", "testing", "evaluation", "eval")}  # fmt: skip
UNKNOWN = ("unknown",)
LISTED = 8


@dataclass(frozen=True)
class _Read:
    """One row as it is understood."""

    number: int
    utterance: Utterance


@dataclass
class _Findings:
    digits: int  # of the last row's number, so that numbers sort as they count
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, kind: str, number: int, detail: str) -> None:
        self.problems.append(Problem(kind, f"line {number:{self.digits}d}", detail))


def read_table(path: Path, root: Path, columns: Mapping[str, str]) -> Corpus:
    """The corpus that the table `path` lists; no recording is opened.

    root: what its paths are relative to. columns: field -> column, where a column is not called as usual; a field that
    is none of USUAL, and reads like none, becomes a group. Rows that cannot be used are problems, with their line.
    Raises GlamError where a column is missing, a field is mistyped, or none of the files is there.
    """
    table = with_neighbours(path, read_rows(path))
    fields = columns_of(path, table, columns)
    findings = _Findings(len(str(table.rows[-1].number)) if table.rows else 1)
    read = list(_understood(root, table.rows, fields, findings))
    if not read:
        raise GlamError(_nothing(path, root, findings))
    kept = _once_each(read, findings)
    _remark(kept, fields, findings)
    utterances = _named(kept, "id" in fields, findings)
    return Corpus(
        name=path.name,
        root=root,
        utterances=tuple(sorted(utterances, key=lambda utterance: utterance.id)),
        problems=tuple(sorted(findings.problems)),
        notes=tuple(findings.notes),
        release=counted(len(table.rows), "row"),
        synthetic=(path.parent / SYNTHETIC_MARK).is_file(),
    )


def columns_of(path: Path, rows: Rows, given: Mapping[str, str]) -> dict[str, str]:
    """The column of each field, in this table. given: field -> column, where it is not called as usual.

    Raises GlamError where a field or column given is not there, or the file or the emotion has none.
    """
    for name, column in given.items():
        if field := _meant(name, column):
            raise GlamError(
                f"--columns {name}={column}: there is no field {name!r}. Did you mean {field!r}? The fields are "
                f"{', '.join(USUAL)}. Any other name makes a group, if neither it nor the column reads like these"
            )
        if column not in rows.columns:
            hint = did_you_mean(column, rows.columns)
            raise GlamError(
                f"{path}: has no column {column!r}, which --columns gives as {name}.{hint} Its columns are "
                f"{', '.join(rows.columns)}"
            )
    by_name = {column.casefold(): column for column in rows.columns if column not in given.values()}
    fields = dict(given)
    for name, usual in USUAL.items():
        if name in fields:
            continue
        if called := next((by_name[word] for word in usual if word in by_name), None):
            fields[name] = called
    for name in NEEDED:
        if name not in fields:
            raise GlamError(
                f"{path}: no column is called as the {name} usually is ({', '.join(USUAL[name][:6])}, ...). Its "
                f"columns are {', '.join(rows.columns)}; say which one it is with --columns {name}=COLUMN"
            )
    taken = set(fields.values())
    others = [column for column in rows.columns if column and column not in taken and not _is_index(column)]
    return fields | {column: column for column in others if column not in fields}


def _meant(name: str, column: str) -> str:
    """The field that is meant by a name that is none; empty for a field, and for a group of the user's own.

    A group whose name is almost a field's, or which takes a field's column, would lose that field silently.
    """
    if name in USUAL:
        return ""
    field_of = {word: field for field, usual in USUAL.items() for word in usual} | {field: field for field in USUAL}
    return field_of.get(nearest(name, field_of) or column.casefold(), "")


def _is_index(column: str) -> bool:
    """Whether a column is the number of the row, as pandas writes it."""
    return column.casefold() in ("index", "unnamed: 0")


def seconds(text: str) -> float:
    """Seconds, of a number or of a time such as 00:01:02.5 or `0 days 00:01:02.5`; ValueError for anything else."""
    match = re.fullmatch(r"(?:(\d+) days? )?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if match:
        days, hours, minutes, rest = (float(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _understood(root: Path, rows: Sequence[Row], fields: Mapping[str, str], findings: _Findings) -> Iterator[_Read]:
    is_there = cache(_is_there)  # a file may have thousands of rows
    others = [name for name in fields if name not in USUAL]
    grouping = [kind for kind in others if _divides([row.cells.get(fields[kind], "") for row in rows])]
    if left_out := [kind for kind in others if kind not in grouping]:
        findings.notes.append(f"no groups, as all rows have the same or each its own: {', '.join(left_out)}")
    kinds = ["gender", "part", "fold", "text", "session", "dialogue", "original", *grouping]
    texts = [row.cells.get(fields["words"], "").casefold() for row in rows] if "words" in fields else []
    repeated = "text" not in fields and _divides(texts)
    for row in rows:
        cells = {name: row.cells.get(column, "") for name, column in fields.items()}
        audio, label = cells["file"].replace("\\", "/"), cells["emotion"]
        if not audio:
            findings.problem("no file", row.number, f"has nothing in the column {fields['file']}")
            continue
        if not label:
            findings.problem("no label", row.number, f"{audio} has nothing in the column {fields['emotion']}")
            continue
        audio = audio if audio.lower().endswith(ENDINGS) else f"{audio}.wav"
        if not is_there(root / audio):
            findings.problem("no audio", row.number, f"{audio} is not in {root}")
            continue
        try:
            start, end = _piece(cells.get("start", ""), cells.get("end", ""))
        except ValueError as error:
            findings.problem("unreadable time", row.number, f"{audio}: {error}")
            continue
        groups = {kind: cells.get(kind, "") for kind in kinds} | {"part": _part(cells.get("part", ""))}
        if repeated:
            groups["text"] = cells["words"].casefold()
        speaker = cells.get("speaker", "")
        utterance = Utterance(
            id=cells.get("id", ""),
            label=label,
            speaker="" if speaker.casefold() in UNKNOWN else speaker,
            audio=_below(root, audio),
            groups={kind: group for kind, group in groups.items() if group},
            words=cells.get("words", ""),
            ratings={name: value for name in RATINGS if (value := finite(cells.get(name, ""))) is not None},
            start=start,
            end=end,
        )
        yield _Read(row.number, utterance)


def _piece(start: str, end: str) -> tuple[float, float]:
    """The seconds from which and to which a row is of its file, 0 where empty; ValueError where that is no piece."""
    try:
        first, last = (seconds(text) if text else 0.0 for text in (start, end))
    except ValueError:
        raise ValueError(f"from {start!r} to {end!r}, expected seconds") from None
    if last and last <= first:
        raise ValueError(f"ends at {last:g} s, begins at {first:g} s")
    return first, last


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk takes
        return False


def _divides(values: Sequence[str]) -> bool:
    """Whether a column puts rows together: more than one value, and fewer than rows."""
    distinct = set(values) - {""}
    return 1 < len(distinct) < sum(value != "" for value in values)


def _part(text: str) -> str:
    small = text.casefold()
    return next((part for part, words in PARTS.items() if small in words), small)


def _below(root: Path, audio: str) -> str:
    """The path relative to the root, where it is below it: so that a corpus is the same wherever it lies."""
    path = Path(audio)
    return path.relative_to(root).as_posix() if path.is_absolute() and path.is_relative_to(root) else audio


def _once_each(read: Sequence[_Read], findings: _Findings) -> list[_Read]:
    """Of rows about the same piece of the same file the first; none where they disagree on the label."""
    by_place: dict[tuple[str, float, float], list[_Read]] = {}
    for row in read:
        by_place.setdefault(row.utterance.place, []).append(row)
    kept = []
    for (audio, start, end), (first, *more) in by_place.items():
        where = audio + (f" from {start:g} s" if start or end else "")
        label = first.utterance.label
        if conflict := next((row for row in more if row.utterance.label != label), None):
            for row in (first, *more):
                findings.problem(
                    "conflicting labels",
                    row.number,
                    f"{where} is {label} in line {first.number} and {conflict.utterance.label} in line "
                    f"{conflict.number}; it is not used",
                )
            continue
        for row in more:
            findings.problem("duplicate row", row.number, f"{where} is in line {first.number} already, which counts")
        kept.append(first)
    return kept


def _remark(kept: Sequence[_Read], fields: Mapping[str, str], findings: _Findings) -> None:
    """Note how the columns were read, and labels that can hardly be meant."""
    renamed = [f"{name} = {fields[name]}" for name in USUAL if name in fields]
    findings.notes.insert(0, f"columns: {', '.join(renamed)}")
    labels = Counter(row.utterance.label for row in kept)
    for label, count in sorted(labels.items()):
        if count == 1:
            number = next(row.number for row in kept if row.utterance.label == label)
            findings.notes.append(
                f"the label {label} has a single utterance (line {number}), which cannot be both trained on and tested"
            )
    unknown = [row.number for row in kept if not row.utterance.speaker]
    if 0 < len(unknown) < len(kept):
        lines = "line " + ", ".join(map(str, unknown[:LISTED])) + ", ..." * (len(unknown) > LISTED)
        findings.notes.append(
            f"{counted(len(unknown), 'utterance')} of no speaker ({lines}); to split by speaker, all must have one"
        )
    small: dict[str, list[str]] = {}
    for label in sorted(labels):
        small.setdefault(label.casefold(), []).append(label)
    for alike in small.values():
        if len(alike) > 1:
            findings.notes.append(f"labels that differ in capitals alone are different labels: {', '.join(alike)}")


def _named(kept: Sequence[_Read], given: bool, findings: _Findings) -> Iterator[Utterance]:
    """The utterances with their ids: as the table has them, else the name of the file, else its path."""
    pieces = Counter(row.utterance.audio for row in kept)
    stems = Counter(Path(audio).stem for audio in pieces)
    copies = any(row.utterance.group("original") for row in kept)
    by_path = any(count > 1 for count in stems.values())
    taken: set[str] = set()
    calls = {name: u.audio for u in (row.utterance for row in kept) for name in (Path(u.audio).stem, u.id, u.audio)}
    for row in kept:
        utterance = row.utterance
        name = utterance.id
        if not (given and name):
            path = Path(utterance.audio)
            name = path.with_suffix("").as_posix() if by_path else path.stem
            if utterance.start or utterance.end:
                name += f"_{utterance.start:.3f}-{f'{utterance.end:.3f}' if utterance.end else 'end'}"
        if name in taken:
            findings.problem("duplicate id", row.number, f"{name} is in a line before; this one is not used")
            continue
        taken.add(name)
        more = {"file": utterance.audio} if pieces[utterance.audio] > 1 else {}
        if copies:  # an original is its own, and a copy is called by any name of it
            original = utterance.group("original") or utterance.audio
            more["original"] = calls.get(original, original)
        yield replace(utterance, id=name.replace(VOTES, "-"), groups=dict(utterance.groups) | more)


def _nothing(path: Path, root: Path, findings: _Findings) -> str:
    counts = Counter(problem.kind for problem in findings.problems)
    first = {problem.kind: problem for problem in reversed(findings.problems)}
    lines = [f"{path}: no row can be used."]
    lines += [f"  {kind}: {count}, first {first[kind].subject}: {first[kind].detail}" for kind, count in counts.items()]
    if "no audio" in counts:
        lines.append(f"Its paths are looked for in {root}; give the folder that they are relative to with -d.")
    return "\n".join(lines)
