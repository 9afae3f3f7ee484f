"""Where an IEMOCAP release lies, and what its files are called: as released, or as handleIEMOCAP.py renamed them."""

import re
from pathlib import Path

from glam.errors import GlamError

SESSIONS = tuple(f"Session{n}" for n in range(1, 6))
DIALOGUE = r"Ses\d\d[FM]_(?:impro\d\d[a-z]?|script\d\d_\d[a-z]?)"
_ID = re.compile(rf"({DIALOGUE})_([FM]\w{{3}})", re.ASCII)
# Ses01F-impro01-01-01-F000, Ses03M-script03-01-01-2_F032: the name's first two parts, the label's code, a
# constant, and whatever was left of the name.
_RENAMED = re.compile(r"(Ses\d\d[FM])-(impro\w+|script\w+)-(\w\w)-01-(\w+)", re.ASCII)
CODES = {
    "01": "neu", "02": "fru", "03": "hap", "04": "sad", "05": "ang", "06": "fea", "07": "exc", "08": "sur",
    "09": "xxx",
}  # fmt: skip


def find_release(root: Path) -> Path:
    """The folder with Session1 ... Session5 in it: `root`, or the only such folder directly below it.

    Raises GlamError, saying what was expected and what is there, where there is none or more than one.
    """
    expected = "expected the folder of the release, with Session1 ... Session5 in it"
    try:
        root = root.resolve()  # so that one corpus has one root, whatever links lead to it
        if not root.exists():
            raise GlamError(f"{root} does not exist; {expected}.")
        if not root.is_dir():
            raise GlamError(f"{root} is a file; {expected}. If this is the archive, unpack it first.")
        if has_session(root):
            _refuse_unpacked_twice(root, expected)
            return root
        if (root / "sentences").is_dir() and (root / "dialog").is_dir():
            raise GlamError(f"{root} is a single session; {expected}: {root.parent}.")
        below = sorted(path for path in root.iterdir() if path.is_dir())
        releases = [path for path in below if has_session(path)]
    except OSError as error:
        raise GlamError(f"{error.filename or root} cannot be read: {error.strerror}; {expected}.") from None
    if len(releases) == 1:
        return releases[0]
    if releases:
        names = ", ".join(path.name for path in releases)
        raise GlamError(f"{root} has several releases in it ({names}); give one of them.")
    seen = [path.name for path in below if not path.name.startswith(".")]
    more = f" and {len(seen) - 8} more" if len(seen) > 8 else ""
    raise GlamError(f"{root} has no session in it; {expected}, found: {', '.join(seen[:8]) or 'no folder'}{more}.")


def _refuse_unpacked_twice(root: Path, expected: str) -> None:
    for session in SESSIONS:
        inner = root / session / session
        if inner.is_dir() and not (root / session / "dialog").is_dir():
            raise GlamError(
                f"{root} has its sessions one folder too deep, as an archive that was unpacked twice leaves them: "
                f"{session}/{session}. Move what is in {inner} to {root / session}; {expected}."
            )


def restore_id(stem: str) -> tuple[str, str | None] | None:
    """The utterance's id for an audio file's name without extension, and the label code in a renamed one.

    `Ses03M_script03_2_F032` stays, with None; `Ses03M-script03-04-01-2_F032` becomes it, with "04". None for
    what is no utterance's name.
    """
    if renamed := _RENAMED.fullmatch(stem):
        actor, scenario, code, rest = renamed.groups()
        stem = f"{actor}_{scenario}_{rest}"
        return (stem, code) if _ID.fullmatch(stem) else None
    return (stem, None) if _ID.fullmatch(stem) else None


def speaker_of(name: str) -> str:
    """The speaker of an utterance, `Ses03F` of Ses03M_script03_2_F032: session and the letter of its own suffix.

    The letter after the session is the dialogue's (who wore the markers), and dialogue names differ in length.
    """
    return name[:5] + name.rsplit("_", 1)[1][0]


def is_folder(path: Path) -> bool:
    """True for a folder; False for what cannot be looked at, too."""
    try:
        return path.is_dir()
    except OSError:  # a link into a folder that may not be read
        return False


def has_session(folder: Path) -> bool:
    """True where a session lies in the folder."""
    return any(is_folder(folder / session) for session in SESSIONS)
