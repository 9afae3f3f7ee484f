"""A corpus and runs in a notebook: `glam.load_corpus` and `glam.train`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from glam.corpora.made import folder_of
from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.learning.settings import check_precision
from glam.places import data_folder, runs_folder
from glam.processor import cores
from glam.progress import say
from glam.recipe import Recipe, corpus_settings, load_recipe
from glam.running.experiment import Experiment, Places, experiment_on, prepare, set_damaged_aside
from glam.running.job import Resources, SaveModel
from glam.running.live import live_of
from glam.running.log import Log
from glam.running.training import run
from glam.splits.population import CorpusSettings
from glam.splits.runs import seeds as known_seeds
from glam.words import counted

CHECKPOINTS = 60.0  # seconds of work that a kill may cost a run


@dataclass(frozen=True)
class CorpusRead(Corpus):
    """A corpus as it was found on disk, with the settings that it was read by."""

    settings: CorpusSettings = field(default_factory=CorpusSettings)

    __repr__ = Corpus.__repr__


def load_corpus(
    corpus: str | Path,
    folder: str | Path | None = None,
    *,
    label_set: str = "",
    columns: Mapping[str, str] | None = None,
) -> CorpusRead:
    """Read a corpus: its utterances, and what of it cannot be used (`problems`). It is only read.

    Args:
        corpus: a name that `glam corpus` lists, a table (`my.csv`), or a reader of one's own (`mine.py:read`).
        folder: where it lies; None for where the environment or path.py says. Of a table: its recordings'.
        label_set: which labels count, where a corpus has several. columns: of a table, what it says -> the column.

    Raises GlamError where there is no such corpus, or nothing in it can be used.
    """
    settings, data = corpus_settings(str(corpus), label_set, columns), data_folder()
    root = Path(folder).expanduser() if folder is not None else folder_of(settings.name, data)
    read = settings.load(root, data)
    return CorpusRead(**vars(read), settings=settings)


def train(
    recipe: str | Path = "glam-released",
    corpus: CorpusRead | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    device: str = "cpu",
    runs_at_once: int | None = None,
    save_model: SaveModel = "last",
    show: bool = True,
) -> Experiment:
    """Train the runs of a recipe that are missing, in processes of their own; the same experiment as `glam train`'s.

    An interrupted call goes on where it was when it is made again.

    Args:
        recipe: a name that `glam list` shows, or a YAML file.
        corpus: what `load_corpus` gave; None for the recipe's own.
        settings: fields of the recipe that are otherwise: `{"training.epochs": 5, "split.name": "leave-speaker-out"}`.
        seeds: how many of the release's 100 seeds, or which ones; each with all its folds.
        device: `cpu`, `cuda:0`, ... runs_at_once: None for one a core, or as many as a GPU's memory holds.
        save_model: the epoch whose weights are kept of the runs that are trained, for `glam.load`. show: whether
            progress is shown.

    Returns the experiment, for `glam.report`; `folder` is where its runs lie. Raises GlamError where recipe and corpus
    do not fit together, before any long work.
    """
    if save_model not in get_args(SaveModel):
        raise GlamError(f"save_model: given {save_model!r}, expected one of {', '.join(get_args(SaveModel))}")
    keys, machine = _seeds(seeds), _machine(device, runs_at_once)
    experiment = prepared(recipe, corpus, settings)
    check_precision(experiment.recipe.training.precision, device)
    asked = experiment.runs(keys)
    set_damaged_aside(experiment, asked)
    missing = [key for key in asked if not experiment.finished(key)]
    if save_model != "none" and (without := experiment.without_model(asked)):
        say(f"save_model {save_model}: not for {counted(len(without), 'run')} without a model, stored already")
    epochs = experiment.recipe.training.epochs
    if show and missing:
        with live_of(experiment, missing) as live, Log(experiment.folder, len(missing), epochs, device, live) as log:
            run(experiment, missing, machine, save_model, log)
    else:
        run(experiment, missing, machine, save_model, lambda event: None)
    return experiment


def prepared(
    recipe: str | Path, corpus: CorpusRead | None = None, settings: Mapping[str, Any] | None = None
) -> Experiment:
    """The experiment that `train` trains runs of, checked; arguments and errors as there."""
    fields, data = list((settings or {}).items()), data_folder()
    if corpus is None:
        made = load_recipe(str(recipe), fields)
        return prepare(made, Places(folder_of(made.corpus.name, data), data, runs_folder()))
    made = load_recipe(str(recipe), [*_fields(corpus.settings), *fields])
    _check_same(corpus.settings, made)
    return experiment_on(corpus, made, Places(corpus.root, data, runs_folder()))


def _fields(settings: CorpusSettings) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = [("corpus.name", settings.name)]
    fields += [("corpus.label_set", settings.label_set)] if settings.label_set else []
    fields += [("corpus.columns", dict(settings.columns))] if settings.columns else []
    return fields


def _check_same(read: CorpusSettings, recipe: Recipe) -> None:
    """GlamError where the settings would read another corpus than the one that is given."""
    for name in ("name", "label_set", "columns"):
        given, asked = getattr(read, name), getattr(recipe.corpus, name)
        if given != asked:
            raise GlamError(f"corpus.{name}: the corpus was read with {given!r}, and settings say {asked!r}")


def _seeds(given: int | Sequence[int]) -> list[int]:
    if not isinstance(given, int):
        if not given or not all(0 <= seed < 2**32 for seed in given):
            raise GlamError(f"seeds: given {given}, expected numbers from 0 to {2**32 - 1}")
        return list(given)
    known = known_seeds()
    if not 1 <= given <= len(known):
        raise GlamError(f"seeds: given {given}, expected 1 to {len(known)}, the number of seeds, or a list of seeds")
    return list(known[:given])


def _machine(device: str, at_once: int | None) -> Resources:
    if at_once is not None and at_once < 1:
        raise GlamError(f"runs_at_once: given {at_once}, expected a number from 1")
    packed = device.startswith("cuda")
    usual = 0 if packed else cores() if device == "cpu" else 1
    return Resources(device, 1, at_once or usual, CHECKPOINTS, packed=packed)
