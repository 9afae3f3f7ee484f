"""docs/protocols.md and the help name every protocol, and no other."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from glam.cli.audit import audit
from glam.cli.train import train
from glam.splits.protocols import PROTOCOLS

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "protocols.md"


def test_the_page_has_a_row_for_every_protocol_in_every_table() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert set(re.findall(r"^\| `([a-z][\w-]+)`", table, re.MULTILINE)) == set(PROTOCOLS)


@pytest.mark.parametrize("verb", [train, audit])
def test_the_help_names_every_protocol(verb: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    for name in PROTOCOLS:
        assert re.search(rf"\b{name}\b", words.replace("- ", "-")), name
