"""Progress bars: time left for a person at a terminal, silence for a log file."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, desc: str, unit: str, **options: Any) -> "tqdm[Any]":
    """A progress bar on stderr with rate and time left; silent where stderr is no terminal."""
    return tqdm(total=total, desc=desc, unit=unit, dynamic_ncols=True, disable=not sys.stderr.isatty(), **options)
