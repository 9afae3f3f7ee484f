"""Files that are damaged in every way, and whoever reads them: each time it works, or it is one clear line.

A target is a kind of file. `make` writes a good one (or several) into an empty folder; `read` reads the damaged one and
returns what was made of it, or raises GlamError; it fails where a wrong answer was given in silence.
"""

import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from endurance.corpora import (
    EVALUATION_FILE,
    SCRIPT_FILE,
    WORDS_FILE,
    make_audio,
    make_exchanged,
    make_index,
    make_release,
    make_store,
    make_store_header,
    read_audio_file,
    read_exchanged,
    read_index_files,
    read_release,
    read_store,
    read_store_header,
)
from endurance.damage import mutate
from endurance.results import (
    EARLIEST,
    in_results,
    make_earliest_results,
    make_early_results,
    make_results,
    read_earliest_results,
    read_early_results,
    read_results,
)
from endurance.settings import (
    make_config,
    make_extending_recipe,
    make_overrides,
    make_own_file,
    make_paper,
    make_path_py,
    make_recipe,
    make_seeds,
    read_config,
    read_extending_recipe,
    read_overrides,
    read_own_file,
    read_own_paper,
    read_path_py,
    read_recipe,
    read_seeds_file,
)
from endurance.weights import (
    make_checkpoint,
    make_model_alone,
    make_old_released,
    make_released,
    make_saved_model,
    read_checkpoint,
    read_model_alone,
    read_old_released,
    read_released,
    read_saved_model,
)

from glam.corpora.audio import RATE
from glam.errors import GlamError

SECONDS = 20  # more is a hang


@dataclass(frozen=True)
class Target:
    """A kind of file. share: of the mutations, in parts of all targets' sum."""

    name: str
    make: Callable[[Path], None]
    file: str
    read: Callable[[Path], object]
    share: int


TARGETS_TABLE = (
    Target("audio: WAV", make_audio("a.wav", RATE, 1, "PCM_16"), "a.wav", read_audio_file("a.wav"), 8),
    Target("audio: float WAV", make_audio("a.wav", 44_100, 2, "FLOAT"), "a.wav", read_audio_file("a.wav"), 4),
    Target("audio: FLAC", make_audio("a.flac", RATE, 1, "PCM_16"), "a.flac", read_audio_file("a.flac"), 4),
    Target("labels: improvised", make_release, EVALUATION_FILE, read_release(EVALUATION_FILE), 16),
    Target("labels: scripted", make_release, SCRIPT_FILE, read_release(SCRIPT_FILE), 8),
    Target("words", make_release, WORDS_FILE, read_release(WORDS_FILE), 6),
    Target("recipe", make_recipe, "recipe.yaml", read_recipe, 14),
    Target("recipe that extends another", make_extending_recipe, "recipe.yaml", read_extending_recipe, 4),
    Target("file of the user's own", make_own_file, "loss.py", read_own_file, 4),
    Target("paper", make_paper, "mine.yaml", read_own_paper, 4),
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
    Target("experiment.json, format 1", make_earliest_results, f"{EARLIEST}/experiment.json", read_earliest_results, 3),
    Target("index.csv", make_index, "index/index.csv", read_index_files, 3),
    Target("index.json", make_index, "index/index.json", read_index_files, 3),
    Target("store: sidecar", make_store, "store.json", read_store, 5),
    Target("store: header", make_store_header, "header", read_store_header, 3),
    Target("store: values", make_store, "store.npy", read_store, 5),
    Target("audio exchanged after indexing", make_exchanged, "recording.wav", read_exchanged, 4),
    Target("checkpoint", make_checkpoint, "5.safetensors", read_checkpoint, 8),
    Target("saved model", make_saved_model, in_results("5/model.safetensors"), read_saved_model, 3),
    Target("saved model, alone", make_model_alone, "model.safetensors", read_model_alone, 4),
    Target("released .pth", make_released, "model.pth", read_released, 5),
    Target("released .pth, old format", make_old_released, "model.pth", read_old_released, 3),
)


def numbers(target: Target, trials: int) -> range:
    """The trials of a target, of so many of all together."""
    return range(-(-trials * target.share // sum(each.share for each in TARGETS_TABLE)))


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
