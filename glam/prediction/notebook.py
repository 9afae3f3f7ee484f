"""A saved model in a notebook: `glam.load` and `glam.predict`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE, mono_of
from glam.errors import GlamError
from glam.places import runs_folder
from glam.prediction.given import Given, check_channel
from glam.prediction.hashes import check_folder
from glam.prediction.model import Model, Prediction, Question, Refused, Samples
from glam.progress import say
from glam.results.experiment import EXPERIMENT, read_experiment
from glam.results.run import MODEL
from glam.running.own_code import not_used
from glam.running.saved import load_model


def load(path: str | Path, *, code: Sequence[str | Path] = (), device: str = "cpu", threads: int = 1) -> Model:
    """A saved model, to be asked about recordings.

    Args:
        path: model.safetensors, or the folder of a run or of an exported model, which has one; or that of an
            experiment, for the first of its runs that has one. Runs and experiments also by name (`glam list`).
        code: files of one's own that the model was made with (`mine.py`). They are run, so only those given here are,
            and only where each is the very file that was recorded.
        device: `cpu`, `cuda:0`, ... threads: of the CPU; the last digits depend on their number, and a run has 1.

    Raises GlamError where there is no such model, it is damaged, or takes a file that is not given.
    """
    place = Path(path).expanduser()
    if not place.exists() and (runs_folder() / place).exists():
        place = runs_folder() / place
    if (place / EXPERIMENT).is_file():
        place = next((place / run for run in read_experiment(place).with_model()), place)
    place = place / MODEL if place.is_dir() else place
    if not place.is_file():
        raise GlamError(
            f"{place}: no saved model lies here. `glam train --save-model last` (or best) keeps one in the folder of "
            "each run, and the first run of an experiment has one in any case."
        )
    check_folder(place.absolute().parent, place.name)
    files = [Path(file).expanduser() for file in code]
    saved = load_model(place, files)
    for file in not_used(saved.recipe, files):
        say(f"--code {file}: not used: the model {saved.recipe.model.title} was made without it")
    return Model(saved, place, device, threads)


@overload
def predict(  # type: ignore[overload-overlap]  # a str is a Sequence[str], too
    model: Model | str | Path,
    recordings: str | Path | NDArray[Any] | Given | None = None,
    *,
    rate: int | None = None,
    hop: float | None = None,
    labels: Sequence[str] = (),
    repeat_short: bool = False,
    channel: int | None = None,
    words: str | None = None,
    vectors: Mapping[str, NDArray[Any]] | None = None,
) -> Prediction: ...


@overload
def predict(
    model: Model | str | Path,
    recordings: Sequence[str | Path | Given],
    *,
    rate: int | None = None,
    hop: float | None = None,
    labels: Sequence[str] = (),
    repeat_short: bool = False,
    channel: int | None = None,
) -> list[Prediction | Refused]: ...


def predict(
    model: Model | str | Path,
    recordings: str | Path | NDArray[Any] | Given | Sequence[str | Path | Given] | None = None,
    *,
    rate: int | None = None,
    hop: float | None = None,
    labels: Sequence[str] = (),
    repeat_short: bool = False,
    channel: int | None = None,
    words: str | None = None,
    vectors: Mapping[str, NDArray[Any]] | None = None,
) -> Prediction | list[Prediction | Refused]:
    """What a model says of recordings: a Prediction of one, a list of Prediction or Refused of several.

    Args:
        model: what `glam.load` gave, or the path of it.
        recordings: a file, several files, or samples (n,) or (n, channels) at `rate` Hz, full scale 1; None for a model
            of words alone. Several that have words or vectors, too, are each a `glam.prediction.given.Given`.
        hop, labels, repeat_short, channel: see Question.
        words, vectors: of a single recording, for models with such inputs: what is said in it; by the name of the
            input, (d,) or frames (T, d).

    Raises GlamError where a single recording cannot be used, and for an argument that would do nothing.
    """
    asked = model if isinstance(model, Model) else load(model)
    question = Question(hop, tuple(labels), repeat_short, channel)
    _check_used(asked, recordings, rate, words, vectors, channel)
    if isinstance(recordings, Sequence) and not isinstance(recordings, str):
        return list(asked.ask([item if isinstance(item, Given) else Path(item) for item in recordings], question))
    if isinstance(recordings, Given):
        given = recordings
    elif isinstance(recordings, np.ndarray):
        given = Given("samples", _mono(recordings, rate, channel), words, vectors or {})
        question = replace(question, channel=None)  # it is chosen already
    elif recordings is None:
        given = Given("-", None, words, vectors or {})
    else:
        given = Given(str(recordings), Path(recordings), words, vectors or {})
    (answer,) = asked.ask([given], question)
    if isinstance(answer, Refused):
        raise GlamError(f"{answer.file}: {answer.reason}")
    return answer


def _check_used(
    model: Model,
    recordings: Any,
    rate: int | None,
    words: str | None,
    vectors: Mapping[str, Any] | None,
    channel: int | None,
) -> None:
    """GlamError for an argument of `predict` that would do nothing with this model, or beside such recordings."""
    check_channel(model.saved, channel)
    if isinstance(recordings, np.ndarray) and not model.hears:
        raise GlamError(f"samples: the model {model.recipe.model.title} hears no sound; give None in their place")
    if not isinstance(recordings, np.ndarray) and rate is not None:
        raise GlamError("rate: is of samples; a file tells its own, and samples of a Given are of 16 kHz")
    if words is not None and "words" not in model.saved.needs.values():
        raise GlamError(f"words: the model {model.recipe.model.title} takes no words; leave them out")
    if words is None and not vectors:
        return
    if isinstance(recordings, Given):
        raise GlamError("words and vectors: a Given has its own; put them into it")
    if isinstance(recordings, Sequence) and not isinstance(recordings, str):
        raise GlamError("words and vectors are of one recording: give several as glam.prediction.given.Given")


def _mono(samples: NDArray[Any], rate: int | None, channel: int | None) -> Samples:
    import soxr

    if rate is None:
        raise GlamError(f"samples are given without their rate: rate={RATE} if they are of {RATE} Hz")
    if samples.dtype.kind != "f" or samples.ndim not in (1, 2) or not np.isfinite(samples).all():
        raise GlamError(
            f"samples are given as {samples.dtype} {samples.shape}; expected finite floats (n,) or (n, channels), full "
            "scale 1"
        )
    frames = samples.astype(np.float32)
    mono = mono_of(frames if frames.ndim == 2 else frames[:, None], Path("samples"), channel)
    return mono if rate == RATE else np.asarray(soxr.resample(mono, rate, RATE, quality="HQ"), dtype=np.float32)
