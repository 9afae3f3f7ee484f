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
    path.write_text("from parts_of_mine import head\ndef mine(): ...\n")
    with pytest.raises(GlamError, match=r"parts_of_mine\.py lies beside it.*: put all into mine\.py$"):
        source(f"{path}:mine", {}, "thing").load()
