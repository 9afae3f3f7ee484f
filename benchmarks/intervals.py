#!/usr/bin/env python3
"""Which 95 % interval holds the score on other speakers, and what that of a few runs is worth:
`python benchmarks/intervals.py --help`.

Corpora are simulated whose speakers are drawn from a population with a known mean accuracy, runs of random 80/20 splits
of each are scored, and it is counted how often each interval holds that mean. `glam.evaluation.intervals` uses the one
that does; the others are kept here, so that the choice can be seen.

Of few runs with few test utterances, it is counted how often Student's t over them holds the score that further splits
would have: where it is given, and where it is not, since the runs differ by a single utterance or by none.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's package, called from anywhere

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from glam.cli.guard import guarded
from glam.errors import GlamError
from glam.evaluation.intervals import group_means, mean_over_groups
from glam.evaluation.spread import Interval, t_quantile
from glam.evaluation.statistics import interval_of_mean
from glam.evaluation.unknown import Unknown
from glam.evaluation.utterances import per_utterance
from glam.progress import say

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MEAN, SPREAD = 75.0, 8.0  # percent: of the population of speakers
SHARE = 0.2  # of the utterances are tested in a run
RATIO = SHARE / (1 - SHARE)
SIZES = tuple((speakers, utterances) for utterances in (600, 2236) for speakers in (5, 10, 20))  # speakers, utterances
FEW = tuple((runs, utterances) for utterances in (25, 76, 448) for runs in (2, 3, 5))  # runs, test utterances of each
RESAMPLED = 999  # bootstrap samples of speakers
CLASSES, FEATURES, APART, SHIFT = 4, 6, 2.0, 0.5  # of the corpora that a classifier is trained on


@dataclass(frozen=True)
class Tests:
    """What the runs of one corpus give. right, utterances: (T,) of all predictions. speakers: (n,) of each utterance.

    scores: (runs,) WA of each, in percent.
    """

    right: NDArray[np.bool_]
    utterances: Ints
    speakers: Ints
    scores: Floats


class BySpeaker:
    """The speakers' own scores (S,), in percent, and their utterances (S,); bootstrap samples of them, drawn once."""

    def __init__(self, tests: Tests, rng: np.random.Generator) -> None:
        means = per_utterance(100 * tests.right, tests.utterances)
        self.runs = tests.scores
        self.scores, self.sizes = group_means(means.mean, tests.speakers[means.utterances])
        count = self.scores.size
        self.weights = self.sizes / self.sizes.sum()
        self.mean = float(self.weights @ self.scores)
        drawn = rng.integers(0, count, (RESAMPLED, count))
        self.drawn = self.scores[drawn]  # (samples, S)
        self.resampled = (self.drawn * self.sizes[drawn]).sum(axis=1) / self.sizes[drawn].sum(axis=1)


def beyond(seen: BySpeaker) -> Interval | Unknown:
    """Nadeau and Bengio's interval over the runs, which takes utterances as independent."""
    return interval_of_mean(seen.runs, ratio=RATIO)


def student(seen: BySpeaker) -> Interval | Unknown:
    """Student's t over the speakers' own scores: what the package uses."""
    over = mean_over_groups(seen.scores)
    return over if isinstance(over, Unknown) else over.interval


def weighted(seen: BySpeaker) -> Interval:
    """Speakers weighted by their utterances: CR2 variance, Satterthwaite's df for speakers of equal variance.

    Bell and McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples", 2002.
    """
    weights = seen.weights
    squares = weights**2 / (1 - weights)
    error = math.sqrt(float((squares * (seen.scores - seen.mean) ** 2).sum()))
    residual = np.eye(weights.size) - weights  # of scores, row by row
    form = residual.T @ (squares[:, None] * residual)
    half = t_quantile(float(np.trace(form) ** 2 / (form**2).sum()), 0.95) * error
    return Interval(seen.mean - half, seen.mean + half)


