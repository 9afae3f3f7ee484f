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
    of_iemocap = set(PROTOCOLS) - {"group-folds", "parts", "published-folds"}  # of which it gives no parts and folds
    for table, names in zip(tables, [set(PROTOCOLS), of_iemocap, of_iemocap], strict=True):
        assert set(re.findall(r"^\| `([a-z][\w-]+)`", table, re.MULTILINE)) == names


@pytest.mark.parametrize("verb", [train, audit])
def test_the_help_names_every_protocol(verb: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    for name in PROTOCOLS:
        assert re.search(rf"\b{name}\b", words.replace("- ", "-")), name
