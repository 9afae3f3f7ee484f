"""Text from files of others, as it may be shown: no terminal obeys it, no line is broken by it, no spreadsheet runs it.

Python 3.11 is not needed to read this: entry points print through it before they have looked.
"""

import re
from typing import Any

# C0 and C1 controls, DEL, line and paragraph separators, what turns the direction of writing, lone surrogates
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_OBEYED = ("=", "+", "-", "@")  # what a cell begins with that a spreadsheet takes for a formula
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def plain(text: str, lines: bool = False) -> str:
    """The text with control characters spelt out, as \\x1b; lines: whether line ends and tabs may stay."""

    def spelt_out(match: "re.Match[str]") -> str:
        character = match.group()
        return character if lines and character in "\n\t" else ascii(character)[1:-1]

    return _CONTROLS.sub(spelt_out, text)


def plain_content(content: Any) -> Any:
    """What was read of a file (JSON), with the controls in all its strings spelt out, names included."""
    if isinstance(content, str):
        return plain(content)
    if isinstance(content, list):
        return [plain_content(item) for item in content]
    if isinstance(content, dict):
        return {plain(str(name)): plain_content(item) for name, item in content.items()}
    return content


def controls_in(text: str) -> bool:
    """True where a name has what would be spelt out, line ends and tabs aside."""
    return plain(text, lines=True) != text


def cell(text: str) -> str:
    """A cell of CSV that no spreadsheet takes for a formula: an apostrophe before what looks like one."""
    shown = plain(text)
    return "'" + shown if shown.startswith(_OBEYED) and not _NUMBER.fullmatch(shown) else shown


def file_name(text: str) -> str:
    """A name from elsewhere as part of a file's name: no folder, no dot in front."""
    return re.sub(r"[^\w.+-]", "-", text).strip(".") or "unnamed"
