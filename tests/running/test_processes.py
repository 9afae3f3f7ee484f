import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from multiprocessing import Pipe
from pathlib import Path

import pytest

from glam.errors import GlamError
from glam.running.processes import SAFE, TAKEN_ALONG, _answer, answers, deaf_to_interrupts, not_from_here, with_torch

ASK = "import signal; print({signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, []))"

WITHOUT_TORCH = """
import os, sys
from glam.errors import GlamError
from glam.models import ModelSettings, check_shape
from glam.running.processes import expect_torch, with_torch

if __name__ == "__main__":
    expect_torch()
    assert with_torch(os.getpid) != os.getpid()
    with_torch(check_shape, ModelSettings(name="glam"), 4, {"audio": (26, 57)}, frozenset())
    try:
        with_torch(check_shape, ModelSettings(name="apcnn"), 4, {"audio": (2, 3)}, frozenset())
    except GlamError as error:
        print(error)
    print("torch" in sys.modules)
"""

UNGUARDED = """
import os, sys
from glam.running.processes import answers

print("script")
assert answers(os.getpid) != [os.getpid()]
print(sys.modules["__main__"].__file__ == __file__)
"""


def is_deaf() -> bool:
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")
def test_processes_started_within_never_see_ctrl_c() -> None:
    assert not is_deaf()
    with deaf_to_interrupts():
        assert is_deaf()
    assert not is_deaf()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_processes_are_started(number: signal.Signals) -> None:
    reached = []

    def answer(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def interrupt() -> None:  # a thread of its own: the mask is the main thread's alone
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        # To this thread: sent to the process, it might come to another one of it, and after the block.
        signal.pthread_kill(threading.get_ident(), number)

    def be_interrupted() -> None:
        with deaf_to_interrupts():
            thread = threading.Thread(target=interrupt)
            thread.start()
            thread.join()
            reached.append("the end of the block")

    before = signal.signal(number, answer)
    try:
        with pytest.raises(KeyboardInterrupt):
            be_interrupted()
        assert signal.getsignal(number) is answer
    finally:
        signal.signal(number, before)
    assert reached == ["the end of the block"]


@pytest.mark.parametrize("name", TAKEN_ALONG)
def test_what_processes_are_forked_off_imports_what_there_is(name: str) -> None:
    """Python passes over a module there that is not: every process would import its own, for seconds."""
    assert find_spec(name) is not None


class AtWork:
    """A process that is interrupted, and at whose end another Ctrl-C comes; it is its own context and pipe."""

    pid = 1

    def __init__(self) -> None:
        self.ended: list[str] = []

    def Pipe(self, duplex: bool) -> tuple["AtWork", "AtWork"]:
        return self, self

    def Process(self, **_: object) -> "AtWork":
        return self

    def start(self) -> None: ...

    def close(self) -> None: ...

    def recv(self) -> object:
        raise KeyboardInterrupt

    def kill(self) -> None:
        self.ended.append("killed")
        signal.raise_signal(signal.SIGINT)

    def join(self) -> None:
        self.ended.append("joined")


def test_a_second_interrupt_leaves_no_process_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    process = AtWork()
    monkeypatch.setattr("glam.running.processes.context", lambda: process)
    with pytest.raises(KeyboardInterrupt):
        answers(os.getpid, processes=2)
    assert process.ended == ["killed", "joined"] * 2


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    """The command was killed while its processes were at work: they end without a word."""
    receiver, sender = Pipe(duplex=False)
    receiver.close()
    _answer(sender, os.getpid, ())
    _answer(sender, refuse, ("why",))


def refuse(text: str) -> None:
    raise GlamError(text)


def test_here_where_torch_is_imported() -> None:
    __import__("torch")
    assert with_torch(os.getpid) == os.getpid()
    with pytest.raises(GlamError, match="why"):
        with_torch(refuse, "why")


def test_elsewhere_where_it_is_not(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_TORCH, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    first, last = done.stdout.splitlines()
    assert first.startswith("the model apcnn cannot take rows of audio 2 x 3")
    assert last == "False"


def test_threads_that_start_processes_leave_main_and_environment_as_they_were() -> None:
    main, safe = sys.modules["__main__"], os.environ.get(SAFE)
    within, on = threading.Event(), threading.Event()

    def first() -> None:
        with not_from_here():
            within.set()
            on.wait(0.1)

    def second() -> None:
        within.wait()
        with not_from_here():
            on.set()
            threads[0].join()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sys.modules["__main__"], os.environ.get(SAFE)) == (main, safe)


def test_a_script_is_not_run_again_by_the_processes_that_it_starts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ended.stdout == "script\nTrue\n"
