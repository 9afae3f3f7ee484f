import ctypes
import sys

import pytest

from glam.training import memory


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
    memory.keep_freed_memory()
    assert libc.taken == {memory.M_TRIM_THRESHOLD: memory.NEVER, memory.M_MMAP_THRESHOLD: most}


def test_nothing_happens_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    memory.keep_freed_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's own C library")
def test_this_library_takes_it() -> None:
    memory.keep_freed_memory()  # the tests go on with it: nothing but time depends on it
    assert bytearray(2 * memory.KEPT)[-1] == 0
