"""What happened to the runs of an experiment, for a person to read afterwards: `log.txt` in its folder.

A line an event, with date and time and the number of the process. Each line is written at once to the end of the file,
so that several processes can work on the same experiment. Nothing reads it: what counts is in the runs.
"""

import os
import shlex
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import mean
from types import TracebackType
from typing import Self

from glam.results.environment import environment
from glam.running.message import Message
from glam.words import counted, duration

LOG = "log.txt"
TENTHS = 10  # epochs of a run that get a line


class Log:
    """Passes messages on to another listener and writes the events among them to the log in `folder`.

    runs: how many are to be trained, of so many `epochs`; device: what they are computed on, in words.
    """

    def __init__(self, folder: Path, runs: int, epochs: int, device: str, listen: Callable[[Message], None]) -> None:
        self._path, self._listen = folder / LOG, listen
        self._runs, self._epochs, self._device = runs, epochs, device
        self._begun = time.monotonic()
        self._estimated = False
        self._scores: list[tuple[float, float]] = []  # WA and UA of the runs finished by this command
        self._failed = 0
        self._missing = False  # lines that could not be written

    def __enter__(self) -> Self:
        here = environment()
        self.write(f"begins: {shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}")
        self.write(
            f"{counted(self._runs, 'run')} of {self._epochs} epochs to train on {self._device}; torch "
            f"{here['torch']}, Python {here['python']}, glam {here['glam']} ({here['revision']}), {here['processor']}, "
            f"{here['platform']}"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        how = "ends" if error is None else "interrupted" if kind is KeyboardInterrupt else f"stops ({error})"
        self.write(
            f"{how} after {duration(time.monotonic() - self._begun)}: {len(self._scores)} of {self._runs} finished, "
            f"{self._failed} failed"
        )

    def __call__(self, message: Message) -> None:
        """Hear one message."""
        self._listen(message)
        text = self._event(message)
        if text:
            self.write(text if message.kind == "note" else f"{message.run}: {text}")
        if message.seconds_per_step and not self._estimated:
            self._estimated = True
            seconds = message.seconds_per_step * message.total
            self.write(
                f"pace: {message.seconds_per_step * 1000:.0f} ms a step, {message.total} steps a run: "
                f"{duration(seconds)} a run, and its evaluations"
            )

    def _event(self, message: Message) -> str:
        """The event as text; nothing for those that get no line."""
        if message.kind == "started":
            return f"goes on from epoch {message.epoch} of {self._epochs}" if message.steps else "starts"
        if message.kind == "epoch":
            done = message.epoch - 1
            if done * TENTHS // self._epochs == (done - 1) * TENTHS // self._epochs:
                return ""
            return f"epoch {done} of {self._epochs}: loss {message.loss:.4f}, WA {message.wa:.2f}, UA {message.ua:.2f}"
        if message.kind == "finished" and not message.text:
            self._scores.append((message.wa, message.ua))
            wa, ua = (mean(scores) for scores in zip(*self._scores, strict=True))
            return (
                f"finished: WA {message.wa:.2f}, UA {message.ua:.2f} at epoch {message.epoch} "
                f"(best on the {message.chosen_on} set); {len(self._scores)} of {self._runs}, mean WA {wa:.2f}, "
                f"UA {ua:.2f}"
            )
        if message.kind == "failed":
            self._failed += 1
            return f"FAILED: {message.text}"
        if message.kind == "note":
            return message.text
        others = {
            "finished": "was finished by another process meanwhile",
            "elsewhere": "another process is at it",
            "stopped": "stopped, kept as it is",
        }
        return others.get(message.kind, "")

    def write(self, text: str) -> None:
        """Add a line."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        line = f"{now} [{os.getpid()}] {' '.join(text.split())}\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, line.encode(errors="surrogateescape"))
            finally:
                os.close(descriptor)
        except OSError as error:  # a full disk, say: no run is lost for the log of it
            if not self._missing:
                print(f"{self._path}: cannot be written ({error.strerror}); lines are missing there", file=sys.stderr)
            self._missing = True
