"""Commands that are killed: what they are, at which moment, and what must be true of what they leave."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import safe_open

from glam.results.experiment import read_experiment
from glam.results.run import read_run

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = [
    "--set=cut={length: 0.5, train_overlap: 0.3, test_overlap: 0.2}",
    "--set=training.epochs=6",
    "--set=training.batches.size=8",
    "--set=inputs.audio.coefficients=8",
    "--recipe=mhcnn-released",
    "--save-model=best",
    "--gpu=-1",
]
RUNS = 4

# The moments: once a file of that pattern is there, and at most so many seconds later.
MOMENTS = {
    "any time": ("", 12.0),
    "workers start": ("runs/*/log.txt", 4.0),
    "extraction": ("data/features/.*.tmp-*", 0.05),
    "checkpoint": ("runs/*/.checkpoints/.*.tmp-*", 0.02),
    "storing": ("runs/*/.[0-9]*.tmp-*", 0.02),
    "training": ("runs/*/.checkpoints/*.safetensors", 1.0),
}


def command(release: Path, folder: Path, *words: str) -> list[str]:
    places = [f"--runs-folder={folder / 'runs'}", f"--data-folder={folder / 'data'}", f"--datadir={release}"]
    return [sys.executable, str(PROJECT / "train.py"), *SETTINGS, f"--runs={RUNS}", *places, *words]


def start(words: list[str], **options: Any) -> "subprocess.Popen[str]":
    """A command in a session of its own, so that a signal can go to all of its processes as from a terminal."""
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **options)


def completed(words: list[str], timeout: float | None = 300, **options: Any) -> "subprocess.CompletedProcess[str]":
    """A command at its end."""
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **options)


def members(session: int) -> dict[int, int]:
    """Processes of a session that are alive, and their parents."""
    alive = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, its = path.read_text().rpartition(") ")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != "Z":
            alive[int(path.parent.name)] = int(parent)
    return alive


def gone(session: int, seconds: float = 30) -> bool:
    """Whether all processes of a session end within so many seconds."""
    deadline = time.monotonic() + seconds
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def to_command(process: "subprocess.Popen[str]", number: signal.Signals, rng: random.Random) -> None:
    process.send_signal(number)


def to_all(process: "subprocess.Popen[str]", number: signal.Signals, rng: random.Random) -> None:
    os.killpg(process.pid, number)


def to_worker(process: "subprocess.Popen[str]", number: signal.Signals, rng: random.Random) -> None:
    """Not to Python's own helpers beside them: the tracker of resources, and what the workers are forked off."""
    workers = [pid for pid, parent in members(process.pid).items() if parent not in (process.pid, os.getpid())]
    os.kill(rng.choice(workers) if workers else process.pid, number)


Send = Callable[["subprocess.Popen[str]", signal.Signals, random.Random], None]
WAYS: dict[str, tuple[Send, signal.Signals]] = {
    "SIGKILL": (to_command, signal.SIGKILL),
    "SIGKILL to all": (to_all, signal.SIGKILL),
    "SIGKILL to a worker": (to_worker, signal.SIGKILL),
    "SIGINT": (to_command, signal.SIGINT),
    "SIGINT to all": (to_all, signal.SIGINT),
    "SIGTERM": (to_command, signal.SIGTERM),
    "SIGTERM to all": (to_all, signal.SIGTERM),
}


def await_moment(process: "subprocess.Popen[str]", folder: Path, moment: str, rng: random.Random) -> bool:
    """Wait until it is time to kill; False where the command ended before."""
    pattern, longest = MOMENTS[moment]
    time.sleep(0.3)  # before that, Python itself is still starting
    while process.poll() is None:
        if not pattern or next(folder.glob(pattern), None):
            time.sleep(rng.choice([0, rng.uniform(0, longest)]))
            return process.poll() is None
        time.sleep(0.0005)
    return False


def digest(folder: Path) -> str:
    """Everything about a finished run that must not depend on having been disturbed."""
    run = read_run(folder)
    arrays = run.predictions()
    figures = [(epoch.lr, epoch.loss) for epoch in run.epochs]
    content = [folder.name, run.experiment, run.failed, figures, run.confusion.tolist()]
    whole = hashlib.sha256(json.dumps(content).encode())
    for name, array in vars(arrays).items():
        whole.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for name, tensor in sorted(safetensors.numpy.load(run.read("model.safetensors")).items()):
        whole.update(name.encode() + tensor.tobytes())
    return whole.hexdigest()


def table(text: str) -> str:
    """A report without what says where and with which revision it was made."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(("results:", "computed:")))


@dataclass
class Watch:
    """What was seen of a folder so far: finished runs must stay as they are."""

    folder: Path
    expected: dict[str, str]  # digest of each run, undisturbed
    finished: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def check(self) -> None:
        """Look at everything that lies there, while nobody works on it."""
        for path, was in self.finished.items():
            assert path.is_file(), f"the finished run {path} is lost"
            assert _inode(path) == was, f"{path} was written again"
        for path in self.folder.glob("runs/*/*/run.json"):
            if not path.parent.name.startswith("."):
                assert digest(path.parent) == self.expected[path.parent.name], f"{path.parent} came out differently"
                self.finished[path] = _inode(path)
        for path in self.folder.glob("runs/*/experiment.json"):
            read_experiment(path.parent)
        for path in self.folder.glob("runs/*/.checkpoints/*.safetensors"):
            with safe_open(path, "pt") as file:
                assert file.metadata()["identity"]
        for path in self.folder.glob("data/features/*.json"):
            about, array = json.loads(path.read_text()), path.with_suffix(".npy").read_bytes()
            assert hashlib.sha256(array).hexdigest() == about["array_sha256"]

    def at_the_end(self) -> None:
        """Look at what a command left that was not disturbed any more."""
        self.check()
        assert sorted(path.parent.name for path in self.finished) == sorted(self.expected)
        left = [path for path in self.folder.rglob("*") if ".tmp-" in path.name or path.parent.name == ".checkpoints"]
        assert not left, left
        for path in self.folder.glob("runs/*/log.txt"):
            trained = trainings(path)
            assert max(trained.values(), default=0) <= 1, f"trained twice: {trained}"


def trainings(log: Path) -> Counter[str]:
    """How often the log of an experiment says that a seed was finished; fails where one was begun again after."""
    done: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+ \[\d+\] ", line), f"half a line in {log}: {line}"
        event = re.search(r"seed (\d+): (starts|goes on|finished)", line)
        if event and event[2] == "finished":
            done[event[1]] += 1
        elif event:
            assert not done[event[1]], f"begun again after it was finished: {line}"
    return done


def _inode(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_ino, about.st_mtime_ns
