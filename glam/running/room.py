"""The disk that runs will need, found out before any of it is spent."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from glam.errors import GlamError
from glam.inputs.store import bytes_to_write
from glam.running.experiment import Experiment, Places, parts_of
from glam.running.one_run import keeps_model
from glam.running.training import Todo
from glam.splits.runs import RunKey
from glam.words import in_bytes

CODED = 1 / 3  # bytes that the class of a segment takes, compressed, at most
RECORD = 800  # bytes of an epoch in run.json


def features_needed(experiments: Iterable[Experiment]) -> dict[Path, int]:
    """Bytes of the features that are not kept yet, by the array they go to: experiments share arrays."""
    needed: dict[Path, int] = {}
    for experiment in experiments:
        for name, made in experiment.inputs.items():
            for part, copy in parts_of(made):
                path, size = bytes_to_write(
                    experiment.corpus.root,
                    experiment.population.stored,
                    experiment.recipe.inputs[name],
                    made,
                    experiment.recipe.cut,
                    part,
                    experiment.places.data,
                    copy,
                )
                needed[path] = size
    return needed


def runs_needed(experiment: Experiment, runs: Sequence[RunKey]) -> int:
    """Bytes of these runs: of every epoch the logits of the held-out utterances and a class a segment.

    Logits are noise to a compressor. The first run of an experiment keeps its model, too.
    """
    if not runs:
        return 0
    recipe, population = experiment.recipe, experiment.population
    held_out = recipe.split.split(population.groups, runs[0]).held_out
    segments = sum(recipe.cut.rows(population.utterances[i].samples, "test") for i in held_out)
    logits = 4 * len(recipe.corpus.classes) * len(held_out)
    predicted = round(len(runs) * recipe.training.epochs * (logits + CODED * segments + RECORD))
    return predicted + experiment.weights * sum(map(keeps_model, runs))


def check_room(todo: Todo, extracting: bool, say: Callable[[str], None]) -> None:
    """Say what disk these runs need and what is free; GlamError where it is not enough.

    extracting: whether features that are missing will be extracted on this machine.
    """
    features = sum(features_needed(experiment for experiment, _ in todo).values()) if extracting else 0
    runs = sum(runs_needed(experiment, of) for experiment, of in todo)
    places = todo[0][0].places
    say(
        f"disk       {in_bytes(runs)} for runs ({in_bytes(free(places.runs))} free), {in_bytes(features)} for features "
        f"that are not kept yet ({in_bytes(free(places.data))} free)"
    )
    if lacking := lacks_room(places, runs, features):
        raise GlamError(f"{lacking}. Make room, or choose another folder with --runs-folder or --data-folder.")


def lacks_room(places: Places, runs: int, features: int) -> str:
    """The folder that has no room for so many bytes of runs and of features, in words; empty where both fit."""
    together = _existing(places.runs).stat().st_dev == _existing(places.data).stat().st_dev
    needs = [(places.runs, runs + features)] if together else [(places.runs, runs), (places.data, features)]
    for folder, needed in needs:
        if needed > free(folder):
            return f"{folder}: {in_bytes(needed)} are needed there, {in_bytes(free(folder))} are free"
    return ""


def free(folder: Path) -> int:
    """Bytes that are free where a folder lies, or will lie."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
