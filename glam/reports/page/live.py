"""A page that is kept fresh while runs are added, by whatever process trains them."""

import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import glam
from glam.results.run import RUN

Written = TypeVar("Written")

POLL = 5.0  # seconds
SHARE = 10  # a page is written at most a tenth of the time: the processor is for the training


def about(command: str) -> str:
    """The line on where a page is from: when it is written, and by which command."""
    return f"Written {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z} by glam {glam.__version__}: {command}"


def stored_in(folders: Iterable[Path]) -> frozenset[Path]:
    """The runs that are stored in the folders of experiments, damaged or not."""
    return frozenset(path for folder in folders for path in folder.glob(f"*/{RUN}"))


def keep_fresh(
    write: Callable[[bool], Written], complete: Callable[[Written], bool], state: Callable[[], Hashable]
) -> Written:
    """Write a page now, whenever `state` has changed, and a last time once all is there or after Ctrl-C.

    write: told whether the page stays live; gives what it wrote, which is returned of the last time. complete: whether
    all that is waited for was in it.
    """
    with suppress(KeyboardInterrupt):
        while True:
            before, begun = state(), time.monotonic()
            if complete(write(True)):
                break
            time.sleep(max(POLL, SHARE * (time.monotonic() - begun)))
            while state() == before:
                time.sleep(POLL)
    return write(False)
