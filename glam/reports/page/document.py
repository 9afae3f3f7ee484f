"""A page as data, and as one HTML file that needs nothing else: no network, no fonts, no other file.

Whatever comes from stored files is escaped, and a content security policy lets no script run but the page's own.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from glam.files import write_text
from glam.reports.figures.page import Picture, svg
from glam.reports.grid import Table
from glam.words import in_bytes

SECONDS = 30  # between two reloads of a page that is kept fresh
HEADED = 50  # characters that the heading of a line may have, before its colon
_NUMBER = re.compile(r"[<(]?\s?[+-]?\d[^,]*")
_LOUD = ("CHANGED", "CONTROL", "DAMAGED", "FAILED", "FORMAT", "INCOMPLETE")  # lines that no reader may miss


@dataclass(frozen=True)
class Figures:
    """Figures that stand side by side where there is room."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Commands:
    """Commands to be copied into a terminal, one a line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of a page: its blocks, of which a text is lines, then its own parts, with the next lower heading."""

    title: str
    blocks: Sequence[Table | str | Figures | Commands]
    sections: "Sequence[Section]" = ()


@dataclass(frozen=True)
class Page:
    """A page: its title, a line on where it is from, and its parts. live: whether it reloads itself."""

    title: str
    about: str
    sections: Sequence[Section]
    live: bool = False


def write(page: Page, path: Path) -> str:
    """Write the page in one piece; returns a line that says so."""
    text = html(page)
    write_text(path, text)
    return f"written: {path} ({in_bytes(len(text.encode()))}){', and kept fresh' * page.live}"


def html(page: Page) -> str:
    """The page as an HTML file."""
    style, script = (_own(name) for name in ("style.css", "script.js"))
    sources = {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return _template().render(
        page=page,
        seconds=SECONDS,
        headed=HEADED,
        policy="; ".join(f"{kind} {allowed}" for kind, allowed in sources.items()),
        style=Markup(style),
        script=Markup(script),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"numeric": numeric, "data": _data}
    environment.tests |= {"warning": warning}
    return environment.get_template("template.html")


def _own(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def numeric(table: Table) -> list[bool]:
    """For each column of a table, whether its cells are numbers, so that they stand right and sort as such."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.headings)
    return [any(cells) and all(_NUMBER.fullmatch(cell) or cell in ("", "-") for cell in cells) for cells in columns]


def warning(line: str) -> bool:
    """True where a line of a report warns: reports write the beginnings of such lines in capitals."""
    beginning = line.partition(":")[0]
    return line.startswith(_LOUD) or (beginning.isupper() and " " in beginning)


def _data(picture: Picture) -> str:
    """The figure as an address that holds it: apart from the page, its identifiers and styles meet no others'."""
    return f"data:image/svg+xml;base64,{b64encode(svg(picture).encode()).decode()}"
