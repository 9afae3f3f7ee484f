"""What was predicted for utterances: the class of each, counts, offsets, and several as one."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
from numpy.testing import assert_array_equal

from glam.evaluation.scored import Scored

CLASSES = ("neutral", "sad", "angry")


def scored(seed: int, n: int) -> Scored:
    """Of n utterances: one to four segments each, logits and classes of any kind."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(1, 5, n)
    return Scored(
        classes=CLASSES,
        utterances=rng.permutation(100)[:n],
        truth=rng.integers(0, 3, n),
        logits=rng.normal(size=(n, 3)).astype(np.float32),
        segments=segments,
        segment_classes=rng.integers(0, 3, segments.sum()).astype(np.uint8),
    )


def test_by_hand() -> None:
    predictions = Scored(
        classes=CLASSES,
        utterances=np.array([7, 2, 5]),
        truth=np.array([0, 2, 2]),
        logits=np.array([[3, 1, 2], [0, 0, 0], [-1, -2, -0.5]], dtype=np.float32),
        segments=np.array([2, 1, 3]),
        segment_classes=np.array([0, 0, 1, 2, 2, 2], dtype=np.uint8),
    )
    assert predictions.predicted.tolist() == [0, 0, 2]  # of equally high logits, the first counts
    assert predictions.predicted.dtype == np.int64
    assert predictions.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 1]]
    assert predictions.offsets.tolist() == [0, 2, 3, 6]


def test_a_class_that_never_occurs_has_its_row_and_column() -> None:
    predictions = Scored(
        classes=("a", "b", "c", "d"),
        utterances=np.arange(2),
        truth=np.array([1, 1]),
        logits=np.eye(4, dtype=np.float32)[[1, 1]],
        segments=np.ones(2, dtype=np.int64),
        segment_classes=np.ones(2, dtype=np.uint8),
    )
    assert predictions.confusion.shape == (4, 4)
    assert predictions.confusion[1, 1] == predictions.confusion.sum() == 2


def test_folds_together_are_their_predictions_one_after_the_other() -> None:
    parts = [scored(1, 4), scored(2, 1), scored(3, 6)]
    together = Scored.together(parts)
    assert together.classes == CLASSES
    for field in fields(Scored)[1:]:
        expected = np.concatenate([getattr(part, field.name) for part in parts])
        assert_array_equal(getattr(together, field.name), expected)
        assert getattr(together, field.name).dtype == expected.dtype
    assert_array_equal(together.confusion, sum(part.confusion for part in parts))
    assert_array_equal(together.predicted, np.concatenate([part.predicted for part in parts]))
    # each utterance keeps its own segments
    segments = [together.segment_classes[first:end] for first, end in pairwise(together.offsets)]
    own = [
        part.segment_classes[part.offsets[i] : part.offsets[i + 1]] for part in parts for i in range(len(part.truth))
    ]
    for of_all, of_part in zip(segments, own, strict=True):
        assert_array_equal(of_all, of_part)


def test_one_part_is_itself() -> None:
    alone = scored(4, 5)
    together = Scored.together([alone])
    for field in fields(Scored):
        assert_array_equal(getattr(together, field.name), getattr(alone, field.name))
