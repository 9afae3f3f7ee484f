"""Splits of numbered utterances: the release's, in order, and those that keep groups whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.splits.splits import (
    Split,
    k_fold_split,
    leave_group_out_split,
    leave_speaker_out_split,
    random_speakers_split,
    random_split,
)

Ints = NDArray[np.int64]
seed_values = st.integers(0, 2**32 - 1)


def global_state() -> Any:
    state: Any = np.random.get_state()
    return state[1].copy()


def parts(split: Split) -> list[Ints]:
    """Training, validation of its own, test."""
    return [split.train, split.held_out[: split.validation_only], split.scored]


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
    before = global_state()
    split = random_split(n, seed, share)
    np.testing.assert_array_equal(global_state(), before)
    assert split.train.dtype == split.held_out.dtype == np.int64
    assert len(split.train) == int(n * share)
    assert sorted([*split.train, *split.held_out]) == list(range(n))
    again = np.random.RandomState(seed).choice(range(n), int(n * share), replace=False)
    np.testing.assert_array_equal(split.train, again)


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_validation_set_of_its_own_is_not_scored(validation: int, test: int) -> None:
    held_out = np.arange(100, 100 + validation + test)
    np.testing.assert_array_equal(Split(np.arange(100), held_out, validation).scored, held_out[validation:])


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


@given(st.integers(10, 3000), seed_values, st.integers(2, 10))
def test_k_folds_are_slices_of_the_seeds_permutation(n: int, seed: int, folds: int) -> None:
    splits = [k_fold_split(n, seed, fold, folds) for fold in range(1, folds + 1)]
    order = np.random.RandomState(seed).permutation(n)
    np.testing.assert_array_equal(np.concatenate([split.held_out for split in splits]), order)
    assert len({len(split.held_out) for split in splits}) <= 2
    np.testing.assert_array_equal(splits[-1].train, order[: len(splits[-1].train)])
    assert all(split.validation_only == 0 for split in splits)


@given(st.integers(10, 300), seed_values, st.integers(3, 10))
def test_the_next_slice_validates_and_after_the_last_the_first(n: int, seed: int, folds: int) -> None:
    slices = [k_fold_split(n, seed, fold, folds).held_out for fold in range(1, folds + 1)]
    for fold in range(1, folds + 1):
        split = k_fold_split(n, seed, fold, folds, validation=True)
        np.testing.assert_array_equal(split.scored, slices[fold - 1])
        np.testing.assert_array_equal(split.held_out[: split.validation_only], slices[fold % folds])
        rest = [part for i, part in enumerate(slices) if i not in (fold - 1, fold % folds)]
        np.testing.assert_array_equal(split.train, np.concatenate(rest))


def test_too_few_utterances_or_folds_are_refused() -> None:
    with pytest.raises(GlamError, match=r"cannot cut 3 utterances into split\.folds 5"):
        k_fold_split(3, 1, 1, 5)
    with pytest.raises(GlamError, match=r"split\.validation next takes split\.folds 3 or more"):
        k_fold_split(10, 1, 1, 2, validation=True)


@st.composite
def people(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Speakers and sessions (n,) of utterances: 3 to 7 sessions of one to three speakers, in any order."""
    speakers = [(session, i) for session in range(draw(st.integers(3, 7))) for i in range(draw(st.integers(1, 3)))]
    numbers = [number for number in range(len(speakers)) for _ in range(draw(st.integers(1, 4)))]
    order = np.array(draw(st.permutations(numbers)), dtype=np.int64)
    return order, np.array([speakers[number][0] for number in order], dtype=np.int64)


@given(people(), seed_values)
def test_a_group_left_out_is_tested_and_whole_speakers_validate(drawn: tuple[Ints, Ints], seed: int) -> None:
    speakers, sessions = drawn
    for fold in range(1, sessions.max() + 2):
        train, validation, test = parts(leave_group_out_split(sessions, speakers, seed, fold))
        np.testing.assert_array_equal(test, np.flatnonzero(sessions == fold - 1))
        assert sorted([*train, *validation, *test]) == list(range(len(speakers)))
        assert len(set(speakers[validation])) == 1  # of fewer than twenty who are not tested
        assert not set(speakers[validation]) & set(speakers[train])


@given(people(), seed_values)
def test_whoever_speaks_in_the_same_session_as_the_speaker_left_out_validates(
    drawn: tuple[Ints, Ints], seed: int
) -> None:
    speakers, sessions = drawn
    for fold in range(1, speakers.max() + 2):
        train, validation, test = parts(leave_speaker_out_split(speakers, sessions, seed, fold))
        np.testing.assert_array_equal(test, np.flatnonzero(speakers == fold - 1))
        same = np.flatnonzero((sessions == sessions[test[0]]) & (speakers != fold - 1))
        assert not set(sessions[test]) & set(sessions[train])
        if len(same):
            np.testing.assert_array_equal(validation, same)
        else:
            assert len(set(speakers[validation])) == 1


@given(st.lists(st.integers(10, 30), min_size=1, max_size=3), seed_values, st.booleans())
def test_random_speakers_of_each_kind_are_cut_at_the_same_share(counts: list[int], seed: int, validation: bool) -> None:
    kind_of = np.repeat(np.arange(len(counts)), counts)
    speakers = np.random.RandomState(seed % 1000).permutation(np.repeat(np.arange(len(kind_of)), 2))
    split = random_speakers_split(speakers, seed, 0.8, kind_of[speakers], validation)
    train, chosen_on, test = (set(speakers[part].tolist()) for part in parts(split))
    assert not train & chosen_on
    assert not test & (train | chosen_on)
    for kind, count in enumerate(counts):
        own = set(np.flatnonzero(kind_of == kind).tolist())
        assert len(test & own) == count - int(count * 0.8)
        assert len(chosen_on & own) == (max(1, int(count * 0.8) // 10) if validation else 0)


@given(st.integers(10, 40), seed_values)
def test_speakers_all_of_one_kind_are_those_of_no_kind(count: int, seed: int) -> None:
    speakers = np.arange(count)
    plain = random_speakers_split(speakers, seed)
    alike = random_speakers_split(speakers, seed, kinds=np.full(count, 3))
    for one_way, other_way in zip(parts(plain), parts(alike), strict=True):
        np.testing.assert_array_equal(one_way, other_way)


def test_too_few_speakers_are_refused() -> None:
    with pytest.raises(GlamError, match=r"without what fold 1 is tested on, 1 speaker is left"):
        leave_group_out_split(np.array([0, 0, 1]), np.array([0, 0, 1]), 1, 1)
    with pytest.raises(
        GlamError,
        match=r"cannot split 3 speakers with split\.train_share 0\.5: 1 .* validation, which need two, .* 2 for",
    ):
        random_speakers_split(np.array([0, 1, 2]), 1, 0.5)
    assert len(random_speakers_split(np.array([0, 1, 2]), 1, 0.5, validation=False).train) == 1
    with pytest.raises(GlamError, match=r"cannot split 1 speakers .*: 0 would be for training, which needs one"):
        random_speakers_split(np.array([0, 1, 2]), 1, 0.5, np.array([0, 0, 1]), validation=False)
