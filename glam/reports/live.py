"""What a person sees while runs are under way: an estimate, a progress bar, a line for each finished run."""

import sys
from types import TracebackType
from typing import Self

from glam.data.splits import RunKey
from glam.progress import bar
from glam.training.workers import Message


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 7 min, 3 h 05 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 99:
        return f"{seconds:.0f} s"
    if minutes < 99:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


class Live:
    """Shows the messages of the workers: a bar over all steps on a terminal, plain lines elsewhere too.

    runs: how many are to be trained; at_once: how many of them at a time; epochs: of each.
    evaluation_share: cost of an epoch's evaluation as a share of its training.
    """

    def __init__(self, runs: int, at_once: int, epochs: int, evaluation_share: float) -> None:
        self.runs, self.at_once, self.epochs = runs, min(at_once, runs), epochs
        self.evaluation_share = evaluation_share
        self.done: dict[RunKey, int] = {}
        self.ended = 0
        self.estimated = False
        self.bar = bar(total=0, desc="training", unit="step", smoothing=0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def __call__(self, message: Message) -> None:
        """Show one message."""
        if message.kind == "started":
            self._started(message)
        elif message.kind in ("step", "epoch"):
            self._advance(message)
            self._estimate(message)
        else:
            self._ended(message)

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        self.bar.write(text, file=sys.stderr)
        sys.stderr.flush()

    def _started(self, message: Message) -> None:
        # The bar counts steps of all runs: those of a run that is resumed are not waited for again.
        if not self.bar.total:
            self.bar.total = message.total * self.runs
        self.bar.total -= message.steps
        self.done[message.run] = message.steps
        self.at_once = min(message.at_once, self.runs)
        self.bar.refresh()
        if message.steps:
            self.say(f"{message.run}: goes on from epoch {message.epoch} of {self.epochs}")

    def _advance(self, message: Message) -> None:
        self.bar.update(message.steps - self.done.get(message.run, 0))
        self.done[message.run] = message.steps
        if message.kind == "epoch":
            self.bar.set_postfix_str(
                f"run {self.ended + 1}/{self.runs}, epoch {message.epoch - 1}/{self.epochs}, "
                f"WA {message.wa:.1f} UA {message.ua:.1f}"
            )

    def _estimate(self, message: Message) -> None:
        if self.estimated or message.seconds_per_step == 0:
            return
        self.estimated = True
        rounds = -(-self.runs // self.at_once)
        seconds = message.total * message.seconds_per_step * (1 + self.evaluation_share) * rounds
        self.say(
            f"estimate: about {duration(seconds)} for {self.runs} run{'s' * (self.runs > 1)}, {self.at_once} at once "
            f"({message.total} steps a run, {message.seconds_per_step * 1000:.0f} ms a step now)"
        )

    def _ended(self, message: Message) -> None:
        if message.kind == "finished" and not message.text:
            self._advance(message)
            self.say(
                f"{message.run}: WA {message.wa:.2f}, UA {message.ua:.2f} at epoch {message.epoch} "
                f"(best on the {message.chosen_on} set), run {self.ended + 1} of {self.runs}"
            )
        elif message.kind == "finished":
            self.say(f"{message.run}: was finished by another process meanwhile")
        elif message.kind == "failed":
            self.say(f"{message.run}: FAILED: {message.text}; the other runs go on")
        elif message.kind == "elsewhere":
            self.say(f"{message.run}: another process is at it; left to that")
        elif message.kind == "stopped":
            self.say(f"{message.run}: stopped and kept at epoch {message.epoch or '?'}; the same command goes on")
        self.ended += 1
