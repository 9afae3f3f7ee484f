"""Predictions as CSV, a row a recording or a segment, and as JSON, an object a line."""

import csv
import json
from typing import Any, TextIO

from glam.errors import GlamError
from glam.foreign import cell
from glam.prediction.model import Prediction, Refused

DIGITS = 6  # of a probability


class Table:
    """CSV: file, start, end, predicted, and the probability of each class.

    With `segments` there is a row for each segment, else one for each recording. A recording that cannot be used has no
    row. What a spreadsheet or a terminal would obey in the names of files and classes is made harmless.
    """

    def __init__(self, output: TextIO, classes: tuple[str, ...], segments: bool) -> None:
        columns = ("file", "start", "end", "predicted")
        if doubled := [name for name in classes if name in columns]:
            raise GlamError(f"the class {doubled[0]!r} is called as a column of the table is; --json tells them apart")
        self.rows, self.segments = csv.writer(output, lineterminator="\n"), segments
        self.rows.writerow([*columns, *map(cell, classes)])

    def add(self, answer: Prediction | Refused) -> None:
        """Write what is said of one recording."""
        if isinstance(answer, Refused):
            return
        for row in _of_segments(answer) if self.segments else [_of_whole(answer)]:
            start, end, predicted, probabilities = row
            shown = [f"{chance:.{DIGITS}f}" for chance in probabilities]
            self.rows.writerow([cell(answer.file), f"{start:.3f}", f"{end:.3f}", cell(predicted), *shown])


class Lines:
    """JSON lines: an object for each recording, with its segments if these are asked for; or why there is none."""

    def __init__(self, output: TextIO, segments: bool) -> None:
        self.output, self.segments = output, segments

    def add(self, answer: Prediction | Refused) -> None:
        """Write what is said of one recording."""
        content = as_object(answer, self.segments)
        self.output.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")


def as_object(answer: Prediction | Refused, segments: bool = False) -> dict[str, Any]:
    """What JSON has of an answer: a recording, with its segments if these are asked for; or why there is none."""
    content: dict[str, Any] = {"file": answer.file}
    if isinstance(answer, Refused):
        return content | {"refused": answer.reason}
    content |= _object(answer, *_of_whole(answer))
    content |= {"unknown words": answer.unknown} if answer.unknown else {}
    if segments:
        content["segments"] = [_object(answer, *row) for row in _of_segments(answer)]
    return content


Row = tuple[float, float, str, list[float]]  # start, end, predicted, probabilities


def _of_whole(answer: Prediction) -> Row:
    return 0.0, answer.heard, answer.predicted, answer.probabilities.tolist()


def _of_segments(answer: Prediction) -> list[Row]:
    guesses = answer.segments.argmax(axis=1)
    return [
        (start, min(start + answer.length, answer.end), answer.classes[guess], probabilities)
        for start, guess, probabilities in zip(answer.starts.tolist(), guesses, answer.segments.tolist(), strict=True)
    ]


def _object(answer: Prediction, start: float, end: float, predicted: str, probabilities: list[float]) -> dict[str, Any]:
    chances = {name: round(chance, DIGITS) for name, chance in zip(answer.classes, probabilities, strict=True)}
    return {"start": round(start, 3), "end": round(end, 3), "predicted": predicted, "probabilities": chances}
