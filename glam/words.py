"""Numbers as people say them, and words that people mistype."""

import difflib
from collections.abc import Collection, Iterable


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """A question after a message, with a space before it: which of the names may be meant; empty where none is near."""
    near = nearest(given, names)
    return f" Did you mean {near!r}?" if near is not None else ""


def nearest(given: str, names: Iterable[str]) -> str | None:
    """The name that is nearest to what is given; None where none is near. Only letters and digits count."""
    by_letters = {_letters(name): name for name in names}
    near = difflib.get_close_matches(_letters(given), by_letters, 1, cutoff=0.7)
    return by_letters[near[0]] if near else None


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def counted(number: int, noun: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def range_of(values: Collection[float], form: str = "") -> str:
    """The least and the largest of numbers, each in that format: 12, or 11 to 13."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def plural(noun: str) -> str:
    """Several of a thing: runs, boxes."""
    return noun + ("es" if noun.endswith(("s", "x", "sh", "tch")) else "s")


def to_install(extra: str) -> str:
    """The command that installs an optional part of this package."""
    return f"pip install 'glam-ser[{extra}]', or '.[{extra}]' in a clone"


def duration(seconds: float) -> str:
    """Seconds: 42 s, 7 min, 3 h 05 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 99:
        return f"{seconds:.0f} s"
    if minutes < 99:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def in_bytes(size: float) -> str:
    """Bytes: 12.34 MiB, 1.50 GiB."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"
