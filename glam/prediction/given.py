"""Utterances as a saved model is asked about them: recordings and, where it has such inputs, words and vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.inputs.inputs import Input
from glam.inputs.vectors import Vectors
from glam.inputs.words import Words
from glam.running.saved import SavedModel

TITLES = {"recording": "a recording", "words": "the words that are said", "vector": "a vector"}


@dataclass(frozen=True, eq=False)
class Given:
    """An utterance as it is given.

    file: its name in the answer. recording: a path, or samples (n,) float32 in [-1, 1] at 16 kHz; None where there is
    none. words: what is said, "" where nothing is; None where nobody knows. vectors: by the name of the input, (d,) or
    frames (T, d).
    """

    file: str
    recording: Path | NDArray[np.float32] | None = None
    words: str | None = None
    vectors: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)


def hears(model: SavedModel) -> bool:
    """True where the model cannot be asked without a recording."""
    return "recording" in model.needs.values() or isinstance(model.recipe.cut, Segments)


def check_channel(model: SavedModel, channel: int | None) -> None:
    """GlamError where a channel is chosen for a model of words or vectors alone, which hears none."""
    if channel is not None and "recording" not in model.needs.values():
        taken = " and ".join(dict.fromkeys(TITLES[needs] for needs in model.needs.values()))
        raise GlamError(
            f"channel: given {channel}, but the model {model.recipe.model.title} hears no sound, it takes {taken} "
            "alone; leave the channel out"
        )


def unusable(model: SavedModel, given: Given) -> str:
    """The reason why the model cannot be asked about an utterance as it is given, naming all; empty where it can."""
    title = model.recipe.model.title
    missing: list[str] = []
    for name, needs in model.needs.items():
        present = {"words": given.words is not None, "vector": name in given.vectors}
        if not present.get(needs, given.recording is not None):
            missing.append(f"{TITLES[needs]} (its input {name})")
    if not missing and given.recording is None and hears(model):
        missing.append("a recording, of which it makes segments")
    if missing:
        return f"the model {title} needs {' and '.join(missing)}, which was not given"
    if more := [name for name in given.vectors if model.needs.get(name) != "vector"]:
        return f"the model {title} has no input {', '.join(more)} of vectors"
    return ""


def take_vector(name: str, made: Input, given: Given, utterance: str) -> None:
    """Give an input of vectors that of an utterance, by its id; GlamError where it is of another shape."""
    if not isinstance(made, Vectors):
        return
    vector = np.asarray(given.vectors[name])
    expected = ("frames", made.dimension) if made.frames else (made.dimension,)
    numbers = vector.dtype.kind in "fiu" and np.isfinite(vector).all()
    if not numbers or vector.ndim != len(expected) or vector.shape[-1] != made.dimension or not vector.size:
        raise GlamError(f"the vector of {name} is of shape {vector.shape}, expected finite numbers of shape {expected}")
    made.given = {utterance: np.asarray(vector, dtype=np.float32)}


def unknown_words(model: SavedModel, inputs: Mapping[str, Input], given: Given) -> tuple[str, ...]:
    """The tokens of the words that the model has no vector for, each once."""
    from glam.models.entrances import Embedded

    tokens: dict[str, None] = {}
    for name, made in inputs.items():
        if isinstance(made, Words) and isinstance(embedded := model.objective.entrances[name], Embedded):
            ids = made.vocabulary.ids()
            tokens |= {
                token: None
                for token in made.tokens(given.words or "")[: made.longest]
                if token not in ids or not embedded.known[ids[token]]
            }
    return tuple(tokens)
