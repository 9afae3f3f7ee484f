"""Calibration, how far confidence is accuracy: expected calibration error, Brier score, bins of a reliability diagram.

The confidence of a prediction is the highest of its probabilities. It is calibrated if, of all predictions made with
confidence 80 %, 80 % are right. Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import checked_classes

BINS = 15
DRAWS = 200  # of imagined results, for the error that is chance


@dataclass(frozen=True, eq=False)
class Bins:
    """Predictions by confidence: bins of equal width, each with its upper edge. Shares are in percent.

    edges: (M+1,) from 0 to 100. count: (M,) predictions. confidence: (M,) their mean confidence, and accuracy: (M,)
    the share of them that is right; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Measures of how far confidence is accuracy. All in percent but for the Brier score.

    error: the expected calibration error, sum over the bins of count/n * |accuracy - confidence|.
    by_chance: the error to expect of so many predictions with these confidences if they were perfectly calibrated.
        It is not 0, and the larger, the fewer they are.
    brier: mean over predictions of the sum over classes of (probability - 1 for the true class, 0 for another)^2; from
        0 (certain and right) to 2 (certain and wrong).
    confidence, accuracy: their means; accuracy is WA.
    """

    error: float
    by_chance: float
    brier: float
    confidence: float
    accuracy: float
    bins: Bins


def calibration(probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS) -> Calibration:
    """The calibration of n predictions (Guo et al. 2017, section 2; Brier 1950).

    `probabilities` is (n, C), each row summing to 1 (the softmax of stored logits); `truth` is (n,) in 0..C-1. The
    predicted class is the first of the highest. The error by chance is the mean over 200 results drawn at random with
    the confidences as chances of being right (Broecker and Smith, "Increasing the reliability of reliability
    diagrams", 2007), always the same ones. Raises ValueError for other input, for n = 0 and for fewer than one bin.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    if chances.ndim != 2 or len(chances) == 0:
        raise ValueError(f"probabilities are (n, C) with n of 1 or more, not {chances.shape}")
    # NaN fails both comparisons; the slack is what float32 rounding leaves
    if not ((chances >= 0).all() and (np.abs(chances.sum(-1) - 1) < 1e-4).all()):
        raise ValueError("each row of probabilities must be 0 or more and sum to 1: are these logits?")
    true = checked_classes(truth, chances.shape[1], "truth")
    if true.size != len(chances):
        raise ValueError(f"truth has {true.size} utterances, probabilities have {len(chances)}")
    if bins < 1:
        raise ValueError(f"{bins} bins, expected 1 or more")
    confidence = chances.max(-1)
    right = chances.argmax(-1) == true
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence, side="left")
    member = (place == np.arange(bins)[:, None]).astype(np.float64)
    count = np.bincount(place, minlength=bins)
    means = [np.divide(member @ of, count, out=np.full(bins, np.nan), where=count > 0) for of in (confidence, right)]
    imagined = np.random.default_rng(0).random((DRAWS, true.size)) < confidence
    return Calibration(
        error=float(_error(member, confidence, right)),
        by_chance=float(_error(member, confidence, imagined).mean()),
        brier=float(((chances - np.eye(chances.shape[1])[true]) ** 2).sum(axis=1).mean()),
        confidence=100 * float(confidence.mean()),
        accuracy=100 * float(right.mean()),
        bins=Bins(100 * edges, count, 100 * means[0], 100 * means[1]),
    )


def _error(member: NDArray[np.float64], confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Any:
    """The expected calibration error, in percent, of results (..., n); member: (M, n), 1 where it is in the bin."""
    gaps = (right - confidence) @ member.T
    return 100 * np.abs(gaps).sum(axis=-1) / confidence.size
