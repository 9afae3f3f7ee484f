"""WA, UA and the F1 scores of predictions, the class of an utterance, the best epoch.

Scores are in percent. WA (weighted accuracy) is the share of utterances classified correctly; UA
(unweighted accuracy) is the mean recall over the classes. GLAM paper, section 4.1; its "micro F1" column
holds weighted F1, true micro F1 of a single-label task being WA itself.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Averaging = Literal["logits", "probabilities"]


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """Utterances counted by true class (row) and predicted class (column): (classes, classes) int64.

    `truth` and `predicted` are (n,) integers in 0..classes-1. Raises ValueError for anything else; n may be
    0.
    """
    true, guess = checked_classes(truth, classes, "truth"), checked_classes(predicted, classes, "predicted")
    if true.shape != guess.shape:
        raise ValueError(f"truth has {true.size} utterances, predicted has {guess.size}")
    return np.bincount(true * classes + guess, minlength=classes * classes).reshape(classes, classes)


def confusion_matrices(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """The confusion matrices of many predictions of the same utterances (of every epoch): (E, classes, classes) int64.

    `truth` is (n,), `predicted` (E, n), both integers in 0..classes-1. Raises ValueError for anything else.
    """
    guesses = np.asarray(predicted)
    if guesses.ndim != 2:
        raise ValueError(f"predictions of many epochs are (E, n), not {guesses.shape}")
    epochs, utterances = guesses.shape
    # every epoch has classes of its own: epoch e's class c is e * classes + c
    shift = np.repeat(np.arange(epochs) * classes, utterances)
    true = np.tile(checked_classes(truth, classes, "truth"), epochs)
    guess = checked_classes(guesses.ravel(), classes, "predicted")
    if true.size != guess.size:
        raise ValueError(f"truth has {true.size // max(epochs, 1)} utterances, predicted has {utterances}")
    counts = np.bincount((shift + true) * classes + guess, minlength=epochs * classes * classes)
    return counts.reshape(epochs, classes, classes)


@dataclass(frozen=True)
class Scores:
    """The scores of one set of predictions, in percent.

    UA and macro F1 are means over the classes that occur in the truth. A class that is predicted but never
    true adds no term to them: its wrong predictions already cost the recall of the classes they were taken
    from (scikit-learn: `recall_score` and `f1_score` with `labels` = the classes in truth and average
    "macro"; UA is also `balanced_accuracy_score`). Micro F1 counts every prediction and so equals WA;
    weighted F1 weighs the classes by their number of true utterances (scikit-learn: averages "micro" and
    "weighted", all labels).
    """

    wa: float
    ua: float
    macro_f1: float
    micro_f1: float
    weighted_f1: float
    recall: tuple[float | None, ...]  # per class; None for a class with no true utterance
    absent: tuple[int, ...]  # the classes with no true utterance


@dataclass(frozen=True, eq=False)
class ScoreArrays:
    """`Scores` of many confusion matrices at once (epochs, runs x epochs), in percent; same definitions."""

    wa: NDArray[np.float64]  # (...)
    ua: NDArray[np.float64]  # (...)
    macro_f1: NDArray[np.float64]  # (...)
    micro_f1: NDArray[np.float64]  # (...)
    weighted_f1: NDArray[np.float64]  # (...)
    recall: NDArray[np.float64]  # (..., C), NaN for a class with no true utterance
    present: NDArray[np.bool_]  # (..., C), whether the class has a true utterance


def scores_of(confusion: ArrayLike) -> Scores:
    """The scores of one (C, C) confusion matrix with the truth in rows; ValueError as `scores_of_all`."""
    counts = np.asarray(confusion)
    if counts.ndim != 2:
        raise ValueError(f"one confusion matrix is (C, C), not {counts.shape}")
    scores = scores_of_all(counts)
    present = scores.present.tolist()
    return Scores(
        wa=float(scores.wa),
        ua=float(scores.ua),
        macro_f1=float(scores.macro_f1),
        micro_f1=float(scores.micro_f1),
        weighted_f1=float(scores.weighted_f1),
        recall=tuple(
            recall if occurs else None for recall, occurs in zip(scores.recall.tolist(), present, strict=True)
        ),
        absent=tuple(c for c, occurs in enumerate(present) if not occurs),
    )


def scores_of_all(confusions: ArrayLike) -> ScoreArrays:
    """The scores of every confusion matrix in `confusions` (..., C, C), truth in rows.

    Raises ValueError if they are not square, not counts, or if one of them holds no utterance.
    """
    counts = np.asarray(confusions)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise ValueError(f"confusion matrices are (..., C, C), not {counts.shape}")
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError("confusion matrices hold counts: integers, 0 or more")
    correct = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    true = counts.sum(-1).astype(np.float64)
    predicted = counts.sum(-2).astype(np.float64)
    total = true.sum(-1)
    if (total == 0).any():
        raise ValueError("a confusion matrix holds no utterance, so it has no scores")
    present = true > 0
    recall = np.divide(correct, true, out=np.full_like(true, np.nan), where=present)
    # 2PR / (P + R) = 2 correct / (true + predicted), which is also right where nothing was predicted
    f1 = np.divide(2 * correct, true + predicted, out=np.zeros_like(true), where=present)
    accuracy = correct.sum(-1) / total
    seen = present.sum(-1)
    return ScoreArrays(
        wa=100 * accuracy,
        ua=100 * np.where(present, recall, 0.0).sum(-1) / seen,
        macro_f1=100 * f1.sum(-1) / seen,
        micro_f1=100 * accuracy,
        weighted_f1=100 * (f1 * true).sum(-1) / total,
        recall=100 * recall,
        present=present,
    )


def steps_of(confusion: ArrayLike) -> tuple[float, float]:
    """The points that a single utterance makes at most in WA and in UA of a confusion matrix (C, C), rows truth."""
    counts = np.asarray(confusion)
    if not counts.sum():
        raise ValueError("a confusion matrix holds no utterance, so it has no scores")
    sizes = counts.sum(axis=1)
    present = sizes[sizes > 0]
    return 100 / int(present.sum()), 100 / present.size / int(present.min())


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Class probabilities (..., C) of logits (..., C), computed in float64 and without overflow."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)) of logits (...), computed in float64 and without overflow."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, powers) / (1 + powers))


def utterance_logits(
    segment_logits: ArrayLike,
    offsets: ArrayLike,
    mode: Averaging = "logits",
    activation: Literal["softmax", "sigmoid"] = "softmax",
) -> Floats:
    """The mean over each utterance's segments: (U, C) from `segment_logits` (S, C).

    Segments offsets[u] .. offsets[u+1]-1 belong to utterance u; `offsets` is (U+1,). With mode "logits" the
    logits are averaged, as the release does; with "probabilities" their softmax (as AACNN's authors do) or
    their sigmoids (GLRF paper), and the result is these. Sums are in float64 and rounded once, to the dtype of the
    input, so the result does not depend on how many segments an utterance has or on how they were batched.

    Raises ValueError for an utterance without segments, offsets that do not cover the segments, logits that
    are not finite, or another mode.
    """
    logits = np.asarray(segment_logits)
    if logits.ndim != 2 or logits.dtype.kind != "f":
        raise ValueError(f"segment logits are floats (S, C), not {logits.dtype} {logits.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("segment logits are not all finite: the model has diverged and predicts no class")
    if mode not in ("logits", "probabilities"):
        raise ValueError(f'mode is {mode!r}, allowed are "logits" and "probabilities"')
    starts, lengths = checked_offsets(offsets, len(logits))
    probabilities = softmax if activation == "softmax" else sigmoid
    terms = logits.astype(np.float64) if mode == "logits" else probabilities(logits)
    means = np.add.reduceat(terms, starts, axis=0) / lengths[:, None]
    return means.astype(logits.dtype)


def best_epoch(wa: ArrayLike, ua: ArrayLike) -> int:
    """The epoch (from 0) with the highest (WA + UA) / 2, the first one on ties; `wa` and `ua` are (E,).

    Values that agree to 1e-9 tie, so that no rounding error chooses the epoch. ValueError for no epoch,
    lengths that differ or scores that are not finite.
    """
    first, second = np.asarray(wa, dtype=np.float64), np.asarray(ua, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(f"WA and UA are one number an epoch each, not {first.shape} and {second.shape}")
    means = (first + second) / 2
    if not np.isfinite(means).all():
        raise ValueError("WA or UA of an epoch is not finite")
    return int(np.argmax(means >= means.max() - 1e-9))


def checked_classes(values: ArrayLike, classes: int, name: str) -> Ints:
    """`values` as (n,) int64; ValueError, which calls them `name`, where they are not classes 0..classes-1."""
    array = np.asarray(values)
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} is integers (n,), not {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(f"{name} holds class {array.min()} to {array.max()}, expected 0 to {classes - 1}")
    return array.astype(np.int64)


def checked_offsets(offsets: ArrayLike, segments: int) -> tuple[Ints, Ints]:
    """First segment (U,) and number of segments (U,) of each utterance.

    `offsets` (U+1,): segments offsets[u] .. offsets[u+1]-1 belong to utterance u. Raises ValueError where they do not
    cover the `segments` segments, or where an utterance has none.
    """
    bounds = np.asarray(offsets)
    if bounds.ndim != 1 or bounds.size < 2 or bounds.dtype.kind not in "iu":
        raise ValueError(f"offsets are integers (U+1,) with U of 1 or more, not {bounds.dtype} {bounds.shape}")
    bounds = bounds.astype(np.int64)
    lengths = np.diff(bounds)
    if bounds[0] != 0 or bounds[-1] != segments:
        raise ValueError(f"offsets run from {bounds[0]} to {bounds[-1]}, expected 0 to {segments} segments")
    if (lengths < 1).any():
        raise ValueError(f"utterance {int(np.argmax(lengths < 1))} has no segments")
    return bounds[:-1], lengths


def segments_like(
    utterance_classes: ArrayLike, segment_classes: ArrayLike, offsets: ArrayLike
) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Whether each segment (S,) has the class of its utterance; and first segment and number of segments of each (U,).

    utterance_classes: (U,). segment_classes: (S,). offsets: as for `checked_offsets`. Raises ValueError if the lengths
    do not fit or an utterance has no segments.
    """
    segment, utterance = np.asarray(segment_classes), np.asarray(utterance_classes)
    if segment.ndim != 1:
        raise ValueError(f"segment classes are (S,), not {segment.shape}")
    starts, lengths = checked_offsets(offsets, segment.size)
    if utterance.shape != starts.shape:
        raise ValueError(f"{starts.size} utterances by the offsets, classes of shape {utterance.shape}")
    return segment == np.repeat(utterance, lengths), starts, lengths
