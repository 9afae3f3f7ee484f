"""The corpora that the project makes itself, so that everything can be tried without licensed ones: nobody's speech.

Each lies complete in its folder or not at all, and a file in it says what it is.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from glam.errors import GlamError
from glam.files import new_folder, only_one
from glam.places import ASR, corpus_root, file_at

SYNTHETIC_MARK = "SYNTHETIC.txt"

MADE = {
    "synthetic": "glam.corpora.synthetic:make_corpus",
    "synthetic-five": "glam.corpora.synthetic_five:make_corpus",
}
"""Name of a corpus -> the function (root) that makes it, as module:function."""
BESIDE = {"synthetic": (ASR, "synthetic-asr.csv", "glam.corpora.synthetic_asr:make_transcripts")}
"""Name of a corpus -> a file beside it: the place that it goes by, its name, the function (path) that makes it."""


def folder_of(name: str, data: Path) -> Path:
    """Folder of the corpus of that name, in which it lies complete if it is one of MADE, with its file beside it.

    data: the folder in which made corpora lie. The file beside is at its place, unless another one is. Raises GlamError
    where nobody says where the corpus lies, or what is made cannot be written.
    """
    if name not in MADE:
        return corpus_root(name, data)
    root = data / name
    make(name, root)
    if name in BESIDE and file_at(BESIDE[name][0]) is None:
        place, file, function = BESIDE[name]
        _call(function, data / file)
        os.environ[place] = str(data / file)
    return root


def make(name: str, root: Path) -> None:
    """Make the corpus of that name in the folder `root`; nothing is done where it already lies complete."""
    _call(MADE[name], root)


def _call(named: str, path: Path) -> None:
    module, function = named.split(":")
    getattr(import_module(module), function)(path)


def make_once(root: Path, note: str, write: Callable[[Path], None]) -> None:
    """Have `write` fill the folder `root` with a corpus, unless it lies there complete.

    note: what the mark in the folder says; its first clause, up to the comma, is the version. The corpus is made under
    another name beside `root` and renamed in the end. Raises GlamError where `root` is something else: a file, a folder
    with other content, or another version.
    """
    root = root.resolve()
    with only_one(root.with_name(f".{root.name}.lock"), f"{root}: another process is making the corpus; waiting"):
        if _is_complete(root, note[: note.index(",") + 1]):
            return
        with new_folder(root) as making:
            write(making)
            (making / SYNTHETIC_MARK).write_text(note, encoding="utf-8", newline="\n")


def _is_complete(root: Path, version: str) -> bool:
    if not root.exists():
        return False
    if not root.is_dir():
        raise GlamError(f"{root} is a file; the synthetic corpus needs a folder of its own. Name another one.")
    mark = root / SYNTHETIC_MARK
    if mark.is_file() and mark.read_text(encoding="utf-8", errors="replace").startswith(version):
        return True
    if mark.is_file():
        content = f"holds a synthetic corpus of another version (see {SYNTHETIC_MARK} in it)"
    elif any(root.iterdir()):
        content = f"holds files, but no {SYNTHETIC_MARK} as the synthetic corpus does"
    else:
        return False
    raise GlamError(f"{root} {content}. It is left as it is: move or delete it, or name another folder.")
