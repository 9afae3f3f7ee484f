"""Text of others: no terminal obeys it, no spreadsheet runs it, no path is chosen by it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.cli.main import main
from glam.files import set_aside
from glam.foreign import cell, controls_in, file_name, plain, plain_content
from glam.papers.paper import Table, read_paper
from glam.recipe import recorded


@given(st.text(st.characters()))
def test_what_is_shown_has_no_control_characters(text: str) -> None:
    shown = plain(text)
    assert plain(shown) == shown
    assert not {"\n", "\x1b", "\r", "\x9b"} & set(shown)
    assert plain(text, lines=True).count("\n") == text.count("\n")


def test_names_are_shown_as_they_are() -> None:
    for name in ("neutral", "Ärger", "悲しい", "α = 0.5", "Ses01F_impro01"):
        assert plain(name) == name
        assert not controls_in(name)
    assert plain("\x1b[2Jnew\nline") == r"\x1b[2Jnew\nline"
    assert plain_content({"a\x07": ["b\x1b", 1.5, None]}) == {r"a\x07": [r"b\x1b", 1.5, None]}


@given(st.text(st.characters()))
def test_no_cell_is_a_formula_and_no_file_name_a_path(text: str) -> None:
    written = cell(text)
    assert not written.startswith(("=", "@", "\t", "\r"))
    assert "/" not in file_name(text)
    assert file_name(text) not in ("", ".", "..")


def test_numbers_stay_numbers() -> None:
    assert [cell(text) for text in ("-1.5", "+2", "1e-3", "=1+1", "-x", "@SUM(A1)")] == [
        "-1.5",
        "+2",
        "1e-3",
        "'=1+1",
        "'-x",
        "'@SUM(A1)",
    ]


def test_a_recipe_with_control_characters_is_refused_and_a_stored_one_is_shown_plainly(
    tmp_path: Path,
    store: Callable[..., Path],
    without_hashes: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Exception, match="has control characters in it"):
        recorded({"name": "a\x1b[2J", "model": "glam"}, "the recipe of a test")
    folder = store(tmp_path / "x")
    without_hashes(folder)
    path = folder / "experiment.json"
    content = json.loads(path.read_text())
    content["recipe"]["name"] = "\x1b[2Jevil\nline"
    path.write_text(json.dumps(content))
    assert main(["report", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"recipe \x1b[2Jevil\nline: " in out


def test_an_exported_table_has_no_formula(
    tmp_path: Path,
    store: Callable[..., Path],
    without_hashes: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = store(tmp_path / "x")
    without_hashes(folder)
    path = folder / "utterances.csv"
    lines = path.read_text().splitlines()
    rows = [",".join([number, f"=cmd|' /C calc'!A{number}", *rest]) for number, _, *rest in csv.reader(lines[1:])]
    path.write_text("\n".join([lines[0], *rows]) + "\n")
    run = next(path.parent for path in folder.glob("*/run.json"))
    assert main(["export", str(run)]) == 0
    exported = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert len(exported) > 2
    assert all(row[0].startswith("'=cmd") for row in exported[1:])


def test_the_name_of_a_paper_chooses_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rows = "{x: {recipe: glam-released}}"
    path.write_text(f"name: ../../etc/x\npaper: P\ntitle: T\ntables: {{'1': {{caption: c, rows: {rows}}}}}\n")
    assert "/" not in Table(read_paper(str(path)), "1", "").stem


def test_what_is_set_aside_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / "7").write_text(content)
        set_aside(tmp_path / "7")
    assert [(tmp_path / ".set-aside" / f"7-{n}").read_text() for n in (1, 2)] == ["first", "second"]
