import signal
import subprocess
import sys

import pytest

from glam.training.processes import deaf_to_interrupts

ASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")


def is_deaf() -> bool:
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout == "True\n"


def test_processes_started_within_never_see_ctrl_c() -> None:
    assert not is_deaf()
    with deaf_to_interrupts():
        assert is_deaf()
    assert not is_deaf()
