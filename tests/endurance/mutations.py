"""Files that are damaged in every way, and whoever reads them: each time it works, or it is one clear line.

A target is a kind of file. `make` writes a good one (or several) into an empty folder; `read` reads the damaged one and
returns what was made of it, or raises GlamError; it fails where a wrong answer was given in silence.
"""

import io
import json
import random
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import torch
import yaml

from glam import places
from glam.cli.release_flags import add_release_flags, with_config
from glam.corpora import load_corpus
from glam.corpora.audio import RATE, decode
from glam.corpora.iemocap import LABELS, read
from glam.corpora.utterances import Corpus, Utterance, read_index
from glam.errors import GlamError
from glam.inputs.spectral import FeatureSettings
from glam.inputs.store import open_store
from glam.learning.checkpoint import load_checkpoint, save_checkpoint
from glam.learning.engine import Batch, Learner, RunState, initial_model
from glam.learning.losses import cross_entropy
from glam.learning.settings import TrainingSettings
from glam.models import ModelSettings
from glam.models.checkpoints import load_released
from glam.recipe import Recipe, configs_folder, load_recipe, parse_override
from glam.reports.embedding import _read_model
from glam.reports.export import export
from glam.reports.summary import report
from glam.results.identity import identity
from glam.results.run import Epoch, Predictions, StoredExperiment, read_run, store_experiment, write_run
from glam.splits.population import Composition
from glam.splits.splits import read_seeds

SECONDS = 20  # more is a hang
CPU = torch.device("cpu")


# --- mutations ---------------------------------------------------------------------------------------------------


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.randbytes(rng.choice([1, 3, 50]))


def _delete(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice([1, 1, 5, 100])]


def _duplicate(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    part = content[at : at + rng.choice([1, 20, 200])]
    where = rng.randrange(len(content))
    content[where:where] = part * rng.choice([1, 1, 50])


def _overwrite(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])


def _nulls(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at : at + 1] = bytes(rng.choice([1, 64]))


