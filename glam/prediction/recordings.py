"""Recordings that are meant by files, folders and lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glam.errors import GlamError

# What a file in a folder is taken for audio by; a file that is named itself is opened whatever it is called.
SOUND = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .aif .aiff .aifc .au .snd .caf .sph .w64 .rf64 "
    ".m4a .aac .mp4 .m4v .mov .mkv .webm .avi .wma .amr .3gp .ac3 .wv".split()
)
LISTS = (".txt", ".lst", ".list")


@dataclass(frozen=True)
class Recordings:
    """Paths of recordings, in the order asked for; and how many other files lie in the folders."""

    paths: tuple[Path, ...]
    others: int


def recordings(given: Sequence[Path]) -> Recordings:
    """The recordings of files, of folders (all in them that are audio by their name) and of lists.

    A list is a text file (.txt, .lst) with a path a line, seen from where the list lies. A file that is not there is
    left to whoever reads it. Raises GlamError for a list that cannot be read, and where nothing is meant.
    """
    paths: list[Path] = []
    others = 0
    for path in given:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if not file.is_dir())  # a broken link is told by its reader
            sound = [file for file in files if file.suffix.lower() in SOUND and not file.name.startswith(".")]
            paths += sound
            others += len(files) - len(sound)
        elif path.suffix.lower() in LISTS:
            paths += _listed(path)
        else:
            paths.append(path)
    if not paths:
        where = ", ".join(str(path) for path in given)
        more = f"; the {others} files there are none by their name" if others else ""
        raise GlamError(f"{where}: no recordings are there{more}. Give audio files, folders of them, or a list (.txt)")
    return Recordings(tuple(paths), others)


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: cannot be read as a list, a path a line ({error})") from None
    return [path.parent / Path(line.strip()).expanduser() for line in lines if line.strip()]
