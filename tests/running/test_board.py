from pathlib import Path

from glam.running.board import Board
from glam.running.message import Message
from glam.splits.splits import RunKey


def test_epochs_are_written_and_everything_is_passed_on(tmp_path: Path) -> None:
    heard: list[Message] = []
    messages = [
        Message("started", RunKey(7)),
        Message("epoch", RunKey(7), epoch=2, wa=40.0, ua=30.0, loss=1.5),
        Message("epoch", RunKey(7), epoch=3, wa=50.0, ua=45.0, loss=1.0),
    ]
    with Board(tmp_path, heard.append) as board:
        for message in messages:
            board(message)
    assert heard == messages

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "7")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("WA")] == [(1, 40.0), (2, 50.0)]
    assert [e.value for e in events.Scalars("loss")] == [1.5, 1.0]
