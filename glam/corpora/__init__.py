"""The corpora. A corpus is one module with a function that reads its annotations, and one line in CORPORA; one of the
user's own is such a function in a file anywhere.

Reading a corpus happens in two steps. Its own function (name, root) -> Corpus reads the annotations and lists
the audio, which is quick. What is common to all corpora then opens the audio files, which is slow, and so is
remembered in the index: a file whose size and time of change are those in the index is not opened again.
"""

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

import numpy as np

from glam.corpora.audio import RATE, AudioError, decode, read_bytes
from glam.corpora.utterances import SILENT, Corpus, Problem, Utterance, read_index, write_index
from glam.errors import GlamError
from glam.named import in_file, source
from glam.progress import bar
from glam.words import counted

CANCELLED = 0.02  # of the channels' loudest sample (-34 dB): what is left of channels of opposite sign
QUIETEST = 1e-4  # of full scale (-80 dB): the least step of 16 bits is 3e-5

CORPORA = {
    "iemocap": "glam.corpora.iemocap:read",
    "synthetic": "glam.corpora.iemocap:read",  # is made in IEMOCAP's layout
    "synthetic-five": "glam.corpora.synthetic_five:read",
}
"""Name of a corpus -> the function that reads its annotations, as module:function."""


def load_corpus(name: str, root: Path, index_folder: Path, *, verify: bool = False) -> Corpus:
    """Read a corpus and bring its index in `index_folder` up to date.

    Annotations are read every time. Audio is opened where the index does not know it with this size and time
    of change, with `verify` in any case. The index is written where anything differs, never under `root`.
    Raises GlamError for an unknown name, a `root` that is no such corpus, and a corpus without a usable
    utterance.
    """
    listed = _listed(name, root)
    if index_folder.resolve().is_relative_to(listed.root.resolve()):
        raise GlamError(
            f"the index would lie in {index_folder}, within the corpus at {listed.root}, where nothing is "
            "ever written. Set the environment variable GLAM_DATA to a folder outside it."
        )
    indexed = read_index(index_folder)
    known = indexed.utterances if indexed and indexed.root == listed.root and not verify else ()
    of_id = {utterance.id: utterance.sha256 for utterance in known}
    silent = {
        of_id[problem.subject]: problem
        for problem in (indexed.problems if indexed else ())
        if problem.kind == SILENT and problem.subject in of_id
    }
    corpus = _open_audio(listed, {utterance.audio: utterance for utterance in known}, silent)
    if corpus != indexed:
        write_index(corpus, index_folder)
    if not corpus.utterances:
        raise GlamError(_nothing_usable(corpus, index_folder))
    return corpus


def _listed(name: str, root: Path) -> Corpus:
    """The corpus as its annotations have it; what goes wrong in a reader of the user's own is named with its line."""
    where = source(name, CORPORA, "corpus")
    read = where.load()
    if where.module is not None:
        listed: Corpus = read(name, root)
        return listed
    title = f"{where.path.name}:{where.function}"
    try:
        own = read(title, root)
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


def _open_audio(corpus: Corpus, known: Mapping[str, Utterance], silent: Mapping[str, Problem]) -> Corpus:
    """Fill in what the audio files hold; utterances whose file cannot be used become problems.

    known, silent: what the index knows, by file and by hash, so that those files are not opened again.
    """

    def measure(utterance: Utterance) -> Utterance | Problem:
        measured = _measure(corpus.root, utterance, known.get(utterance.audio))
        if isinstance(measured, tuple):
            unheard.append(measured[1])
            return measured[0]
        if isinstance(measured, Utterance) and (earlier := silent.get(measured.sha256)):
            unheard.append(replace(earlier, subject=utterance.id))
        return measured

    measured: list[Utterance | Problem] = []
    unheard: list[Problem] = []
    with (
        bar(len(corpus.utterances), f"reading {corpus.name}", "file") as progress,
        ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool,
    ):
        try:
            for result in pool.map(measure, corpus.utterances):
                measured.append(result)
                progress.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # whoever interrupts does not wait for the rest of the corpus
            raise
    utterances = tuple(result for result in measured if isinstance(result, Utterance))
    problems = [*unheard, *(result for result in measured if isinstance(result, Problem))]
    return replace(
        corpus,
        utterances=utterances,
        problems=tuple(sorted([*corpus.problems, *problems])),
        notes=corpus.notes + _conversions(utterances),
    )


def _measure(
    root: Path, utterance: Utterance, known: Utterance | None
) -> Utterance | Problem | tuple[Utterance, Problem]:
    """The utterance with what its recording holds, or why that cannot be used; both where there is nothing to hear."""
    path = root / utterance.audio
    try:
        # before reading: a file that changes meanwhile then differs from its entry in the index
        status = path.stat()
    except OSError as error:
        detail = f"{utterance.audio} cannot be read: {error.strerror}"
        return Problem("unreadable audio", utterance.id, detail)
    if not S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        return Problem("unreadable audio", utterance.id, f"{utterance.audio} is no file")
    if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return replace(
            utterance,
            samples=known.samples,
            size=known.size,
            mtime_ns=known.mtime_ns,
            sha256=known.sha256,
            rate=known.rate,
            channels=known.channels,
        )
    try:
        content = read_bytes(path)
        recording = decode(content, path)
    except AudioError as error:
        kind = "unreadable audio" if status.st_size else "empty file"
        return Problem(kind, utterance.id, f"{utterance.audio} {error.reason}")
    measured = replace(
        utterance,
        samples=len(recording.samples),
        size=len(content),
        mtime_ns=status.st_mtime_ns,
        sha256=sha256(content).hexdigest(),
        rate=recording.rate,
        channels=recording.channels,
    )
    loudest = float(np.abs(recording.samples).max())
    cancelled = recording.channels > 1 and loudest < CANCELLED * recording.loudest
    if loudest >= QUIETEST and not cancelled:
        return measured
    why = "its channels cancel each other out when they are averaged; " if cancelled else ""
    detail = f"{utterance.audio} is at most {loudest:.1g} of full scale ({why}used all the same)"
    return measured, Problem(SILENT, utterance.id, detail)


def _conversions(utterances: tuple[Utterance, ...]) -> tuple[str, ...]:
    others = Counter((utterance.rate, utterance.channels) for utterance in utterances)
    del others[RATE, 1]
    return tuple(
        f"{count} audio files have {rate} Hz and {channels} channel{'s' * (channels > 1)}; they are read as 16 kHz mono"
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
