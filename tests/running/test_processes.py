import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from glam.errors import GlamError
from glam.running.processes import deaf_to_interrupts, with_torch

ASK = "import signal; print({signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, []))"

WITHOUT_TORCH = """
import os, sys
from glam.errors import GlamError
from glam.models import ModelSettings, check_shape
from glam.running.processes import expect_torch, with_torch

if __name__ == "__main__":
    expect_torch()
    assert with_torch(os.getpid) != os.getpid()
    with_torch(check_shape, ModelSettings(name="glam"), 4, (26, 57))
    try:
        with_torch(check_shape, ModelSettings(name="apcnn"), 4, (2, 3))
    except GlamError as error:
        print(error)
    print("torch" in sys.modules)
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
        os.kill(os.getpid(), number)

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
    assert first.startswith("the model apcnn cannot take features of 2 x 3")
    assert last == "False"
