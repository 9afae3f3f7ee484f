"""A saved model that is asked about recordings: by the code of training, so with the numbers of training.

    samples -> segments of the cut -> inputs -> entrances and network -> logits of segments -> mean over a recording

Recordings share batches. On a CPU the last batch is filled up, so that what is said of one depends on no other, to the
last digit (learner.evaluation_batches).
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE, AudioError
from glam.corpora.stream import stream
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.evaluation.metrics import softmax
from glam.inputs.cut import AnyCut, Segments
from glam.inputs.inputs import Extractor, Input
from glam.prediction.given import Given, check_channel, hears, take_vector, unknown_words, unusable
from glam.running.saved import SavedModel, of_anybody

Samples = NDArray[np.float32]
SHORT = "shorter than a segment"
GROUP = 256  # segments whose inputs are computed at a time; a multiple of what extractors compute at once


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer of a model about one recording.

    file: its name. end: its length in seconds. classes: C names. logits: (C,) float32, the mean over segments, as
    training has it for an utterance. probabilities: (C,) float64, of `classes` alone. starts: (S,) seconds, where each
    segment begins, and `length` how long each is. segments: (S, C) float64, the probabilities of each. unknown: tokens
    of the words that the model has no vector for, each once; () where it takes no words.
    """

    file: str
    end: float
    classes: tuple[str, ...]
    logits: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float64]
    starts: NDArray[np.float64] = field(repr=False)  # hours long, as the segments are
    length: float
    segments: NDArray[np.float64] = field(repr=False)
    unknown: tuple[str, ...] = ()

    @property
    def heard(self) -> float:
        """Seconds of the recording up to where the model heard it: to the end of the last segment."""
        return min(self.end, float(self.starts[-1]) + self.length)

    @property
    def predicted(self) -> str:
        """The class with the highest probability."""
        return self.classes[int(self.probabilities.argmax())]


