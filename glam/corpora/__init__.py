"""The corpora. A corpus is one module with a function that reads its annotations, and one line in CORPORA; or, where
its files are named by a scheme, one file of `schemes/`. One of the user's own is such a function or a scheme in a file
anywhere, or a table of utterances.

Reading a corpus happens in two steps. Its own function (name, root) -> Corpus reads the annotations and lists
the audio, which is quick. What is common to all corpora then opens the audio files, which is slow, and so is
remembered in the index: a file whose size and time of change are those in the index is not opened again.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

import numpy as np

from glam.corpora.audio import RATE, AudioError, decode, read_bytes
from glam.corpora.completeness import iemocap_in_words, in_words
from glam.corpora.scheme import Scheme, read_scheme, scheme, scheme_names
from glam.corpora.scheme_files import read_by_scheme
from glam.corpora.table import read_table
from glam.corpora.utterances import Corpus, Problem, Utterance, read_index, write_index
from glam.errors import GlamError
from glam.named import Source, in_file, source
from glam.places import TABLES, is_table, own_file
from glam.progress import bar
from glam.words import counted

CANCELLED = 0.02  # of the channels' loudest sample (-34 dB): what is left of channels of opposite sign

CORPORA = {
    "iemocap": "glam.corpora.iemocap:read",
    "synthetic": "glam.corpora.iemocap:read",  # is made in IEMOCAP's layout
    "synthetic-five": "glam.corpora.synthetic_five:read",
} | dict.fromkeys(scheme_names(), "glam.corpora.scheme_files:read_by_scheme")
"""Name of a corpus -> the function that reads its annotations, as module:function."""

SILENT = 1e-4  # of full scale: three steps of 16 bits
Place = tuple[str, float, float]  # of an utterance


def load_corpus(
    name: str,
    root: Path,
    index_folder: Path,
    *,
    verify: bool = False,
    label_set: str = "",
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """Read a corpus and bring its index in `index_folder` up to date.

    name: one of CORPORA, a table or a scheme of the user's own (own_file), or `<file>.py:<function>`. label_set: which
    of a scheme's, '' for its first. columns: of a table, field -> column. Annotations are read every time. Audio is
    opened where the index does not know it with this size and time of change, with `verify` in any case. The index is
    written where anything differs, never under `root`, unless that is a table's.
    Raises GlamError for an unknown name, a `root` that is no such corpus, and a corpus without a usable utterance.
    """
    listed = _listed(name, root, label_set, columns or {})
    table = is_table(name)
    if not table and index_folder.resolve().is_relative_to(listed.root.resolve()):
        raise GlamError(
            f"the index would lie in {index_folder}, within the corpus at {listed.root}, where nothing is "
            "ever written. Set the environment variable GLAM_DATA to a folder outside it."
        )
    indexed = read_index(index_folder)
    known = indexed.utterances if indexed and indexed.root == listed.root and not verify else ()
    corpus = _open_audio(listed, {utterance.place: utterance for utterance in known})
    corpus = replace(corpus, release=_release(name, corpus, label_set))
    if corpus != indexed:
        write_index(corpus, index_folder)
    if not corpus.utterances:
        raise GlamError(_nothing_usable(corpus, index_folder))
    return corpus


def scheme_of(name: str) -> Scheme | None:
    """The scheme of the corpus of that name; None where it has none."""
    if name in scheme_names():
        return scheme(name)
    own = own_file(name)
    return read_scheme(own) if own is not None and not is_table(name) else None


def corpus_sha256(name: str) -> str | None:
    """The hash of the file of the user's own that a name is the path of; None for a corpus of the package.

    Raises GlamError where there is no corpus of that name, or no such file or function.
    """
    own = own_file(name)
    if own is not None:
        scheme_of(name)
        return Source(own, "").sha256
    if name not in CORPORA and Path(name).suffix != ".py" and Path(name).exists():
        if Path(name).is_dir():
            raise GlamError(f"{name} is a folder, and no corpus's name: give it with -d, beside the name of its corpus")
        raise GlamError(
            f"{name} is neither a corpus's name nor a table ({', '.join(TABLES)}): save a spreadsheet as CSV"
        )
    where = source(name, CORPORA, "corpus")
    where.signature()
    return None if where.module else where.sha256


def _release(name: str, corpus: Corpus, label_set: str) -> str:
    if is_table(name):
        used, rows = len(corpus.utterances), corpus.release
        return f"all {rows} of the table" if rows == counted(used, "row") else f"{used} of the table's {rows}"
    if name == "iemocap" and not corpus.synthetic:
        return iemocap_in_words(corpus)
    if (known := scheme_of(name)) is None:
        return corpus.release
    return in_words(corpus, known, label_set or next(iter(known.label_sets)))


def _listed(name: str, root: Path, label_set: str, columns: Mapping[str, str]) -> Corpus:
    """The corpus as its annotations have it; what goes wrong in a reader of the user's own is named with its line."""
    known = scheme_of(name)
    if columns and not is_table(name):
        raise GlamError(f"corpus.columns: {name} is no table, and has no columns")
    if label_set and known is None:
        raise GlamError(f"corpus.label_set: {name} has no label sets; --columns emotion=COLUMN chooses a table's")
    if known is not None:
        return read_by_scheme(Path(name).stem if own_file(name) else name, root, known, label_set)
    if is_table(name):
        return read_table(Path(name), root, columns)
    where = source(name, CORPORA, "corpus")
    read = where.load()
    if where.module is not None:
        listed: Corpus = read(name, root)
        return listed
    return _own(where, root)


