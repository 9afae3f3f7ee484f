import errno
from pathlib import Path

import pytest

from glam.errors import GlamError
from glam.results.files import new_folder, only_one, replacing, write_text


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


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlamError, match=r"a\.lock: cannot be locked"), only_one(tmp_path / "file" / "a.lock"):
        pass
