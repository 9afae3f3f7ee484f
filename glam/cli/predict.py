"""The verb `glam predict`: a trained model asked about recordings."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from glam.cli.flags import add_flags, file_to_write, folder_to_write, place
from glam.cli.guard import guarded
from glam.cli.stored import find
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.prediction.model import Model, Prediction

STANDARD_INPUT = Path("/dev/stdin")  # what - stands for; Path("-") would be the file ./-, too
SHOWN = 5  # unknown words that a message names


def predict(argv: Sequence[str] | None = None) -> int:
    """Say what a trained model hears in recordings."""
    parser = argparse.ArgumentParser(
        prog="glam predict",
        description="Ask a trained model about recordings of any rate, channels and length: the class of each, and the "
        "probability of every class. The numbers are those that training's evaluation gives for the same recording. "
        "A recording shorter than a segment is refused, unless the model was trained on such ones repeated "
        "(cut.padding) or --repeat-short is given. Models of words or vectors are given them beside the "
        "recording; a file of words may name the recordings, too. Exit status: 0, or 1 where recordings "
        "could not be used; these are listed.",
    )
    add = parser.add_argument
    add_flags(parser, "model")
    add(
        "recordings",
        type=_recording,
        nargs="*",
        help="audio files, folders of them, or lists (.txt: a path a line); - is a recording on standard input, which "
        "answers call stdin",
    )
    add("--words", metavar="TEXT", help="what is said in the recording, for models that take words")
    add("--words-file", type=place, metavar="FILE", help="what is said in each: a CSV file with the columns file,text")
    add(
        "--vector",
        action="append",
        default=[],
        metavar="INPUT=FILE",
        help="the vector that an input of that name takes: .npy or .npz, or a file of embeddings by recording",
    )
    add("-o", "--output", type=file_to_write, metavar="FILE", help="where to write (the terminal)")
    add("--segments", action="store_true", help="a row for each segment, not one for each recording")
    add("--json", action="store_true", help="JSON lines: an object for each recording, refused ones included")
    add("--labels", metavar="A,B", help="the classes that are possible; they share the probability of the others (all)")
    add("--hop", type=float, metavar="S", help="seconds from a segment's start to the next one's (the model's own)")
    add(
        "--channel", type=int, metavar="N", help="hear this channel alone, from 1: of a call, one speaker (mean of all)"
    )
    add("--repeat-short", action="store_true", help="repeat recordings shorter than a segment until they fill one")
    add(
        "--figures",
        type=folder_to_write,
        metavar="FOLDER",
        help="draw the emotion over time of each recording, as PNG, PDF and SVG",
    )
    add_flags(parser, "code", "threads", "runs-folder")
    add_flags(parser, "gpu", default=-1, help="number of the GPU, -1 = CPU, whose digits are training's (-1)")
    return guarded(lambda: _predict(parser.parse_intermixed_args(argv)), "what was finished by then is kept")


def _recording(text: str) -> Path:
    return STANDARD_INPUT if text == "-" else place(text)


def _predict(args: argparse.Namespace) -> int:
    with _standard_input(args.recordings) as file:
        return _asked(args, file)


@contextmanager
def _standard_input(recordings: Sequence[Path]) -> Iterator[Path | None]:
    """A file with what comes on standard input, where that is asked about: audio is not read from front to back."""
    if STANDARD_INPUT not in recordings:
        yield None
        return
    if sys.stdin.isatty():
        raise GlamError("-: a terminal is no recording; for standard input: glam predict MODEL - < call.wav")
    with tempfile.NamedTemporaryFile(prefix="glam-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


def _asked(args: argparse.Namespace, standard_input: Path | None) -> int:
    from glam.prediction.beside import given_with, vector_files
    from glam.prediction.given import unusable
    from glam.prediction.recordings import SOUND, Recordings, recordings

    if args.model.suffix.lower() in SOUND:
        model = args.recordings[-1] if args.recordings else "MODEL"
        raise GlamError(
            f"{args.model}: is a recording by its name; the model comes first: glam predict {model} {args.model}"
        )
    # A mistake in these is said before torch is imported.
    asked = recordings(args.recordings) if args.recordings else Recordings((), 0)
    vectors = vector_files(args.vector)
    model = opened(args)
    _check_taken(model, vectors, args.segments)
    given, unasked = given_with(asked.paths, args.words, args.words_file, vectors, model.hears)
    if standard_input is not None:
        given = [
            replace(item, file="stdin", recording=standard_input) if item.recording == STANDARD_INPUT else item
            for item in given
        ]
    reasons = [unusable(model.saved, utterance) for utterance in given]
    if all(reasons):
        raise GlamError(f"{reasons[0]}: --words TEXT, --words-file FILE and --vector INPUT=FILE give what is no sound")
    if args.figures is not None and not model.hears:
        raise GlamError("--figures: draws the emotion over time, and this model is asked without a recording")
    from glam.prediction.answers import Lines, Table
    from glam.prediction.model import SHORT, Prediction, Question, Refused
    from glam.progress import bar
    from glam.words import counted

    labels = tuple(label.strip() for label in args.labels.split(",")) if args.labels is not None else ()
    answers = model.ask(given, Question(args.hop, labels, args.repeat_short, args.channel))
    _warn(model, args.hop, labels)
    if "words" not in model.saved.needs.values():
        for flag in ("words", "words_file"):
            if getattr(args, flag) is not None:
                name = flag.replace("_", "-")
                say(f"--{name}: the model {model.recipe.model.title} takes no words, so they are not used")
    classes = tuple(label for label in model.classes if label in labels or not labels)
    refused: list[Refused] = []
    if asked.others:
        say(f"not opened: {counted(asked.others, 'file')} in the folders, no audio by their names")
    if unasked:
        say(f"not used: {counted(unasked, 'row')} of {args.words_file}, which name no recording that is asked about")
    pictures = _Pictures(args.figures)
    unknown: dict[str, None] = {}
    with (
        _output(args.output) as output,
        bar(len(given), "asking", "recording") as progress,
    ):
        table: Table | Lines = Lines(output, args.segments) if args.json else Table(output, classes, args.segments)
        for answer in answers:
            table.add(answer)
            if isinstance(answer, Prediction):
                pictures.draw(answer)
                unknown |= dict.fromkeys(answer.unknown)
            else:
                refused.append(answer)
            progress.update()
    if unknown:
        shown = ", ".join(list(unknown)[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        say(f"not known to the model: {counted(len(unknown), 'word')} ({shown})")
    for answer in refused:
        say(f"refused: {answer.file}: {answer.reason}")
    if short := sum(SHORT in answer.reason for answer in refused):
        say(
            f"{SHORT}: {short}; the model was trained without such recordings (--repeat-short repeats them to fill one)"
        )
    if args.output is not None or refused:
        written = f", written to {args.output}" if args.output is not None else ""
        say(f"{len(given) - len(refused)} of {counted(len(given), 'recording')} predicted{written}")
    return 1 if refused else 0


def _check_taken(model: "Model", vectors: Mapping[str, Path], segments: bool) -> None:
    """GlamError where the model has no such input of vectors, or no segments that would have rows."""
    from glam.inputs.cut import Segments

    title = model.recipe.model.title
    if other := [name for name in vectors if model.saved.needs.get(name) != "vector"]:
        raise GlamError(f"--vector {other[0]}: the model {title} has no input {other[0]} of vectors")
    if segments and not isinstance(model.recipe.cut, Segments):
        raise GlamError(f"--segments: the model {title} decides on whole recordings, not on segments")


def _warn(model: "Model", hop: float | None, labels: tuple[str, ...]) -> None:
    """Say what would make the answers mean less than they seem to."""
    from glam.inputs.cut import Segments
    from glam.prediction.origin import cautions

    for line in cautions(model):
        say(line)
    cut = model.recipe.cut
    if hop is not None and isinstance(cut, Segments) and hop > cut.length:
        say(f"--hop {hop:g}: segments are {cut.length:g} s long, so what lies between them is not heard")
    if len(set(labels)) == 1 and labels[0] in model.classes:
        say(f"--labels {labels[0]}: a single class has the probability 1 in every recording; give two or more")


def opened(args: argparse.Namespace) -> "Model":
    """The model that the flags `model`, `code`, `threads` and `gpu` name."""
    if args.threads < 1:
        raise GlamError(f"--threads {args.threads}: at least one is needed")
    given = args.model
    if not given.exists():
        given = find(given, args.runs_folder)
    import torch  # here at once: no process is started to look for a GPU

    torch.set_num_threads(args.threads)  # a thread for each core would cost more to start than they do
    from glam.cli.machine import device
    from glam.prediction.notebook import load

    model = load(given, code=args.code, device=device(args.gpu), threads=args.threads)
    if model.path.parent.parent == given:
        say(f"asked: the model of {model.path.parent.name}, the first run of {given.name} that kept one")
    return model


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """The terminal, or a file that is there in one piece; after an interruption, with the rows that were finished."""
    if path is None:
        yield sys.stdout
        return
    from glam.files import replacing

    stopped: KeyboardInterrupt | None = None
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except KeyboardInterrupt as interrupt:
            stopped = interrupt
    if stopped is not None:
        raise stopped


class _Pictures:
    """Pictures in a folder, one a recording, by its name; recordings of the same name are numbered."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.taken: set[str] = set()

    def draw(self, answer: "Prediction") -> None:
        if self.folder is None:
            return
        from glam.prediction.over_time import over_time
        from glam.reports.figures.page import write

        stem, name, number = Path(answer.file).stem, Path(answer.file).stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}-{number}"
        self.taken.add(name)
        write(over_time(answer), self.folder / name)
