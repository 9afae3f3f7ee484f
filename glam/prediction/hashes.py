"""Whether the file of a model is the one that was written."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from glam.errors import GlamError
from glam.files import read_hashed
from glam.results.run import RUN, read_run

CARD = "README.md"
MODEL_TYPE = "glam-ser"
CONFIG = "config.json"  # of an exported model, with hashes of itself and of the files beside it


def check_folder(folder: Path, name: str) -> None:
    """Raise GlamError where a file of an exported model, or the file `name` of a run, is not the one that was written.

    Of an exported model all files are looked at, but for the card, which people may write on; those that were not
    taken along are not missed. A folder that carries no hashes is taken as it is.
    """
    if (folder / RUN).is_file():
        read_run(folder).read(name)
        return
    for file, written in exported_with(folder).get("files", {}).items():
        path = folder / Path(file).name
        if file != CARD and path.is_file() and sha256(path.read_bytes()).hexdigest() != written:
            raise GlamError(f"{folder}: is damaged ({path.name} is not what was written). {_AGAIN}")


def exported_with(folder: Path) -> dict[str, Any]:
    """What config.json of an exported model says; nothing where there is none, or one of another kind.

    Raises GlamError where it is damaged.
    """
    try:
        content, hashed = read_hashed((folder / CONFIG).read_bytes())
        if not hashed and content.get("model_type") == MODEL_TYPE:
            raise ValueError(f"{CONFIG} has lost its hash")
        if hashed and not (isinstance(content["files"], dict) and isinstance(content["trained_on"], list)):
            raise ValueError(f"{CONFIG} has other fields")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as error:
        raise GlamError(f"{folder}: is damaged ({error}). {_AGAIN}") from None
    return content if hashed else {}


_AGAIN = "Get the folder again from where it is from."