def percentile(seen: BySpeaker) -> Interval:
    """The cluster bootstrap: quantiles of the weighted mean of speakers drawn anew."""
    return Interval(*np.quantile(seen.resampled, [0.025, 0.975]).tolist())


def bca(seen: BySpeaker) -> Interval:
    """The cluster bootstrap, bias-corrected and accelerated (Efron 1987)."""
    from scipy.special import ndtr, ndtri

    below = float((seen.resampled < seen.mean).mean())
    bias = float(ndtri(min(max(below, 1 / RESAMPLED), 1 - 1 / RESAMPLED)))
    total, whole = float(seen.scores @ seen.sizes), float(seen.sizes.sum())
    without = (total - seen.scores * seen.sizes) / (whole - seen.sizes)
    gaps = without.mean() - without
    scale = float((gaps**2).sum()) ** 1.5
    acceleration = float((gaps**3).sum()) / (6 * scale) if scale > 0 else 0.0
    at = [bias + normal for normal in ndtri([0.025, 0.975]).tolist()]
    shares = ndtr([bias + value / (1 - acceleration * value) for value in at])
    return Interval(*np.quantile(seen.resampled, shares).tolist())


def bootstrap_t(seen: BySpeaker) -> Interval:
    """The mean of speakers' scores +- its standard error times quantiles of t in bootstrap samples of speakers."""
    count = seen.scores.size
    errors = seen.drawn.std(axis=1, ddof=1) / math.sqrt(count)
    moved = errors > 0
    t = (seen.drawn.mean(axis=1)[moved] - seen.scores.mean()) / errors[moved]
    low, high = np.quantile(t, [0.025, 0.975]).tolist()
    mean, error = float(seen.scores.mean()), float(seen.scores.std(ddof=1)) / math.sqrt(count)
    return Interval(mean - high * error, mean - low * error)


METHODS: dict[str, Callable[[BySpeaker], Interval | Unknown]] = {
    "beyond": beyond,
    "t": student,
    "t by n": weighted,
    "boot": percentile,
    "BCa": bca,
    "boot-t": bootstrap_t,
}


