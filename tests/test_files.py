import errno
import os
import sys
import threading
from pathlib import Path
from queue import Queue

import pytest

from glam.errors import GlamError
from glam.files import new_folder, only_one, replacing, write_text


def test_replacing_leaves_the_old_file_where_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")

    def fails() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space"):
        fails()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    def fails() -> None:
        with new_folder(tmp_path / "run") as temporary:
            (temporary / "one").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "run") as temporary:
        (temporary / "one").write_text("1")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "one").read_text() == "1"


def test_the_lock_goes_to_one(tmp_path: Path) -> None:
    with only_one(tmp_path / "deep" / "a.lock") as first, only_one(tmp_path / "deep" / "a.lock") as second:
        assert first
        assert not second
    with only_one(tmp_path / "deep" / "a.lock") as again:
        assert again


@pytest.mark.skipif(sys.platform == "win32", reason="flock is not the lock there")
@pytest.mark.parametrize(
    "error",
    [OSError(code, os.strerror(code)) for code in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)]
    + [NotImplementedError()],
)
def test_a_file_system_without_locks_is_refused(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(GlamError, match=r"a\.lock: cannot be locked .*--runs-folder"), only_one(tmp_path / "a.lock"):
        raise AssertionError("nothing may be done without the lock")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlamError, match=r"a\.lock: cannot be locked"), only_one(tmp_path / "file" / "a.lock"):
        pass


def test_a_link_is_followed_and_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a b.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "a b.csv")
    write_text(tmp_path / "link.csv", "ä")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "a b.csv").read_bytes() == "ä".encode()
    os.mkfifo(tmp_path / "pipe")
    for name in ("there", "pipe"):
        with pytest.raises(GlamError, match=f"{name}: is there already, and is no file"):
            write_text(tmp_path / name, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "pipe", "there"]


def test_who_waits_gets_the_lock_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    lines: Queue[str] = Queue()  # captured output may lose what another thread writes while it is read
    monkeypatch.setattr("glam.files.say", lines.put)

    def wait() -> None:
        with only_one(tmp_path / "a.lock", "waiting for it") as mine:
            order.append(mine)

    with only_one(tmp_path / "a.lock"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert lines.get(timeout=60) == "waiting for it"
        order.append(False)
    thread.join(10)
    assert order == [False, True]


def test_what_a_killed_process_left_of_a_folder_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / ".5.tmp-12-ab").mkdir()
    (tmp_path / ".5.tmp-12-ab" / "half").write_text("")
    (tmp_path / ".55.tmp-12-ab").mkdir()
    with new_folder(tmp_path / "5") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "one").write_text("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".55.tmp-12-ab", "5"]
