import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from glam.evaluation.metrics import (
    Averaging,
    best_epoch,
    confusion_matrices,
    confusion_matrix,
    scores_of,
    scores_of_all,
    sigmoid,
    softmax,
    steps_of,
    utterance_logits,
)

Predictions = tuple[int, NDArray[np.int64], NDArray[np.int64]]


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    """The number of classes, true classes (n,) and predicted classes (n,)."""
    classes = draw(st.integers(1, 6))
    pairs = draw(st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), min_size=1, max_size=60))
    truth, predicted = zip(*pairs, strict=True)
    return classes, np.array(truth), np.array(predicted)


def test_confusion_matrix_by_hand() -> None:
    matrix = confusion_matrix([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], 4)
    assert matrix.dtype == np.int64
    assert_array_equal(matrix, [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])


def test_the_steps_of_scores_by_hand() -> None:
    """Of 4 + 1 utterances, one is 20 points of WA, and the only one of its class half of UA: no third class occurs."""
    assert steps_of([[3, 1, 0], [0, 1, 0], [0, 0, 0]]) == (20, 50)
    for wrong in ([[2, 1, 0], [0, 1, 0], [0, 0, 0]], [[3, 1, 0], [1, 0, 0], [0, 0, 0]]):
        before, after = scores_of([[3, 1, 0], [0, 1, 0], [0, 0, 0]]), scores_of(wrong)
        assert before.ua - after.ua <= 50
    with pytest.raises(ValueError, match="holds no utterance"):
        steps_of(np.zeros((2, 2), dtype=np.int64))


def test_confusion_matrix_of_small_integers_does_not_overflow() -> None:
    truth = np.full(300, 20, dtype=np.uint8)  # 20 * 21 + 20 is more than a byte holds
    assert confusion_matrix(truth, truth, 21)[20, 20] == 300


