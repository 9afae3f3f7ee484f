"""The view of runs under way for a person: an estimate, a progress bar, a line for what happens to a run.

One listener hears what the workers tell; the bar counts the steps of one experiment's runs (`Live`), or the seconds
of a whole table's (glam/running/table_progress.py).
"""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from glam.progress import bar, say
from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Note,
    Progress,
    Started,
    Stepped,
    Stopped,
    UnderWay,
)
from glam.running.pace import work_of_an_epoch
from glam.splits.runs import RunKey
from glam.words import counted, duration

if TYPE_CHECKING:
    from glam.running.experiment import Experiment


class Barred:
    """Something that is shown by a bar, which ends with its block."""

    bar: "tqdm[Any]"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


class Listener(Barred):
    """Shows the events of the workers: a bar over all runs on a terminal, plain lines elsewhere too.

    The bar's total is what there is still to do: what a resumed run has done already, and what is left of a run that
    ends without being finished here, is taken out of it. A subclass says how much a run is, and what its lines say.
    """

    def __init__(self, runs: int, progress: "tqdm[Any]") -> None:
        self.runs, self.ended, self.bar = runs, 0, progress
        # Of the runs under way, in the bar's unit: what is done of each, of how much.
        self.done: dict[RunKey, float] = {}
        self.whole: dict[RunKey, float] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Note(text):
                self.say(text)
            case Started(run, _) if run in self.done:  # it goes on in another pack
                self._advance(event)
            case Started(run, progress):
                self.done[run], self.whole[run] = self._reached(progress), self.size(progress.total)
                self.take_out(self.done[run])
                self.started(event)
            case Stepped() | EpochEnded():
                self._advance(event)
                self.under_way(event)
            case Finished(run):
                self.ended += 1
                self._advance(event)
                self._forget(run)
                self.finished(event)
            case Failed(run, reason):
                self._left(run, f"FAILED: {reason}; the other runs go on")
            case FinishedElsewhere(run):
                self._left(run, "was finished by another process meanwhile")
            case Elsewhere(run):
                self._left(run, "another process is at it; left to that")
            case Stopped(run):
                self._left(run, "stopped and kept; the same command goes on")

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        say(text)

    def take_out(self, units: float) -> None:
        """Take so much out of what is still to be waited for."""
        self.bar.total = max(0, (self.bar.total or 0) - units)
        self.bar.refresh()

    def size(self, total: int = 0) -> float:
        """Size of a whole run in the bar's unit. total: its steps; 0 where they are not known."""
        raise NotImplementedError

    def name(self, run: RunKey) -> str:
        """The name of a run in the lines."""
        return str(run)

    def started(self, event: Started) -> None:
        """A run has begun, or goes on."""

    def under_way(self, event: Stepped | EpochEnded) -> None:
        """A run has come further."""

    def finished(self, event: Finished) -> None:
        """A run was trained to its end here; it is counted already."""

    def _reached(self, progress: Progress) -> float:
        return self.size(progress.total) * progress.steps / progress.total if progress.total else 0.0

    def _advance(self, event: UnderWay) -> None:
        reached = self._reached(event.progress)
        further = reached - self.done.get(event.run, 0.0)
        self.bar.total = max(self.bar.total or 0, self.bar.n + further)  # sums of fractions end a digit beyond it
        self.bar.update(further)
        self.done[event.run] = reached

    def _forget(self, run: RunKey) -> None:
        """A run is not under way any more."""
        self.done.pop(run, None)
        self.whole.pop(run, None)

    def _left(self, run: RunKey, text: str) -> None:
        """A run has ended without being finished here."""
        self.ended += 1
        self.take_out(self.whole.get(run, self.size()) - self.done.get(run, 0.0))
        self._forget(run)
        self.say(f"{self.name(run)}: {text}")


class Live(Listener):
    """The runs of one experiment: a bar in steps, an estimate as soon as the pace is known, a line a finished run.

    runs: how many are to be trained; epochs: of each. evaluation_share: cost of an epoch's evaluation as a share of
    its training.
    """

    def __init__(self, runs: int, epochs: int, evaluation_share: float) -> None:
        super().__init__(runs, bar(total=0, desc="training", unit="step", smoothing=0.05))
        self.epochs, self.evaluation_share = epochs, evaluation_share
        self.steps = 0  # of a run: known as soon as one has started
        self.before: list[int] = []  # steps that runs which began here had done already
        self.estimated = False

    def size(self, total: int = 0) -> float:
        """Steps of a run; those of the first, before this one has told its own."""
        return total or self.steps

    def started(self, event: Started) -> None:
        """The first run to start tells how many steps the others will take, about."""
        progress = event.progress
        self.before.append(progress.steps)
        if not self.steps:
            self.steps = progress.total
            self.bar.total = self.steps * (self.runs - self.ended) - progress.steps
            self.bar.refresh()
        else:
            self.take_out(self.steps - progress.total)
        if progress.steps:
            self.say(f"{self.name(event.run)}: goes on from epoch {progress.epoch} of {self.epochs}")

    def under_way(self, event: Stepped | EpochEnded) -> None:
        """Say the estimate once, and what the last epoch gave."""
        if isinstance(event, EpochEnded):
            self.bar.set_postfix_str(
                f"run {self.ended + 1}/{self.runs}, epoch {event.epoch}/{self.epochs}, "
                f"WA {event.wa:.1f} UA {event.ua:.1f}"
            )
        progress = event.progress
        if self.estimated or progress.seconds_per_step == 0:
            return
        self.estimated = True
        at_once = min(progress.at_once, self.runs)  # as the worker has it: a pack takes what its device allows
        rounds = -(-self.runs // at_once)
        # The round ends with the run that has most left.
        spared = min(self.before) if len(self.before) >= at_once else 0
        steps = progress.total * rounds - spared
        seconds = steps * progress.seconds_per_step * (1 + self.evaluation_share)
        self.say(
            f"estimate: about {duration(seconds)} for {counted(self.runs, 'run')}, {at_once} at once "
            f"({progress.total} steps a run, {progress.seconds_per_step * 1000:.0f} ms a step now)"
        )

    def finished(self, event: Finished) -> None:
        """Say what a run gave."""
        self.say(
            f"{self.name(event.run)}: WA {event.wa:.2f}, UA {event.ua:.2f} at epoch {event.epoch} "
            f"(best on the {event.chosen_on} set), run {self.ended} of {self.runs}"
        )


def live_of(experiment: "Experiment", runs: Sequence[RunKey]) -> Live:
    """The listener that shows the progress of these runs of an experiment."""
    epoch = work_of_an_epoch(experiment)
    return Live(len(runs), experiment.recipe.training.epochs, epoch.evaluation / epoch.steps)
