import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glam.running import memory

# torch lets a tensor begin with a page only if it asks for large ones.
IN_A_WORKER = """
from glam.running.memory import spare_new_pages

def begins():
    spare_new_pages()
    import torch
    return [torch.zeros(2**19 + 1).data_ptr() % 4096 for _ in range(5)]
"""
ASKED = "from glam.running.processes import answers; import worker; print(answers(worker.begins))"


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))


class Libc:
    """A C library that keeps pieces of at most `most` bytes, and remembers what was asked of it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: dict[int, int] = {}

    def mallopt(self, parameter: int, value: int) -> int:
        if parameter == memory.M_MMAP_THRESHOLD and value > self.most:
            return 0
        self.taken[parameter] = value
        return 1


@pytest.mark.parametrize("most", [memory.KEPT, memory.KEPT_BEFORE_2_35])
def test_asks_for_the_most_that_the_library_keeps(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    libc = Libc(most)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: libc)
    memory.spare_new_pages()
    assert libc.taken == {memory.M_TRIM_THRESHOLD: memory.NEVER, memory.M_MMAP_THRESHOLD: most}


def test_nothing_happens_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.spare_new_pages()
    monkeypatch.setattr(sys, "platform", "darwin")
    memory.spare_new_pages()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's own C library")
def test_this_library_takes_it() -> None:
    memory.spare_new_pages()  # the tests go on with it: nothing but time depends on it
    assert bytearray(2 * memory.KEPT)[-1] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for large pages")
def test_a_worker_takes_large_pages(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(IN_A_WORKER, encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(ASKED, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[[0, 0, 0, 0, 0]]\n", done.stderr


def test_what_somebody_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "THP_MEM_ALLOC_ENABLE", "0")
    memory.spare_new_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
