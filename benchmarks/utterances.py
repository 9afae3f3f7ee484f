"""Seconds and memory of steps on whole utterances, beside a bare loop on the same tensors.

    python -m benchmarks.utterances [--recipe glrf] [--rounds 7]

Utterances have as many segments as IEMOCAP's of 2 s and more have at GLRF's training hop: half of them 11 or fewer, the
longest 161. The bare loop takes the same batches and does what has to be done and nothing else: forward pass, loss,
backward pass, optimiser. Seconds are of one thread of the CPU, whatever else the machine does. Memory is that of a
process of its own for each cap on segments, which trains an epoch with an utterance of 1024 segments, longer than
IEMOCAP has any.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.problem import recipe_shape
from glam.cli.guard import guarded
from glam.errors import GlamError
from glam.learning.batch import Batch, Data, Step
from glam.learning.column import Column, Columns
from glam.learning.course import initial_objective
from glam.learning.draws import draw_epoch
from glam.learning.learner import Learner
from glam.learning.settings import ByUtterances
from glam.recipe import AUDIO, Recipe, load_recipe

UTTERANCES, LONGEST = 400, 161
CAPS = (64, 128, 256, 512, 1024)
STEPS = 10  # of a round
CPU = torch.device("cpu")


def segments(utterances: int) -> NDArray[np.int64]:
    """Segments of each utterance (utterances,): a median of 11, a mean of 16, at most 161."""
    drawn = np.random.RandomState(0).lognormal(np.log(11), 0.88, utterances)
    return np.clip(drawn.round(), 1, LONGEST).astype(np.int64)


def batches(recipe: Recipe, counts: NDArray[np.int64]) -> Iterator[Batch]:
    """The batches of made-up segments of utterances with so many, epoch after epoch."""
    shape = recipe_shape(recipe)
    features = np.random.default_rng(0).standard_normal((int(counts.sum()), *shape), dtype=np.float32)
    columns = Columns({AUDIO: _Rows(features)})
    rows = torch.arange(len(features))
    targets = torch.from_numpy(np.repeat(np.arange(len(counts)) % len(recipe.corpus.classes), counts))
    data = Data(columns, rows, targets, counts, columns, rows, counts)
    for epoch in count():
        yield from data.batches(draw_epoch(0, epoch, counts, recipe.training.batches), CPU)


def rounds(recipe: Recipe, counts: NDArray[np.int64]) -> Iterator[tuple[float, float]]:
    """Seconds of STEPS steps, ours and bare, again and again: step by step in turns, as machines are noisy.

    Ours are as a run takes them, batches included; for the bare loop they are there already.
    """
    learner, stream = _learner(recipe), batches(recipe, counts)
    bare = _bare(recipe)
    while True:
        ours_seconds = bare_seconds = 0.0
        for step in range(STEPS):
            begun = time.process_time()
            batch = next(stream)
            ours_seconds += time.process_time() - begun
            for turn in (step, step + 1):
                begun = time.process_time()
                if turn % 2:
                    learner.step(Step(batch, recipe.training.lr)).item()
                    ours_seconds += time.process_time() - begun
                else:
                    bare(batch)
                    bare_seconds += time.process_time() - begun
        yield ours_seconds, bare_seconds


def _bare(recipe: Recipe) -> Callable[[Batch], float]:
    """A step with nothing around it; it gives the loss."""
    objective, training = _learner(recipe).objective, recipe.training
    optimiser = torch.optim.Adam(objective.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    objective.train()

    def step(batch: Batch) -> float:
        optimiser.zero_grad()
        loss: Tensor = objective.loss(objective.network(batch.inputs[AUDIO]), batch.target, batch.group)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def peak(recipe: Recipe, cap: int) -> tuple[float, float]:
    """MiB that a process holds with the model and the data alone, and at the most in a step with that cap."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(recipe.model_dump(), cap, sending))
    process.start()
    sending.close()  # so that the end of the process is the end of the pipe
    try:
        result: tuple[float, float] = receiving.recv()
    except EOFError:
        raise GlamError(f"at most {cap} segments at once: the process ended unexpectedly (out of memory?)") from None
    finally:
        process.join()
    return result


def _peak(settings: dict[str, object], cap: int, sending: Connection) -> None:
    torch.set_num_threads(1)
    recipe = Recipe.model_validate(settings)
    training = recipe.training.model_copy(update={"batches": ByUtterances(name="utterances", most=cap)})
    recipe = recipe.replaced(training=training.model_dump())
    counts = np.array([max(CAPS), LONGEST, *[11] * 16])
    learner, stream = _learner(recipe), batches(recipe, counts)
    rows, before = 0, _memory("VmRSS")
    while rows < counts.sum():  # an epoch
        batch = next(stream)
        rows += len(batch.target)
        learner.step(Step(batch, recipe.training.lr)).item()
    sending.send((before, _memory("VmHWM")))


def _memory(name: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at the most so far."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _learner(recipe: Recipe) -> Learner:
    shapes = {AUDIO: recipe_shape(recipe)}
    objective = initial_objective(recipe.model, recipe.training, recipe.corpus.classes, shapes, seed=0)
    return Learner(objective, recipe.training, CPU)


class _Rows(Column):
    """Rows (N, F, T) in memory rather than of a store."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        self.device, self.length, self.shape, self.resident = CPU, len(features), features.shape[1:], True
        self._parts, self._beside = [torch.from_numpy(features)], {}


def main() -> int:
    """The command; its exit status."""
    return guarded(_work, "nothing was kept")


def _work() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory of steps on whole utterances.")
    parser.add_argument("--recipe", default="glrf", help="whose batches are of utterances (glrf)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="that count, after one that does not (7)")
    args = parser.parse_args()
    if args.rounds < 1:
        raise GlamError(f"--rounds {args.rounds}: at least one is needed")
    recipe, counts = load_recipe(args.recipe), segments(UTTERANCES)
    if not isinstance(recipe.training.batches, ByUtterances):
        raise GlamError(f"--recipe {args.recipe}: its batches are of segments; expected some of utterances, as of glrf")
    torch.set_num_threads(1)
    seconds = list(islice(rounds(recipe, counts), args.rounds + 1))[1:]
    ratios = [ours / bare for ours, bare in seconds]
    print(f"segments of {UTTERANCES} utterances: median {np.median(counts):.0f}, mean {counts.mean():.1f}")
    for name, of_rounds in zip(("ours", "bare"), zip(*seconds, strict=True), strict=True):
        print(f"{name}: {1000 * median(of_rounds) / STEPS:.1f} ms a step")
    print(f"ours / bare: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, {args.rounds} rounds)")
    for cap in CAPS:
        before, most = peak(recipe, cap)
        print(f"at most {cap:4} segments at once: {most - before:6.0f} MiB more than the {before:.0f} without a step")


if __name__ == "__main__":
    sys.exit(main())