@given(predictions(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_many_confusion_matrices_are_each_of_them(drawn: Predictions, epochs: int, seed: int) -> None:
    classes, truth, _ = drawn
    guesses = np.random.default_rng(seed).integers(0, classes, (epochs, truth.size))
    together = confusion_matrices(truth, guesses, classes)
    assert together.shape == (epochs, classes, classes)
    for matrix, guess in zip(together, guesses, strict=True):
        assert_array_equal(matrix, confusion_matrix(truth, guess, classes))


@pytest.mark.parametrize(
    ("guesses", "message"),
    [([0, 1], "many epochs"), ([[0, 1, 0]], "truth has 2"), ([[0, 2]], "predicted holds class 0 to 2")],
)
def test_many_confusion_matrices_refuse(guesses: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrices([0, 1], guesses, 2)


def test_confusion_matrix_of_nothing_is_zero_and_has_no_scores() -> None:
    empty = confusion_matrix([], [], 3)
    assert_array_equal(empty, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="holds no utterance"):
        scores_of(empty)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 4], [0, 1], "truth holds class 0 to 4, expected 0 to 3"),
        ([0, 1], [-1, 1], "predicted holds class -1"),
        ([0, 1], [0], "truth has 2 utterances, predicted has 1"),
        ([0.0, 1.0], [0, 1], "truth is integers"),
        ([[0], [1]], [0, 1], "truth is integers"),
    ],
)
def test_confusion_matrix_refuses(truth: ArrayLike, predicted: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(truth, predicted, 4)


def test_scores_by_hand() -> None:
    # Rows are the truth. Class 2 is never true but predicted once; class 3 neither.
    #   recall 3/4, 1/2; WA 4/6; UA 5/8. F1 of class 0: 2*3/(4+4), of class 1: 2*1/(2+1).
    #   macro (3/4 + 2/3)/2 = 17/24, weighted (4*3/4 + 2*2/3)/6 = 13/18
    scores = scores_of([[3, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert scores.wa == scores.micro_f1 == pytest.approx(100 * 4 / 6)
    assert scores.ua == pytest.approx(62.5)
    assert scores.macro_f1 == pytest.approx(100 * 17 / 24)
    assert scores.weighted_f1 == pytest.approx(100 * 13 / 18)
    assert scores.recall == (75.0, 50.0, None, None)
    assert scores.absent == (2, 3)


def test_a_class_never_predicted_has_f1_zero_and_counts() -> None:
    scores = scores_of([[5, 0], [5, 0]])
    assert (scores.wa, scores.ua, scores.absent) == (50.0, 50.0, ())
    assert scores.macro_f1 == pytest.approx(100 * (2 * 5 / 15) / 2)


@given(predictions())
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_scores_are_those_of_scikit_learn(drawn: Predictions) -> None:
    classes, truth, predicted = drawn
    matrix = confusion_matrix(truth, predicted, classes)
    assert_array_equal(matrix, sklearn_confusion(truth, predicted, labels=range(classes)))
    scores = scores_of(matrix)
    present = np.unique(truth)

    def f1(average: str, labels: NDArray[np.int64] | None = None) -> float:
        return 100 * float(f1_score(truth, predicted, labels=labels, average=average, zero_division=0))

    assert scores.wa == pytest.approx(100 * np.mean(truth == predicted), abs=1e-9)
    assert scores.ua == pytest.approx(100 * balanced_accuracy_score(truth, predicted), abs=1e-9)
    assert scores.ua == pytest.approx(100 * recall_score(truth, predicted, labels=present, average="macro"), abs=1e-9)
    assert scores.macro_f1 == pytest.approx(f1("macro", present), abs=1e-9)
    assert scores.micro_f1 == pytest.approx(f1("micro"), abs=1e-9)
    assert scores.weighted_f1 == pytest.approx(f1("weighted"), abs=1e-9)
    assert scores.absent == tuple(set(range(classes)) - set(present.tolist()))
    each = 100 * recall_score(truth, predicted, labels=present, average=None)
    assert [r for r in scores.recall if r is not None] == pytest.approx(list(each), abs=1e-9)


def test_many_confusions_score_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (3, 5, 4, 4))
    counts[1, 2, 3] = 0  # one class absent in one epoch
    many = scores_of_all(counts)
    assert many.recall.shape == many.present.shape == (3, 5, 4)
    for at in np.ndindex(3, 5):
        alone = scores_of(counts[at])
        for name in ("wa", "ua", "macro_f1", "micro_f1", "weighted_f1"):
            assert getattr(many, name)[at] == getattr(alone, name)
        assert_array_equal(many.recall[at], [np.nan if r is None else r for r in alone.recall])
        assert_array_equal(np.flatnonzero(~many.present[at]), alone.absent)


@pytest.mark.parametrize(
    ("confusions", "message"),
    [
        (np.ones((2, 3), int), r"C, C\), not \(2, 3\)"),
        (np.ones((2, 2)), "hold counts"),
        (-np.ones((2, 2), int), "hold counts"),
        (np.stack([np.eye(2, dtype=int), np.zeros((2, 2), int)]), "holds no utterance"),
    ],
)
def test_scores_refuse(confusions: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores_of_all(confusions)


def test_scores_of_takes_one_matrix() -> None:
    with pytest.raises(ValueError, match="one confusion matrix"):
        scores_of(np.ones((5, 2, 2), int))


def test_softmax_does_not_overflow() -> None:
    assert_allclose(softmax([[0.0, np.log(3)], [1000.0, 1000.0]]), [[0.25, 0.75], [0.5, 0.5]])


def test_sigmoid_does_not_overflow() -> None:
    assert_allclose(sigmoid([0.0, np.log(3), -np.log(3), 1000.0, -1000.0]), [0.5, 0.75, 0.25, 1, 0], rtol=1e-15)


def test_utterance_logits_by_hand() -> None:
    segments = np.array([[0, 4], [2, 0], [7, 1]], dtype=np.float32)
    logits = utterance_logits(segments, [0, 2, 3])
    assert logits.dtype == np.float32
    assert_array_equal(logits, [[1, 2], [7, 1]])
    # softmax of (0, log 3) is (1/4, 3/4), of (0, 0) is (1/2, 1/2): mean (3/8, 5/8)
    chances = utterance_logits([[0, np.log(3)], [0.0, 0.0]], [0, 2], "probabilities")
    assert_allclose(chances, [[0.375, 0.625]], rtol=1e-15)
    # sigmoids of (0, log 3) are (1/2, 3/4), of (0, 0) are (1/2, 1/2): mean (1/2, 5/8)
    chances = utterance_logits([[0, np.log(3)], [0.0, 0.0]], [0, 2], "probabilities", "sigmoid")
    assert_allclose(chances, [[0.5, 0.625]], rtol=1e-15)


def test_the_two_averages_can_disagree() -> None:
    # two segments mildly for class 1, one wildly for class 0
    segments = np.array([[0, 2], [0, 2], [9, 0]], dtype=np.float32)
    assert utterance_logits(segments, [0, 3], "logits").argmax() == 0
    assert utterance_logits(segments, [0, 3], "probabilities").argmax() == 1


def test_long_utterances_are_summed_in_float64() -> None:
    # float32 sums of 0.1 drift; the mean of equal numbers is that number
    segments = np.full((100_001, 2), 0.1, dtype=np.float32)
    assert_array_equal(utterance_logits(segments, [0, 100_000, 100_001]), np.array([[0.1, 0.1]] * 2, dtype=np.float32))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_utterance_logits_are_means_over_each_utterance(lengths: list[int], seed: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    segments = np.random.default_rng(seed).normal(0, 5, (offsets[-1], 3))
    averages: dict[Averaging, NDArray[np.float64]] = {"logits": segments, "probabilities": softmax(segments)}
    for mode, terms in averages.items():
        expected = [terms[a:b].mean(0) for a, b in pairwise(offsets)]
        assert_allclose(np.asarray(utterance_logits(segments, offsets, mode)), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": [0, 2, 2, 3]}, "utterance 1 has no segments"),
        ({"offsets": [0, 2]}, "expected 0 to 3 segments"),
        ({"offsets": [1, 3]}, "expected 0 to 3 segments"),
        ({"offsets": [0]}, "U of 1 or more"),
        ({"offsets": [0.0, 3.0]}, "offsets are integers"),
        ({"mode": "votes"}, "'votes', allowed are"),
        ({"segment_logits": np.array([[1.0, np.nan]] * 3)}, "not all finite"),
        ({"segment_logits": np.ones((3, 2), int)}, "floats"),
    ],
)
def test_utterance_logits_refuse(change: dict[str, Any], message: str) -> None:
    given_: dict[str, Any] = {"segment_logits": np.ones((3, 2)), "offsets": [0, 3]} | change
    with pytest.raises(ValueError, match=message):
        utterance_logits(**given_)


def test_best_epoch_is_the_first_of_the_highest_mean() -> None:
    assert best_epoch([50, 60, 70, 60], [50, 70, 60, 60]) == 1
    assert best_epoch([50.0], [10.0]) == 0


def test_rounding_does_not_choose_the_epoch() -> None:
    assert best_epoch([70.0, 70.0 + 3e-14], [60.0, 60.0]) == 0
    assert best_epoch([70.0, 70.0 + 1e-8], [60.0, 60.0]) == 1


@pytest.mark.parametrize(("wa", "ua"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_best_epoch_refuses(wa: list[float], ua: list[float]) -> None:
    with pytest.raises(ValueError, match="WA"):
        best_epoch(wa, ua)


def test_reports_start_without_heavy_imports() -> None:
    names = ("metrics", "metric", "scored", "pure", "statistics", "calibration", "segments", "baselines")
    modules = ", ".join(f"glam.evaluation.{name}" for name in names)
    code = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "sklearn", "torch", "pandas"} & set(loaded.stdout.split())
