from pathlib import Path

from glam.running.board import Board
from glam.running.events import EpochEnded, Event, Finished, Note, Progress, Started
from glam.splits.runs import RunKey


def test_epochs_are_written_and_everything_is_passed_on(tmp_path: Path) -> None:
    heard: list[Event] = []
    run, folds = RunKey(7), RunKey(7, 2)
    events: list[Event] = [
        Started(run, Progress(1, 0, 10)),
        EpochEnded(run, Progress(2, 5, 10), epoch=1, loss=1.5, wa=40.0, ua=30.0),
        EpochEnded(run, Progress(3, 10, 10), epoch=2, loss=1.0, wa=50.0, ua=45.0),
        EpochEnded(folds, Progress(2, 5, 10), epoch=1, loss=2.0, wa=20.0, ua=25.0),
        Finished(run, Progress(3, 10, 10), epoch=2, wa=50.0, ua=45.0),
        Note("memory ran out"),
    ]
    with Board(tmp_path, heard.append) as board:
        for event in events:
            board(event)
    assert heard == events

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    written = EventAccumulator(str(tmp_path / "7")).Reload()
    assert [(entry.step, entry.value) for entry in written.Scalars("WA")] == [(1, 40.0), (2, 50.0)]
    assert [entry.value for entry in written.Scalars("loss")] == [1.5, 1.0]
    of_fold = EventAccumulator(str(tmp_path / "7-fold2")).Reload()
    assert [(entry.step, entry.value) for entry in of_fold.Scalars("UA")] == [(1, 25.0)]
