from collections.abc import Callable

import pytest

from glam.running.live import Live
from glam.running.message import Message
from glam.splits.splits import RunKey
from glam.words import counted, duration


@pytest.fixture
def live() -> Callable[[int], tuple[Live, list[float]]]:
    def make(runs: int) -> tuple[Live, list[float]]:
        listener, seen = Live(runs, epochs=5, evaluation_share=0.5), []
        listener.bar.update = lambda n=1: seen.append(n)  # type: ignore[method-assign, assignment]
        return listener, seen

    return make


def test_steps_that_nobody_will_take_are_not_waited_for(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, seen = live(6)
    with listener:
        listener(Message("elsewhere", RunKey(1)))
        listener(Message("started", RunKey(2), total=100))
        assert listener.bar.total == 500, "five runs are left, of as many steps as the first"
        listener(
            Message("started", RunKey(3), steps=40, total=110, epoch=3)
        )  # of its own number of steps, 40 done before
        assert listener.bar.total == 500 + 10 - 40
        listener(Message("step", RunKey(3), steps=60, total=110))
        listener(Message("failed", RunKey(3), text="the loss is nan", steps=70, total=110))
        assert listener.bar.total == 470 - (110 - 60), "what it took until then stays"
        listener(Message("finished", RunKey(4), text="already"))
        listener(Message("elsewhere", RunKey(5)))
        assert listener.bar.total == 420 - 200
        listener(Message("finished", RunKey(2), steps=100, total=100, wa=70, ua=60, epoch=4))
        listener(Message("started", RunKey(6), total=100))
        listener(Message("finished", RunKey(6), steps=100, total=100, wa=70, ua=60, epoch=4))
        assert sum(seen) == listener.bar.total == 220
    said = capsys.readouterr().err
    assert "seed 3: goes on from epoch 3 of 5" in said
    assert "seed 3: FAILED: the loss is nan; the other runs go on" in said
    assert "seed 4: was finished by another process meanwhile" in said
    assert "seed 5: another process is at it; left to that" in said
    assert "seed 6: WA 70.00, UA 60.00 at epoch 4 (best on the test set), run 6 of 6" in said


def test_the_estimate_is_said_once(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, _ = live(3)
    with listener:
        listener(Message("started", RunKey(1), total=100, at_once=8))
        listener(Message("step", RunKey(1), steps=4, total=100, at_once=8))
        # a pack that ran out of memory goes on with fewer
        listener(Message("step", RunKey(1), steps=10, total=100, seconds_per_step=1.0, at_once=2))
        listener(Message("epoch", RunKey(1), steps=20, total=100, seconds_per_step=2.0, epoch=2, at_once=2))
    said = capsys.readouterr().err
    # two rounds of 100 steps, evaluation half as much again
    assert said == "estimate: about 5 min for 3 runs, 2 at once (100 steps a run, 1000 ms a step now)\n"


def test_a_run_that_goes_on_in_another_pack_is_counted_once(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, seen = live(2)
    with listener:
        listener(Message("started", RunKey(1), steps=10, total=100, epoch=2))
        listener(Message("started", RunKey(2, 3), total=100))
        listener(Message("step", RunKey(1), steps=40, total=100))
        assert listener.bar.total == 190
        listener(Message("note", text="memory ran out: going on with 1 run at once"))
        listener(Message("started", RunKey(1), steps=45, total=100, epoch=3))
        assert listener.bar.total == 190
        assert sum(seen) == 35
        listener(Message("finished", RunKey(1), steps=100, total=100, epoch=4, chosen_on="validation"))
        listener(Message("finished", RunKey(2, 3), steps=100, total=100, epoch=4))
        assert sum(seen) == 190
        assert listener.ended == 2, "a note ends no run"
    said = capsys.readouterr().err
    assert "memory ran out: going on with 1 run at once\n" in said
    assert said.count("goes on from epoch") == 1
    assert "at epoch 4 (best on the validation set), run 1 of 2" in said
    assert "seed 2, fold 3: WA" in said


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
