"""Whether confidence is accuracy: the gap of the two, expected calibration error, Brier score, reliability diagram, and
the temperature that mends it.

The confidence of a prediction is the highest of its probabilities. It is calibrated if, of all predictions made with
confidence 80 %, 80 % are right. Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.metrics import checked_classes, softmax
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import checked_codes

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
    """How far confidence is accuracy. All in percent but for the Brier score.

    gap: accuracy - confidence, in points: above 0, the model is more often right than it believes.
    gap_std: its standard deviation if confidence were accuracy. It sees what `error` cannot: 25 predictions hardly fill
        15 bins, and an accuracy of 92 beside a confidence of 78 may still be far from chance.
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
    gap: float
    gap_std: float
    bins: Bins

    @property
    def deviations(self) -> float | Unknown:
        """The gap in its standard deviations if confidence were accuracy; beyond about 2, it is not chance."""
        if self.gap_std == 0:
            return Unknown("every prediction is certain, so that nothing is left to chance")
        return self.gap / self.gap_std


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by, fitted on utterances that are not tested.

    value: above 1, the model was too sure, below, not sure enough.
    """

    value: float

    def probabilities(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities (..., C) of logits (..., C), which choose the same class as without."""
        return softmax(np.asarray(logits, dtype=np.float64) / self.value)


def calibration(
    probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS, *, utterances: ArrayLike | None = None
) -> Calibration:
    """The calibration of n predictions, of one run or of many pooled (Guo et al. 2017, section 2; Brier 1950).

    `probabilities` is (n, C), each row summing to 1 (the softmax of stored logits); `truth` is (n,) in 0..C-1. The
    predicted class is the first of the highest. The error by chance is the mean over 200 results drawn at random with
    the confidences as chances of being right (Broecker and Smith, "Increasing the reliability of reliability
    diagrams", 2007), always the same ones.

    `utterances`, (n,) integers, says which utterance each prediction is of, where several runs test the same ones.
    Their results are not independent: one number is then drawn for an utterance, so that predictions of it are right
    together as far as their confidences allow, and both the error by chance and the gap's standard deviation are
    larger. Without it, every prediction is taken to be of another utterance. Raises ValueError for other input, for
    n = 0 and for fewer than one bin.
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
    which = np.arange(true.size) if utterances is None else checked_codes(utterances, true.size, "utterances")
    member = np.unique(which, return_inverse=True)[1]
    confidence = np.minimum(chances.max(-1), 1.0)  # which float32 rounding may exceed
    right = chances.argmax(-1) == true
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(place, minlength=bins)
    means = [
        np.divide(np.bincount(place, of, bins), count, out=np.full(bins, np.nan), where=count > 0)
        for of in (confidence, right)
    ]
    rng = np.random.default_rng(0)
    imagined = (rng.random(int(member.max()) + 1)[member] < confidence for _ in range(DRAWS))
    return Calibration(
        error=_error(place, confidence, right),
        by_chance=float(np.mean([_error(place, confidence, results) for results in imagined])),
        brier=float(((chances - np.eye(chances.shape[1])[true]) ** 2).sum(axis=1).mean()),
        confidence=100 * float(confidence.mean()),
        accuracy=100 * float(right.mean()),
        gap=100 * float((right - confidence).mean()),
        gap_std=_gap_std(confidence, member),
        bins=Bins(100 * edges, count, 100 * means[0], 100 * means[1]),
    )


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> Temperature | Unknown:
    """The temperature T that makes softmax(logits / T) most likely (Guo et al. 2017, section 4.2).

    `logits` is (n, C), `truth` (n,) in 0..C-1, both of validation utterances: fitted on the test set, it says nothing
    of it. The mean negative log-likelihood is convex in 1/T; its slope, the mean over utterances of the expected logit
    minus the true class's, rises from 1/T = 0 on, and its zero is bracketed and found by Brent's method. Unknown where
    there is none: every utterance right (the smaller T, the likelier), or true classes whose logits are on average no
    higher than the others' (the larger T, the likelier). Raises ValueError for other shapes, no utterance, and logits
    that are not finite.
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"logits are finite (n, C) with n of 1 or more, not {values.shape}")
    true = checked_classes(truth, values.shape[1], "truth")
    if true.size != len(values):
        raise ValueError(f"truth has {true.size} utterances, logits have {len(values)}")
    own = values[np.arange(true.size), true]
    if (own == values.max(axis=1)).all():
        return Unknown(f"all {true.size} validation utterances are right, so that no temperature is too low")

    def slope(inverse: float) -> float:
        return float(((softmax(values * inverse) * values).sum(axis=1) - own).mean())

    if slope(0.0) >= -1e-12 * float(np.abs(values).max()):  # what is less is rounding
        return Unknown(
            "on its validation utterances the true class has no higher logit than the others, so that "
            "the likelihood rises with any temperature"
        )
    from scipy.optimize import brentq

    high = 1.0
    while slope(high) < 0:
        high *= 2
    return Temperature(1 / float(brentq(slope, 0.0, high)))


def _error(place: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The expected calibration error, in percent, of results (n,) whose bins are `place` (n,)."""
    return 100 * float(np.abs(np.bincount(place, right - confidence)).sum()) / confidence.size


def _gap_std(confidence: NDArray[np.float64], member: NDArray[np.int64]) -> float:
    """The standard deviation of mean(right - confidence), in points, if each prediction is right where the number drawn
    for its utterance, uniform in (0, 1), is below its confidence. member: (n,) the utterance of each, from 0.

    Of two predictions of an utterance, with confidences c <= d, both are right with chance c: their covariance is
    c - c d. Summed over all pairs, the k-th highest of an utterance's confidences is the lower one in 2 k - 1 of them.
    """
    order = np.lexsort((-confidence, member))
    starts = np.flatnonzero(np.diff(member[order], prepend=-1))
    sizes = np.diff(starts, append=member.size)
    rank = np.arange(member.size) - np.repeat(starts, sizes) + 1
    both = (confidence[order] * (2 * rank - 1)).sum()
    variance = both - (np.bincount(member, confidence) ** 2).sum()
    return 100 * float(np.sqrt(max(variance, 0.0))) / member.size
