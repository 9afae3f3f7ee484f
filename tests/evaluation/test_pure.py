"""Pure accuracy: by hand, by its definition, and against the recorded values."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metric import METRICS
from glam.evaluation.metrics import confusion_matrix, scores_of, utterance_logits
from glam.evaluation.pure import pure_correct
from glam.evaluation.scored import Scored

Record = dict[str, NDArray[np.float64]]


def record_of(shared: Path, case: str) -> Record:
    with np.load(shared / "parity" / "next" / "pure_accuracy.npz") as arrays:
        return {key.removeprefix(f"{case}/"): arrays[key] for key in arrays if key.startswith(f"{case}/")}


def offsets_of(counts: ArrayLike) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)])


def neutral_of(record: Record) -> int | None:
    return None if record["neutral"] < 0 else int(record["neutral"])


def test_by_hand() -> None:
    # an angry utterance (1) of angry and neutral (0) segments; of neutral ones alone; with a sad one (2) among them;
    # a neutral utterance that is all neutral; one with an angry segment
    segments = [1, 0, 0, 0, 1, 2, 0, 0, 0, 1]
    truth, offsets = [1, 1, 1, 0, 0], [0, 2, 4, 6, 8, 10]
    assert pure_correct(segments, truth, offsets, neutral=0).tolist() == [True, False, False, True, False]
    # without a neutral class, every segment must have the utterance's class
    assert pure_correct(segments, truth, offsets, neutral=None).tolist() == [False, False, False, True, False]


@st.composite
def utterances(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int | None]:
    """Segment classes (S,), true classes (U,), offsets (U+1,) and the neutral class."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    classes = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    neutral = draw(st.none() | st.integers(0, classes - 1))
    return rng.integers(0, classes, sum(lengths)), rng.integers(0, classes, len(lengths)), offsets_of(lengths), neutral


@given(utterances())
def test_against_its_definition(
    drawn: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int | None],
) -> None:
    segments, truth, offsets, neutral = drawn
    pure = pure_correct(segments, truth, offsets, neutral)
    for right, target, (first, end) in zip(pure, truth.tolist(), pairwise(offsets), strict=True):
        classes = set(segments[first:end].tolist())
        assert right == (target in classes and classes <= {target, neutral})


@given(utterances())
def test_a_neutral_class_never_costs_anything(
    drawn: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int | None],
) -> None:
    segments, truth, offsets, neutral = drawn
    strict = pure_correct(segments, truth, offsets, None)
    assert (pure_correct(segments, truth, offsets, neutral) >= strict).all()


@pytest.mark.parametrize(
    ("segments", "truth", "offsets", "message"),
    [
        ([[0, 1]], [0], [0, 2], r"segment classes are \(S,\), not \(1, 2\)"),
        ([0, 1], [0], [0, 1, 2], r"2 utterances by the offsets, classes of shape \(1,\)"),
        ([0, 1], [0], [0, 3], "expected 0 to 2 segments"),
        ([0, 1], [0, 1], [0, 0, 2], "utterance 0 has no segments"),
    ],
)
def test_what_it_refuses(segments: ArrayLike, truth: ArrayLike, offsets: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pure_correct(segments, truth, offsets, 0)


@pytest.mark.parity
@pytest.mark.parametrize("case", ["edges", "none", "allneutral", "allcorrect", "nothing", "random"])
def test_the_recorded_utterances(shared: Path, case: str) -> None:
    record = record_of(shared, case)
    pure = pure_correct(record["classes"], record["labels"], offsets_of(record["counts"]), neutral_of(record))
    assert_array_equal(pure, record["correct"])
    assert 100 * pure.mean() == pytest.approx(float(record["value"]), abs=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("case", ["edges", "none", "allneutral", "allcorrect", "nothing", "random"])
def test_the_metric_finds_the_neutral_class_by_its_name(shared: Path, case: str) -> None:
    record = record_of(shared, case)
    neutral, truth = neutral_of(record), record["labels"].astype(np.int64)
    names = tuple("neutral" if i == neutral else f"class {i}" for i in range(int(record["n_classes"])))
    scored = Scored(
        classes=names,
        utterances=np.arange(len(truth)),
        truth=truth,
        logits=np.eye(len(names), dtype=np.float32)[truth],
        segments=record["counts"].astype(np.int64),
        segment_classes=record["classes"].astype(np.uint8),
    )
    assert METRICS["pure_accuracy"].of(scored) == pytest.approx(float(record["value"]), abs=1e-12)


@pytest.mark.parity
def test_the_recorded_scores_of_segments_and_of_their_means(shared: Path) -> None:
    record = record_of(shared, "scores")
    offsets, truth = offsets_of(record["counts"]), record["labels"].astype(np.int64)
    segment_class = record["logits"].argmax(axis=1)
    assert_array_equal(segment_class, record["segment_class"])
    pure = pure_correct(segment_class, truth, offsets, neutral_of(record))
    assert_array_equal(pure, record["pure_correct"])
    assert 100 * pure.mean() == pytest.approx(float(record["pure_accuracy"]), abs=1e-12)

    mean_sigmoid = np.asarray(utterance_logits(record["logits"], offsets, "probabilities", "sigmoid"))
    mean_logit = np.asarray(utterance_logits(record["logits"], offsets))
    assert_allclose(mean_sigmoid, record["mean_sigmoid"], rtol=1e-12, atol=1e-14)
    assert_allclose(mean_logit, record["mean_logit"], rtol=1e-12, atol=1e-14)
    assert_array_equal(mean_sigmoid.argmax(axis=1), record["prediction"])
    assert_array_equal(mean_logit.argmax(axis=1), record["prediction_from_logits"])
    scores = scores_of(confusion_matrix(truth, record["prediction"].astype(np.int64), record["logits"].shape[1]))
    assert scores.wa == pytest.approx(float(record["wa"]), abs=1e-9)
    assert scores.ua == pytest.approx(float(record["ua"]), abs=1e-9)
    # what the case was made for: each of the two can be right where the other is wrong
    right = record["prediction"] == truth
    assert (pure & ~right).any()
    assert (right & ~pure).any()
