"""The store while other processes ask for it, and while disks and processes fail: nothing half-written is left."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from inputs.stores import HOP, files, opened, segments

from glam.corpora.audio import read_bytes
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import recordings, spectral
from glam.inputs import store as store_module


@pytest.mark.skipif(sys.platform == "win32", reason="flock is not the lock there")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_refused(
    code: int, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(GlamError, match="cannot be locked"):
        opened(root, spoken, folder)
    assert files(folder) == []


def test_of_two_at_once_one_extracts_and_the_other_waits(
    root: Path,
    spoken: list[Utterance],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read: list[str] = []

    def slowly(path: Path) -> bytes:
        read.append(path.name)
        time.sleep(0.05)
        return read_bytes(path)

    monkeypatch.setattr(recordings, "read_bytes", slowly)
    with ThreadPoolExecutor(3) as pool:
        stores = list(pool.map(lambda _: opened(root, spoken, folder), range(3)))
    assert sorted(read) == [recording.audio for recording in spoken]
    assert len({store.path for store in stores}) == 1
    assert capsys.readouterr().err.count("waiting for it") == 2


EXTRACT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
from inputs import stores
from glam.inputs import recordings, spectral
spectral.GROUP = 1
read = recordings.read_bytes
recordings.read_bytes = lambda path: (time.sleep(0.2), read(path))[1]
root = Path(sys.argv[3])
spoken = [stores.utterance(root, f"u{i}", n) for i, n in enumerate(stores.SAMPLES)]
stores.opened(root, spoken, Path(sys.argv[4]), cut=stores.segments(hop=int(sys.argv[5])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_what_a_killed_process_left_is_cleared_by_the_next(root: Path, spoken: list[Utterance], folder: Path) -> None:
    """Also where the next one asks for other settings; but nothing of a process that is alive."""
    here = Path(__file__).resolve()
    arguments = [str(here.parents[2]), str(here.parents[1]), str(root), str(folder)]
    process = subprocess.Popen([sys.executable, "-c", EXTRACT, *arguments, str(HOP)])
    deadline = time.monotonic() + 60
    while not list(folder.glob("features/.*.tmp-*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = folder.glob("features/.*.tmp-*")
    lock = FileLock(left.with_name(left.name[1:].rpartition(".tmp-")[0]).with_suffix(".lock"))
    with lock:
        opened(root, spoken, folder, cut=segments(hop=HOP + 1))
        assert left.exists()
    opened(root, spoken, folder, cut=segments(hop=HOP + 2))
    assert not left.exists()
    assert len(opened(root, spoken, folder).array) == 34
    assert files(folder) == [".json"] * 3 + [".npy"] * 3


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError()])
def test_an_interruption_leaves_nothing_half_written(
    stop: BaseException, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> bytes:
        if path.name == "u4.wav":
            raise stop
        return read_bytes(path)

    monkeypatch.setattr(spectral, "GROUP", 1)
    monkeypatch.setattr(recordings, "read_bytes", interrupted)
    with pytest.raises(type(stop)):
        opened(root, spoken, folder)
    assert files(folder) == []
    monkeypatch.undo()
    assert len(opened(root, spoken, folder).array) == 34


def test_a_disk_that_fills_up_leaves_nothing_and_says_what_is_free(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module._Rows, "write", full)
    with pytest.raises(GlamError, match=r"cannot be written; .*They need 0\.03 MiB, .* are free: .*No space left"):
        opened(root, spoken, folder)
    assert files(folder) == []


def test_a_disk_too_small_is_noticed_beforehand(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_read(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(recordings, "read_bytes", nothing_read)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(GlamError, match=r"the features need 0\.03 MiB, 0\.00 MiB are free"):
        opened(root, spoken, folder)


def test_a_folder_that_cannot_be_made_is_named(root: Path, spoken: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlamError, match="GLAM_DATA"):
        opened(root, spoken, tmp_path / "file" / "data")
