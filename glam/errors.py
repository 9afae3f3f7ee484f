"""The one exception that is shown to the user as a message instead of a traceback."""

import errno
from typing import TypeVar

Value = TypeVar("Value")


class GlamError(Exception):
    """A mistake in what the user gave us: a file, a setting, a flag.

    The message names the file, field or flag, what was found, what was expected and what to do.
    The entry points print it in one piece and exit with status 2.
    """


def put_once(values: dict[str, Value], name: str, value: Value, flag: str) -> None:
    """Put a value under the name that a flag gives it (`--map a=b`); GlamError where the name has one already."""
    if name in values:
        raise GlamError(f"{flag}: {name} is given twice")
    values[name] = value


def in_the_way(error: OSError, otherwise: str) -> str:
    """What kept something from being written, and what to do: `otherwise`, unless files may not be so large."""
    if error.errno != errno.EFBIG:
        return f"{error}. {otherwise}"
    return f"{error}: files may not grow beyond {_limit()}. Raise that limit; more room on the disk does not help."


def _limit() -> str:
    try:
        from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit
    except ImportError:  # Windows
        return "what their file system can hold"
    limit = getrlimit(RLIMIT_FSIZE)[0]
    return "what their file system can hold" if limit == RLIM_INFINITY else f"{limit} bytes (ulimit -f)"
