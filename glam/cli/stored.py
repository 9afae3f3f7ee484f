"""Finding the stored experiment or run that a verb is given."""

from pathlib import Path

from glam.errors import GlamError

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
