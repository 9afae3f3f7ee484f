"""Majorities of groups: by hand, and never better than in sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.evaluation.baselines import majority_of_group


def test_by_hand() -> None:
    groups = np.array([0, 0, 0, 1, 1, 3])
    targets = np.array([2, 2, 0, 1, 0, 1])
    # group 1: a tie of 0 and 1, the first by index; groups 2 and 9: unseen, and 0, 1, 2 are equally common in all
    asked = np.array([0, 1, 2, 3, 9])
    assert majority_of_group(groups, targets, asked, 3).tolist() == [2, 0, 0, 1, 0]


def test_an_unseen_group_gets_the_commonest_class_of_all() -> None:
    assert majority_of_group(np.array([0, 0, 1]), np.array([2, 2, 0]), np.array([5]), 4).tolist() == [2]


def test_one_group_is_the_majority_class() -> None:
    targets = np.array([1, 3, 3, 0])
    assert majority_of_group(np.zeros(4, int), targets, np.zeros(2, int), 4).tolist() == [3, 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60))
def test_in_sample_nothing_that_knows_only_the_group_is_better(pairs: list[tuple[int, int]]) -> None:
    groups, targets = np.array(pairs).T
    guess = majority_of_group(groups, targets, groups, 4)
    right = (guess == targets).sum()
    assert right == sum(np.bincount(targets[groups == group]).max() for group in np.unique(groups))
    assert right >= np.bincount(targets).max()


@pytest.mark.parametrize(
    ("groups", "targets", "asked"),
    [([], [], [0]), ([0, 1], [0], [0]), ([0], [4], [0]), ([0], [-1], [0]), ([-1], [0], [0]), ([0], [0], [-1])],
)
def test_what_it_refuses(groups: list[int], targets: list[int], asked: list[int]) -> None:
    with pytest.raises(ValueError, match=r"groups|targets"):
        majority_of_group(np.array(groups, int), np.array(targets, int), np.array(asked, int), 4)
