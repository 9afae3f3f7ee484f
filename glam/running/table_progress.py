"""The view of a table's runs under way for a person: one bar over all of them, weighed by what they cost."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from glam.progress import bar
from glam.running.events import EpochEnded, Finished, Stepped
from glam.running.live import Listener
from glam.splits.runs import RunKey
from glam.words import counted, duration


@dataclass(frozen=True)
class Piece:
    """One experiment of a table: its row's label, the runs that are missing, and the seconds that one takes."""

    label: str
    runs: int
    seconds: float

    def total(self, at_once: int) -> float:
        """Seconds until its runs are done, so many side by side."""
        return self.seconds * -(-self.runs // at_once)


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
    width = max(len(piece.label) for piece in pieces)
    lines = [
        f"  {piece.label:<{width}}  {counted(piece.runs, 'run')} of {duration(piece.seconds)}: "
        f"{duration(piece.total(at_once))}"
        for piece in pieces
    ]
    runs, seconds = sum(piece.runs for piece in pieces), sum(piece.total(at_once) for piece in pieces)
    lines.append(
        f"estimate   about {duration(seconds)} for {counted(runs, 'run')}, {side_by_side}; extracting "
        "features that are not stored yet comes on top"
    )
    return "\n".join(lines)


class TableProgress(Listener):
    """A bar in seconds of estimated work: the time left that it shows corrects the estimate by what it took so far.

    Finished runs get a line of their own only where there is no terminal for the bar.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        seconds = bar(
            total=sum(piece.runs * piece.seconds for piece in pieces),
            desc="training",
            unit="s",
            smoothing=0.02,
            bar_format="{desc} {percentage:5.1f}%|{bar}| {elapsed} so far, {remaining} left{postfix}",
        )
        super().__init__(sum(piece.runs for piece in pieces), seconds)
        self.piece = pieces[0]

    def begin(self, piece: Piece) -> None:
        """The runs of this experiment come next."""
        self.piece, self.done, self.whole = piece, {}, {}
        self.say(f"{piece.label}: {counted(piece.runs, 'run')}")

    def size(self, total: int = 0) -> float:
        """Seconds of a run, as estimated."""
        return self.piece.seconds

    def name(self, run: RunKey) -> str:
        """The row, and the seed."""
        return f"{self.piece.label}, {super().name(run)}"

    def under_way(self, event: Stepped | EpochEnded) -> None:
        """Show which run it is."""
        self.bar.set_postfix_str(f"{self.piece.label}, run {self.ended + 1} of {self.runs}", refresh=False)

    def finished(self, event: Finished) -> None:
        """Say what a run gave."""
        if self.bar.disable:
            where = self.name(event.run)
            self.say(f"{where}: WA {event.wa:.2f}, UA {event.ua:.2f}, run {self.ended} of {self.runs}")
