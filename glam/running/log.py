"""The log of an experiment's runs, for a person to read afterwards: `log.txt` in its folder.

A line an event, with date and time and the number of the process. Each line is written at once to the end of the file,
so that several processes can work on the same experiment. Nothing reads it: what counts is in the runs.
"""

import os
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import mean
from types import TracebackType
from typing import Self

from glam.foreign import plain
from glam.progress import say
from glam.results.environment import environment
from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Listen,
    Note,
    Started,
    Stepped,
    Stopped,
)
from glam.words import counted, duration

LOG = "log.txt"
TENTHS = 10  # epochs of a run that get a line


class Log:
    """Passes events on to another listener and writes the events among them to the log in `folder`.

    runs: how many are to be trained, of so many `epochs`; device: what they are computed on, in words.
    """

    def __init__(self, folder: Path, runs: int, epochs: int, device: str, listen: Listen) -> None:
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
            f"{counted(self._runs, 'run')} of {counted(self._epochs, 'epoch')} to train on {self._device}; torch "
            f"{here['torch']}, Python {here['python']}, glam {here['glam']} ({here['revision'] or 'no checkout'}), "
            f"{here['processor']}, {here['platform']}"
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

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        self._listen(event)
        if line := self._line(event):
            self.write(line)
        if isinstance(event, Stepped | EpochEnded) and event.progress.seconds_per_step and not self._estimated:
            self._estimated = True
            pace, steps = event.progress.seconds_per_step, event.progress.total
            self.write(
                f"pace: {pace * 1000:.0f} ms a step, {steps} steps a run: {duration(pace * steps)} a run, and its "
                "evaluations"
            )

    def _line(self, event: Event) -> str:
        """The event as text; nothing for those that get no line."""
        match event:
            case Started(run, progress):
                how = f"goes on from epoch {progress.epoch} of {self._epochs}" if progress.steps else "starts"
                return f"{run}: {how}"
            case EpochEnded(run, _, epoch, loss, wa, ua):
                if epoch * TENTHS // self._epochs == (epoch - 1) * TENTHS // self._epochs:
                    return ""
                return f"{run}: epoch {epoch} of {self._epochs}: loss {loss:.4f}, WA {wa:.2f}, UA {ua:.2f}"
            case Finished(run, _, epoch, wa, ua, chosen_on):
                self._scores.append((wa, ua))
                means = [mean(scores) for scores in zip(*self._scores, strict=True)]
                return (
                    f"{run}: finished: WA {wa:.2f}, UA {ua:.2f} at epoch {epoch} (best on the {chosen_on} set); "
                    f"{len(self._scores)} of {self._runs}, mean WA {means[0]:.2f}, UA {means[1]:.2f}"
                )
            case Failed(run, reason):
                self._failed += 1
                return f"{run}: FAILED: {reason}"
            case FinishedElsewhere(run):
                return f"{run}: was finished by another process meanwhile"
            case Elsewhere(run):
                return f"{run}: another process is at it"
            case Stopped(run):
                return f"{run}: stopped, kept as it is"
            case Note(text):
                return text
        return ""

    def write(self, text: str) -> None:
        """Add a line."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        line = f"{now} [{os.getpid()}] {plain(' '.join(text.split()))}\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, line.encode(errors="surrogateescape"))
            finally:
                os.close(descriptor)
        except OSError as error:  # a full disk, say: no run is lost for the log of it
            if not self._missing:
                say(f"{self._path}: cannot be written ({error.strerror}); lines are missing there")
            self._missing = True
