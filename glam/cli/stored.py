"""Finding the stored experiment or run that a verb is given, and the corpus that it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

from glam.errors import GlamError

if TYPE_CHECKING:
    from glam.results.experiment import StoredExperiment
    from glam.splits.population import CorpusSettings

SHOWN = 6  # names of runs in a message


def find(given: Path, runs_folder: Path | None) -> Path:
    """The folder of an experiment (or run), given as a path or by its name in the runs folder.

    Raises GlamError where it is neither.
    """
    if given.is_dir():
        return given
    from glam.places import runs_folder as usual
    from glam.results.experiment import EXPERIMENT

    runs = runs_folder or usual()
    if (runs / given).is_dir():
        return runs / given
    for experiment in (given.parent, runs / given.parent):
        if given.parent != Path() and (experiment / EXPERIMENT).is_file():
            raise GlamError(f"{given}: no such run. {_runs_of(experiment, given.name)}")
    raise GlamError(f"{given}: no experiment lies here, nor one of that name in {runs}; glam list shows what is there")


def _runs_of(experiment: Path, asked: str) -> str:
    """The names of the runs of an experiment, those of the seed that was asked for first."""
    from glam.results.experiment import read_experiment

    seed = asked.partition("-fold")[0]
    names = sorted(read_experiment(experiment).seeds(), key=lambda name: name.partition("-fold")[0] != seed)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"The runs of {experiment.name} are {', '.join(names[:SHOWN])}{more}" if names else "It has no finished run"


def corpus_of(original: "StoredExperiment", given: Path | None) -> "CorpusSettings":
    """The settings of the corpus of an experiment; of one of the user's own, with its file where that is given.

    Raises GlamError, which names both, where that is not the file that was recorded, and where none is there.
    """
    from glam.corpora import corpus_sha256
    from glam.named import title_of

    recorded = original.recipe.corpus
    trained = f"{original.folder} was trained on {recorded.name}"
    if recorded.sha256 is None:
        if given is not None:
            raise GlamError(f"--corpus {given}: {trained}, no file of your own; where it lies is said with --datadir")
        return recorded
    name = recorded.name if given is None else str(given.absolute())
    if title_of(name) != recorded.title:  # it is part of the identity
        raise GlamError(f"--corpus {given}: {trained}; give that file, wherever it lies now, as {recorded.title}")
    try:
        digest = corpus_sha256(name)
    except GlamError as error:
        raise GlamError(f"{error}. {trained}: where it has moved, say so with --corpus {recorded.title}") from None
    if digest != recorded.sha256:
        raise GlamError(
            f"{name}: has been changed since {original.folder} was trained on it; give the file that it was with "
            f"--corpus {recorded.title}"
            if given is None
            else f"--corpus {given}: {trained}, and the content of the two is not the same"
        )
    return recorded.model_copy(update={"name": name})
