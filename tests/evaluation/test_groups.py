import numpy as np
import pytest
from evaluation.results import known, reason
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from glam.evaluation.groups import by_group


def test_three_speakers_by_hand() -> None:
    right = [100, 0, 100, 100, 100, 100, 50, 100]
    truth = [0, 0, 1, 0, 1, 1, 0, 1]
    speakers = [9, 9, 9, 4, 4, 4, 6, 6]
    result = by_group(right, truth, speakers, 3, least=3)
    four, six, nine = result.groups
    assert [group.group for group in result.groups] == [4, 6, 9]
    assert (four.wa, four.ua, four.utterances, four.counts) == (100, 100, 3, (1, 2, 0))
    assert (six.wa, six.ua, six.large) == (75, 75, False)
    assert [nine.wa, nine.ua] == pytest.approx([200 / 3, 75])
    assert nine.absent == (2,)
    gap = known(result.wa)
    assert (gap.worst, gap.best, gap.compared) == (9, 4, 2)
    assert gap.points == pytest.approx(100 / 3)


@given(st.data(), st.integers(2, 5), st.integers(1, 6), st.integers(1, 80))
def test_scores_are_scikit_learns(data: st.DataObject, classes: int, speakers: int, n: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    truth, predicted, groups = (rng.integers(0, high, n) for high in (classes, classes, speakers))
    result = by_group(100 * (truth == predicted), truth, groups, classes, least=1)
    for group in result.groups:
        here = groups == group.group
        assert group.wa == pytest.approx(100 * accuracy_score(truth[here], predicted[here]))
        occur = np.unique(truth[here])
        recall = recall_score(truth[here], predicted[here], labels=occur, average="macro", zero_division=0)
        assert group.ua == pytest.approx(100 * recall)
        assert group.counts == tuple(np.bincount(truth[here], minlength=classes))
    assert sum(group.utterances for group in result.groups) == n
    if len(result.groups) > 1:
        gap = known(result.wa)
        scores = {group.group: group.wa for group in result.groups}
        assert (scores[gap.worst], scores[gap.best]) == (min(scores.values()), max(scores.values()))
        assert gap.points == pytest.approx(max(scores.values()) - min(scores.values()))


def test_a_small_group_is_shown_but_never_the_worst() -> None:
    right = np.concatenate([np.tile([100.0, 100, 0], 10), np.tile([100.0, 0], 15), [0.0, 0]])
    groups = np.repeat([0, 1, 2], [30, 30, 2])
    result = by_group(right, np.zeros(62, dtype=int), groups, 1)
    assert result.groups[2].wa == 0
    assert not result.groups[2].large
    assert known(result.wa).worst == known(result.ua).worst == 1
    assert known(result.wa).compared == known(result.ua).compared == 2


def test_a_group_without_a_class_is_not_compared_in_ua() -> None:
    """A speaker who is never sad would win by the classes left over."""
    truth = np.concatenate([np.tile([0, 1], 20), np.tile([0, 1], 20), np.zeros(40, dtype=int)])
    right = np.where(truth == 1, 0.0, 100.0)
    groups = np.repeat([0, 1, 2], 40)
    result = by_group(right, truth, groups, 2)
    assert result.groups[2].ua == 100
    assert known(result.ua).points == 0
    assert known(result.wa).points == 50
    alone = by_group(right[40:], truth[40:], groups[40:], 2)
    assert reason(alone.ua) == (
        "of 2 groups, 1 with 20 utterances or more, and every class, where a gap needs two or more"
    )


def test_fewer_than_two_large_groups_have_no_gap() -> None:
    result = by_group([100, 0, 100], [0, 0, 1], [1, 1, 2], 2)
    assert reason(result.wa) == "of 2 groups, 0 with 20 utterances or more, where a gap needs two or more"


def test_the_gap_by_chance_is_that_of_groups_that_do_not_matter() -> None:
    """Ten speakers of 60 utterances who do not differ: some gap there is, and it is the one that is said."""
    rng = np.random.default_rng(12)
    speakers = np.repeat(np.arange(10), 60)
    gaps, expected = [], []
    for _ in range(60):
        truth = rng.integers(0, 4, 600)
        right = 100.0 * (rng.random(600) < np.array([0.9, 0.8, 0.7, 0.6])[truth])
        result = by_group(right, truth, speakers, 4)
        gaps.append((known(result.wa).points, known(result.ua).points))
        expected.append((known(result.wa).by_chance, known(result.ua).by_chance))
    assert np.mean(gaps, axis=0) == pytest.approx(np.mean(expected, axis=0), rel=0.1)
    assert np.mean(gaps) > 10
    told_apart = 100.0 * (rng.random(600) < np.where(speakers < 5, 0.9, 0.5))
    gap = known(by_group(told_apart, rng.integers(0, 4, 600), speakers, 4).wa)
    assert gap.points > 1.5 * gap.by_chance


def test_other_input_is_refused() -> None:
    with pytest.raises(ValueError, match="truth has 1 utterances, right has 2"):
        by_group([100, 0], [0], [0, 1], 2)
    with pytest.raises(ValueError, match="right is percent, found 0 to 101"):
        by_group([101, 0], [0, 0], [0, 1], 2)
    with pytest.raises(ValueError, match="truth holds class"):
        by_group([100, 0], [0, 2], [0, 1], 2)
    with pytest.raises(ValueError, match="groups is integers"):
        by_group([100, 0], [0, 1], [0, 1, 2], 2)
