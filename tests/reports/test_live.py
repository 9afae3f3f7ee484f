from collections.abc import Callable

import pytest

from glam.reports.live import Live
from glam.reports.words import counted, duration
from glam.training.workers import Message


@pytest.fixture
def live() -> Callable[[int], tuple[Live, list[float]]]:
    def make(runs: int) -> tuple[Live, list[float]]:
        listener, seen = Live(runs, at_once=2, epochs=5, evaluation_share=0.5), []
        listener.bar.update = lambda n=1: seen.append(n)  # type: ignore[method-assign, assignment]
        return listener, seen

    return make


def test_steps_that_nobody_will_take_are_not_waited_for(
    live: Callable[[int], tuple[Live, list[float]]], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, seen = live(6)
    with listener:
        listener(Message("elsewhere", 1))
        listener(Message("started", 2, total=100))
        assert listener.bar.total == 500, "five runs are left, of as many steps as the first"
        listener(Message("started", 3, steps=40, total=110, epoch=3))  # of its own number of steps, 40 done before
        assert listener.bar.total == 500 + 10 - 40
        listener(Message("step", 3, steps=60, total=110))
        listener(Message("failed", 3, text="the loss is nan", steps=70, total=110))
        assert listener.bar.total == 470 - (110 - 60), "what it took until then stays"
        listener(Message("finished", 4, text="already"))
        listener(Message("elsewhere", 5))
        assert listener.bar.total == 420 - 200
        listener(Message("finished", 2, steps=100, total=100, wa=70, ua=60, epoch=4))
        listener(Message("started", 6, total=100))
        listener(Message("finished", 6, steps=100, total=100, wa=70, ua=60, epoch=4))
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
        listener(Message("started", 1, total=100))
        listener(Message("step", 1, steps=4, total=100))
        listener(Message("step", 1, steps=10, total=100, seconds_per_step=1.0))
        listener(Message("epoch", 1, steps=20, total=100, seconds_per_step=2.0, epoch=2))
    said = capsys.readouterr().err
    # two rounds of 100 steps, evaluation half as much again
    assert said == "estimate: about 5 min for 3 runs, 2 at once (100 steps a run, 1000 ms a step now)\n"


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