@dataclass(frozen=True)
class Refused:
    """A recording about which nothing can be said, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Question:
    """The way in which recordings are asked about.

    hop: seconds from the start of one segment to the next; None for the model's own in evaluation. labels: the classes
    that are possible, () for all: the probabilities of others are shared out among these. repeat_short: a recording
    shorter than a segment is repeated until it fills one, also where the model was not trained so. channel: the only
    one of a file that is heard, from 1; None for the mean of all, and for a model that hears no sound. Raises GlamError
    for another channel.
    """

    hop: float | None = None
    labels: tuple[str, ...] = ()
    repeat_short: bool = False
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.channel is not None and (type(self.channel) is not int or self.channel < 1):
            raise GlamError(f"channel: given {self.channel!r}, expected a whole number from 1")


@dataclass(eq=False)
class _Asked:
    """A recording under way: the logits of its segments so far."""

    given: Given
    samples: int = 0
    waiting: int = 0  # segments whose logits are not there yet
    whole: bool = False  # nothing more is to come
    reason: str = ""
    logits: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.whole and not self.waiting


class Model:
    """A trained model to be asked. `glam.load` gives one."""

    def __init__(self, saved: SavedModel, path: Path, device: str = "cpu", threads: int = 1) -> None:
        self.saved, self.path, self.device, self.threads = saved, path, device, threads
        self.recipe, self.classes = saved.recipe, saved.recipe.corpus.classes
        saved.objective.to(device)

    def ask(
        self, recordings: Iterable[Path | tuple[str, Samples] | Given], question: Question = Question()
    ) -> Iterator[Prediction | Refused]:
        """What the model says of recordings, one after another and in their order, while it goes on with the next.

        recordings: paths of audio files, names with samples (float32, mono, 16 kHz), or utterances with whatever else
        the model takes of them. Memory is bounded, whatever their number and length. One that cannot be used gives
        `Refused`. Raises GlamError for a question that this model cannot be asked.
        """
        return _Answers(self, question).of(map(_given, recordings))

    @cached_property
    def hears(self) -> bool:
        """True where the model cannot be asked without a recording."""
        return hears(self.saved)


class _Answers:
    def __init__(self, model: Model, question: Question) -> None:
        import torch

        from glam.learning.learner import evaluation_batch

        check_channel(model.saved, question.channel)
        self.model, self.channel = model, question.channel
        self.cut = _cut(model, question)
        self.chosen = _chosen(model.classes, question.labels)
        self.device = torch.device(model.device)
        self.batch = evaluation_batch(self.device)
        self.inputs = {name: model.saved.input(name) for name in model.recipe.inputs}
        self.extractors = extractors(model, self.cut, self.inputs)
        self.rows: deque[tuple[_Asked, dict[str, NDArray[Any]]]] = deque()  # blocks of rows that wait for a batch
        self.waiting = 0  # rows in all of them

    def of(self, recordings: Iterable[Given]) -> Iterator[Prediction | Refused]:
        asked: deque[_Asked] = deque()
        for given in recordings:
            asked.append(_Asked(given, reason=unusable(self.model.saved, given)))
            try:
                if not asked[-1].reason:
                    for block in self._blocks(asked[-1]):
                        self._add(asked[-1], block)
            except GlamError as error:
                asked[-1].reason = (
                    error.reason if isinstance(error, AudioError) else str(error).removeprefix(f"{given.file}: ")
                )
            asked[-1].whole = True
            while asked and asked[0].done:
                yield self._answer(asked.popleft())
        self._run(everything=True)
        yield from map(self._answer, asked)

    def _blocks(self, asked: _Asked) -> Iterator[dict[str, NDArray[Any]]]:
        """The inputs of the segments of a recording, up to GROUP segments at a time."""
        recording = asked.given.recording
        if isinstance(recording, Path):
            pieces = stream(recording, self.channel)
        elif recording is not None and self.channel is not None:
            raise GlamError(
                f"channel: given {self.channel}, but samples of a Given are of one channel; choose it there"
            )
        else:
            pieces = iter([] if recording is None else [recording])
        if isinstance(self.cut, Segments):
            yield from self._segments(asked, pieces, self.cut)
            return
        reads_on = any(extractor.reads_on for extractor in self.extractors.values())
        most = sys.maxsize if reads_on else self.cut.samples
        head = np.concatenate([np.empty(0, np.float32), *_measured(pieces, asked, most)])
        if len(head) or not self.model.hears:
            yield self._inputs(asked.given, head[:most])

    def _segments(self, asked: _Asked, pieces: Iterator[Samples], cut: Segments) -> Iterator[dict[str, NDArray[Any]]]:
        hop, length = cut.hop("test"), cut.samples
        block = (GROUP - 1) * hop + length  # samples of a whole group of segments
        held = np.empty(0, np.float32)
        begun = False
        for piece in pieces:
            asked.samples += len(piece)
            held = np.concatenate([held, piece]) if len(held) else piece
            while len(held) >= block:
                begun = True
                yield self._inputs(asked.given, held[:block])
                held = held[GROUP * hop :]
        if not begun:
            if not cut.keeps(len(held)):
                raise GlamError(f"is {len(held) / RATE:.2f} s long, {SHORT} of {length / RATE:g} s")
            held = np.tile(held, cut.padded(len(held)) // len(held))
        if len(held) >= length:
            yield self._inputs(asked.given, held)

    def _inputs(self, given: Given, samples: Samples) -> dict[str, NDArray[Any]]:
        """The rows of every input, and their lengths where rows are padded."""
        path = Path(given.file)
        utterance = Utterance(path.stem, "", "", path.name, words=given.words or "", samples=len(samples))
        for name, made in self.inputs.items():
            take_vector(name, made, given, utterance.id)
        with _as_in_training(self.model):
            return rows_of(self.extractors, utterance, samples)

    def _add(self, asked: _Asked, block: dict[str, NDArray[Any]]) -> None:
        count = len(next(iter(block.values())))
        asked.waiting += count
        self.rows.append((asked, block))
        self.waiting += count
        self._run()

    def _run(self, everything: bool = False) -> None:
        """Let the network judge the rows that wait, as far as they make whole batches, or all of them."""
        while self.waiting >= self.batch or (everything and self.waiting):
            owners: list[tuple[_Asked, int]] = []
            parts: list[dict[str, NDArray[Any]]] = []
            room = self.batch
            while room and self.rows:
                asked, block = self.rows.popleft()
                count = len(next(iter(block.values())))
                taken = min(room, count)
                parts.append({name: x[:taken] for name, x in block.items()})
                if taken < count:
                    self.rows.appendleft((asked, {name: x[taken:] for name, x in block.items()}))
                owners.append((asked, taken))
                room -= taken
            self.waiting -= self.batch - room
            logits = self._logits(joined(parts))
            place = 0
            for asked, taken in owners:
                asked.logits.append(logits[place : place + taken])
                asked.waiting -= taken
                place += taken

    def _logits(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The logits (rows, C) of up to a batch of rows."""
        import torch

        from glam.learning.learner import evaluation_batches

        count = len(next(iter(inputs.values())))
        (rows,) = evaluation_batches(torch.arange(count), self.device)
        filled = {name: torch.from_numpy(x)[rows].to(self.device) for name, x in inputs.items()}
        with _as_in_training(self.model):
            logits = self.model.saved.logits(of_anybody(filled, self.model.saved))
        return logits[:count]

    def _answer(self, asked: _Asked) -> Prediction | Refused:
        from glam.learning.course import of_utterances

        if not asked.reason and not asked.logits:
            asked.reason = "has no samples"
        logits = np.concatenate(asked.logits) if asked.logits else np.empty((0, len(self.model.classes)), np.float32)
        if not asked.reason and not np.isfinite(logits).all():
            asked.reason = "the model's logits are not finite numbers"
        if asked.reason:
            return Refused(asked.given.file, asked.reason)
        evaluation, activation = self.model.recipe.evaluation, self.model.saved.activation
        (mean,) = of_utterances(logits, np.array([len(logits)]), evaluation, activation)
        each = of_utterances(logits, np.ones(len(logits), dtype=np.int64), evaluation, activation)
        cut = self.cut
        hop, length = (
            (cut.hop("test"), cut.samples) if isinstance(cut, Segments) else (0, min(asked.samples, cut.samples))
        )
        return Prediction(
            file=asked.given.file,
            end=asked.samples / RATE,
            classes=tuple(self.model.classes[i] for i in self.chosen),
            logits=mean,
            probabilities=softmax(mean[self.chosen]),
            starts=np.arange(len(logits)) * hop / RATE,
            length=length / RATE,
            segments=softmax(each[:, self.chosen]),
            unknown=unknown_words(self.model.saved, self.inputs, asked.given),
        )


