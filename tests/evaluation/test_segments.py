from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from glam.evaluation.segments import accuracy_by_position, majority_vote, segment_agreement, votes

Utterances = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@st.composite
def utterances(draw: st.DrawFn) -> Utterances:
    """Segment classes (S,) of utterances, their offsets, the true classes and scores (U, C) of the utterances."""
    lengths = np.array(draw(st.lists(st.integers(1, 20), min_size=1, max_size=12)))
    classes = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    segments = rng.integers(0, classes, lengths.sum())
    truth, scores = rng.integers(0, classes, lengths.size), rng.normal(size=(lengths.size, classes))
    return segments, np.concatenate([[0], lengths.cumsum()]), truth, scores


def test_votes_and_majority_by_hand() -> None:
    counts = votes(np.array([1, 1, 2, 1, 0, 0, 2], np.uint8), [0, 4, 5, 7], 4)
    assert counts.tolist() == [[0, 3, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0]]
    # the last is a tie of classes 0 and 2: the scores decide, class 3 having no vote
    scores = [[9, 0, 0, 0], [0, 0, 0, 9], [1, 0, 2, 9]]
    assert majority_vote(counts, scores).tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match=r"both, not \(3, 4\) and \(3, 3\)"):
        majority_vote(counts, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="holds class 0 to 2"):
        votes([0, 2], [0, 2], 2)


@given(utterances())
def test_votes_against_their_definition(drawn: Utterances) -> None:
    segments, offsets, _, scores = drawn
    counts = votes(segments, offsets, scores.shape[1])
    for u in range(len(scores)):
        own = segments[offsets[u] : offsets[u + 1]].tolist()
        assert counts[u].tolist() == [own.count(c) for c in range(scores.shape[1])]
        chosen = majority_vote(counts, scores)[u]
        best = max(own.count(c) for c in set(own))
        assert own.count(chosen) == best
        assert all(scores[u, chosen] >= scores[u, c] for c in set(own) if own.count(c) == best)


def test_segment_agreement_by_hand() -> None:
    # utterance 0: segments 1 1 2 1, class 1: 3 of 4 agree, 2 changes in 3 places
    # utterance 1: segment 0, class 3: none agrees, no place for a change (1 | 0 is no change within one)
    # utterance 2: segments 0 2, class 0: 1 of 2 agree, 1 change in 1 place
    result = segment_agreement(np.array([1, 1, 2, 1, 0, 0, 2], np.uint8), [1, 3, 0], [0, 4, 5, 7])
    assert_allclose(result.agreement, [75, 0, 50])
    assert_array_equal(result.changes, [2, 0, 1])
    assert_array_equal(result.segments, [4, 1, 2])
    assert result.agreement.mean() == pytest.approx(125 / 3)
    assert result.change_rate == pytest.approx(75.0)


def test_utterances_of_one_segment_have_no_change_rate() -> None:
    result = segment_agreement([1, 2], [1, 2], [0, 1, 2])
    assert (result.agreement.mean(), result.change_rate) == (100.0, None)


def test_segment_agreement_refuses() -> None:
    with pytest.raises(ValueError, match="2 utterances by the offsets"):
        segment_agreement([1, 2], [1], [0, 1, 2])
    with pytest.raises(ValueError, match="expected 0 to 2 segments"):
        segment_agreement([1, 2], [1], [0, 3])


def test_positions_by_hand() -> None:
    # five segments: right are the first and the middle; ten: right are the last three, in the fourth and fifth part;
    # an utterance of four is not counted
    segments = [1, 0, 1, 0, 0, *[0] * 7, 2, 2, 2, 0, 0, 0, 0]
    result = accuracy_by_position(segments, [1, 2, 0], [0, 5, 15, 19])
    assert result.utterances == 2
    assert_allclose(result.ends, [50, 50, 50])
    assert_allclose(result.parts, [50, 0, 50, 25, 50])


def test_short_utterances_have_no_positions() -> None:
    result = accuracy_by_position([1, 1], [1, 1], [0, 1, 2])
    assert result.utterances == 0
    assert np.isnan(result.ends).all()
    assert np.isnan(result.parts).all()


@given(utterances(), st.integers(1, 6))
def test_positions_against_their_definition(drawn: Utterances, parts: int) -> None:
    segments, offsets, truth, _ = drawn
    result = accuracy_by_position(segments, truth, offsets, parts)
    inside: list[list[float]] = [[] for _ in range(parts)]
    ends: list[list[Any]] = []
    for u, (start, stop) in enumerate(pairwise(offsets)):
        right = segments[start:stop] == truth[u]
        n = len(right)
        if n < parts:
            continue
        ends.append([right[0], right[(n - 1) // 2], right[-1]])
        places = np.array([(2 * i + 1) * parts // (2 * n) for i in range(n)])
        for part, values in enumerate(inside):
            assert (places == part).any(), "an utterance that is counted is in every part"
            values.append(right[places == part].mean())
    assert result.utterances == len(ends)
    if ends:
        assert_allclose(result.ends, 100 * np.mean(ends, axis=0))
        assert_allclose(result.parts, [100 * np.mean(values) for values in inside])


@given(utterances(), st.randoms())
def test_the_order_of_utterances_and_the_names_of_classes_do_not_matter(drawn: Utterances, random: Random) -> None:
    segments, offsets, truth, scores = drawn
    order, names = list(range(len(truth))), list(range(scores.shape[1]))
    random.shuffle(order)
    random.shuffle(names)
    renamed = np.array(names)
    pieces = [renamed[segments[offsets[u] : offsets[u + 1]]] for u in order]
    moved = np.concatenate(pieces), np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    before = segment_agreement(segments, truth, offsets)
    after = segment_agreement(moved[0], renamed[truth[order]], moved[1])
    assert_array_equal(after.agreement, before.agreement[order])
    assert_array_equal(after.changes, before.changes[order])
    position = accuracy_by_position(segments, truth, offsets)
    position_moved = accuracy_by_position(moved[0], renamed[truth[order]], moved[1])
    assert_allclose(position_moved.parts, position.parts)
    assert_allclose(position_moved.ends, position.ends)
    assert_array_equal(votes(moved[0], moved[1], len(names))[:, renamed], votes(segments, offsets, len(names))[order])


def test_an_utterance_of_one_class_agrees_wholly() -> None:
    result = segment_agreement([2] * 7, [2], [0, 7])
    assert (result.agreement.mean(), result.change_rate) == (100, 0)
