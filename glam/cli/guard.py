"""What every entry point does with a user's mistake, Ctrl-C and a full disk: one message, and an exit status."""

import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType

from glam.errors import GlamError


def guarded(work: Callable[[], None]) -> int:
    """Run an entry point's work: a user's mistake is one message and status 2, Ctrl-C status 130."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show ± must not cost a report
            stream.reconfigure(errors="backslashreplace")
    try:
        work()
    except GlamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "interrupted; finished runs are kept, and the same command goes on where it stopped",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        return 141
    except OSError as error:
        print(
            f"error: {error}. Nothing is half-written; mend it and run the same command again.",
            file=sys.stderr,
        )
        return 2
    return 0


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(text: str) -> None:
    """A line for the person at the terminal; results alone go to stdout."""
    print(text, file=sys.stderr, flush=True)
