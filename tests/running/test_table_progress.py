import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Listen,
    Note,
    Progress,
    Started,
    Stepped,
)
from glam.running.experiment import Experiment
from glam.running.table_progress import Piece, RowProgress, TableProgress, by_experiment, done_after, estimate
from glam.splits.runs import RunKey


def test_an_estimate_is_of_each_experiment_and_all() -> None:
    text = estimate([Piece("GLAM", 99, 3600), Piece("MHCNN", 2, 60)], at_once=4, side_by_side="4 at once")
    # Three runs of GLAM are left for the last round, beside which the fourth slot is free.
    assert "  GLAM   99 runs of 60 min: done after 25 h 00 min" in text
    assert "  MHCNN  2 runs of 60 s: done after 24 h 02 min" in text
    assert "about 25 h 00 min for 101 runs, 4 at once" in text


def test_rows_of_a_single_run_go_on_side_by_side() -> None:
    pieces = [Piece("GLAM", 1, 30), Piece("MHCNN", 1, 20), Piece("APCNN", 1, 25)]
    assert done_after(pieces, 2) == [30, 20, 45]
    assert done_after(pieces, 1) == [30, 50, 75]
    assert done_after([Piece("GLAM", 0, 30)], 2) == [0]


def test_the_bar_ends_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    piece = Piece("GLAM", 3, 16.4 / 3)
    with TableProgress([piece], 1) as table:
        progress = RowProgress(piece, table)
        for seed in range(3):
            progress(Started(RunKey(seed), Progress(1, 0, 7)))
            for step in range(1, 8):
                progress(Stepped(RunKey(seed), Progress(1, step, 7)))
            progress(Finished(RunKey(seed), Progress(6, 7, 7), epoch=1, wa=50, ua=50))
        assert progress.bar.n <= (progress.bar.total or 0)
        progress.bar.refresh()
    assert "100.0%" in screen.getvalue()
    assert "clamping" not in screen.getvalue()


def test_the_bar_goes_by_cost_over_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = Piece("MHCNN", 2, 10), Piece("GLAM", 2, 100)
    with TableProgress([cheap, dear], 2) as table:
        seen: list[float] = []
        table.bar.update = lambda n=1: seen.append(n or 0)  # type: ignore[method-assign]
        assert table.bar.total == 220
        mhcnn, glam = RowProgress(cheap, table), RowProgress(dear, table)
        mhcnn(Started(RunKey(1), Progress(1, 0, 50)))
        mhcnn(Stepped(RunKey(1), Progress(1, 10, 50)))
        glam(Started(RunKey(1), Progress(3, 20, 50)))  # resumed, beside the first
        assert table.bar.total == 180
        mhcnn(Finished(RunKey(1), Progress(6, 50, 50), epoch=1, wa=50, ua=50))
        assert seen == [pytest.approx(2), pytest.approx(8)]
        mhcnn(FinishedElsewhere(RunKey(2)))
        assert table.bar.total == 170
        glam(EpochEnded(RunKey(1), Progress(4, 30, 50), epoch=3, loss=1, wa=50, ua=50))
        assert sum(seen) == pytest.approx(30)
        glam(Failed(RunKey(1), "the loss is nan"))
        assert table.bar.total == pytest.approx(130)
        glam(Elsewhere(RunKey(2)))
        assert table.bar.total == pytest.approx(30)
        assert table.ended == 4
    shown = capsys.readouterr().err
    assert "GLAM, seed 1: FAILED: the loss is nan" in shown
    assert "MHCNN, seed 1: WA 50.00, UA 50.00, run 1 of 4" in shown
    assert "GLAM, seed 2: another process" in shown


def test_the_time_left_is_that_of_the_longest_run_where_the_others_end_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen, now = io.StringIO(), 0.0
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    pieces = [Piece("GLAM", 1, 100), Piece("MHCNN", 2, 20), Piece("AACNN", 1, 20)]
    with TableProgress(pieces, 3, lambda: now) as table:
        assert table.seconds_left() == 100
        glam, mhcnn = RowProgress(pieces[0], table), RowProgress(pieces[1], table)
        for row, seed in ((glam, 1), (mhcnn, 1), (mhcnn, 2)):
            row(Started(RunKey(seed), Progress(1, 0, 100)))
        now = 20.0  # everything takes twice as long as estimated
        glam(Stepped(RunKey(1), Progress(1, 10, 100)))
        for seed in (1, 2):
            mhcnn(Stepped(RunKey(seed), Progress(1, 50, 100)))
        assert table.seconds_left() == pytest.approx(180), "not a third of all that is left"
        now = 40.0
        glam(Stepped(RunKey(1), Progress(1, 20, 100)))
        for seed in (1, 2):
            mhcnn(Finished(RunKey(seed), Progress(1, 100, 100), epoch=1, wa=50, ua=50))
        now = 41.0
        glam(Stepped(RunKey(1), Progress(1, 20, 100)))
        assert table.seconds_left() == pytest.approx(161, abs=2)
    assert "02:41 left, 2 of 4 runs done, now GLAM" in screen.getvalue()


def test_a_note_on_the_terminal_names_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    piece = Piece("GLAM", 2, 10)
    with TableProgress([piece], 1) as table:
        row = RowProgress(piece, table)
        row(Note("seed 5: goes on with 1 CPU thread"))
        row(Note("a (10.0.0.1): 8 tasks at once", of_all=True))
    assert capsys.readouterr().err.splitlines() == [
        "GLAM: 2 runs",
        "GLAM: seed 5: goes on with 1 CPU thread",
        "a (10.0.0.1): 8 tasks at once",
    ]


def test_a_row_is_listened_to_from_its_first_event_until_its_runs_have_ended() -> None:
    first, second = (cast("Experiment", name) for name in ("first", "second"))
    told: list[object] = []

    @contextmanager
    def listening(experiment: Experiment) -> Iterator[Listen]:
        told.append(("begins", experiment))
        try:
            yield lambda event: told.append((experiment, event))
            told.append(("ends", experiment))
        except KeyboardInterrupt:
            told.append(("interrupted", experiment))
            raise

    def ended(seed: int) -> Event:
        return Failed(RunKey(seed), "the loss is nan")

    def interrupted() -> None:
        with by_experiment({first: 2, second: 2}, listening) as tell:
            for experiment, event in [(first, ended(1)), (second, ended(1)), (first, ended(2)), (first, Note("late"))]:
                tell(experiment, event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert told == [
        ("begins", first),
        (first, ended(1)),
        ("begins", second),
        (second, ended(1)),
        (first, ended(2)),
        ("ends", first),
        (first, Note("late")),
        ("interrupted", second),
    ]
