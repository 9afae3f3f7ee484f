"""A tiny release with words, and experiments of sound and words on it, for the tests of this folder."""

import re
import shutil
import wave
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from running.small import train

from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.running.experiment import Experiment, Places, prepare
from glam.running.job import Job, SaveModel
from glam.splits.runs import RunKey

RUN = RunKey(7, 2)
SMALL = (
    ("cut.longest", 0.5),
    ("split.folds", 4),
    ("training.epochs", 1),
    ("training.batches.size", 8),
    ("inputs.words.longest", 6),
    ("inputs.words.dimension", 5),
    ("model.dense", 8),
)


def words_of(utterance: str) -> str:
    """Words that give the class away, and one that nobody else says."""
    turn = int(utterance[-3:])
    return f"{('Fine', 'Alone', 'Never', 'Wow')[turn // 2]}, {utterance.lower().replace('_', 'x')}!"


def release_with(
    release: Path, folder: Path, words: Callable[[str], str] = words_of, louder: Collection[str] = ()
) -> Path:
    """A copy of a release whose utterances say these words. louder: utterances with four times the amplitude."""
    copy = folder / "release"
    shutil.copytree(release, copy)
    for path in copy.glob("Session*/dialog/transcriptions/*.txt"):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{re.split(r'(?<=]): ', line)[0]}: {words(line.split()[0])}\n" for line in lines))
    for path in copy.glob("Session*/sentences/wav/*/*.wav"):
        if path.stem in louder:
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes((samples // 4 * 3).astype("<i2").tobytes())
    return copy


def prepared(
    release: Path, folder: Path, *more: tuple[str, object], recipe: str = "mscnn-spu-att-without-xvectors"
) -> Experiment:
    """An experiment on a release; its index, features and runs lie in the folder."""
    return prepare(load_recipe(recipe, [*SMALL, *more]), Places(release, folder / "data", folder / "runs"))


def trained(experiment: Experiment, run: RunKey = RUN, save_model: SaveModel = "last") -> Job:
    """The job of an experiment, one run of which has been trained."""
    store_experiment(experiment.stored)
    return train(experiment, run, save_model=save_model)
