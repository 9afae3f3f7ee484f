"""Seeds, and the runs that they stand for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.errors import GlamError
from glam.splits.runs import RUNS, RunKey, read_seeds, runs_of, seeds

seed_values = st.integers(0, 2**32 - 1)


def test_seeds_are_the_releases() -> None:
    drawn = seeds()
    assert len(set(drawn)) == len(drawn) == RUNS == 100
    assert drawn[:3] == (2602656884, 3431165269, 3149797433)
    assert drawn[-1] == 122535323


def test_a_run_is_named_by_seed_and_fold() -> None:
    assert [run.name for run in runs_of([5, 6], 2)] == ["5-fold1", "5-fold2", "6-fold1", "6-fold2"]
    assert [run.name for run in runs_of([5, 6], 0)] == ["5", "6"]
    assert [str(RunKey(5)), str(RunKey(5, 2))] == ["seed 5", "seed 5, fold 2"]


def test_runs_are_told_apart_by_seed_and_fold_alone() -> None:
    assert RunKey(5, 2) == RunKey(5, 2) != RunKey(5, 1)
    assert RunKey(5) != RunKey(5, 1)
    assert len({*runs_of([1, 2, 1], 3), *runs_of([2], 0)}) == 7
    assert runs_of([], 3) == runs_of([], 0) == []


@given(st.lists(st.tuples(seed_values, st.integers(1, 12)), min_size=2, max_size=2, unique=True))
def test_other_folds_draw_other_numbers(keys: list[tuple[int, int]]) -> None:
    first, second = (RunKey(seed, fold) for seed, fold in keys)
    assert first.draws != second.draws
    assert 0 <= first.draws < 2**32
    assert RunKey(first.seed).draws == first.seed


def test_what_folds_draw_is_written_down_once() -> None:
    assert [RunKey(7).draws, RunKey(7, 1).draws, RunKey(7, 2).draws] == [7, 369571992, 1009178997]


def test_a_file_of_seeds_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("7\r\n\n 4294967295 \n0\n")
    assert read_seeds(path) == [7, 4294967295, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\n4294967296\n", "line 2: found '4294967296'"),
        (b"-1\n", "line 1: found '-1'"),
        (b"1e3\n", "line 1"),
        ("²\n".encode(), "line 1"),
        (b"5\n6\n5\n", "line 3: the seed 5 is a duplicate"),
        (b"\xff\xfe1\n", "cannot be read"),
        (b"9" * 5000, "line 1: found '9{40}', expected"),
    ],
)
def test_a_line_that_is_no_seed_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_bytes(content)
    with pytest.raises(GlamError, match=message):
        read_seeds(path)


def test_a_missing_file_of_seeds_is_named(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"none\.txt"):
        read_seeds(tmp_path / "none.txt")
