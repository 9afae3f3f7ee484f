import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from glam.evaluation.intervals import interval_of_share
from glam.evaluation.raters import accuracy_by_agreement, ceiling, share_agreeing, soft_labels

Votes = NDArray[np.bool_]


def votes(*utterances: tuple[str, ...], labels: str = "nsah", raters: int = 4) -> Votes:
    """Each utterance a word a rater, each word the letters of the labels chosen: ("n", "ns", "a")."""
    table = np.zeros((len(utterances), raters, len(labels)), dtype=bool)
    for u, words in enumerate(utterances):
        for r, word in enumerate(words):
            table[u, r, [labels.index(letter) for letter in word]] = True
    return table


# --- soft labels and agreement


def test_a_rater_counts_once_whatever_is_chosen() -> None:
    table = votes(("n", "ns", "a"), ("s", "s"), ("nsah",))
    assert_allclose(soft_labels(table), np.array([[1.5 / 3, 0.5 / 3, 1 / 3, 0], [0, 1, 0, 0], [0.25] * 4]))
    assert_allclose(share_agreeing(table, [0, 1, 3]), [200 / 3, 100, 100])
    assert_allclose(share_agreeing(table, [3, 0, 3]), [0, 0, 100])


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_soft_labels_are_distributions_and_raters_have_no_order(seed: int, n: int, raters: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((n, raters, labels)) < 0.4
    table[:, 0, 0] |= ~table.any(axis=(1, 2))
    soft = soft_labels(table)
    assert_allclose(soft.sum(axis=1), 1)
    assert (soft >= 0).all()
    order = rng.permutation(raters)
    assert_allclose(soft_labels(table[:, order]), soft)
    more = np.concatenate([table, np.zeros((n, 3, labels), dtype=bool)], axis=1)  # slots without a rater
    assert_allclose(soft_labels(more), soft)
    truth = rng.integers(0, labels, n)
    assert_allclose(share_agreeing(more, truth), share_agreeing(table, truth))


def test_accuracy_by_agreement() -> None:
    agreeing = [100, 100, 200 / 3, 75, 60, 50, 100 / 3]
    right = [100, 50, 0, 100, 100, 0, 100]
    rows = accuracy_by_agreement(right, agreeing)
    assert [(row.level, row.utterances) for row in rows] == [
        ("half or fewer", 2),
        ("more than half", 1),
        ("two thirds or more", 2),
        ("all raters", 2),
    ]
    assert [known(row.accuracy) for row in rows] == [50, 100, 50, 75]
    assert known(rows[3].interval) == interval_of_share(1.5, 2)
    (empty, *_) = accuracy_by_agreement([100], [100])
    assert empty.utterances == 0
    assert reason(empty.accuracy) == reason(empty.interval) == "there is no such utterance"


# --- a rater as ceiling


def test_a_rater_against_the_others_by_hand() -> None:
    # utterance 0: n n s: each n sees {n, s} tied: right by half; s sees n: wrong. (1/2 + 1/2 + 0) / 3 = 1/3
    # utterance 1: a a a: right. utterance 2 has one rater, and is left out.
    result = known(ceiling(votes(("n", "n", "s"), ("a", "a", "a"), ("h",)), 4))
    assert result.utterances == 2
    assert result.outside == pytest.approx(0)
    assert result.rater.wa == pytest.approx(100 * (1 / 3 + 1) / 2)
    # others' n: weights (1/2 + 1/2 + 1) / 3, right 1/3: recall 1/2; s: weight 1/3, none right; a: all right
    assert result.rater.ua == pytest.approx(100 * (1 / 2 + 0 + 1) / 3)
    assert result.model is None


def test_a_model_is_held_against_the_same_votes() -> None:
    table = votes(("n", "n", "s"), ("a", "a", "a"))
    result = known(ceiling(table, 4, predicted=[0, 2]))
    assert result.model is not None
    # n against the others' (n or s, n or s, n): 2/3
    assert result.model.wa == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert result.model.ua == pytest.approx(100 * (1 + 0 + 1) / 3)


def test_a_rater_who_chooses_several_is_right_by_chance() -> None:
    # others of the first: s, s -> s; the first chose n and s: half. Others of the second and third: s 1.5, n 0.5.
    result = known(ceiling(votes(("ns", "s", "s")), 4))
    assert result.rater.wa == pytest.approx(100 * (0.5 + 1 + 1) / 3)


def test_labels_outside_the_task() -> None:
    """Two frustrated, one angry, the task knows n s a h: against the angry one's others, there is no label."""
    table = votes(("f", "f", "a"), ("s", "s", "f"), labels="nsahf")
    result = known(ceiling(table, 4, predicted=[2, 1]))
    # utterance 0: an f sees {f, a} tied, so a by half, and is wrong; a sees f, which is left out
    # utterance 1: an s sees {s, f} tied, s by half, and is right; f sees s, and is wrong
    inside = np.array([(0.5 + 0.5 + 0) / 3, (0.5 + 0.5 + 1) / 3])
    assert result.outside == pytest.approx(100 * (1 - inside.sum() / 2))
    assert result.rater.wa == pytest.approx(100 * (0 + 1 / 3) / inside.sum())
    assert result.model is not None
    assert result.model.wa == 100
    assert "never name" in reason(ceiling(votes(("f", "f"), labels="nsahf"), 4))


def test_alone_no_rater_can_be_held_against_others() -> None:
    assert "no utterance has two raters" in reason(ceiling(votes(("n",), ("s",)), 4))


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 5), st.integers(2, 5))
def test_the_ceiling_against_its_definition(seed: int, n: int, raters: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((n, raters, labels)) < 0.35
    table[0, :2] = np.eye(labels, dtype=bool)[0]
    classes = int(rng.integers(1, labels + 1))
    confusion = np.zeros((classes, labels))
    for utterance in table:
        present = utterance[utterance.any(axis=1)]
        for r in range(len(present) if len(present) >= 2 else 0):
            others = sum(rater / rater.sum() for i, rater in enumerate(present) if i != r)
            best = np.flatnonzero(np.isclose(others, np.max(others)))
            for label in best[best < classes]:
                confusion[label] += present[r] / present[r].sum() / best.size / len(present)
    result = known(ceiling(table, classes))
    assert result.rater.wa == pytest.approx(100 * np.trace(confusion) / confusion.sum())
    row = confusion.sum(axis=1)
    recalls = [confusion[c, c] / row[c] for c in range(classes) if row[c] > 0]
    assert result.rater.ua == pytest.approx(100 * np.mean(recalls))


def test_a_ceiling_of_raters_who_err_alike() -> None:
    """Many raters, each right with chance 0.8: the others are nearly always right, so a rater agrees in 80 %."""
    rng = np.random.default_rng(17)
    truth = rng.integers(0, 4, 2000)
    chosen = np.where(rng.random((2000, 9)) < 0.8, truth[:, None], (truth[:, None] + rng.integers(1, 4, (2000, 9))) % 4)
    result = known(ceiling(np.eye(4, dtype=bool)[chosen], 4, predicted=truth))
    assert result.rater.wa == pytest.approx(80, abs=1)
    assert result.model is not None
    assert result.model.wa > 99


def test_other_input_is_refused() -> None:
    table = votes(("n", "s"), ("a",))
    with pytest.raises(ValueError, match="votes are booleans"):
        soft_labels(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="votes are booleans"):
        soft_labels(np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match="utterance 1 has no vote"):
        soft_labels(votes(("n",), ()))
    with pytest.raises(ValueError, match="utterance 1 has no vote"):
        share_agreeing(votes(("n",), ()), [0, 0])
    with pytest.raises(ValueError, match="1 labels, votes on 2"):
        share_agreeing(table, [0])
    with pytest.raises(ValueError, match="labels holds class"):
        share_agreeing(table, [0, 4])
    with pytest.raises(ValueError, match="5 classes, votes on 4 labels"):
        ceiling(table, 5)
    with pytest.raises(ValueError, match="1 predictions, votes on 2"):
        ceiling(table, 4, predicted=[0])
    with pytest.raises(ValueError, match="2 utterances, 1 agreements"):
        accuracy_by_agreement([100, 0], [100])
    with pytest.raises(ValueError, match="are percent"):
        accuracy_by_agreement([101], [100])
