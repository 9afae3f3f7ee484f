"""A saved model asked about utterances of a corpus, by the same inputs, store and arithmetic as in training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.inputs.store import open_store
from glam.running.saved import SavedModel, of_anybody

if TYPE_CHECKING:
    from glam.learning.column import Columns


def ask(model: SavedModel, root: Path, utterances: Sequence[Utterance], data: Path) -> NDArray[np.float32]:
    """The logits (U, C) of utterances, on the CPU: the mean over their segments, as evaluation in training has them.

    root: of their corpus. utterances: all of them kept by the model's cut. data: folder of what is derived from
    corpora; the inputs are kept there. Every speaker is one unknown to the model, whose inputs are of the
    sound alone.
    """
    import torch

    from glam.learning.course import of_utterances
    from glam.learning.learner import evaluation_batches
    from glam.models.dropout import seeds

    columns, counts = _columns(model, root, utterances, data)
    rows = torch.arange(int(counts.sum()))
    parts = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.seed)
        for number, inputs in enumerate(columns.batches(evaluation_batches(rows, torch.device("cpu")))):
            for seed in seeds(model.objective):
                seed.fill_(model.seed + number)  # for what draws at test time, as AACNN's dropout can
            parts.append(model.logits(of_anybody(inputs, model)))
    logits = np.concatenate(parts)[: len(rows)]
    return of_utterances(logits, counts, model.recipe.evaluation, model.activation)


def _columns(
    model: SavedModel, root: Path, utterances: Sequence[Utterance], data: Path
) -> "tuple[Columns, NDArray[np.int64]]":
    """The inputs to evaluate on, and how many rows each utterance has."""
    import torch

    from glam.learning.column import Column, Columns

    columns: dict[str, Column] = {}
    for name, settings in model.recipe.inputs.items():
        store = open_store(root, utterances, settings, model.input(name), model.recipe.cut, "test", data)
        columns[name] = Column([store.path], torch.device("cpu"), store.lengths)
        counts = np.diff(store.offsets)
    return Columns(columns), counts