def sizes_of(speakers: int, utterances: int, *, equal: bool, rng: np.random.Generator) -> Ints:
    """The numbers of utterances of the speakers (S,); unequal ones differ by a factor of about 4 to 20."""
    if equal:
        return np.full(speakers, utterances // speakers, dtype=np.int64)
    least = utterances // (10 * speakers)
    shares = rng.dirichlet(np.full(speakers, 3.0))
    return least + rng.multinomial(utterances - least * speakers, shares).astype(np.int64)


def drawn(sizes: Ints, runs: int, rng: np.random.Generator) -> Tests:
    """Predictions whose chances of being right are drawn: a speaker's accuracy, an utterance's about it, each run anew.

    Accuracies are beta with the population's mean and standard deviation; utterances' chances are beta with that mean
    and a + b = 1, so that most utterances are easy or hard in every run.
    """
    mean, spread = MEAN / 100, SPREAD / 100
    both = mean * (1 - mean) / spread**2 - 1
    speakers = np.repeat(np.arange(sizes.size), sizes)
    accuracy = rng.beta(mean * both, (1 - mean) * both, sizes.size)[speakers]
    chance = rng.beta(accuracy, 1 - accuracy)
    tested = [rng.permutation(speakers.size)[: int(SHARE * speakers.size)] for _ in range(runs)]
    right = [rng.random(held.size) < chance[held] for held in tested]
    scores = np.array([100 * run.mean() for run in right])
    return Tests(np.concatenate(right), np.concatenate(tested), speakers, scores)


def trained(sizes: Ints, runs: int, rng: np.random.Generator) -> Tests:
    """Predictions of a nearest-centroid classifier, trained on the rest of each split.

    Four classes of normal features; every speaker shifts them all, and each class on its own, so that speakers differ
    and a model owes to those that it was trained on.
    """
    speakers = np.repeat(np.arange(sizes.size), sizes)
    truth = rng.integers(0, CLASSES, speakers.size)
    moved = rng.normal(0, SHIFT, (sizes.size, 1, FEATURES)) + rng.normal(0, SHIFT, (sizes.size, CLASSES, FEATURES))
    features = APART * np.eye(CLASSES, FEATURES)[truth] + moved[speakers, truth]
    features += rng.standard_normal(features.shape)
    tested, right = [], []
    for _ in range(runs):
        order = rng.permutation(speakers.size)
        held, rest = np.split(order, [int(SHARE * speakers.size)])
        member = np.eye(CLASSES)[truth[rest]]
        centroids = member.T @ features[rest] / member.sum(axis=0)[:, None]
        nearest = (features[held] @ centroids.T - (centroids**2).sum(axis=1) / 2).argmax(axis=1)
        tested.append(held)
        right.append(nearest == truth[held])
    scores = np.array([100 * run.mean() for run in right])
    return Tests(np.concatenate(right), np.concatenate(tested), speakers, scores)


@dataclass(frozen=True)
class Kind:
    """A kind of corpora. make: of the numbers of utterances of speakers and the number of runs, their predictions.

    mean: of the population, in percent; None where only the corpora themselves tell it.
    """

    title: str
    make: Callable[[Ints, int, np.random.Generator], Tests]
    equal: bool
    mean: float | None


KINDS = (
    Kind("drawn, equal numbers of utterances", drawn, True, MEAN),
    Kind("drawn, unequal numbers of utterances", drawn, False, MEAN),
    Kind("trained, equal numbers of utterances", trained, True, None),
)


@dataclass(frozen=True)
class Coverage:
    """One method: how many of the corpora's intervals hold the mean, in percent, and their median width in points."""

    held: float
    width: float


def coverage(kind: Kind, speakers: int, utterances: int, *, corpora: int, runs: int, seed: int) -> dict[str, Coverage]:
    """The coverage of every method on simulated corpora of one kind and size."""
    rng = np.random.default_rng([seed, speakers, utterances, kind.equal, runs])
    intervals: dict[str, list[Interval]] = {name: [] for name in METHODS}
    means = []
    for _ in range(corpora):
        sizes = sizes_of(speakers, utterances, equal=kind.equal, rng=rng)
        seen = BySpeaker(kind.make(sizes, runs, rng), rng)
        means.append(float(seen.scores.mean()))
        for name, method in METHODS.items():
            interval = method(seen)
            if isinstance(interval, Unknown):
                raise GlamError(f"{name}: the interval {interval}. Simulate more utterances or runs.")
            intervals[name].append(interval)
    true = float(np.mean(means)) if kind.mean is None else kind.mean
    return {
        name: Coverage(
            held=100 * float(np.mean([low <= true <= high for low, high in of_method])),
            width=float(np.median([high - low for low, high in of_method])),
        )
        for name, of_method in intervals.items()
    }


@dataclass(frozen=True)
class FewRuns:
    """How often an interval over few runs is given, and holds the score of further splits; all in percent.

    equal, coarse: experiments whose runs do not differ, or by a single utterance, so that none is given. given: how
    many of those given hold it. withheld: how many would of those that are not, of coarse experiments; NaN where these
    are none.
    """

    equal: float
    coarse: float
    given: float
    withheld: float


def few_runs(runs: int, utterances: int, *, experiments: int, seed: int) -> FewRuns:
    """What Student's t over a few runs is worth, each of which tests so many utterances.

    An utterance is right by a chance that is drawn for each experiment, evenly from 30 to 100 %.
    """
    rng = np.random.default_rng([seed, utterances, runs])
    step = 100 / utterances
    equal = 0
    given: list[bool] = []
    withheld: list[bool] = []
    for chance in rng.uniform(0.3, 1, experiments).tolist():
        scores = step * rng.binomial(utterances, chance, runs)
        bounds = interval_of_mean(scores, ratio=0)
        if isinstance(bounds, Unknown):
            equal += 1
            continue
        coarse = isinstance(interval_of_mean(scores, ratio=0, step=step), Unknown)
        (withheld if coarse else given).append(bounds.low <= 100 * chance <= bounds.high)
    return FewRuns(
        equal=100 * equal / experiments,
        coarse=100 * len(withheld) / experiments,
        given=100 * float(np.mean(given)),
        withheld=100 * float(np.mean(withheld)) if withheld else math.nan,
    )


def text(rows: Sequence[tuple[str, Sequence[str]]], headers: Sequence[str]) -> str:
    """A table of at most 80 columns."""
    return tabulate([[name, *cells] for name, cells in rows], headers, tablefmt="simple", disable_numparse=True)


def main() -> int:
    """The command; its exit status."""
    return guarded(_work)


def _work() -> None:
    args = _arguments()
    headers = ["speakers, n, runs", *METHODS]
    every: dict[str, list[float]] = {name: [] for name in METHODS}
    for kind in KINDS:
        rows = []
        for speakers, utterances in SIZES:
            for runs in args.runs:
                say(f"{kind.title}: {speakers} speakers, {utterances} utterances, {runs} runs")
                methods = coverage(kind, speakers, utterances, corpora=args.corpora, runs=runs, seed=args.seed)
                rows.append(
                    (f"{speakers}, {utterances}, {runs}", [f"{of.held:.1f}/{of.width:.0f}" for of in methods.values()])
                )
                for name, method in methods.items():
                    every[name].append(method.held)
        print(f"\n{kind.title}\n\n{text(rows, headers)}", flush=True)
    print(
        f"\nPercent of {args.corpora} simulated corpora of n utterances whose 95 % interval holds the\n"
        "mean score of the speakers' population / median width in points. Speakers: mean\n"
        f"{MEAN:g} %, standard deviation {SPREAD:g} points, where drawn; 7 to 11 where trained. A\n"
        f"percentage is uncertain by {100 * math.sqrt(0.95 * 0.05 / args.corpora):.1f} (standard error).\n"
        "beyond: Nadeau and Bengio over runs. t: over speakers' own scores. t by n: by\n"
        "utterances, CR2, Satterthwaite. boot, BCa, boot-t: speakers drawn anew.\n"
    )
    few = []
    for runs, utterances in FEW:
        say(f"{runs} runs of {utterances} test utterances")
        of = few_runs(runs, utterances, experiments=10 * args.corpora, seed=args.seed)
        few.append(
            (f"{runs}, {utterances}", [f"{share:.1f}" for share in (of.equal, of.coarse, of.given, of.withheld)])
        )
    print(f"{text(few, ['runs, n', 'equal', 'one apart', 'given', 'withheld'])}\n")
    print(
        f"Percent of {10 * args.corpora} experiments of few runs with n test utterances each.\n"
        "equal, one apart: whose runs are equal, or differ by a single utterance, so\n"
        "that no interval is given. given: intervals that hold the score of further\n"
        "splits. withheld: those that would, where runs are one apart.\n"
    )
    ends = [
        (name, [f"{end(held):.1f}" for held in every.values()]) for name, end in (("lowest", min), ("highest", max))
    ]
    print(text(ends, ["coverage", *METHODS]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="intervals.py", description="Which 95 % interval holds the score on other speakers."
    )
    add = parser.add_argument
    add("--corpora", type=int, default=1000, metavar="N", help="simulated corpora of each kind (1000)")
    add("--runs", default="5,30", metavar="N,..", help="runs of random 80/20 splits of each corpus (5,30)")
    add("--seed", type=int, default=0, help="of the simulation (0)")
    args = parser.parse_args()
    try:
        args.runs = [int(part) for part in args.runs.split(",")]
    except ValueError:
        args.runs = []
    if not args.runs or min(args.runs) < 2:
        raise GlamError("--runs: expected numbers from 2 on with commas between them, such as 5,30")
    if args.corpora < 1 or args.seed < 0:
        raise GlamError(
            f"--corpora {args.corpora} --seed {args.seed}: expected 1 or more corpora, and a seed from 0 on"
        )
    return args


if __name__ == "__main__":
    sys.exit(main())
