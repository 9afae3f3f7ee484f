"""The log of an experiment: what a person reads afterwards."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FinishedElsewhere,
    Note,
    Progress,
    Started,
    Stepped,
    Stopped,
)
from glam.running.log import Log
from glam.splits.runs import RunKey

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d \[\d+\] "


def lines(folder: Path) -> list[str]:
    """Of the log, without date, time and process number, which every line must begin with."""
    written = (folder / "log.txt").read_text().splitlines()
    assert all(re.match(STAMP, line) for line in written)
    return [re.sub(STAMP, "", line, count=1) for line in written]


def log(folder: Path, runs: int = 3, epochs: int = 20) -> Log:
    return Log(folder, runs, epochs, "cpu, fp32", lambda event: None)


def test_what_happens_to_runs_is_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "--recipe", "my\nown recipe.yaml"])
    heard: list[Event] = []
    with Log(tmp_path / "deep" / "runs", 3, 20, "cpu, fp32", heard.append) as listen:
        listen(Started(RunKey(1), Progress(1, 0, 100)))
        listen(Started(RunKey(2), Progress(4, 15, 100)))
        listen(Stepped(RunKey(1), Progress(1, 9, 100, seconds_per_step=0.5)))
        for epoch in range(1, 21):
            listen(EpochEnded(RunKey(1), Progress(epoch + 1, 5 * epoch, 100), epoch, 1 / epoch, wa=50 + epoch, ua=40))
        listen(Finished(RunKey(1), Progress(21, 100, 100), epoch=20, wa=70, ua=40))
        listen(Failed(RunKey(2), "the loss of step 3 is nan"))
        listen(Elsewhere(RunKey(3)))
        listen(Finished(RunKey(4), Progress(21, 100, 100), epoch=2, wa=60, ua=60))
        listen(FinishedElsewhere(RunKey(5)))
        listen(Stopped(RunKey(6)))
        listen(Note("memory ran out: going on with 2 runs at once"))
    assert len(heard) == 30
    first, second, *rest = lines(tmp_path / "deep" / "runs")
    assert first == "begins: train.py --recipe 'my own recipe.yaml'"
    assert re.match(r"3 runs of 20 epochs to train on cpu, fp32; torch \S+, Python \S+, glam \S+ \(", second)
    assert rest[:4] == [
        "seed 1: starts",
        "seed 2: goes on from epoch 4 of 20",
        "pace: 500 ms a step, 100 steps a run: 50 s a run, and its evaluations",
        "seed 1: epoch 2 of 20: loss 0.5000, WA 52.00, UA 40.00",
    ]
    assert rest[4:] == [
        *(f"seed 1: epoch {e} of 20: loss {1 / e:.4f}, WA {50 + e}.00, UA 40.00" for e in range(4, 21, 2)),
        "seed 1: finished: WA 70.00, UA 40.00 at epoch 20 (best on the test set); 1 of 3, mean WA 70.00, UA 40.00",
        "seed 2: FAILED: the loss of step 3 is nan",
        "seed 3: another process is at it",
        "seed 4: finished: WA 60.00, UA 60.00 at epoch 2 (best on the test set); 2 of 3, mean WA 65.00, UA 50.00",
        "seed 5: was finished by another process meanwhile",
        "seed 6: stopped, kept as it is",
        "memory ran out: going on with 2 runs at once",
        "ends after 0 s: 2 of 3 finished, 1 failed",
    ]


@pytest.mark.parametrize(("error", "how"), [(KeyboardInterrupt(), "interrupted"), (OSError("full"), "stops (full)")])
def test_how_a_command_ended_is_the_last_line(tmp_path: Path, error: BaseException, how: str) -> None:
    with pytest.raises(type(error)), log(tmp_path):
        raise error
    assert lines(tmp_path)[-1] == f"{how} after 0 s: 0 of 3 finished, 0 failed"


def test_a_short_run_has_a_line_for_every_epoch(tmp_path: Path) -> None:
    with log(tmp_path, epochs=3) as listen:
        for epoch in range(1, 4):
            listen(EpochEnded(RunKey(1), Progress(epoch + 1, 0, 0), epoch, loss=1, wa=50, ua=50))
    assert sum("seed 1: epoch" in line for line in lines(tmp_path)) == 3


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with log(tmp_path / "file") as listen:
        listen(Started(RunKey(1), Progress(1, 0, 10)))
    assert capsys.readouterr().err.count("log.txt: cannot be written (") == 1


WRITE = """
import sys
from pathlib import Path
from glam.splits.runs import RunKey
from glam.running.log import Log
log = Log(Path(sys.argv[1]), 1, 1, "cpu", print)
for i in range(300):
    log.write(f"{sys.argv[2]} {i} " + 200 * sys.argv[2])
"""


def test_processes_that_write_at_once_leave_whole_lines(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITE, str(tmp_path)]
    processes = [subprocess.Popen([*words, name]) for name in "abc"]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    written = lines(tmp_path)
    for name in "abc":
        assert [line for line in written if line[0] == name] == [f"{name} {i} {200 * name}" for i in range(300)]
    assert len(written) == 900
