from collections.abc import Callable

import pytest

from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Failed,
    Finished,
    FinishedElsewhere,
    Note,
    Progress,
    Started,
    Stepped,
    Stopped,
)
from glam.running.live import Live
from glam.splits.runs import RunKey
from glam.words import counted, duration


@pytest.fixture
def live() -> Callable[[int], tuple[Live, list[float]]]:
    def make(runs: int) -> tuple[Live, list[float]]:
        listener, seen = Live(runs, epochs=5, evaluation_share=0.5), list[float]()
        listener.bar.update = lambda n=1: seen.append(n or 0)  # type: ignore[method-assign]
        return listener, seen

    return make


def test_steps_that_nobody_will_take_are_not_waited_for(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, seen = live(6)
    with listener:
        listener(Elsewhere(RunKey(1)))
        listener(Started(RunKey(2), Progress(1, 0, 100)))
        assert listener.bar.total == 500, "five runs are left, of as many steps as the first"
        listener(Started(RunKey(3), Progress(3, 40, 110)))  # of its own number of steps, 40 done before
        assert listener.bar.total == 500 + 10 - 40
        listener(Stepped(RunKey(3), Progress(3, 60, 110)))
        listener(Failed(RunKey(3), "the loss is nan"))
        assert listener.bar.total == 470 - (110 - 60), "what it took until then stays"
        listener(FinishedElsewhere(RunKey(4)))
        listener(Elsewhere(RunKey(5)))
        assert listener.bar.total == 420 - 200
        listener(Finished(RunKey(2), Progress(6, 100, 100), epoch=4, wa=70, ua=60))
        listener(Started(RunKey(6), Progress(1, 0, 100)))
        listener(Finished(RunKey(6), Progress(6, 100, 100), epoch=4, wa=70, ua=60))
        assert sum(seen) == listener.bar.total == 220
    shown = capsys.readouterr().err
    assert "seed 3: goes on from epoch 3 of 5" in shown
    assert "seed 3: FAILED: the loss is nan; the other runs go on" in shown
    assert "seed 4: was finished by another process meanwhile" in shown
    assert "seed 5: another process is at it; left to that" in shown
    assert "seed 6: WA 70.00, UA 60.00 at epoch 4 (best on the test set), run 6 of 6" in shown


def test_what_a_stopped_run_has_left_is_not_waited_for(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, _ = live(2)
    with listener:
        listener(Started(RunKey(1), Progress(1, 0, 100)))
        listener(Started(RunKey(2), Progress(1, 0, 80)))
        listener(Stepped(RunKey(2), Progress(1, 30, 80)))
        listener(Stopped(RunKey(2)))
        assert listener.bar.total == 100 + 30
    assert capsys.readouterr().err == "seed 2: stopped and kept; the same command goes on\n"


def test_the_estimate_is_said_once(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, _ = live(3)
    with listener:
        listener(Started(RunKey(1), Progress(1, 0, 100, at_once=8)))
        listener(Stepped(RunKey(1), Progress(1, 4, 100, at_once=8)))
        # a pack that ran out of memory goes on with fewer
        listener(Stepped(RunKey(1), Progress(1, 10, 100, seconds_per_step=1.0, at_once=2)))
        listener(EpochEnded(RunKey(1), Progress(2, 20, 100, 2.0, at_once=2), epoch=1, loss=1, wa=0, ua=0))
    # two rounds of 100 steps, evaluation half as much again
    expected = "estimate: about 5 min for 3 runs, 2 at once (100 steps a run, 1000 ms a step now)\n"
    assert capsys.readouterr().err == expected


def test_the_estimate_leaves_out_what_resumed_runs_have_done(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, _ = live(2)
    with listener:
        listener(Started(RunKey(1), Progress(4, 60, 100)))
        listener(Started(RunKey(2), Progress(5, 80, 100)))
        listener(Stepped(RunKey(1), Progress(4, 62, 100, seconds_per_step=1.0, at_once=2)))
    assert "estimate: about 60 s for 2 runs, 2 at once" in capsys.readouterr().err, "40 steps, evaluation half as much"
    listener, _ = live(2)
    with listener:
        listener(Started(RunKey(1), Progress(4, 60, 100)))
        listener(Stepped(RunKey(1), Progress(4, 62, 100, seconds_per_step=1.0, at_once=2)))
    assert "estimate: about 2 min for 2 runs, 2 at once" in capsys.readouterr().err, "the other may begin anew"


def test_a_run_that_goes_on_in_another_pack_is_counted_once(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, seen = live(2)
    with listener:
        listener(Started(RunKey(1), Progress(2, 10, 100)))
        listener(Started(RunKey(2, 3), Progress(1, 0, 100)))
        listener(Stepped(RunKey(1), Progress(2, 40, 100)))
        assert listener.bar.total == 190
        listener(Note("memory ran out: going on with 1 run at once"))
        listener(Started(RunKey(1), Progress(3, 45, 100)))
        assert listener.bar.total == 190
        assert sum(seen) == 35
        listener(Finished(RunKey(1), Progress(6, 100, 100), epoch=4, wa=0, ua=0, chosen_on="validation"))
        listener(Finished(RunKey(2, 3), Progress(6, 100, 100), epoch=4, wa=0, ua=0))
        assert sum(seen) == 190
        assert listener.ended == 2, "a note ends no run"
    shown = capsys.readouterr().err
    assert "memory ran out: going on with 1 run at once\n" in shown
    assert shown.count("goes on from epoch") == 1
    assert "at epoch 4 (best on the validation set), run 1 of 2" in shown
    assert "seed 2, fold 3: WA" in shown


def test_the_epoch_that_ended_is_shown(live: Callable[[int], tuple[Live, list[float]]]) -> None:
    listener, _ = live(2)
    with listener:
        listener(Started(RunKey(1), Progress(1, 0, 100)))
        listener(EpochEnded(RunKey(1), Progress(3, 40, 100), epoch=2, loss=1, wa=50, ua=40))
        assert listener.bar.postfix == "run 1/2, epoch 2/5, WA 50.0 UA 40.0"


def test_words() -> None:
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [duration(s) for s in (42, 98.4, 99, 420, 11100, 187200)] == [
        "42 s",
        "98 s",
        "2 min",
        "7 min",
        "3 h 05 min",
        "2 d 4 h",
    ]
