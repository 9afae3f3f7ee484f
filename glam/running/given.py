"""Utterances that are in no corpus, as a saved model is asked about them: a recording and, where it has such inputs,
words and vectors.

The rows are made by the code that made those of training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.evaluation.metrics import utterance_logits
from glam.inputs.cut import Segments
from glam.inputs.vectors import Vectors
from glam.inputs.words import Words
from glam.running.saved import SavedModel, of_anybody

if TYPE_CHECKING:
    from torch import Tensor

NOBODY = "the recording"  # the id of an utterance that is in no corpus


@dataclass(frozen=True, eq=False)
class Given:
    """An utterance as it is given.

    samples: (n,) float32 in [-1, 1], 16 kHz. words: what is said; "" where nothing is. vectors: by the name of the
    input, (d,) or frames (T, d).
    """

    samples: NDArray[np.float32] | None = None
    words: str | None = None
    vectors: Mapping[str, NDArray[np.floating[Any]]] | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer of a model.

    probabilities: (C,) of its classes, in their order. unknown: tokens that the model has no vector for, each once.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    unknown: tuple[str, ...]

    @property
    def predicted(self) -> str:
        """The most probable class, the first of equally probable ones."""
        return self.classes[int(self.probabilities.argmax())]


def ask(model: SavedModel, given: Given) -> Answer:
    """The answer of a model about an utterance, the mean over its segments if it is cut into such.

    Raises GlamError where something is missing that the model needs, naming all of it, or is too short for it.
    """
    from glam.learning.course import of_utterances
    from glam.learning.losses import activation_of, loss_of

    rows = rows_of(model, given)
    recipe = model.recipe
    activation = activation_of(loss_of(recipe.training.loss, recipe.corpus.classes))
    logits = model.logits(of_anybody(rows, model))
    of_all = of_utterances(logits, np.array([len(logits)]), recipe.evaluation, activation).astype(np.float64)
    if recipe.evaluation.average == "probabilities":  # of which these are the logarithms
        (probabilities,) = np.exp(of_all)
    else:
        (probabilities,) = utterance_logits(of_all, np.array([0, 1]), "probabilities", activation)
    return Answer(recipe.corpus.classes, probabilities, _unknown(model, given))


def rows_of(model: SavedModel, given: Given) -> "dict[str, Tensor]":
    """The rows (rows, ...) of all inputs of a model, and lengths beside, for `SavedModel.logits`; errors as `ask`."""
    import torch

    from glam.learning.column import LENGTH

    _check(model, given)
    cut = model.recipe.cut
    samples = np.zeros(0, dtype=np.float32) if given.samples is None else np.asarray(given.samples, dtype=np.float32)
    if isinstance(cut, Segments) and len(samples):
        samples = np.tile(samples, cut.padded(len(samples)) // len(samples))
    if given.samples is not None and not cut.keeps(len(samples)):
        raise GlamError(f"the recording has {len(samples)} samples, too few for {cut.title}")
    utterance = Utterance(NOBODY, "", "", "", words=given.words or "", samples=len(samples))
    rows: dict[str, Tensor] = {}
    for name in model.recipe.inputs:
        made = model.input(name)
        if isinstance(made, Vectors):
            made.given[NOBODY] = _vector(name, made, (given.vectors or {})[name])
        parts = list(made.extractor(cut)(utterance, samples, "test"))
        rows[name] = torch.from_numpy(np.concatenate([values for values, _ in parts]))
        lengths = [length for _, length in parts if length is not None]
        if lengths:
            rows[name + LENGTH] = torch.from_numpy(np.concatenate(lengths))
    return rows


def _check(model: SavedModel, given: Given) -> None:
    """GlamError that names all that is missing."""
    vectors = given.vectors or {}
    present = {"recording": given.samples is not None, "words": given.words is not None}
    titles = {"recording": "a recording", "words": "the words that are said"}
    missing: list[str] = []
    for name in model.recipe.inputs:
        needs = model.input(name).needs
        if not present.get(needs, name in vectors):
            missing.append(f"{titles.get(needs, 'a vector')} (its input {name})")
    if missing:
        raise GlamError(f"the model {model.recipe.model.title} needs {' and '.join(missing)}, which was not given")
    if more := [name for name in vectors if name not in model.recipe.inputs]:
        raise GlamError(f"the model {model.recipe.model.title} has no input {', '.join(more)}")


def _vector(name: str, made: Vectors, vector: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    expected = ("frames", made.dimension) if made.frames else (made.dimension,)
    if vector.ndim != len(expected) or vector.shape[-1] != made.dimension or not np.isfinite(vector).all():
        raise GlamError(f"the vector of {name} is of shape {vector.shape}, expected finite numbers of shape {expected}")
    return np.asarray(vector, dtype=np.float32)


def _unknown(model: SavedModel, given: Given) -> tuple[str, ...]:
    """The tokens of the words that the model has no vector for."""
    from glam.models.entrances import Embedded

    tokens: dict[str, None] = {}
    for name in model.recipe.inputs:
        made, entrance = model.input(name), model.objective.entrances
        if isinstance(made, Words) and isinstance(embedded := entrance[name], Embedded):
            ids = made.vocabulary.ids()
            tokens |= {
                token: None
                for token in made.tokens(given.words or "")[: made.longest]
                if token not in ids or not embedded.known[ids[token]]
            }
    return tuple(tokens)