def _own(where: Source, root: Path) -> Corpus:
    """The corpus as a reader of the user's own has it."""
    title = f"{where.path.name}:{where.function}"
    try:
        own = where.load()(title, root)
    except GlamError:
        raise
    except Exception as error:
        raise GlamError(f"the corpus {title} cannot be read in {root}: {in_file(error, where.path)}") from None
    if not isinstance(own, Corpus):
        raise GlamError(
            f"the corpus {title} is read as {type(own).__name__}; expected a glam.corpora.utterances.Corpus"
        )
    times = Counter(utterance.id for utterance in own.utterances)
    if doubled := [utterance for utterance, count in times.items() if count > 1]:
        raise GlamError(
            f"the corpus {title} has {counted(len(doubled), 'id')} more than once; the first is {doubled[0]}"
        )
    return replace(own, utterances=tuple(sorted(own.utterances, key=lambda utterance: utterance.id)))


def _open_audio(corpus: Corpus, known: Mapping[Place, Utterance]) -> Corpus:
    """Fill in what the audio files hold; utterances whose file cannot be used become problems."""
    by_file: dict[str, list[Utterance]] = {}
    for utterance in corpus.utterances:
        by_file.setdefault(utterance.audio, []).append(utterance)

    def measure(utterances: Sequence[Utterance]) -> list[Utterance | Problem]:
        return _measure(corpus.root, utterances, known)

    measured: list[Utterance | Problem] = []
    with (
        bar(len(by_file), f"reading {corpus.name}", "file") as progress,
        ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
    ):
        try:
            for results in pool.map(measure, by_file.values()):
                measured += results
                progress.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # whoever interrupts does not wait for the rest of the corpus
            raise
    utterances = tuple(
        sorted((result for result in measured if isinstance(result, Utterance)), key=lambda utterance: utterance.id)
    )
    problems = [result for result in measured if isinstance(result, Problem)]
    return replace(
        corpus,
        utterances=utterances,
        problems=tuple(sorted([*corpus.problems, *problems])),
        notes=corpus.notes + _conversions(utterances),
    )


def _measure(
    root: Path, utterances: Sequence[Utterance], known: Mapping[Place, Utterance]
) -> list[Utterance | Problem]:
    """What the audio file of these utterances, all of the same, holds of each."""
    audio = utterances[0].audio
    path = root / audio

    def all_are(kind: str, detail: str) -> list[Utterance | Problem]:
        return [Problem(kind, utterance.id, f"{audio} {detail}") for utterance in utterances]

    try:
        # before reading: a file that changes meanwhile then differs from its entry in the index
        status = path.stat()
    except OSError as error:
        return all_are("unreadable audio", f"cannot be read: {error.strerror}")
    if not S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        return all_are("unreadable audio", "is no file")
    before = [known.get(utterance.place) for utterance in utterances]
    if all(was and (was.size, was.mtime_ns) == (status.st_size, status.st_mtime_ns) for was in before):
        return [_as_known(utterance, was) for utterance, was in zip(utterances, before, strict=True) if was]
    try:
        content = read_bytes(path)
    except AudioError as error:
        return all_are("unreadable audio" if status.st_size else "empty file", error.reason)
    digest = sha256(content).hexdigest()

    def measured(utterance: Utterance) -> Utterance | Problem:
        try:
            recording = decode(content, path, utterance.start, utterance.end)
        except AudioError as error:
            return Problem("unreadable audio", utterance.id, f"{audio} {error.reason}")
        peak = float(np.abs(recording.samples).max())
        if recording.channels > 1 and peak < CANCELLED * recording.loudest:
            return Problem("silent audio", utterance.id, f"{audio}: its channels cancel each other out when averaged")
        if peak <= SILENT:
            return Problem("silent audio", utterance.id, f"{audio}: no sample is above {peak:.1g} of full scale")
        piece = f"{digest} {utterance.start!r} {utterance.end!r}" if utterance.start or utterance.end else ""
        return replace(
            utterance,
            samples=len(recording.samples),
            size=len(content),
            mtime_ns=status.st_mtime_ns,
            sha256=sha256(piece.encode()).hexdigest() if piece else digest,
            rate=recording.rate,
            channels=recording.channels,
        )

    return [measured(utterance) for utterance in utterances]


def _as_known(utterance: Utterance, known: Utterance) -> Utterance:
    return replace(
        utterance,
        samples=known.samples,
        size=known.size,
        mtime_ns=known.mtime_ns,
        sha256=known.sha256,
        rate=known.rate,
        channels=known.channels,
    )


def _conversions(utterances: tuple[Utterance, ...]) -> tuple[str, ...]:
    others = Counter((utterance.rate, utterance.channels) for utterance in utterances)
    del others[RATE, 1]
    return tuple(
        f"{counted(count, 'audio file')} of {rate} Hz and {counted(channels, 'channel')}, read as 16 kHz mono"
        for (rate, channels), count in sorted(others.items())
    )


def _nothing_usable(corpus: Corpus, index_folder: Path) -> str:
    lines = [f"{corpus.root} has no usable utterance, that is, one with a label and a readable audio file."]
    first: dict[str, Problem] = {}
    for problem in corpus.problems:
        first.setdefault(problem.kind, problem)
    counts = Counter(problem.kind for problem in corpus.problems)
    for kind, count in counts.items():
        lines.append(f"  {kind}: {count}, the first is {first[kind].subject}: {first[kind].detail}")
    return "\n".join([*lines, f"All problems are listed in {index_folder / 'index.json'}."])
