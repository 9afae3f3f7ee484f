"""A sweep followed live in TensorBoard (an optional extra): loss, WA and UA of every run, epoch by epoch."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glam.errors import GlamError
from glam.running.events import EpochEnded, Event, Listen
from glam.splits.runs import RunKey


class Board:
    """Passes events on to another listener and writes the epochs among them to `folder`/<run>."""

    def __init__(self, folder: Path, listen: Listen) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event as Entry
            from tensorboard.compat.proto.event_pb2 import SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise GlamError(
                "--tensorboard: TensorBoard is not installed; pip install -c constraints.txt tensorboard"
            ) from None
        self._folder, self._listen = folder, listen
        self._entry, self._summary, self._open, self._session = Entry, Summary, EventFileWriter, SessionLog
        self._writers: dict[RunKey, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        self._listen(event)
        if not isinstance(event, EpochEnded):
            return
        if event.run not in self._writers:
            self._writers[event.run] = self._open(str(self._folder / event.run.name))
            # What a killed process wrote of this epoch and of later ones is void: the board then forgets it.
            start = self._session(status=self._session.START)
            self._writers[event.run].add_event(self._entry(wall_time=time.time(), step=event.epoch, session_log=start))
        values = [
            self._summary.Value(tag=tag, simple_value=value)
            for tag, value in (("loss", event.loss), ("WA", event.wa), ("UA", event.ua))
        ]
        self._writers[event.run].add_event(
            self._entry(wall_time=time.time(), step=event.epoch, summary=self._summary(value=values))
        )
        self._writers[event.run].flush()
