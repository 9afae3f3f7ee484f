"""Whether the file of a model is the one that was written."""

from hashlib import sha256
from pathlib import Path

from glam.errors import GlamError
from glam.files import read_hashed
from glam.results.run import MODEL, RUN, read_run

CONFIG = "config.json"  # of an exported model, with hashes of itself and of the files beside it


def check_folder(folder: Path, name: str = MODEL) -> None:
    """Raise GlamError where a file of an exported model, or of a run, is not the one that was written.

    A folder that carries no hashes is taken as it is.
    """
    if (folder / RUN).is_file():
        read_run(folder).read(name)
        return
    if not (folder / CONFIG).is_file():
        return
    try:
        content, hashed = read_hashed((folder / CONFIG).read_bytes())
        written = content["files"][name] if hashed else None
        if written is not None and sha256((folder / name).read_bytes()).hexdigest() != written:
            raise ValueError(f"{name} is not what was written")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GlamError(f"{folder}: is damaged ({error}). Get the folder again from where it is from.") from None