def _no_utf8(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at:at] = rng.choice([b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\xa0"])


def _lines(content: bytearray, rng: random.Random) -> None:
    lines = content.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    act = rng.randrange(4)
    if act == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif act == 1:
        lines.insert(b, lines[a])
    elif act == 2:
        del lines[a]
    else:  # two become one
        lines[a] = lines[a] + lines[b]
    content[:] = b"\n".join(lines)


NUMBERS = [
    b"0", b"-1", b"1e999", b"-1e-999", b"99999999999999999999", b"NaN", b".inf", b"1e30", b"2147483648", b"0x10",
    b"1_0", b"true", b"null", b"[]", b"{}", b"''", b"9" * 5000,
]  # fmt: skip


def _found(pattern: bytes, content: bytearray, rng: random.Random) -> list[re.Match[bytes]]:
    """Where a pattern is, within a few pages of the content."""
    start = rng.randrange(max(1, len(content) - 4096))
    return list(re.compile(pattern).finditer(bytes(content), start, start + 4096))


def _number(content: bytearray, rng: random.Random) -> None:
    found = _found(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?", content, rng)
    if found:
        one = rng.choice(found)
        content[one.start() : one.end()] = rng.choice(NUMBERS)


def _word(content: bytearray, rng: random.Random) -> None:
    found = _found(rb"\w+", content, rng)
    if len(found) > 1:
        one, other = rng.choice(found), rng.choice(found)
        content[one.start() : one.end()] = other[0]


def _empty(content: bytearray, rng: random.Random) -> None:
    content.clear()


def _nest(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.choice([b"[", b"{", b"(", b'{"a":', b"- ", b"&a [*a,"]) * rng.choice([3, 3000])


MUTATIONS = (
    _flip, _flip, _flip, _truncate, _insert, _delete, _delete, _duplicate, _overwrite, _nulls, _no_utf8, _lines, _lines,
    _number, _number, _word, _word, _nest,
)  # fmt: skip


def mutate(content: bytes, rng: random.Random) -> bytes:
    """The content, damaged in one to three ways; different from what it was."""
    changed = bytearray(content)
    while changed == content:
        changed[:] = content
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if changed:
                rng.choice(MUTATIONS)(changed, rng)
        if rng.randrange(200) == 0:
            _empty(changed, rng)
    return bytes(changed)


# --- targets -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A kind of file. share: of the mutations, in parts of all targets' sum."""

    name: str
    make: Callable[[Path], None]
    file: str
    read: Callable[[Path], object]
    share: int


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
    found: dict[str, set[str]] = {}
    for line in re.split(r"\r\n|\r|\n", text):
        if line.strip().startswith("["):
            name, label = ([*line.strip().partition("]")[2].split(), "", ""])[:2]
            found.setdefault(name, set()).add(label)
    return found


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
    used = {one.id: one for one in corpus.utterances}
    for name, one in used.items():
        assert one.label in LABELS
        assert one.label in written[name], f"{name} is {one.label}, the file says {written[name]}"
        assert len(written[name]) == 1 or name in named, f"{name} is {written[name]}, and nothing is said"
        if one.words:
            assert any(line.strip().startswith(name) and line.strip().endswith(one.words) for line in words), one
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


def make_recipe(folder: Path) -> None:
    shutil.copy(configs_folder() / "glam-released.yaml", folder / "recipe.yaml")


def read_recipe(folder: Path) -> Recipe:
    """The recipe must say what is written: compared with all scalars read as plain text."""
    path = folder / "recipe.yaml"
    recipe = load_recipe(str(path))
    written = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}
    dumped = recipe.model_dump(mode="json")
    for section, fields in written.items():
        if not isinstance(fields, dict):
            assert dumped[section] == fields, section
            continue
        for name, text in fields.items():
            assert_says(dumped[section][name], text)
    return recipe


def assert_says(value: object, text: object) -> None:
    if isinstance(text, dict):
        assert isinstance(value, dict)
        assert list(value) == list(text)
        for name, inner in text.items():
            assert_says(value[name], inner)
    elif isinstance(text, list):
        assert isinstance(value, list)
        assert len(value) == len(text)
        for one, inner in zip(value, text, strict=True):
            assert_says(one, inner)
    elif isinstance(value, bool):
        assert str(text).lower() == str(value).lower()
    elif isinstance(value, int | float):
        assert float(str(text)) == value
    elif value is not None:
        assert value == text


def make_overrides(folder: Path) -> None:
    (folder / "set.txt").write_text("training.lr=1e-4\nsegments={length: 2.0, train_overlap: 1.0}\nmodel.name=mhcnn\n")


def read_overrides(folder: Path) -> Recipe:
    text = (folder / "set.txt").read_bytes().decode(errors="surrogateescape").replace("\0", "")
    return load_recipe("glam-released", [parse_override(line) for line in text.splitlines()])


def make_config(folder: Path) -> None:
    (folder / "flags.json").write_text('{"epochs": 7, "alpha": 0.3, "padding": false, "gpu": -1, "model": "GLAM"}')


def read_config(folder: Path) -> object:
    import argparse

    parser = argparse.ArgumentParser(exit_on_error=False)
    add_release_flags(parser)
    try:
        with redirect_stderr(io.StringIO()):
            return vars(with_config(parser, ["-c", str(folder / "flags.json")]))
    except (argparse.ArgumentError, SystemExit) as error:
        raise GlamError(f"argparse: {error}") from None


def make_seeds(folder: Path) -> None:
    (folder / "seeds.txt").write_text("2602656884\n3431165269\n5\n")


def read_seeds_file(folder: Path) -> list[int]:
    seeds = read_seeds(folder / "seeds.txt")
    text = (folder / "seeds.txt").read_text(encoding="utf-8")
    assert [int(word) for word in text.split()] == seeds
    return seeds


def make_path_py(folder: Path) -> None:
    (folder / "path.py").write_text('"""Where IEMOCAP lies."""\n\nIEMOCAP = "/data/IEMOCAP"\n"""The folder."""\n')


def read_path_py(folder: Path) -> str:
    with patch.object(places, "_project", lambda: folder):
        return places._written_in_path_py("IEMOCAP")


IDS = tuple(f"Ses0{1 + i % 5}F_impro01_{'FM'[i % 2]}{i:03d}" for i in range(20))
CLASSES = ("neutral", "sad", "angry", "happy")
TARGETS = np.arange(20) % 4


def make_results(folder: Path) -> None:
    recipe = load_recipe("glam-released")
    where = folder / "glam-iemocap-improvised-0"
    store_experiment(
        StoredExperiment(
            folder=where,
            name=recipe.name,
            recipe=recipe.model_dump(mode="json"),
            identity=identity(recipe.scientific(), "0" * 64),
            classes=CLASSES,
            composition=Composition(
                corpus="iemocap",
                synthetic=False,
                style="improvised",
                utterances=20,
                classes={name: {label: 5} for name, label in zip(CLASSES, ("neu", "sad", "ang", "exc"), strict=True)},
                too_short=dict.fromkeys(CLASSES, 1),
            ),
            ids=IDS,
            targets=TARGETS,
        )
    )
    rng = np.random.RandomState(1)
    for seed in (5, 6):
        order = rng.permutation(20)
        predictions = Predictions(
            logits=(2 * np.eye(4)[TARGETS[order[12:]]] + rng.randn(3, 8, 4)).astype(np.float32),
            segment_classes=rng.randint(0, 4, (3, 16)).astype(np.uint8),
            segments=np.full(8, 2),
            held_out=order[12:],
            train=order[:12],
        )
        past = [Epoch(1e-3, 1.5 / (e + 1), 1.0, 0.1) for e in range(3)]
        about = {"torch": "2.11.0", "device": "cpu", "threads": 1, "precision": "fp32"}
        write_run(where / str(seed), seed, about, past, TARGETS[order[12:]], 4, predictions, {})


def make_early_results(folder: Path) -> None:
    """Results as they were stored before they carried hashes."""
    make_results(folder)
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text())
        content.pop("files", None)
        content.pop("sha256", None)
        path.write_text(json.dumps(content))


def said(folder: Path) -> str:
    """All that is said about stored results."""
    where = folder / "glam-iemocap-improvised-0"
    texts = [report(where, view).replace(str(folder), "") for view in ("test", "validation", "last")]
    out = io.StringIO()
    export(where / "5", out)
    return "\n".join([*texts, out.getvalue()])


@cache
def undamaged() -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        make_results(Path(folder))
        return said(Path(folder))


def read_results(folder: Path) -> object:
    text = said(folder)
    assert text == undamaged(), "changed results were reported as if nothing had happened"
    return "report"


def read_early_results(folder: Path) -> object:
    return said(folder)


def make_index(folder: Path) -> None:
    make_release(folder / "release")
    load_corpus("iemocap", folder / "release", folder / "index")
    shutil.copytree(folder / "index", folder / "kept")


def read_index_files(folder: Path) -> object:
    expected = read_index(folder / "kept")
    assert expected is not None
    found = read_index(folder / "index")
    assert found is None or found == expected, "another corpus than the index was written for"
    again = load_corpus("iemocap", folder / "release", folder / "index")
    assert again == expected
    return "read again" if found is None else "index"


STORE = FeatureSettings(coefficients=4)


def spoken(folder: Path) -> list[Utterance]:
    corpus = load_corpus("iemocap", folder / "release", folder / "index")
    return [one for one in corpus.utterances if one.samples >= 1200]


def opened(folder: Path) -> Any:
    with redirect_stderr(io.StringIO()):
        utterances = spoken(folder)
        return open_store(folder / "release", utterances, STORE, 1100, 600, "none", folder / "data")


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
    np.testing.assert_array_equal(np.array(store.features), np.load(folder / "good.npy"))
    return "features"


def make_store_header(folder: Path) -> None:
    make_store(folder)
    (folder / "header").write_bytes((folder / "good.npy").read_bytes()[:128])


def read_store_header(folder: Path) -> object:
    """Only the header is damaged: the values have no hash that is looked at at every start."""
    array = (folder / "store.npy").resolve()
    array.write_bytes((folder / "header").read_bytes() + (folder / "good.npy").read_bytes()[128:])
    return read_store(folder)


def learner(seed: int) -> Learner:
    model = initial_model(ModelSettings(name="mhcnn", heads=1, hidden=4), 4, (8, 12), seed)
    return Learner(model, TrainingSettings(batch_size=4), cross_entropy(), CPU)


@cache
def trained() -> Learner:
    one = learner(1)
    for step in range(2):
        torch.manual_seed(step)
        one.step(Batch(torch.randn(4, 1, 8, 12), torch.arange(4), torch.arange(4), 1e-3, step))
    return one


def state() -> RunState:
    return RunState(
        epoch=1,
        step=2,
        losses=[torch.tensor(1.25), torch.tensor(1.5)],
        seconds=3.0,
        epochs=[Epoch(1e-3, 1.5, 1.0, 0.1)],
        logits=[np.ones((3, 4), dtype=np.float32)],
        segment_classes=[np.ones(6, dtype=np.uint8)],
    )


def make_checkpoint(folder: Path) -> None:
    save_checkpoint(folder / "5.safetensors", trained(), state(), "me/5", {"w": torch.ones(3)}, {"resumed": 2})


def read_checkpoint(folder: Path) -> object:
    one = learner(2)
    found = load_checkpoint(folder / "5.safetensors", one, "me/5")
    assert found is not None
    back, extra, notes = found
    expected = state()
    assert (back.epoch, back.step, back.seconds, back.epochs) == (1, 2, 3.0, expected.epochs)
    assert [loss.item() for loss in back.losses] == [1.25, 1.5]
    np.testing.assert_array_equal(back.logits, expected.logits)
    np.testing.assert_array_equal(back.segment_classes, expected.segment_classes)
    assert extra["w"].tolist() == [1, 1, 1]
    assert notes == {"resumed": 2}
    for mine, theirs in zip(one.model.state_dict().items(), trained().model.state_dict().items(), strict=True):
        assert mine[0] == theirs[0]
        assert torch.equal(mine[1], theirs[1]), mine[0]
    assert_equal_states(one.optimiser.state_dict()["state"], trained().optimiser.state_dict()["state"])
    return "resumed"


def assert_equal_states(mine: Any, theirs: Any) -> None:
    assert mine.keys() == theirs.keys()
    for key in mine:
        for name in theirs[key]:
            assert torch.equal(torch.as_tensor(mine[key][name]), torch.as_tensor(theirs[key][name])), (key, name)


def make_saved_model(folder: Path) -> None:
    from safetensors.torch import save

    make_results(folder)
    recipe = load_recipe("glam-released", [("model.name", "mhcnn")])
    meta = {"recipe": recipe.model_dump_json(), "shape": "8,12", "seed": "5", "epoch": "2"}
    model = save({name: tensor.contiguous() for name, tensor in trained().model.state_dict().items()}, meta)
    where = folder / "glam-iemocap-improvised-0" / "5"
    found = read_run(where)
    predictions = found.predictions()
    shutil.rmtree(where)
    truth = TARGETS[predictions.held_out]
    write_run(where, 5, {}, found.epochs, truth, 4, predictions, {"model.safetensors": model})


def read_saved_model(folder: Path) -> object:
    recipe, shape, epoch, weights = _read_model(read_run(folder / "glam-iemocap-improvised-0" / "5"))
    assert (recipe.model.name, shape, epoch) == ("mhcnn", (8, 12), 2)
    for name, tensor in trained().model.state_dict().items():
        assert torch.equal(weights[name], tensor), name
    return "weights"


@cache
def released_state() -> dict[str, torch.Tensor]:
    """A released MHCNN: its names, and a convolution for each head."""
    from glam.models import build
    from glam.models.checkpoints import LAYERS

    torch.manual_seed(0)
    ours = build("mhcnn", 4, (26, 57)).state_dict()
    found = {}
    for theirs, layer in LAYERS["mhcnn"].items():
        for name, tensor in ours.items():
            if name.startswith(f"{layer}."):
                leaf = name.removeprefix(f"{layer}.")
                if theirs.startswith("attention_"):
                    for head, part in enumerate(tensor.chunk(4)):
                        found[f"{theirs}.{head}.{leaf}"] = part.clone()
                else:
                    found[f"{theirs}.{leaf}"] = tensor.clone()
    return found


def make_released(folder: Path) -> None:
    torch.save(released_state(), folder / "model.pth")


def make_old_released(folder: Path) -> None:
    torch.save(released_state(), folder / "model.pth", _use_new_zipfile_serialization=False)


@cache
def released_whole() -> dict[str, torch.Tensor]:
    return load_released(released_state()).model.state_dict()


def read_released(folder: Path) -> object:
    found = load_released(folder / "model.pth").model.state_dict()
    for name, tensor in released_whole().items():
        assert torch.equal(found[name], tensor), f"{name} is other than in the file that was saved"
    return "weights"


def read_old_released(folder: Path) -> object:
    """The format of torch before 1.6, which has no checksums: changed values are read as written."""
    return load_released(folder / "model.pth").name


def in_results(name: str) -> str:
    return f"glam-iemocap-improvised-0/{name}"


EVALUATION_FILE = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
SCRIPT_FILE = "Session2/dialog/EmoEvaluation/Ses02M_script03_2.txt"
WORDS_FILE = "Session1/dialog/transcriptions/Ses01F_impro01.txt"
SCRIPT_WORDS_FILE = "Session2/dialog/transcriptions/Ses02M_script03_2.txt"

TARGETS_TABLE = (
    Target("audio: WAV", make_audio("a.wav", RATE, 1, "PCM_16"), "a.wav", read_audio_file("a.wav"), 8),
    Target("audio: float WAV", make_audio("a.wav", 44_100, 2, "FLOAT"), "a.wav", read_audio_file("a.wav"), 4),
    Target("audio: FLAC", make_audio("a.flac", RATE, 1, "PCM_16"), "a.flac", read_audio_file("a.flac"), 4),
    Target("labels: improvised", make_release, EVALUATION_FILE, read_release(EVALUATION_FILE), 16),
    Target("labels: scripted", make_release, SCRIPT_FILE, read_release(SCRIPT_FILE), 8),
    Target("words", make_release, WORDS_FILE, read_release(WORDS_FILE), 6),
    Target("recipe", make_recipe, "recipe.yaml", read_recipe, 14),
    Target("--set", make_overrides, "set.txt", read_overrides, 6),
    Target("--config", make_config, "flags.json", read_config, 4),
    Target("seeds", make_seeds, "seeds.txt", read_seeds_file, 2),
    Target("path.py", make_path_py, "path.py", read_path_py, 2),
    Target("experiment.json", make_results, in_results("experiment.json"), read_results, 4),
    Target("utterances.csv", make_results, in_results("utterances.csv"), read_results, 4),
    Target("run.json", make_results, in_results("5/run.json"), read_results, 5),
    Target("predictions.npz", make_results, in_results("5/predictions.npz"), read_results, 4),
    Target("experiment.json, early", make_early_results, in_results("experiment.json"), read_early_results, 2),
    Target("run.json, early", make_early_results, in_results("5/run.json"), read_early_results, 3),
    Target("predictions.npz, early", make_early_results, in_results("5/predictions.npz"), read_early_results, 3),
    Target("index.csv", make_index, "index/index.csv", read_index_files, 3),
    Target("index.json", make_index, "index/index.json", read_index_files, 3),
    Target("store: sidecar", make_store, "store.json", read_store, 5),
    Target("store: header", make_store_header, "header", read_store_header, 3),
    Target("checkpoint", make_checkpoint, "5.safetensors", read_checkpoint, 8),
    Target("saved model", make_saved_model, in_results("5/model.safetensors"), read_saved_model, 3),
    Target("released .pth", make_released, "model.pth", read_released, 5),
    Target("released .pth, old format", make_old_released, "model.pth", read_old_released, 3),
)


def numbers(target: Target, trials: int) -> range:
    """The trials of a target, of so many of all together."""
    return range(-(-trials * target.share // sum(one.share for one in TARGETS_TABLE)))


# --- a trial -----------------------------------------------------------------------------------------------------


class Hang(Exception):
    """A reader took too long."""


@contextmanager
def in_time() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


EXECUTED: list[str] = []
FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "os.fork"}


@cache
def watch_for_execution() -> None:
    """Note whatever would run code that a file asks for. A hook cannot be taken back: it is set once."""
    sys.addaudithook(lambda event, arguments: EXECUTED.append(event) if event in FORBIDDEN else None)


def trial(target: Target, number: int, folder: Path) -> str:
    """Read one damaged file in a folder that `make` has filled: `worked` or `refused`; anything else is raised.

    The folder is left as `make` left it.
    """
    watch_for_execution()
    path = (folder / target.file).resolve()
    good = path.read_bytes()
    rng = random.Random(f"{target.name} {number}")
    path.write_bytes(mutate(good, rng))
    before = len(EXECUTED)
    try:
        with in_time():
            target.read(folder)
        outcome = "worked"
    except GlamError as error:
        outcome = "refused" if len(str(error).splitlines()) == 1 else f"not one line: {error}"
    finally:
        path.write_bytes(good)
    assert outcome in ("worked", "refused"), outcome
    assert len(EXECUTED) == before, f"executed from a file: {EXECUTED[before:]}"
    return outcome


def describe(target: Target, number: int, folder: Path) -> str:
    """How a damaged file looked, for whoever mends what it broke."""
    content = (folder / target.file).resolve().read_bytes()
    return f"{target.name} {number}: {mutate(content, random.Random(f'{target.name} {number}'))[:2000]!r}"
