"""Seeds and splits: the release's, in order."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.data.splits import random_split, read_seeds, seeds
from glam.errors import GlamError

seed_values = st.integers(0, 2**32 - 1)


def test_seeds_are_the_releases() -> None:
    drawn = seeds()
    assert len(set(drawn)) == 100
    assert drawn[:3] == (2602656884, 3431165269, 3149797433)
    assert drawn[-1] == 122535323


def test_a_split_is_what_the_release_draws() -> None:
    """Written down once from NumPy's legacy generator, so that a change of it is noticed."""
    split = random_split(10, 2602656884)
    np.random.seed(2602656884)
    assert split.train.tolist() == np.random.choice(range(10), 8, replace=False).tolist()
    assert split.train.tolist() == [7, 9, 3, 2, 6, 0, 5, 4]
    assert split.held_out.tolist() == [8, 1]


@given(st.integers(5, 3000), seed_values, st.sampled_from([0.5, 0.8, 0.9]))
def test_a_split_is_a_permutation_cut_in_two_and_leaves_the_global_generator_alone(
    n: int, seed: int, share: float
) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    split = random_split(n, seed, share)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    assert split.train.dtype == split.held_out.dtype == np.int64
    assert len(split.train) == int(n * share)
    assert sorted([*split.train, *split.held_out]) == list(range(n))
    again = np.random.RandomState(seed).choice(range(n), int(n * share), replace=False)
    np.testing.assert_array_equal(split.train, again)


@given(st.integers(10, 3000), seed_values)
def test_validation_and_test_halve_what_is_held_out(n: int, seed: int) -> None:
    split = random_split(n, seed)
    np.testing.assert_array_equal(np.concatenate([split.validation, split.test]), split.held_out)
    assert 0 <= len(split.test) - len(split.validation) <= 1


@pytest.mark.parametrize(("n", "share"), [(0, 0.8), (1, 0.8), (4, 0.1)])
def test_too_few_utterances_are_refused(n: int, share: float) -> None:
    with pytest.raises(GlamError, match=f"cannot split {n} utterances"):
        random_split(n, 1, share)


@pytest.mark.parity
@pytest.mark.parametrize("record", ["glam_impro_released", "glam_script_paper"])
def test_splits_are_those_of_the_recorded_runs(record: str, shared: Path) -> None:
    recorded = json.loads((shared / "parity" / f"{record}.json").read_text())
    ids = recorded["utterances"]
    split = random_split(len(ids), recorded["seed"])
    assert [ids[i] for i in split.train] == recorded["train_ids"]
    assert {ids[i] for i in split.held_out} == set(recorded["test_ids"])


def test_a_file_of_seeds_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("7\r\n\n 4294967295 \n0\n")
    assert read_seeds(path) == [7, 4294967295, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\n4294967296\n", "line 2: found '4294967296'"),
        (b"-1\n", "line 1: found '-1'"),
        (b"1e3\n", "line 1"),
        ("²\n".encode(), "line 1"),
        (b"5\n6\n5\n", "line 3: the seed 5 stands twice"),
        (b"\xff\xfe1\n", "cannot be read"),
        (b"9" * 5000, "line 1: found '9{40}', expected"),
    ],
)
def test_a_line_that_is_no_seed_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_bytes(content)
    with pytest.raises(GlamError, match=said):
        read_seeds(path)


def test_a_missing_file_of_seeds_is_named(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"none\.txt"):
        read_seeds(tmp_path / "none.txt")
