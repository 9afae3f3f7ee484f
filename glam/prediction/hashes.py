"""Whether the file of a model is the one that was written."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from glam.errors import GlamError
from glam.files import read_hashed
from glam.results.run import RUN, read_run

CONFIG = "config.json"  # of an exported model, with hashes of itself and of the files beside it


def check_folder(folder: Path, name: str) -> None:
    """Raise GlamError where a file of an exported model, or of a run, is not the one that was written.

    A folder that carries no hashes is taken as it is.
    """
    if (folder / RUN).is_file():
        read_run(folder).read(name)
        return
    written = exported_with(folder).get("files", {}).get(name)
    if written is not None and sha256((folder / name).read_bytes()).hexdigest() != written:
        raise GlamError(f"{folder}: is damaged ({name} is not what was written). {_AGAIN}")


def exported_with(folder: Path) -> dict[str, Any]:
    """What config.json of an exported model says; nothing where there is none, or one of another kind.

    Raises GlamError where it is damaged.
    """
    try:
        content, hashed = read_hashed((folder / CONFIG).read_bytes())
        if hashed and not (isinstance(content["files"], dict) and isinstance(content["trained_on"], list)):
            raise ValueError(f"{CONFIG} has other fields")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as error:
        raise GlamError(f"{folder}: is damaged ({error}). {_AGAIN}") from None
    return content if hashed else {}


_AGAIN = "Get the folder again from where it is from."
