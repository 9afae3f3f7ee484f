"""What one run is given: where it computes, and the segments of its split."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from glam.recipe import Recipe
from glam.splits.groups import Groups
from glam.splits.splits import RunKey, split

if TYPE_CHECKING:
    from glam.learning.column import Feed
    from glam.learning.engine import RunData

SaveModel = Literal["none", "last", "best"]


@dataclass(frozen=True)
class Resources:
    """Where runs are computed: device (`cpu`, `cuda:0`, `mps`), CPU threads of a run, runs at once.

    at_once: 0 for as many as fit into the device's memory. checkpoint_seconds: of work that a kill may cost a run.
    packed: whether the runs at once are one pack (pack.py) rather than a process each.
    """

    device: str
    threads: int
    at_once: int
    checkpoint_seconds: float
    packed: bool = False

    def described(self) -> str:
        """How many runs at once, as people say it."""
        return f"{self.at_once} at once" if self.at_once else "as many at once as fit"


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker must know of an experiment.

    train_stores: files of the features to train on: of the recordings, then of each augmented copy of them, with the
    first row of each utterance (U+1 offsets) beside. test_store: likewise for evaluation.
    positions: (U,) of the population's utterances in the stores. targets: (U,) their classes. groups: what they belong
    to.
    """

    recipe: Recipe
    folder: Path
    identity: str
    train_stores: tuple[Path, ...]
    train_offsets: NDArray[np.int64]
    test_store: Path
    test_offsets: NDArray[np.int64]
    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    groups: Groups
    resources: Resources
    save_model: SaveModel


def open_feeds(job: Job) -> "tuple[Feed, Feed]":
    """The features to train on and those to evaluate on, on the job's device: one for all runs of a process."""
    import torch

    from glam.learning.column import Feed

    device = torch.device(job.resources.device)
    train = Feed(job.train_stores, device)
    return train, train if job.train_stores == (job.test_store,) else Feed([job.test_store], device)


def run_data(job: Job, run: RunKey, feeds: "tuple[Feed, Feed] | None" = None) -> "RunData":
    """The segments of the split of one run. feeds: what open_feeds gave, if it was asked already."""
    import torch

    from glam.learning.engine import RunData

    divided = split(job.recipe.split, job.groups, run)
    targets = job.targets
    train = divided.train
    if job.recipe.training.shuffle_labels:
        targets = targets.copy()
        targets[train] = targets[np.random.RandomState(run.draws).permutation(train)]
    if job.recipe.training.upsampling:
        train = upsampled(train, targets)
    rows, lengths = _rows(job.train_offsets, job.positions[train])
    copies = len(job.train_stores)  # the recordings are the first of them
    shift = job.train_offsets[-1] * np.arange(copies)
    rows = (shift[:, None] + rows).ravel()
    utterances = np.tile(np.repeat(train, lengths), copies)
    test_rows, test_lengths = _rows(job.test_offsets, job.positions[divided.held_out])
    feed, test = feeds or open_feeds(job)
    if job.recipe.training.normalisation != "none":
        feed, test = _normalised(job, divided.train, feed, test)
    return RunData(
        train=feed,
        train_rows=torch.from_numpy(rows),
        train_targets=torch.from_numpy(targets[utterances]),
        train_groups=torch.from_numpy(utterances),
        test=test,
        test_rows=torch.from_numpy(test_rows),
        test_segments=test_lengths,
    )


def _normalised(job: Job, train: NDArray[np.int64], feed: "Feed", test: "Feed") -> "tuple[Feed, Feed]":
    from glam.learning.normalisation import fit

    speakers = job.groups["speaker"].codes
    if job.recipe.training.normalisation == "training":
        speakers = np.zeros_like(speakers)
    group = _by_row(job.train_offsets, job.positions, speakers)
    rows, _ = _rows(job.train_offsets, job.positions[train])
    scale = fit(feed.recordings(), rows, group, int(speakers.max()) + 1, job.recipe.features.time_axis)
    scaled = feed.normalised(scale)
    if test is feed:
        return scaled, scaled
    return scaled, test.normalised(scale.of(_by_row(job.test_offsets, job.positions, speakers)))


def _by_row(offsets: NDArray[np.int64], positions: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of the utterance that each row of a store belongs to; 0 for utterances not of the population."""
    of_utterance = np.zeros(len(offsets) - 1, dtype=np.int64)
    of_utterance[positions] = values
    return np.repeat(of_utterance, np.diff(offsets))


def upsampled(train: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The training utterances, those of every smaller class repeated in turn until all classes are as large.

    train: (N,) indices into targets. Returns (N',) indices, the given ones first.
    """
    classes, counts = np.unique(targets[train], return_counts=True)
    more = [np.resize(train[targets[train] == c], counts.max() - n) for c, n in zip(classes, counts, strict=True)]
    return np.concatenate([train, *more])


def _rows(offsets: NDArray[np.int64], positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = offsets[positions + 1] - offsets[positions]
    rows = [np.arange(offsets[p], offsets[p + 1]) for p in positions]
    return np.concatenate(rows), lengths
