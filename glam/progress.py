"""Progress: bars for a person at a terminal, silence for a log file, and lines that no bar runs into."""

import sys
from typing import TYPE_CHECKING, Any

from glam.foreign import plain

if TYPE_CHECKING:
    from tqdm import tqdm


def bar(total: float, desc: str, unit: str, **options: Any) -> "tqdm[Any]":
    """A progress bar on stderr with rate and time left; silent where stderr is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, desc=desc, unit=unit, dynamic_ncols=True, disable=not sys.stderr.isatty(), **options)


def say(text: str) -> None:
    """A line on stderr for the person at the terminal, above the bars; results alone go to stdout.

    What came from files of others is spelt out where a terminal would obey it.
    """
    shown = plain(text, lines=True)
    if "tqdm" in sys.modules:  # else there is no bar, and a command that only says why it ends is spared the import
        from tqdm import tqdm

        tqdm.write(shown, file=sys.stderr)
        sys.stderr.flush()
    else:
        print(shown, file=sys.stderr, flush=True)
