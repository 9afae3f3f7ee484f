"""What a person sees while runs are under way: an estimate, a progress bar, a line for what happens to a run.

One listener hears what the workers tell; the bar counts the steps of one experiment's runs (`Live`), or the seconds
of a whole table's (glam/running/table_progress.py).
"""

import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from glam.progress import bar
from glam.running.message import Message
from glam.splits.splits import RunKey
from glam.words import counted, duration


class Listener:
    """Shows the messages of the workers: a bar over all runs on a terminal, plain lines elsewhere too.

    The bar's total is what there is still to do: what a resumed run has done already, and what is left of a run that
    ends without being finished here, is taken out of it. A subclass says how much a run is, and what its lines say.
    """

    def __init__(self, runs: int, progress: "tqdm[Any]") -> None:
        self.runs, self.ended, self.bar = runs, 0, progress
        self.done: dict[RunKey, float] = {}  # of the runs under way, in the bar's unit

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def __call__(self, message: Message) -> None:
        """Show one message."""
        if message.kind == "note":
            self.say(message.text)
        elif message.kind == "started" and message.run in self.done:  # it goes on in another pack
            self._advance(message)
        elif message.kind == "started":
            self.done[message.run] = self.reached(message)
            self.take_out(self.done[message.run])
            self.started(message)
        elif message.kind in ("step", "epoch"):
            self._advance(message)
            self.under_way(message)
        else:
            self._ended(message)

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        self.bar.write(text, file=sys.stderr)
        sys.stderr.flush()

    def take_out(self, units: float) -> None:
        """So much less is to be waited for."""
        self.bar.total = max(0, (self.bar.total or 0) - units)
        self.bar.refresh()

    def size(self, message: Message) -> float:
        """What the run that a message is about takes from start to end, in the bar's unit."""
        raise NotImplementedError

    def reached(self, message: Message) -> float:
        """How far it has come, in the bar's unit."""
        return self.size(message) * message.steps / message.total if message.total else 0.0

    def name(self, message: Message) -> str:
        """What lines call it."""
        return str(message.run)

    def started(self, message: Message) -> None:
        """A run has begun, or goes on."""

    def under_way(self, message: Message) -> None:
        """A run has come further."""

    def finished(self, message: Message) -> None:
        """A run was trained to its end here; it is counted already."""

    def _advance(self, message: Message) -> None:
        reached = self.reached(message)
        self.bar.update(reached - self.done.get(message.run, 0.0))
        self.done[message.run] = reached

    def _ended(self, message: Message) -> None:
        self.ended += 1
        name = self.name(message)
        if message.kind == "finished" and not message.text:
            self._advance(message)
            self.finished(message)
            return
        self.take_out(self.size(message) - self.done.get(message.run, 0.0))
        if message.kind == "finished":
            self.say(f"{name}: was finished by another process meanwhile")
        elif message.kind == "failed":
            self.say(f"{name}: FAILED: {message.text}; the other runs go on")
        elif message.kind == "elsewhere":
            self.say(f"{name}: another process is at it; left to that")
        elif message.kind == "stopped":
            self.say(f"{name}: stopped and kept; the same command goes on")


class Live(Listener):
    """The runs of one experiment: a bar in steps, an estimate as soon as the pace is known, a line a finished run.

    runs: how many are to be trained; epochs: of each. evaluation_share: cost of an epoch's evaluation as a share of
    its training.
    """

    def __init__(self, runs: int, epochs: int, evaluation_share: float) -> None:
        super().__init__(runs, bar(total=0, desc="training", unit="step", smoothing=0.05))
        self.epochs, self.evaluation_share = epochs, evaluation_share
        self.steps = 0  # of a run: known as soon as one has started
        self.estimated = False

    def size(self, message: Message) -> float:
        """Steps of a run; those of the first, before this one has told its own."""
        return message.total or self.steps

    def started(self, message: Message) -> None:
        """The first run to start tells how many steps the others will take, about."""
        if not self.steps:
            self.steps = message.total
            self.bar.total = self.steps * (self.runs - self.ended) - message.steps
            self.bar.refresh()
        else:
            self.take_out(self.steps - message.total)
        if message.steps:
            self.say(f"{self.name(message)}: goes on from epoch {message.epoch} of {self.epochs}")

    def under_way(self, message: Message) -> None:
        """Say the estimate once, and what the last epoch gave."""
        if message.kind == "epoch":
            self.bar.set_postfix_str(
                f"run {self.ended + 1}/{self.runs}, epoch {message.epoch - 1}/{self.epochs}, "
                f"WA {message.wa:.1f} UA {message.ua:.1f}"
            )
        if self.estimated or message.seconds_per_step == 0:
            return
        self.estimated = True
        at_once = min(message.at_once, self.runs)  # as the worker has it: a pack takes what its device allows
        rounds = -(-self.runs // at_once)
        seconds = message.total * message.seconds_per_step * (1 + self.evaluation_share) * rounds
        self.say(
            f"estimate: about {duration(seconds)} for {counted(self.runs, 'run')}, {at_once} at once "
            f"({message.total} steps a run, {message.seconds_per_step * 1000:.0f} ms a step now)"
        )

    def finished(self, message: Message) -> None:
        """Say what a run gave."""
        self.say(
            f"{self.name(message)}: WA {message.wa:.2f}, UA {message.ua:.2f} at epoch {message.epoch} "
            f"(best on the {message.chosen_on} set), run {self.ended} of {self.runs}"
        )
