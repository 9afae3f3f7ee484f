"""Which share of a printed ± is the split's, and which the training's own: a two-way layout of training seeds x splits.

Where one seed chooses both, as in the release, the standard deviation over runs holds both, and a reader cannot tell
whether another model or another test set would change the score.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glam.evaluation.spread import ROUNDING, Interval, check_confidence, finite
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import checked_codes
from glam.words import counted

FEWEST = 2  # seeds, and splits: of one, nothing is known of their spread
DRAWS = 20_000  # of mean squares, for the interval of a share


@dataclass(frozen=True)
class Components:
    """Where the variance of a run comes from whose training seed and split are both new.

    seed, split, rest: standard deviations in points, seed^2 + split^2 + rest^2 = total^2; `rest` is what neither alone
    explains: seeds that do better on some splits, and what differs between runs of the same seed and split. share: the
    split's share of the variance, in percent, and its interval.
    """

    seed: float
    split: float
    rest: float
    share: float
    interval: Interval

    @property
    def total(self) -> float:
        """The standard deviation to expect of runs whose seed and split are both new, in points."""
        return math.sqrt(self.seed**2 + self.split**2 + self.rest**2)


def components(
    scores: ArrayLike, seeds: ArrayLike, splits: ArrayLike, *, confidence: float = 0.95
) -> Components | Unknown:
    """The variance components of n runs, by the mean squares of a balanced two-way layout of random effects.

    scores: (n,) in percent. seeds, splits: (n,) integers, the training seed and the split of each run; every seed with
    every split, equally often (once is enough). With a seeds, b splits and r runs a cell, and mean squares MA, MB, MI
    (interaction) and, for r > 1, ME: split^2 = (MB - MI) / (a r), seed^2 = (MA - MI) / (b r), and rest^2 = MI for
    r = 1, else ME + (MI - ME) / r; a component that comes out below 0 is 0 (Searle, Casella and McCulloch, "Variance
    components", 1992, chapter 4). The interval of the share is a generalised one: each mean square MS with f df is
    taken as f * MS / chi2(f), 20 000 times, always the same ones (Weerahandi, "Generalized confidence intervals",
    JASA 88, 1993). Few seeds or splits make it wide: it says what so small a layout is worth. Unknown for fewer than
    two seeds or splits, a layout with gaps or unequal cells, and scores that do not differ. Raises ValueError for other
    shapes and scores that are not finite.
    """
    values = finite(scores, "scores")
    check_confidence(confidence)
    cells = _cells(values, checked_codes(seeds, values.size, "seeds"), checked_codes(splits, values.size, "splits"))
    if isinstance(cells, Unknown):
        return cells
    a, b, r = cells.shape
    if float(values.std()) <= ROUNDING * float(np.abs(values).max()):
        return Unknown(f"the {values.size} runs are all at {values[0]:.2f}, and no spread is no certainty")
    squares, df = _mean_squares(cells)
    seed, split, rest = _estimate(squares, a, b, r)
    rng = np.random.default_rng(0)
    drawn = squares[:, None] * df[:, None] / rng.chisquare(df[:, None], (df.size, DRAWS))
    shares = _share(*_estimate(drawn, a, b, r))
    tail = (1 - confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail]).tolist()
    return Components(
        seed=math.sqrt(seed),
        split=math.sqrt(split),
        rest=math.sqrt(rest),
        share=float(_share(seed, split, rest)),
        interval=Interval(low, high),
    )


def _cells(
    values: NDArray[np.float64], seeds: NDArray[np.int64], splits: NDArray[np.int64]
) -> NDArray[np.float64] | Unknown:
    """The scores (a, b, r), by seed and split; Unknown where the layout is too small or not balanced."""
    of_seed, row = np.unique(seeds, return_inverse=True)
    of_split, column = np.unique(splits, return_inverse=True)
    a, b = of_seed.size, of_split.size
    if min(a, b) < FEWEST:
        return Unknown(
            f"seeds and splits cannot be told apart with {counted(a, 'training seed')} and {counted(b, 'split')}: "
            f"{FEWEST} of each or more are needed, every seed with every split"
        )
    cell = row * b + column
    counts = np.bincount(cell, minlength=a * b)
    if counts.min() != counts.max():
        fewest, most = int(counts.argmin()), int(counts.argmax())
        return Unknown(
            f"the layout is not balanced: training seed {of_seed[fewest // b]} has {counts[fewest]} of split "
            f"{of_split[fewest % b]}, seed {of_seed[most // b]} has {counts[most]} of split {of_split[most % b]}; "
            "every seed is needed with every split, equally often"
        )
    order = np.argsort(cell, kind="stable")
    return values[order].reshape(a, b, int(counts[0]))


def _mean_squares(cells: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squares and df of seeds, splits, interaction and, where a cell has several runs, runs within cells."""
    a, b, r = cells.shape
    mean, of_cell = cells.mean(), cells.mean(axis=2)
    of_seed, of_split = of_cell.mean(axis=1), of_cell.mean(axis=0)
    sums = [
        b * r * ((of_seed - mean) ** 2).sum(),
        a * r * ((of_split - mean) ** 2).sum(),
        r * ((of_cell - of_seed[:, None] - of_split + mean) ** 2).sum(),
        ((cells - of_cell[:, :, None]) ** 2).sum(),
    ]
    df = np.array([a - 1, b - 1, (a - 1) * (b - 1), a * b * (r - 1)], dtype=np.float64)
    kept = 4 if r > 1 else 3
    return np.array(sums[:kept]) / df[:kept], df[:kept]


def _estimate(squares: NDArray[np.float64], a: int, b: int, r: int) -> NDArray[np.float64]:
    """The variances of seed, split and rest (3, ...) of mean squares (3 or 4, ...)."""
    of_seed, of_split, mixed = squares[:3]
    rest = mixed if r == 1 else squares[3] + np.maximum(mixed - squares[3], 0) / r
    return np.stack([np.maximum(of_seed - mixed, 0) / (b * r), np.maximum(of_split - mixed, 0) / (a * r), rest])


def _share(seed: NDArray[np.float64], split: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The split's share of the variance, in percent; 0 where there is none at all."""
    total = seed + split + rest
    return np.divide(100 * split, total, out=np.zeros_like(total), where=total > 0)
