"""The epoch that is timed, of a model's released recipe on made-up segments; and the most that the device can do."""

import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from glam.inputs.cut import Segments
from glam.inputs.inputs import Shape
from glam.learning.arithmetic import arithmetic
from glam.learning.settings import Precision
from glam.models import build
from glam.processor import cores
from glam.recipe import AUDIO, Recipe, load_recipe

CORES = cores()
FEATURE_BYTES = 2**28  # of made-up segments; an epoch uses them several times if it needs more

# The models of the release, which alone have a counterpart in its manner, each with its recipe. AACNN's is its authors'
# form; of its own re-implementation the release has no script: it takes what MHCNN takes.
RECIPES = {
    "glam": "glam-released",
    "multi-scale": "multi-scale-released",
    "multi-scale-mha": "multi-scale-mha-released",
    "multi-scale-aa": "multi-scale-aa-released",
    "apcnn": "apcnn-released",
    "mhcnn": "mhcnn-released",
    "aacnn": "mhcnn-released",
    "aacnn-original": "aacnn-released",
}


@dataclass(frozen=True)
class Seconds:
    """Seconds that one epoch of a Problem took."""

    training: float
    evaluation: float


@dataclass(frozen=True, eq=False)
class Problem:
    """One epoch: training steps on random segments, then an evaluation of held-out utterances.

    features: an array (N, F, T) float32 on disk. steps: of training, on recipe.training.batches.size segments each.
    held_out: how many segments each held-out utterance has. device: where it is computed.
    """

    recipe: Recipe
    features: Path
    steps: int
    held_out: tuple[int, ...]
    device: str

    @property
    def batch(self) -> int:
        """Segments of a step."""
        return self.recipe.training.batches.size

    @property
    def shape(self) -> Shape:
        """(F, T) of the features."""
        return recipe_shape(self.recipe)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.recipe.corpus.classes)

    def rows(self, count: int) -> NDArray[np.int64]:
        """Rows (count,) of the features that make so many segments."""
        return np.arange(count, dtype=np.int64) % len(np.load(self.features, mmap_mode="r"))

    def targets(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes (n,) of these rows (n,)."""
        return rows % self.classes


def released(model: str) -> Recipe:
    """The released recipe of a model."""
    # The made-up segments cannot be learnt: a small rate keeps every model's loss finite, and times are the same.
    return load_recipe(RECIPES[model], [("model.name", model), ("training.lr", 1e-4), ("name", model)])


def recipe_shape(recipe: Recipe) -> Shape:
    """(F, T) of a recipe's features."""
    return recipe.inputs[AUDIO].make().shape(recipe.cut)


def cut_of(recipe: Recipe) -> Segments:
    """The cut of a released recipe."""
    assert isinstance(recipe.cut, Segments)  # all of them cut utterances into segments
    return recipe.cut


def make_problem(model: str, device: str, folder: Path) -> Problem:
    """The smallest epoch of a model, of one step and one utterance; its made-up segments are written to `folder`."""
    recipe = released(model)
    shape = recipe_shape(recipe)
    batch = recipe.training.batches.size
    batches = min(4096, FEATURE_BYTES // (4 * shape[0] * shape[1])) // batch  # 6 of APCNN's, at least 32 of the others'
    path = folder / f"{model}.npy"
    np.save(path, np.random.default_rng(0).standard_normal((batches * batch, *shape), dtype=np.float32))
    return Problem(recipe, path, steps=1, held_out=counts(recipe).segments_of(1), device=device)


def sized(problem: Problem, small: Seconds, seconds: float) -> Problem:
    """The problem with so many steps, and so many utterances, that each take about `seconds` if all goes as fast as
    in `small`, what the plain loop needs for the problem as it is."""
    steps = round(seconds * problem.steps / small.training)
    utterances = round(seconds * len(problem.held_out) / small.evaluation)
    held_out = counts(problem.recipe).segments_of(min(500, max(1, utterances)))
    return replace(problem, steps=min(500, max(1, steps)), held_out=held_out)


@dataclass(frozen=True)
class Counts:
    """Sizes of IEMOCAP's improvised set under a released recipe.

    utterances; train_segments, test_segments: with the hop of training and of evaluation. stored: segments of the
    feature stores, which hold all styles.
    """

    utterances: int
    train_segments: int
    test_segments: int
    stored: int

    def segments_of(self, utterances: int) -> tuple[int, ...]:
        """Number of segments of each of so many utterances, all as long as the average."""
        ends = np.arange(utterances + 1) * self.test_segments // self.utterances
        return tuple(int(n) for n in np.diff(ends))


def counts(recipe: Recipe) -> Counts:
    """The counts of IEMOCAP's improvised set: utterances of at least one segment, their segments."""
    copies = recipe.inputs[AUDIO].make().copies
    if cut_of(recipe).length == 1.8:
        return Counts(2236, 34_739 * (1 + copies), 34_739, 71_821 * (1 + copies))
    return Counts(2118, 7_392 * (1 + copies), 16_807, 15_231 * (1 + copies) + 34_813)


Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def interleaved(contenders: Mapping[Key, Iterator[Result]], rounds: int) -> dict[Key, list[Result]]:
    """Results that each contender yields in every round, in turns, after one round that does not count."""
    for contender in contenders.values():
        next(contender)
    results: dict[Key, list[Result]] = {key: [] for key in contenders}
    for _ in range(rounds):
        for key, contender in contenders.items():
            results[key].append(next(contender))
    return results


def wait_for(device: torch.device) -> None:
    """Wait until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def flop(problem: Problem) -> tuple[float, float]:
    """Floating point operations for a segment, in training (forward and backward) and in evaluation.

    Those of matrix products and convolutions, as torch counts them; the rest is small beside them.
    """
    segments = 2
    model = build(problem.recipe.model, problem.classes, {AUDIO: problem.shape})
    features, target = torch.zeros(segments, *problem.shape), torch.zeros(segments, dtype=torch.int64)
    with FlopCounterMode(display=False) as training:
        F.cross_entropy(model(features), target).backward()
    model.eval()
    with FlopCounterMode(display=False) as evaluation, torch.no_grad():  # torch 2.4 counts nothing in inference mode
        model(features)
    return training.get_total_flops() / segments, evaluation.get_total_flops() / segments


def matrix_rates(device: torch.device, quick: bool) -> dict[str, float]:
    """Floating point operations a second of square matrix products, the best of several, by precision."""
    # On a CPU, of sizes that its cache holds: what lies in memory is no measure of its arithmetic.
    sizes = (512,) if quick else (8192,) if device.type == "cuda" else (1024, 2048)
    precisions: tuple[Precision, ...] = ("fp32", "tf32", "bf16") if device.type == "cuda" else ("fp32", "bf16")
    torch.set_num_threads(CORES)
    return {p: max(_matrix_rate(device, p, size, 3 if quick else 10) for size in sizes) for p in precisions}


def _matrix_rate(device: torch.device, precision: Precision, size: int, times: int) -> float:
    a = torch.randn(size, size, device=device).to(torch.bfloat16 if precision == "bf16" else torch.float32)
    out, seconds = torch.empty_like(a), []
    with arithmetic(precision, device):
        for _ in range(times):
            wait_for(device)
            start = time.perf_counter()
            torch.mm(a, a, out=out)
            wait_for(device)
            seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)
