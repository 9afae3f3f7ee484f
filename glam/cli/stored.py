"""Finding the stored experiment or run that a verb is given."""

from pathlib import Path

from glam.errors import GlamError


def find(given: Path, runs_folder: Path | None) -> Path:
    """The folder of an experiment (or run), given as a path or by its name in the runs folder.

    Raises GlamError where it is neither.
    """
    if given.is_dir():
        return given
    from glam.places import runs_folder as usual

    runs = runs_folder or usual()
    if (runs / given).is_dir():
        return runs / given
    raise GlamError(f"{given}: no experiment lies here, nor one of that name in {runs}; glam list shows what is there")
