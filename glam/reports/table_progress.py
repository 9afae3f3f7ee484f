"""What a person sees while the runs of a table are under way: one bar over all of them, weighed by what they cost."""

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from glam.data.splits import RunKey
from glam.progress import bar
from glam.reports.live import duration
from glam.training.workers import Message


@dataclass(frozen=True)
class Piece:
    """One experiment of a table: its row's label, the runs that are missing, and the seconds that one takes."""

    label: str
    runs: int
    seconds: float

    def total(self, at_once: int) -> float:
        """Seconds until its runs are done, so many side by side."""
        return self.seconds * -(-self.runs // at_once)


def estimate(pieces: list[Piece], at_once: int, side_by_side: str) -> str:
    """How long the missing runs of a table take, experiment by experiment, and all of them.

    at_once: how many pieces of work go on at the same time; side_by_side: how many runs, in words.
    """
    width = max(len(piece.label) for piece in pieces)
    lines = [
        f"  {piece.label:<{width}}  {piece.runs} run{'s' * (piece.runs > 1)} of {duration(piece.seconds)}: "
        f"{duration(piece.total(at_once))}"
        for piece in pieces
    ]
    runs, seconds = sum(piece.runs for piece in pieces), sum(piece.total(at_once) for piece in pieces)
    lines.append(
        f"estimate   about {duration(seconds)} for {runs} run{'s' * (runs > 1)}, {side_by_side}; extracting "
        "features that are not stored yet comes on top"
    )
    return "\n".join(lines)


class TableProgress:
    """A bar in seconds of estimated work: the time left that it shows corrects the estimate by what it took so far.

    Finished runs get a line of their own only where there is no terminal for the bar.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.bar = bar(
            total=round(sum(piece.runs * piece.seconds for piece in pieces)),
            desc="training",
            unit="s",
            smoothing=0.02,
            bar_format="{desc} {percentage:5.1f}%|{bar}| {elapsed} so far, {remaining} left{postfix}",
        )
        self.runs, self.ended = sum(piece.runs for piece in pieces), 0
        self.piece = pieces[0]
        self.done: dict[RunKey, float] = {}  # of the runs under way, the share

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def begin(self, piece: Piece) -> None:
        """The runs of this experiment come next."""
        self.piece, self.done = piece, {}
        self.say(f"{piece.label}: {piece.runs} run{'s' * (piece.runs > 1)}")

    def __call__(self, message: Message) -> None:
        """Show one message of a worker."""
        share = message.steps / message.total if message.total else 0.0
        if message.kind == "started":
            # What a resumed run has done already is no work of now.
            self.done[message.run] = share
            self._drop(share)
        elif message.kind in ("step", "epoch"):
            self._advance(message.run, share)
            self.bar.set_postfix_str(f"{self.piece.label}, run {self.ended + 1} of {self.runs}", refresh=False)
        else:
            self._ended(message)

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        self.bar.write(text, file=sys.stderr)
        sys.stderr.flush()

    def _advance(self, run: RunKey, share: float) -> None:
        self.bar.update((share - self.done.get(run, 0.0)) * self.piece.seconds)
        self.done[run] = share

    def _drop(self, share: float) -> None:
        self.bar.total = (self.bar.total or 0) - share * self.piece.seconds
        self.bar.refresh()

    def _ended(self, message: Message) -> None:
        trained = message.kind == "finished" and not message.text
        if trained:
            self._advance(message.run, 1.0)
        else:
            self._drop(1.0 - self.done.get(message.run, 0.0))
        self.ended += 1
        where = f"{self.piece.label}, {message.run}"
        if trained and self.bar.disable:
            self.say(f"{where}: WA {message.wa:.2f}, UA {message.ua:.2f}, run {self.ended} of {self.runs}")
        elif message.kind == "failed":
            self.say(f"{where}: FAILED: {message.text}; the other runs go on")
        elif message.kind == "elsewhere":
            self.say(f"{where}: another process is at it; left to that")
        elif message.kind == "stopped":
            self.say(f"{where}: stopped and kept; the same command goes on")