def _cut(model: Model, question: Question) -> AnyCut:
    """The cut of training's evaluation, with another hop if one is asked for."""
    cut = model.recipe.cut
    if not isinstance(cut, Segments):
        if question.hop is not None:
            raise GlamError(f"--hop: the model {model.recipe.model.title} decides on whole recordings, not on segments")
        if question.repeat_short:
            raise GlamError(
                f"--repeat-short: the model {model.recipe.model.title} decides on whole recordings, short or not"
            )
        return cut
    changed: dict[str, Any] = {}
    if question.hop is not None:
        if not 1 / RATE <= question.hop < float("inf"):
            raise GlamError(f"--hop {question.hop:g}: expected seconds, above 0")
        changed["test_hop"] = round(question.hop * RATE)
    if question.repeat_short:
        changed["padding"] = "repeat"
    return cut.model_copy(update=changed)


def _given(recording: Path | tuple[str, Samples] | Given) -> Given:
    if isinstance(recording, Given):
        return recording
    return Given(str(recording), recording) if isinstance(recording, Path) else Given(*recording)


def _chosen(classes: Sequence[str], labels: Sequence[str]) -> list[int]:
    if unknown := [label for label in labels if label not in classes]:
        raise GlamError(f"--labels {unknown[0]}: the model knows {', '.join(classes)}")
    return [i for i, name in enumerate(classes) if name in labels or not labels]


def extractors(model: Model, cut: AnyCut, inputs: Mapping[str, Input] | None = None) -> dict[str, Extractor]:
    """An extractor of every input, by its name; GlamError where the recipe gives rows of another shape.

    inputs: those that rows are made with, if they are not made anew.
    """
    made = inputs or {name: model.saved.input(name) for name in model.recipe.inputs}
    extractors = {name: of.extractor(cut, model.device) for name, of in made.items()}
    silent = [name for name, extractor in extractors.items() if not extractor.needs_audio]
    if unsaid := [name for name in silent if made[name].needs == "recording"]:
        kinds = ", ".join(f"{name} ({model.recipe.inputs[name].title})" for name in unsaid)
        raise GlamError(
            f"{model.path}: the model takes {kinds} beside the sound, and nothing says of what it is computed (its "
            "`needs`): only sound, words and vectors can be given"
        )
    for name, extractor in extractors.items():
        if tuple(extractor.shape) != tuple(model.saved.shapes[name]):
            raise GlamError(
                f"{model.path}: was trained on {name} of shape {tuple(model.saved.shapes[name])}, and its recipe "
                f"gives {tuple(extractor.shape)}"
            )
    return extractors


def rows_of(extractors: Mapping[str, Extractor], utterance: Utterance, samples: Samples) -> dict[str, NDArray[Any]]:
    """The rows of every input of an utterance, in evaluation, and their lengths where rows are padded."""
    from glam.learning.column import LENGTH

    rows: dict[str, NDArray[Any]] = {}
    for name, extractor in extractors.items():
        parts = list(extractor(utterance, samples, "test"))
        rows[name] = np.concatenate([of_part for of_part, _ in parts])
        lengths = [of_part for _, of_part in parts if of_part is not None]
        if lengths:
            rows[name + LENGTH] = np.concatenate(lengths)
    return rows


def joined(blocks: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The rows of several blocks behind one another, input by input."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _measured(pieces: Iterator[Samples], asked: _Asked, most: int) -> Iterator[Samples]:
    """The pieces up to `most` samples; the others are counted alone."""
    for piece in pieces:
        if asked.samples < most:
            yield piece
        asked.samples += len(piece)


@contextmanager
def _as_in_training(model: Model) -> Iterator[None]:
    """Threads, arithmetic and random numbers as a run has them in evaluation; what the process had, afterwards."""
    import torch

    from glam.learning.arithmetic import settle
    from glam.learning.learner import generators_kept

    threads, products = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(model.threads)
    try:
        with generators_kept(torch.device(model.device)):
            torch.manual_seed(0)  # for what draws even then: the same for every recording
            settle(model.recipe.training.precision, torch.device(model.device))
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(products)
