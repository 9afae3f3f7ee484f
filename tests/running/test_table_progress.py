import io
import sys

import pytest

from glam.running.events import Elsewhere, EpochEnded, Failed, Finished, FinishedElsewhere, Progress, Started, Stepped
from glam.running.table_progress import Piece, TableProgress, estimate
from glam.splits.runs import RunKey


def test_an_estimate_is_of_each_experiment_and_all() -> None:
    text = estimate([Piece("GLAM", 100, 3600), Piece("MHCNN", 1, 60)], at_once=4, side_by_side="4 at once")
    # GLAM: 25 rounds of four
    assert "  GLAM   100 runs of 60 min: 25 h 00 min" in text
    assert "  MHCNN  1 run of 60 s: 60 s" in text
    assert "about 25 h 01 min for 101 runs, 4 at once" in text


def test_the_bar_ends_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    piece = Piece("GLAM", 3, 16.4 / 3)
    with TableProgress([piece]) as progress:
        progress.begin(piece)
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
    with TableProgress([cheap, dear]) as progress:
        seen: list[float] = []
        progress.bar.update = lambda n=1: seen.append(n or 0)  # type: ignore[method-assign]
        assert progress.bar.total == 220
        progress.begin(cheap)
        progress(Started(RunKey(1), Progress(1, 0, 50)))
        progress(Stepped(RunKey(1), Progress(1, 10, 50)))
        progress(Finished(RunKey(1), Progress(6, 50, 50), epoch=1, wa=50, ua=50))
        assert seen == [pytest.approx(2), pytest.approx(8)]
        progress(FinishedElsewhere(RunKey(2)))
        assert progress.bar.total == 210
        progress.begin(dear)
        progress(Started(RunKey(1), Progress(3, 20, 50)))  # resumed
        assert progress.bar.total == 170
        progress(EpochEnded(RunKey(1), Progress(4, 30, 50), epoch=3, loss=1, wa=50, ua=50))
        assert sum(seen) == pytest.approx(30)
        progress(Failed(RunKey(1), "the loss is nan"))
        assert progress.bar.total == pytest.approx(130)
        progress(Elsewhere(RunKey(2)))
        assert progress.bar.total == pytest.approx(30)
    shown = capsys.readouterr().err
    assert "GLAM, seed 1: FAILED: the loss is nan" in shown
    assert "MHCNN, seed 1: WA" in shown
    assert "GLAM, seed 2: another process" in shown
