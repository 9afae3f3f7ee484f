"""Reports on a terminal: long lines broken between words, wide tables set as several, one below the other."""

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from textwrap import wrap


def folded(text: str, width: int) -> str:
    """The text for a terminal of that width; of a table that is wider, each part repeats the first column.

    A single column wider than that stays as it is.
    """
    lines: list[str] = []
    for table, block in groupby(text.split("\n"), key=lambda line: line.startswith("|")):
        if table:
            lines += _table(list(block), width)
        else:
            for line in block:
                narrow = len(line) <= width
                lines += [line] if narrow else wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _table(rows: list[str], width: int) -> Iterator[str]:
    """Lines of the table, or of its parts with empty lines between."""
    rule = next((row for row in rows if re.fullmatch(r"\|[|:-]+\|", row)), "")
    bars = [place for place, character in enumerate(rule) if character == "|"]
    if len(rows[0]) <= width or any(len(row) != len(rule) or any(row[bar] != "|" for bar in bars) for row in rows):
        yield from rows
        return
    first, *columns = pairwise(bars)
    for number, part in enumerate(_parts(columns, width - first[1])):
        yield from [""] if number else []
        for row in rows:
            yield row[: first[1]] + "".join(row[start:end] for start, end in part) + "|"


def _parts(columns: list[tuple[int, int]], room: int) -> Iterator[list[tuple[int, int]]]:
    """The columns, from bar to bar, in groups that fit into the room; the bar at the end counts."""
    part: list[tuple[int, int]] = []
    for start, end in columns:
        if part and end + 1 - part[0][0] > room:
            yield part
            part = []
        part.append((start, end))
    yield part
