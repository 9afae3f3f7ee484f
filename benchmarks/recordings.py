"""Timing on recordings: the extraction of features, and whole runs from the recordings to the last epoch."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.plain import Data, Segments, plain_epochs, plain_features
from benchmarks.problem import cut_of
from glam.corpora import load_corpus
from glam.corpora.synthetic import make_corpus
from glam.corpora.utterances import Corpus, Utterance
from glam.inputs.store import open_store
from glam.recipe import AUDIO, Recipe
from glam.running.experiment import Places, experiment_on
from glam.running.job import Resources
from glam.running.training import run
from glam.splits.population import population
from glam.splits.runs import RunKey, seeds


def read_corpus(folder: Path | None, made_in: Path) -> Corpus:
    """The corpus in `folder`, laid out as IEMOCAP; without one, the synthetic corpus. The index goes to `made_in`."""
    if folder is None:
        folder = made_in / "synthetic"
        make_corpus(folder)
    return load_corpus("iemocap", folder, made_in / "index")


def some_utterances(corpus: Corpus, recipe: Recipe, segments: int) -> list[Utterance]:
    """Utterances, evenly spread over the corpus, of about so many segments together."""
    utterances = population(corpus, recipe.corpus, recipe.cut).stored
    total = segments_of(utterances, recipe)
    return list(utterances[:: max(1, round(total / segments))])


def segments_of(utterances: Sequence[Utterance], recipe: Recipe) -> int:
    """Number of segments to evaluate that the utterances have."""
    return sum(cut_of(recipe).rows(utterance.samples, "test") for utterance in utterances)


def plain_extraction(corpus: Corpus, utterances: Sequence[Utterance], recipe: Recipe) -> Iterator[float]:
    """Seconds for the features of these utterances, from the files on, one segment at a time."""
    paths = [corpus.root / utterance.audio for utterance in utterances]
    while True:
        start = time.perf_counter()
        plain_features(paths, recipe, "test")
        yield time.perf_counter() - start


def our_extraction(
    corpus: Corpus, utterances: Sequence[Utterance], recipe: Recipe, device: str, folder: Path
) -> Iterator[float]:
    """Seconds for the same features, written to the disk and checked, as they are kept for all runs."""
    while True:
        with TemporaryDirectory(dir=folder) as store:
            start = time.perf_counter()
            of, cut = recipe.inputs[AUDIO], recipe.cut
            open_store(corpus.root, utterances, of, of.make(), cut, "test", Path(store), device=device)
            yield time.perf_counter() - start


def whole_plain_run(corpus: Corpus, recipe: Recipe, device: str) -> float:
    """Seconds of one run by the plain loop: features, training, and an evaluation after every epoch."""
    start = time.perf_counter()
    people = population(corpus, recipe.corpus, recipe.cut)
    split = recipe.split.split(people.groups, RunKey(seeds()[0]))
    paths = [corpus.root / utterance.audio for utterance in people.utterances]
    train = plain_features([paths[i] for i in split.train], recipe, "train")
    held_out = plain_features([paths[i] for i in split.held_out], recipe, "test")
    targets = np.repeat([people.targets[i] for i in split.train], [len(part) for part in train])
    features = torch.from_numpy(np.concatenate(train))
    data = Data(
        Segments(features, torch.from_numpy(targets), np.arange(len(targets))),
        [torch.from_numpy(part) for part in held_out],
    )
    for _ in islice(plain_epochs(recipe, data, torch.device(device)), recipe.training.epochs):
        pass
    return time.perf_counter() - start


def our_whole_runs(corpus: Corpus, recipe: Recipe, resources: Resources, runs: int, folder: Path) -> float:
    """Seconds of so many runs by our engine: features once, training, evaluations, all of it stored."""
    with TemporaryDirectory(dir=folder) as place:
        start = time.perf_counter()
        places = Places(corpus=corpus.root, data=Path(place) / "data", runs=Path(place) / "runs")
        experiment = experiment_on(corpus, recipe, places)
        run(experiment, experiment.runs(seeds()[:runs]), resources, "none", lambda _: None)
        return time.perf_counter() - start
