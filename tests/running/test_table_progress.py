import pytest

from glam.running.message import Message
from glam.running.table_progress import Piece, TableProgress, estimate
from glam.splits.splits import RunKey


def test_an_estimate_is_of_each_experiment_and_all() -> None:
    text = estimate([Piece("GLAM", 100, 3600), Piece("MHCNN", 1, 60)], at_once=4, side_by_side="4 at once")
    # GLAM: 25 rounds of four
    assert "  GLAM   100 runs of 60 min: 25 h 00 min" in text
    assert "  MHCNN  1 run of 60 s: 60 s" in text
    assert "about 25 h 01 min for 101 runs, 4 at once" in text


def test_the_bar_goes_by_cost_over_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = Piece("MHCNN", 2, 10), Piece("GLAM", 2, 100)
    with TableProgress([cheap, dear]) as progress:
        seen: list[float] = []
        progress.bar.update = lambda n=1: seen.append(n)  # type: ignore[method-assign, assignment]
        assert progress.bar.total == 220
        progress.begin(cheap)
        progress(Message("started", RunKey(1), steps=0, total=50))
        progress(Message("step", RunKey(1), steps=10, total=50))
        progress(Message("finished", RunKey(1), steps=50, total=50))
        assert seen == [pytest.approx(2), pytest.approx(8)]
        progress(Message("finished", RunKey(2), text="already"))
        assert progress.bar.total == 210
        progress.begin(dear)
        progress(Message("started", RunKey(1), steps=20, total=50))  # resumed
        assert progress.bar.total == 170
        progress(Message("epoch", RunKey(1), steps=30, total=50, epoch=4))
        assert sum(seen) == pytest.approx(30)
        progress(Message("failed", RunKey(1), text="the loss is nan", steps=35, total=50))
        assert progress.bar.total == pytest.approx(130)
        progress(Message("elsewhere", RunKey(2)))
        assert progress.bar.total == pytest.approx(30)
    said = capsys.readouterr().err
    assert "GLAM, seed 1: FAILED: the loss is nan" in said
    assert "MHCNN, seed 1: WA" in said
    assert "GLAM, seed 2: another process" in said
