"""Handling of a user's mistake, Ctrl-C and a full disk in every entry point: one message, and an exit status.

Read by every Python 3 and without the packages that the rest needs: so that a missing one is a message, too.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from types import FrameType
from typing import Any

from glam.cli.folding import folded
from glam.errors import GlamError, in_the_way
from glam.foreign import plain

GOES_ON = "finished runs are kept, and the same command goes on where it stopped"


def start(entry: str, **options: Any) -> int:
    """A process from its first import to its exit status: calls the function `entry` (module:function)."""
    _name_user()

    def work() -> int:
        module, function = entry.split(":")
        status: int = getattr(import_module(module), function)(**options)
        return status

    status = guarded(work)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)  # everything is done: from here, Python would only print a traceback
    return status


def _open_closed_streams() -> None:
    """Let what is closed (`2>&-`) go nowhere: else the next file opened would be taken for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _name_user() -> None:
    """Give a user whom the system has no name for (`docker run --user 1234`) one: libraries ask for it."""
    import getpass

    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = f"user{os.getuid()}" if hasattr(os, "getuid") else "user"


def guarded(work: Callable[[], int | None], interrupted: str = GOES_ON) -> int:
    """Run an entry point's work: its exit status, or 2 and one message for a user's mistake, 130 for Ctrl-C.

    interrupted: what to tell whoever interrupted it.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 (the message is for those)
        return _failed(f"this is Python {sys.version.split()[0]}; 3.11 to 3.13 is needed. {_ENVIRONMENT}")
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show ± must not cost a report
            stream.reconfigure(errors="backslashreplace")
    try:
        with _sigterm_as_interrupt():
            status = work() or 0
            sys.stdout.flush()
            return status
    except GlamError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "glam").partition(".")[0] == "glam":
            raise
        return _failed(f"{sys.executable} has no package {error.name}. {_ENVIRONMENT}")
    except BrokenPipeError:  # whoever read our output has gone
        _close_stdout()
        return 141
    except OSError as error:
        _close_stdout()
        return _failed(in_the_way(error, "Nothing is half-written; mend it and run the same command again."))
    except MemoryError as error:
        return _failed(f"memory ran out ({error}). Finished runs are kept; --runs-at-once 1 needs least.")


def show(text: str) -> None:
    """A result, to stdout; what came from files of others is spelt out where a terminal would obey it."""
    shown = plain(text, lines=True)
    print(folded(shown, shutil.get_terminal_size().columns) if sys.stdout.isatty() else shown)


_ENVIRONMENT = (
    "./run makes an environment with all that is needed in .venv, once; then activate it: . .venv/bin/activate"
)


def _failed(message: str) -> int:
    print(f"error: {plain(message, lines=True)}", file=sys.stderr)
    return 2


def _close_stdout() -> None:
    """Let Python's own flush at the end go nowhere, if stdout takes nothing any more: it would be a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
