"""Damaged corpora, and what is derived from them: audio, labels, words, the index, the stored inputs."""

import io
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from glam.corpora import load_corpus
from glam.corpora.audio import RATE, decode
from glam.corpora.iemocap import LABELS, read
from glam.corpora.utterances import Corpus, Utterance, read_index
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.inputs.inputs import InputSettings
from glam.inputs.store import Store, open_store

EVALUATION_FILE = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
SCRIPT_FILE = "Session2/dialog/EmoEvaluation/Ses02M_script03_2.txt"
WORDS_FILE = "Session1/dialog/transcriptions/Ses01F_impro01.txt"
SCRIPT_WORDS_FILE = "Session2/dialog/transcriptions/Ses02M_script03_2.txt"


def tone(seconds: float = 0.4, rate: int = RATE, channels: int = 1) -> np.ndarray[Any, Any]:
    time = np.arange(int(seconds * rate)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * (200 + 100 * c) * time) for c in range(channels)], axis=1)


def make_audio(name: str, rate: int, channels: int, subtype: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        soundfile.write(folder / name, tone(0.4, rate, channels), rate, subtype=subtype)

    return make


def read_audio_file(name: str) -> Callable[[Path], object]:
    def read_it(folder: Path) -> object:
        path = folder / name
        samples = decode(path.read_bytes(), path).samples
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert len(samples)
        assert np.isfinite(samples).all()
        return "samples"

    return read_it


DIALOGUES = {"Ses01F_impro01": "neu sad ang exc neu fru".split(), "Ses02M_script03_2": "hap sad neu xxx exc".split()}


def make_release(folder: Path) -> None:
    for dialogue, labels in DIALOGUES.items():
        session = folder / f"Session{dialogue[4]}"
        wavs = session / "sentences" / "wav" / dialogue
        wavs.mkdir(parents=True)
        evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
        words = []
        for i, label in enumerate(labels):
            name = f"{dialogue}_{'FM'[i % 2]}{i:03d}"
            soundfile.write(wavs / f"{name}.wav", tone(0.05 + 0.01 * i)[:, 0], RATE, subtype="PCM_16")
            evaluation.append(f"\n[{i}.2901 - {i}.9357]\t{name}\t{label}\t[2.5000, 3.0000, 3.5000]\n")
            evaluation.append(
                "C-E1:\tNeutral;\t()\nC-E2:\tNeutral; Anger;\t(tired)\nA-E3:\tval 3; act 2; dom  2;\t()\n"
            )
            words.append(f"{name} [{i:08.4f}-{i + 0.9:08.4f}]: Words of {name}.\n")
        for part, lines in (("EmoEvaluation", evaluation), ("transcriptions", words)):
            (session / "dialog" / part).mkdir(parents=True, exist_ok=True)
            (session / "dialog" / part / f"{dialogue}.txt").write_text("".join(lines))


def as_written(text: str) -> dict[str, set[str]]:
    """Every label that an EmoEvaluation file gives to an utterance: what stands after the times and the name.

    Written anew, and more simply than the reader: a line that begins with a bracket, split at white space.
    """
    labels: dict[str, set[str]] = {}
    for line in re.split(r"\r\n|\r|\n", text):
        if line.strip().startswith("["):
            name, label = ([*line.strip().partition("]")[2].split(), "", ""])[:2]
            labels.setdefault(name, set()).add(label)
    return labels


def text_of(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def labelled(folder: Path, file: str) -> Corpus:
    """The corpus, whose labels must be those that stand in the files, whatever these say now."""
    corpus = read("iemocap", folder)
    written: dict[str, set[str]] = {}
    for evaluation in (EVALUATION_FILE, SCRIPT_FILE):
        for name, labels in as_written(text_of(folder / evaluation)).items():
            written.setdefault(name, set()).update(labels)
    named = " ".join(f"{problem.subject} {problem.detail}" for problem in corpus.problems)
    words = [line for words_file in (WORDS_FILE, SCRIPT_WORDS_FILE) for line in lines_of(text_of(folder / words_file))]
    used = {utterance.id: utterance for utterance in corpus.utterances}
    for name, utterance in used.items():
        assert utterance.label in LABELS
        assert utterance.label in written[name], f"{name} is {utterance.label}, the file says {written[name]}"
        assert len(written[name]) == 1 or name in named, f"{name} is {written[name]}, and nothing is said"
        if heard := utterance.words:
            assert any(line.strip().startswith(name) and line.strip().endswith(heard) for line in words), utterance
    original = {
        f"{dialogue}_{'FM'[i % 2]}{i:03d}" for dialogue, labels in DIALOGUES.items() for i in range(len(labels))
    }
    for name in original - used.keys():
        assert name in named, f"{name} was dropped without a word"
    return corpus


def lines_of(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def read_release(file: str) -> Callable[[Path], object]:
    def read_it(folder: Path) -> object:
        corpus = labelled(folder, file)
        if not corpus.utterances:
            raise GlamError("nothing usable")
        return len(corpus.utterances)

    return read_it


def make_index(folder: Path) -> None:
    make_release(folder / "release")
    load_corpus("iemocap", folder / "release", folder / "index")
    shutil.copytree(folder / "index", folder / "kept")


def read_index_files(folder: Path) -> object:
    expected = read_index(folder / "kept")
    assert expected is not None
    indexed = read_index(folder / "index")
    assert indexed is None or indexed == expected, "another corpus than the index was written for"
    again = load_corpus("iemocap", folder / "release", folder / "index")
    assert again == expected
    return "read again" if indexed is None else "index"


INPUT = InputSettings.model_validate({"name": "mfcc", "coefficients": 4})
CUT = Segments(name="segments", length=1100 / RATE, train_hop=600)


def spoken(folder: Path) -> list[Utterance]:
    corpus = load_corpus("iemocap", folder / "release", folder / "index")
    return [utterance for utterance in corpus.utterances if utterance.samples >= 1200]


def opened(folder: Path) -> Store:
    with redirect_stderr(io.StringIO()):
        utterances = spoken(folder)
        return open_store(folder / "release", utterances, INPUT, INPUT.make(), CUT, "train", folder / "data")


def make_store(folder: Path) -> None:
    make_release(folder / "release")
    store = opened(folder)
    for suffix in (".npy", ".json"):
        shutil.copy(store.path.with_suffix(suffix), folder / f"good{suffix}")
        # where a damaged file is to be put, whatever the store is called
        (folder / f"store{suffix}").symlink_to(store.path.with_suffix(suffix))


def read_store(folder: Path) -> object:
    store = opened(folder)
    expected = json.loads((folder / "good.json").read_text())
    assert list(store.ids) == expected["utterances"]
    assert store.offsets.tolist() == expected["offsets"]
    np.testing.assert_array_equal(np.array(store.array), np.load(folder / "good.npy"))
    return "features"


def make_store_header(folder: Path) -> None:
    make_store(folder)
    (folder / "header").write_bytes((folder / "good.npy").read_bytes()[:128])


def read_store_header(folder: Path) -> object:
    """Only the header is damaged."""
    array = (folder / "store.npy").resolve()
    array.write_bytes((folder / "header").read_bytes() + (folder / "good.npy").read_bytes()[128:])
    return read_store(folder)


def make_exchanged(folder: Path) -> None:
    make_store(folder)
    shutil.copy(folder / "release" / spoken(folder)[0].audio, folder / "recording.wav")


def read_exchanged(folder: Path) -> object:
    """A recording is exchanged after it was indexed for one of the same size and time of change."""
    path = folder / "release" / spoken(folder)[0].audio
    good, status = path.read_bytes(), path.stat()
    content = (folder / "recording.wav").read_bytes()[: len(good)].ljust(len(good), b"\0")
    for suffix in (".npy", ".json"):
        (folder / f"store{suffix}").resolve().unlink(missing_ok=True)
    try:
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        extracted = read_store(folder)
        assert content == good, "features of another recording were made in silence"
    finally:
        path.write_bytes(good)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return extracted
