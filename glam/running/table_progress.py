"""The view of a table's runs under way for a person: one bar over all of them, weighed by what they cost."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from glam.progress import bar
from glam.running.events import Ended, EpochEnded, Event, Finished, Listen, Note, Stepped
from glam.running.experiment import Experiment
from glam.running.live import Barred, Listener
from glam.running.pace import ends
from glam.splits.runs import RunKey
from glam.words import counted, duration

SHOWN = 0.5  # seconds between times left: a cluster of many cores says more often how far its runs are


@dataclass(frozen=True)
class Piece:
    """One experiment of a table: its row's label, the runs that are missing, and the seconds that one takes."""

    label: str
    runs: int
    seconds: float


def done_after(pieces: Sequence[Piece], at_once: int) -> list[float]:
    """Seconds until the runs of each piece are done, trained in this order, so many side by side."""
    of_runs = iter(ends([piece.seconds for piece in pieces for _ in range(piece.runs)], at_once))
    return [max((next(of_runs) for _ in range(piece.runs)), default=0.0) for piece in pieces]


def pieces_of(labels: Sequence[str], missing: Mapping[str, Sequence[RunKey]], seconds: Sequence[float]) -> list[Piece]:
    """The experiments of these labels, with what is missing of each and the seconds of one of its runs."""
    return [Piece(label, len(missing[label]), cost) for label, cost in zip(labels, seconds, strict=True)]


def ordered(pieces: Sequence[Piece], order: str, own: Collection[str]) -> list[Piece]:
    """The pieces in the order in which they are trained: as given, `cheapest` first, or those of `own` first."""
    if order == "cheapest":
        return sorted(pieces, key=lambda piece: piece.runs * piece.seconds)
    return sorted(pieces, key=lambda piece: piece.label not in own) if order == "own" else list(pieces)


def estimate(pieces: list[Piece], at_once: int, side_by_side: str) -> str:
    """An estimate of how long the missing runs of a table take, experiment by experiment, and all of them.

    at_once: how many pieces of work go on at the same time; side_by_side: how many runs, in words.
    """
    width, done = max(len(piece.label) for piece in pieces), done_after(pieces, at_once)
    lines = [
        f"  {piece.label:<{width}}  {counted(piece.runs, 'run')} of {duration(piece.seconds)}: done after "
        f"{duration(seconds)}"
        for piece, seconds in zip(pieces, done, strict=True)
    ]
    runs = sum(piece.runs for piece in pieces)
    lines.append(
        f"estimate   about {duration(max(done))} for {counted(runs, 'run')}, {side_by_side}; extracting "
        "features that are not stored yet comes on top"
    )
    return "\n".join(lines)


class TableProgress(Barred):
    """A bar in seconds of estimated work, and the time left: the estimate for what is left, corrected by what it took.

    at_once: how many pieces of work go on at the same time. clock: seconds, from any beginning.
    """

    def __init__(self, pieces: list[Piece], at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.pieces, self.runs, self.at_once, self.clock = pieces, sum(piece.runs for piece in pieces), at_once, clock
        self.rows: dict[str, RowProgress] = {}  # that have begun, by label
        self.heard, self.worked = clock(), 0.0  # when runs were last heard of, and seconds that they have taken
        self.shown = -SHOWN
        self.bar = bar(
            total=sum(piece.runs * piece.seconds for piece in pieces),
            desc="training",
            unit="s",
            bar_format="{desc} {percentage:5.1f}%|{bar}| {elapsed} so far{postfix}",
        )

    @property
    def ended(self) -> int:
        """Number of runs that have ended."""
        return sum(row.ended for row in self.rows.values())

    def hear(self) -> None:
        """Count the seconds since this was called last for the runs that were under way meanwhile."""
        under_way, now = sum(len(row.done) for row in self.rows.values()), self.clock()
        self.worked += min(under_way, self.at_once) * (now - self.heard)
        self.heard = now

    def show(self, label: str) -> None:
        """Show the time left, and how many runs are done; label: of a row that is under way."""
        if self.bar.disable or self.heard - self.shown < SHOWN:
            return
        self.shown, left = self.heard, self.bar.format_interval(self.seconds_left())
        done = f"{self.ended} of {counted(self.runs, 'run')} done"
        self.bar.set_postfix_str(f"{left} left, {done}, now {label}", refresh=False)

    def seconds_left(self) -> float:
        """Seconds until all runs are done: those under way go on, and those that wait begin as slots come free."""
        under_way = [left for row in self.rows.values() for left in row.under_way_left()]
        waiting = [
            piece.seconds
            for piece in self.pieces
            for _ in range(self.rows[piece.label].waiting if piece.label in self.rows else piece.runs)
        ]
        correction = self.worked / self.bar.n if self.bar.n else 1.0
        return correction * max(ends([*under_way, *waiting], self.at_once), default=0.0)


class RowProgress(Listener):
    """Shows the runs of one experiment in the bar of its table.

    Finished runs get a line of their own only where there is no terminal for the bar.
    """

    def __init__(self, piece: Piece, table: TableProgress) -> None:
        super().__init__(piece.runs, table.bar)
        self.piece, self.table = piece, table
        table.rows[piece.label] = self
        self.say(f"{piece.label}: {counted(piece.runs, 'run')}")

    def __call__(self, event: Event) -> None:
        """Show one event; a note with the row that it is about."""
        self.table.hear()
        if isinstance(event, Note) and not event.of_all:
            event = Note(f"{self.piece.label}: {event.text}")
        super().__call__(event)

    @property
    def waiting(self) -> int:
        """Number of its runs that have not begun."""
        return self.runs - self.ended - len(self.done)

    def under_way_left(self) -> list[float]:
        """Seconds that its runs under way still take, as estimated."""
        return [self.whole[run] - done for run, done in self.done.items()]

    def size(self, total: int = 0) -> float:
        """Seconds of a run, as estimated."""
        return self.piece.seconds

    def name(self, run: RunKey) -> str:
        """The row, and the seed."""
        return f"{self.piece.label}, {super().name(run)}"

    def under_way(self, event: Stepped | EpochEnded) -> None:
        """Show what the table has come to."""
        self.table.show(self.piece.label)

    def finished(self, event: Finished) -> None:
        """Say what a run gave."""
        if self.bar.disable:
            where = self.name(event.run)
            self.say(f"{where}: WA {event.wa:.2f}, UA {event.ua:.2f}, run {self.table.ended} of {self.table.runs}")


@contextmanager
def by_experiment(
    runs: Mapping[Experiment, int], listening: Callable[[Experiment], AbstractContextManager[Listen]]
) -> Iterator[Callable[[Experiment, Event], None]]:
    """What tells each experiment's listener, who is there from the first event of its runs until all have ended.

    runs: how many each has. listening: what makes the listener of one, and ends it.
    """
    left = dict(runs)
    begun: dict[Experiment, tuple[Listen, ExitStack]] = {}
    with ExitStack() as whole:

        def tell(experiment: Experiment, event: Event) -> None:
            if experiment not in begun:
                until_its_end = whole.enter_context(ExitStack())
                begun[experiment] = until_its_end.enter_context(listening(experiment)), until_its_end
            listen, until_its_end = begun[experiment]
            listen(event)
            left[experiment] -= isinstance(event, Ended)
            if not left[experiment]:
                until_its_end.close()

        yield tell
