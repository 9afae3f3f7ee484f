"""The corpora that the project makes itself, so that everything can be tried without licensed ones: nobody's speech.

Each lies complete in its folder or not at all, and a file in it says what it is.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from glam.errors import GlamError
from glam.files import new_folder, only_one

SYNTHETIC_MARK = "SYNTHETIC.txt"

MADE = {
    "synthetic": "glam.corpora.synthetic:make_corpus",
    "synthetic-five": "glam.corpora.synthetic_five:make_corpus",
}
"""Name of a corpus -> the function (root) that makes it, as module:function."""


def make(name: str, root: Path) -> None:
    """Make the corpus of that name in the folder `root`; nothing is done where it already lies complete."""
    module, function = MADE[name].split(":")
    getattr(import_module(module), function)(root)


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
