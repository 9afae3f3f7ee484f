"""A sweep followed live in TensorBoard (an optional extra): loss, WA and UA of every run, epoch by epoch."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glam.errors import GlamError
from glam.running.message import Message
from glam.splits.splits import RunKey


class Board:
    """Passes messages on to another listener and writes the epochs among them to `folder`/<run>."""

    def __init__(self, folder: Path, listen: Callable[[Message], None]) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise GlamError(
                "--tensorboard: TensorBoard is not installed; pip install -c constraints.txt tensorboard"
            ) from None
        self._folder, self._listen = folder, listen
        self._event, self._summary, self._open = Event, Summary, EventFileWriter
        self._writers: dict[RunKey, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def __call__(self, message: Message) -> None:
        """Hear one message."""
        self._listen(message)
        if message.kind != "epoch":
            return
        if message.run not in self._writers:
            self._writers[message.run] = self._open(str(self._folder / message.run.name))
        values = [
            self._summary.Value(tag=tag, simple_value=value)
            for tag, value in (("loss", message.loss), ("WA", message.wa), ("UA", message.ua))
        ]
        self._writers[message.run].add_event(
            self._event(wall_time=time.time(), step=message.epoch - 1, summary=self._summary(value=values))
        )
        self._writers[message.run].flush()
