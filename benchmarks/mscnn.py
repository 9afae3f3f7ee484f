#!/usr/bin/env python3
"""Costs of MSCNN-SPU-ATT: `python benchmarks/mscnn.py [glove] [store] [step]`, all three by default.

step: a training step of ours beside a bare loop of torch on the same batches, in turns. store: features of a corpus of
IEMOCAP's size, of noise. glove: what a corpus needs of a file of 2 196 016 words, made for the purpose (6 GB of disk).
"""

import argparse
import resource
import sys
import time
import wave
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's package, called from anywhere

import numpy as np
import torch
from torch import nn

from glam.cli.guard import guarded
from glam.corpora.synthetic import make_corpus
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.glove import read_vectors
from glam.inputs.store import open_store
from glam.learning.course import RunState, alone, course
from glam.learning.draws import draw_epoch
from glam.learning.learner import Learner
from glam.recipe import load_recipe
from glam.running.experiment import Places, job, prepare
from glam.running.job import Resources, objective_of, run_data
from glam.splits.runs import RunKey

RECIPE, ROUNDS, SECONDS = "mscnn-spu-att-without-xvectors", 5, 2.5
UTTERANCES, MEAN_SECONDS = 5531, 4.55  # IEMOCAP's four classes
WORDS, NUMBERS = 2_196_016, 300  # of glove.840B.300d


def step(folder: Path) -> None:
    """Seconds of a training step of ours, and of a bare loop's, in turns; the ratio of each turn."""
    make_corpus(folder / "synthetic")
    fields = [("corpus.name", "synthetic"), ("cut.longest", SECONDS), ("training.epochs", 1)]
    experiment = prepare(load_recipe(RECIPE, fields), Places(folder / "synthetic", folder, folder / "runs"))
    work, run = job(experiment, Resources("cpu", 1, 1, 60)), RunKey(1, 1)
    data, training = run_data(work, run), experiment.recipe.training
    cpu = torch.device("cpu")
    torch.set_num_threads(1)
    draws = draw_epoch(run.draws, 0, data.train_counts, training.batches)
    steps = sum(size == training.batches.size for size in draws.sizes)
    ratios, seconds = [], []
    for _ in range(ROUNDS):
        learner, state = Learner(objective_of(work, run, data), training, cpu), RunState()
        taken: list[float] = []

        def after(_: int, taken: list[float] = taken) -> None:
            taken.append(time.perf_counter())

        begun = time.perf_counter()
        evaluation = experiment.recipe.evaluation
        alone(course(learner, training, evaluation, "softmax", data, run.draws, state, after, lambda: None), cpu)
        ours = (taken[steps - 1] - begun) / steps

        objective = objective_of(work, run, data).train()
        network, entrances = objective.network, objective.entrances
        audio, words = (data.train[name].recordings() for name in ("audio", "words"))
        lengths = {name: torch.from_numpy(work.inputs[name].train_lengths) for name in ("audio", "words")}
        optimiser = torch.optim.Adam(objective.parameters(), training.lr)
        begun = time.perf_counter()
        for rows in torch.from_numpy(draws.order)[: steps * training.batches.size].split(training.batches.size):
            place, target = data.train_rows[rows], data.train_targets[rows]
            heard, read = lengths["audio"][place], lengths["words"][place]
            entered = entrances["audio"](audio[place], length=heard), entrances["words"](words[place], length=read)
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(entered[0], heard, entered[1], read), target).backward()
            nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
            optimiser.step()
        bare = (time.perf_counter() - begun) / steps
        ratios.append(ours / bare)
        seconds.append(ours)
    print(
        f"step of {training.batches.size} utterances of up to {SECONDS} s, one thread: {median(seconds):.2f} s, "
        f"{median(ratios):.3f} of a bare loop's (from {min(ratios):.3f} to {max(ratios):.3f} in {ROUNDS} turns)"
    )


def store(folder: Path) -> None:
    """Seconds and size of the store of a corpus of IEMOCAP's size."""
    rng = np.random.RandomState(0)
    utterances = []
    for i in range(UTTERANCES):
        samples = int(16_000 * max(0.6, rng.gamma(2.2, MEAN_SECONDS / 2.2)))
        path = folder / f"u{i}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(rng.randint(-3000, 3000, samples).astype("<i2").tobytes())
        status, digest = path.stat(), sha256(path.name.encode()).hexdigest()
        utterances.append(
            Utterance(
                f"u{i}", "neu", "s", path.name, samples=samples, size=status.st_size, mtime_ns=status.st_mtime_ns,
                sha256=digest,
            )
        )  # fmt: skip
    recipe = load_recipe(RECIPE)
    begun = time.perf_counter()
    audio = recipe.inputs["audio"]
    kept = open_store(folder, utterances, audio, audio.make(), recipe.cut, "train", folder)
    hours = sum(utterance.samples for utterance in utterances) / 16_000 / 3600
    print(
        f"store of {UTTERANCES} utterances, {hours:.1f} h: {kept.path.stat().st_size / 1e9:.2f} GB in "
        f"{time.perf_counter() - begun:.0f} s; peak of memory {_peak():.0f} MB"
    )


def glove(folder: Path) -> None:
    """Seconds and memory of reading what a corpus needs of a large file."""
    rng, path = np.random.RandomState(0), folder / "vectors.txt"
    numbers = [" ".join(f"{value:.5g}" for value in 0.4 * rng.randn(NUMBERS)).encode() for _ in range(2000)]
    with path.open("wb") as file:
        for i in range(WORDS):
            file.write(b"word%d %s\n" % (i, numbers[i % len(numbers)]))
    wanted, before, begun = {f"word{i}" for i in range(0, WORDS, 600)}, _peak(), time.perf_counter()
    vectors = read_vectors(path, wanted)
    print(
        f"GloVe of {vectors.lines} words, {path.stat().st_size / 1e9:.1f} GB: {len(vectors.words)} words in "
        f"{time.perf_counter() - begun:.0f} s, {_peak() - before:.0f} MB"
    )


def _peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def main() -> int:
    """The command; its exit status."""
    return guarded(_work, "nothing was kept")


def _work() -> None:
    measures = {"glove": glove, "store": store, "step": step}  # memory peaks are of the process, the small ones first
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="NAME", help=f"{', '.join(measures)} (all)")
    asked = parser.parse_args().measures or list(measures)
    if unknown := [name for name in asked if name not in measures]:
        raise GlamError(f"{', '.join(unknown)}: expected some of {', '.join(measures)}")
    for name, measure in measures.items():
        if name in asked:
            with TemporaryDirectory() as folder:
                measure(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
