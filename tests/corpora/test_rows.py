"""Rows of text tables, and of anything that is none."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.corpora.rows import read_rows, read_text
from glam.corpora.table import read_table
from glam.errors import GlamError

cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_heading(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"a{delimiter}b c\n1{delimiter}2.5\n\n{delimiter}nan\n")
    rows = read_rows(path)
    assert rows.columns == ("a", "b c")
    assert [(row.number, row.cells) for row in rows.rows] == [(2, {"a": "1", "b c": "2.5"}), (4, {})]


@given(st.lists(cells, min_size=1, max_size=4))
def test_json_gives_what_was_written(values: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_text("\n".join(json.dumps({"a": value, "n": 1.5, "z": None}) for value in values), encoding="utf-8")
        rows = read_rows(path).rows
    assert [row.cells["n"] for row in rows] == ["1.5"] * len(values)
    assert all("z" not in row.cells for row in rows)
    assert [row.cells.get("a", "") for row in rows if row.cells.get("a")] == [
        value.strip()
        for value in values
        if value.strip().casefold() not in ("", "nan", "nat", "na", "n/a", "none", "null", "<na>")
    ]


@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.tsv", "x.jsonl"]), st.booleans())
def test_whatever_bytes_give_rows_or_one_message(content: bytes, name: str, headed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes((b"file,emotion\n" if headed else b"") + content)
        with suppress(GlamError):
            read_rows(path)
        with suppress(GlamError):
            read_table(path, Path(folder), {})


@pytest.mark.parametrize("name", ["x" * 300, "nul\u0000", "half\ud800", "../../gone", "."])
def test_names_that_no_disk_takes_are_no_audio(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"file": name, "emotion": "joy"}))
    with pytest.raises(GlamError, match="no row can be used"):
        read_table(path, tmp_path, {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("a\u00e9\u2019".encode(encoding))
    assert read_text(path) == "a\u00e9\u2019"


def test_every_byte_is_some_letter(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(bytes(range(128, 256)))
    assert len(read_text(path)) == 128
