"""The job of a worker, and what one run gets of it: the rows of its split, and the objective that it starts with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from glam.inputs.inputs import Input, TrainingRows
from glam.recipe import Recipe
from glam.splits.groups import Groups
from glam.splits.runs import RunKey

if TYPE_CHECKING:
    from torch import nn

    from glam.learning.batch import Data
    from glam.learning.column import Column, Columns
    from glam.learning.objective import Objective

SaveModel = Literal["none", "last", "best"]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Resources:
    """Resources for runs: device (`cpu`, `cuda:0`, `mps`), CPU threads of a run, runs at once.

    threads: 0 where they are still to be measured (threads.py). at_once: 0 for as many as fit into the device's memory,
    or as are fastest with the threads that are measured. checkpoint_seconds: of work that a kill may cost a run.
    packed: whether the runs at once are one pack (pack.py) rather than a process each.
    """

    device: str
    threads: int
    at_once: int
    checkpoint_seconds: float
    packed: bool = False

    def described(self) -> str:
        """How many runs go on at once, in words, where times are given that were found out beforehand."""
        many = f"{self.at_once} at once" if self.at_once else "as many at once as fit"
        return f"{many}, timed without compiling: long experiments take less" if self.packed else many


@dataclass(frozen=True, eq=False)
class Kept:
    """The files in which the rows of one input are kept.

    train: files of the rows to train on: of the recordings, then of each augmented copy of them. test: those to
    evaluate on. train_lengths, test_lengths: (N,) how much of each row is not padding; None where rows have none.
    known: attributes of the input that has looked through the corpus.
    """

    train: tuple[Path, ...]
    test: Path
    train_lengths: Ints | None
    test_lengths: Ints | None
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a worker must know of an experiment.

    digest: of its identity. inputs: by name. train_offsets, test_offsets: first row of each kept utterance in every
    input (U+1). positions: (U,) of the population's utterances among these. targets: (U,) their classes. groups: what
    they belong to. shares: (U, C) float32, how the raters' votes on them are distributed, where that is taught.
    """

    recipe: Recipe
    folder: Path
    digest: str
    inputs: Mapping[str, Kept]
    train_offsets: Ints
    test_offsets: Ints
    positions: Ints
    targets: Ints
    groups: Groups
    resources: Resources
    save_model: SaveModel
    shares: NDArray[np.float32] | None = None

    @property
    def copies(self) -> int:
        """Augmented copies of the training utterances, beside the recordings."""
        return max(len(kept.train) for kept in self.inputs.values()) - 1

    def input(self, name: str) -> Input:
        """The input of that name, with what it knows of the corpus. One of the user's own is made of its file."""
        made = self.recipe.inputs[name].make()
        vars(made).update(self.inputs[name].known)
        return made


def open_columns(job: Job) -> "tuple[Columns, Columns]":
    """The inputs to train on and those to evaluate on, on the job's device: the same for all runs of a process."""
    import torch

    from glam.learning.column import Column, Columns

    device = torch.device(job.resources.device)
    train: dict[str, Column] = {}
    test: dict[str, Column] = {}
    for name, kept in job.inputs.items():
        train[name] = Column(kept.train, device, kept.train_lengths)
        same = kept.train == (kept.test,)
        test[name] = train[name] if same else Column([kept.test], device, kept.test_lengths)
        if job.recipe.inputs[name].normalisation == "speaker":
            speakers = job.groups["speaker"].codes
            train[name] = train[name].grouped(_by_row(job.train_offsets, job.positions, speakers))
            test[name] = test[name].grouped(_by_row(job.test_offsets, job.positions, speakers))
    return Columns(train), Columns(test)


def run_data(job: Job, run: RunKey, columns: "tuple[Columns, Columns] | None" = None) -> "Data":
    """The rows of the split of one run. columns: what open_columns gave, if it was asked already."""
    import torch

    from glam.learning.batch import Data

    divided = job.recipe.split.split(job.groups, run)
    train = divided.train
    taught = np.arange(len(job.targets))  # the utterance whose label, or votes, each is taught
    if job.recipe.training.shuffle_labels:
        taught[train] = np.random.RandomState(run.draws).permutation(train)
    targets = job.targets[taught]
    if job.recipe.training.upsampling:
        train = upsampled(train, targets)
    rows, counts = rows_of(job.train_offsets, job.positions[train])
    copies = job.copies + 1  # the recordings are the first of them
    rows = (job.train_offsets[-1] * np.arange(copies)[:, None] + rows).ravel()
    utterances = np.tile(np.repeat(train, counts), copies)
    test_rows, test_counts = rows_of(job.test_offsets, job.positions[divided.held_out])
    training, testing = columns or open_columns(job)
    return Data(
        train=training,
        train_rows=torch.from_numpy(rows),
        train_targets=torch.from_numpy(targets[utterances]),
        train_counts=np.tile(counts, copies),
        test=testing,
        test_rows=torch.from_numpy(test_rows),
        test_counts=test_counts,
        train_shares=None if job.shares is None else torch.from_numpy(job.shares[taught[utterances]]),
    )


def objective_of(job: Job, run: RunKey, data: "Data") -> "Objective":
    """The objective that a run starts with: initial weights, and entrances fitted on its training utterances."""
    from glam.learning.course import initial_objective

    recipe = job.recipe
    entrances: dict[str, nn.Module] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, settings in recipe.inputs.items():
        made = job.input(name)
        shapes[name] = made.entered(data.train.shapes[name])
        entrance = made.entrance(_training_rows(job, run, name, data.train[name]), settings.normalisation)
        if entrance is not None:
            entrances[name] = entrance
    return initial_objective(
        recipe.model, recipe.training, recipe.corpus.classes, shapes, run.draws, entrances, data.train_targets
    )


def _training_rows(job: Job, run: RunKey, name: str, column: "Column") -> TrainingRows:
    """The rows that the entrance of an input is fitted on: the recordings of the run's training utterances."""
    import torch

    train = job.recipe.split.split(job.groups, run).train
    rows, _ = rows_of(job.train_offsets, job.positions[train])
    speakers, lengths = job.groups["speaker"].codes, job.inputs[name].train_lengths
    return TrainingRows(
        values=column.recordings(),
        rows=torch.from_numpy(rows),
        lengths=None if lengths is None else torch.from_numpy(lengths),
        speakers=torch.from_numpy(_by_row(job.train_offsets, job.positions, speakers)),
        count=int(speakers.max()) + 1,
        seed=run.draws,
    )


def _by_row(offsets: Ints, positions: Ints, values: Ints) -> Ints:
    """The value of the utterance that each row of a store belongs to; 0 for utterances not of the population."""
    of_utterance = np.zeros(len(offsets) - 1, dtype=np.int64)
    of_utterance[positions] = values
    return np.repeat(of_utterance, np.diff(offsets))


def upsampled(train: Ints, targets: Ints) -> Ints:
    """The training utterances, those of every smaller class repeated in turn until all classes are as large.

    train: (N,) indices into targets. Returns (N',) indices, the given ones first.
    """
    classes, counts = np.unique(targets[train], return_counts=True)
    more = [np.resize(train[targets[train] == c], counts.max() - n) for c, n in zip(classes, counts, strict=True)]
    return np.concatenate([train, *more])


def rows_of(offsets: Ints, positions: Ints) -> tuple[Ints, Ints]:
    """The rows of the utterances at these positions, one after another, and how many each has."""
    counts = offsets[positions + 1] - offsets[positions]
    rows = [np.arange(offsets[p], offsets[p + 1]) for p in positions]
    return np.concatenate(rows), counts
