"""A page that is kept fresh: written when runs are added, and a last time without reloading."""

from pathlib import Path

import pytest

from glam.reports.page import live
from glam.reports.page.live import keep_fresh, stored_in


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL", 0)
    monkeypatch.setattr(live, "SHARE", 0)


def test_it_is_written_for_every_change_until_all_is_there() -> None:
    states = iter([0, 0, 0, 1, 1, 2, 2, 2, 2])
    seen: list[int] = []
    written: list[bool] = []

    def state() -> int:
        seen.append(next(states))
        return seen[-1]

    def write(stays: bool) -> int:
        written.append(stays)
        return seen[-1]

    assert keep_fresh(write, lambda there: there == 2, state) == 2
    assert written == [True, True, True, False]


@pytest.mark.parametrize("after", [0, 1])
def test_ctrl_c_ends_it_with_a_last_page(after: int) -> None:
    written: list[bool] = []

    def state() -> int:
        if len(written) > after:
            raise KeyboardInterrupt
        return len(written)

    def write(stays: bool) -> str:
        written.append(stays)
        return "page"

    assert keep_fresh(write, lambda _: False, state) == "page"
    assert written == [True] * (after + 1) + [False]


def test_stored_runs_of_folders(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1", "a/.tmp"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a/1", "b/1"):
        (tmp_path / name / "run.json").touch()
    assert stored_in([tmp_path / "a"]) == {tmp_path / "a/1/run.json"}
    assert len(stored_in([tmp_path / "a", tmp_path / "b"])) == 2
