"""Places of things: the corpora that are read, and the two folders that are written.

Environment variables say so, all of them optional: IEMOCAP (the licensed corpus), GLAM_DATA (what is derived
from corpora: indexes and features) and GLAM_RUNS (results); and, for recipes that read files beside a corpus, GLOVE
(word vectors), ASR (transcripts of a recogniser) and XVECTORS (embeddings of utterances).
"""

import ast
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from glam.errors import GlamError

GLOVE, ASR = "GLOVE", "ASR"
TABLES, SCHEMES = (".csv", ".tsv", ".jsonl", ".ndjson"), (".yaml", ".yml")
"""Endings of the names of corpora that are the path of a table of utterances, or of a scheme of names."""
_not_looked_for: set[str] = set()  # names of files that were given


def is_table(name: str) -> bool:
    """True where the name of a corpus is the path of a table of utterances."""
    return Path(name).suffix.lower() in TABLES


def own_file(name: str) -> Path | None:
    """The file that the name of a corpus is the path of, a table or scheme of the user's own; None for other names."""
    path = Path(name)
    return path if path.suffix.lower() in (*TABLES, *SCHEMES) else None


def check_own_file(name: str) -> None:
    """GlamError where the name of a corpus is the path of a table or scheme that is not there."""
    path = own_file(name)
    try:
        absent = path is not None and not path.expanduser().exists()
    except RuntimeError as error:  # ~ without a home
        raise GlamError(f"{name}: {error}") from None
    if absent:
        raise GlamError(f"there is no file {name}, which is given as a corpus")


def give_files(files: Mapping[str, str]) -> None:
    """Let files (or folders) go by these names, whatever the environment says."""
    os.environ.update(files)
    _not_looked_for.clear()
    _not_looked_for.update(files)


def file_flags(names: Iterable[str]) -> str:
    """The flags that give files of these names: `--file ASR=PATH --file XVECTORS=PATH`."""
    return " ".join(f"--file {name}=PATH" for name in names)


def files_not_used() -> list[str]:
    """The names that `give_files` was given last and nothing has looked for since."""
    return sorted(_not_looked_for)


def data_folder() -> Path:
    """Folder of everything derived from corpora: GLAM_DATA, else `data` beside the project."""
    return _from_environment("GLAM_DATA") or _project() / "data"


def runs_folder() -> Path:
    """Folder of the results: GLAM_RUNS, else `runs` beside the project."""
    return _from_environment("GLAM_RUNS") or _project() / "runs"


def index_folder(data: Path, name: str) -> Path:
    """Folder, within the data folder, of the index of the corpus of that name.

    Of a corpus of the user's own (`<file>.py:<name>`, a table, a scheme), that depends on where its file lies.
    """
    if path := own_file(name):
        return data / "index" / f"{path.stem}-{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    if ":" in name:
        file, _, function = name.rpartition(":")
        name = f"{Path(file).stem}-{function}-{sha256(file.encode()).hexdigest()[:8]}"
    return data / "index" / name


def corpus_root(name: str, data: Path) -> Path:
    """Folder in which the corpus of that name lies.

    The synthetic corpora lie in the folder of data. For any other, it is the environment variable with the name
    of the corpus (`iemocap`: IEMOCAP, `crema-d`: CREMA_D) or its file (`mine.py:read`: MINE), else the constant of that
    name in path.py. A table lies with its recordings.
    Raises GlamError where neither is given. Whether the folder exists is left to whoever reads it.
    """
    if name.startswith("synthetic"):
        return data / name
    if is_table(name):
        return Path(name).absolute().parent
    variable = Path(name.rpartition(":")[0] or name).stem.upper().replace("-", "_")
    if root := file_at(variable):
        return root
    raise GlamError(
        f"where {variable} lies is not known: say -d /path/to/it, set the environment variable {variable}, or write a "
        f"line {variable} = '/path/to/it' into path.py."
    )


def file_at(name: str) -> Path | None:
    """The file (or folder) that goes by that name: the environment variable, else the constant of path.py."""
    _not_looked_for.discard(name)
    if path := _from_environment(name):
        return path
    constant = _written_in_path_py(name)
    return _absolute(constant, f"{_project() / 'path.py'}: {name}") if constant else None


def path_of(name: str, what: str) -> Path:
    """The file that goes by that name; GlamError, which says what it is (`what`), where none is given."""
    path = file_at(name)
    if path is None:
        raise GlamError(
            f"{name} is not given, the file with {what}: say --file {name}=/path/to/it, set the environment variable "
            f"{name}, or write the path into path.py."
        )
    return path


def _written_in_path_py(variable: str) -> str:
    """The string that the project's path.py assigns to this name; read, not run."""
    path = _project() / "path.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise GlamError(f"{path}: cannot be read as Python ({error}); expected a line {variable} = '/path'") from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == variable for t in node.targets):
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                value = None
            if not isinstance(value, str):
                raise GlamError(f"{path}, line {node.lineno}: {variable} must be a path in quotes")
            return value.strip()
    return ""


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return _absolute(value, f"the environment variable {variable}") if value else None


def _absolute(path: str, named: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:  # ~ of nobody, or without a home
        raise GlamError(f"{named}: given {path!r}: {error}") from None


def _project() -> Path:
    """The clone that this package lies in; the working folder where it was installed from a wheel."""
    clone = Path(__file__).resolve().parents[1]
    return clone if (clone / "pyproject.toml").is_file() else Path.cwd()
