"""docs/protocols.md and the help name every protocol, and no other."""

import re
from pathlib import Path
from typing import get_args

import pytest

from glam.cli.audit import audit
from glam.cli.train import train
from glam.splits.splits import Protocol

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "protocols.md"


def test_the_page_has_a_row_for_every_protocol_in_every_table() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert set(re.findall(r"^\| `([a-z][\w-]+)`", table, re.MULTILINE)) == set(get_args(Protocol))


@pytest.mark.parametrize("verb", [train, audit])
def test_the_help_names_every_protocol(verb: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb(["--help"])  # type: ignore[operator]
    said = " ".join(capsys.readouterr().out.split())
    for name in get_args(Protocol):
        assert re.search(rf"\b{name}\b", said.replace("- ", "-")), name
