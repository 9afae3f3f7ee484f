"""A file of the user's own while it is written on: edited in a notebook that goes on, with others beside it."""

from pathlib import Path

import pytest

from glam.errors import GlamError
from glam.named import source
from glam.recipe import load_recipe


def test_a_file_that_was_edited_since_is_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for width in (1, 2):
        path.write_text(f"def mine(*, width: int = {width}): return width")
        mine = source(f"{path}:mine", {}, "thing")
        assert (mine.load()(), mine.signature().options["width"].default) == (width, width)


def test_a_parameter_that_is_no_option_is_told_from_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def mine(classes, audio, width=4): ...\ndef other(classes, mels): ...\n")
    with pytest.raises(GlamError, match=r"no option 'width'\. It has none; width is given by whoever calls it"):
        load_recipe("glam-released", [("model", {"name": f"{path}:mine", "width": 8})])
    with pytest.raises(
        GlamError, match=r"takes mels, and no audio; parameters are called as inputs are, options stand"
    ):
        load_recipe("glam-released", [("model", f"{path}:other")])


def test_a_file_beside_it_is_not_imported_and_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "parts_of_mine.py").write_text("def head(): ...\n")
    path = tmp_path / "mine.py"
    for line in (
        "from parts_of_mine import head",
        "import json, parts_of_mine.inner",
        "from .parts_of_mine import head",
    ):
        path.write_text(f"{line}\ndef mine(): ...\n")
        with pytest.raises(GlamError, match=r"parts_of_mine\.py lies beside it.*: put all into mine\.py$"):
            source(f"{path}:mine", {}, "thing").load()


@pytest.mark.parametrize(
    "line", ["import parts_of_mine", "from . import parts_of_mine", "def f(): import parts_of_mine"]
)
@pytest.mark.parametrize("file", ["parts_of_mine.py", "parts_of_mine/__init__.py", "parts_of_mine/inner.py"])
def test_a_file_beside_it_is_refused_where_it_could_be_imported_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, file: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(f"{line}\ndef mine(): ...\n")
    with pytest.raises(GlamError, match=r"parts_of_mine(\.py)? lies beside it.*: put all into mine\.py$"):
        source(f"{tmp_path / 'mine.py'}:mine", {}, "thing").load()


def test_a_folder_beside_it_of_the_name_of_what_is_installed_is_none_of_it(tmp_path: Path) -> None:
    for name in ("glam", "numpy", "json"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine.py").write_text("import json, sys, numpy, glam.words\ndef mine(): ...\n")
    source(f"{tmp_path / 'mine.py'}:mine", {}, "thing").load()
