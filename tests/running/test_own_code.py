"""Files of the user's own that stay with the runs that they made."""

from pathlib import Path
from typing import Any

import pytest

from glam.errors import GlamError
from glam.recipe import Recipe, load_recipe
from glam.running.own_code import in_own_code, keep_code, kept_code, not_used, take_code, where_given


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    for name in ("mine.py", "ours.py"):  # the same content
        (tmp_path / name).write_text("def model(classes, audio): ...\ndef loss(logits, target, group): ...\n")
    settings = [("model", f"{tmp_path / 'mine.py'}:model"), ("training.loss", f"{tmp_path / 'ours.py'}:loss")]
    return load_recipe("glam-released", settings)


def test_files_are_kept_as_they_were_and_go_where_the_runs_go(tmp_path: Path, recipe: Recipe) -> None:
    before = (tmp_path / "mine.py").read_bytes()
    keep_code(recipe, tmp_path / "a")
    (tmp_path / "mine.py").write_text("edited")
    keep_code(recipe, tmp_path / "a")  # there already
    assert take_code(recipe, tmp_path / "a", tmp_path / "b") == []
    assert take_code(recipe, tmp_path / "nothing is kept here", tmp_path / "b") == []
    kept = sorted(path for path in (tmp_path / "b").rglob("*") if path.is_file())
    assert [path.name for path in kept] == ["mine.py", "ours.py"]
    assert {path.read_bytes() for path in kept} == {before}
    found = where_given(recipe, [tmp_path / "b"])
    assert (found.model.source().path, found.training.loss.source().path) == tuple(kept)
    assert found.scientific() == recipe.scientific()
    with pytest.raises(GlamError, match=r"mine\.py is not the file that was recorded"):
        keep_code(recipe, tmp_path / "c")


def test_a_kept_file_that_was_changed_is_not_taken_and_is_mended(tmp_path: Path, recipe: Recipe) -> None:
    keep_code(recipe, tmp_path / "a")
    kept = kept_code(recipe.model, tmp_path / "a")
    kept.write_text("edited")
    (line,) = take_code(recipe, tmp_path / "a", tmp_path / "b")
    assert line == f"{kept} is not the file that was recorded: it has been changed since"
    assert not kept_code(recipe.model, tmp_path / "b").exists()
    assert kept_code(recipe.training.loss, tmp_path / "b").is_file()
    keep_code(recipe, tmp_path / "a")
    assert kept.read_bytes() == (tmp_path / "mine.py").read_bytes()
    assert (kept.parent / ".set-aside" / "mine.py-1").read_text() == "edited"


def test_a_file_is_kept_under_its_own_name_which_is_part_of_the_identity(tmp_path: Path) -> None:
    (tmp_path / "my (1).py").write_text("def model(classes, audio): ...\n")
    recipe = load_recipe("glam-released", [("model", f"{tmp_path / 'my (1).py'}:model")])
    keep_code(recipe, tmp_path / "a")
    assert where_given(recipe, [tmp_path / "a" / "code"]).scientific() == recipe.scientific()


def test_in_a_folder_of_code_only_files_count(tmp_path: Path, recipe: Recipe) -> None:
    folder = tmp_path / "folder"
    (folder / "x.py").mkdir(parents=True)
    (folder / "link.py").symlink_to("nowhere.py")
    assert not_used(recipe, [folder, tmp_path]) == [folder]


def test_no_hash_of_a_foreign_experiment_leads_out_of_the_folder(tmp_path: Path, recipe: Recipe) -> None:
    foreign = recipe.model.model_copy(update={"sha256": "../../../x"})
    assert kept_code(foreign, tmp_path).parent.parent == tmp_path / "code"


def test_an_error_is_placed_in_the_file_that_it_was_in(tmp_path: Path, recipe: Recipe) -> None:
    raising = "\ndef loss(logits, target, group):\n    return logits / 0\n"
    (tmp_path / "ours.py").write_text(raising)
    recipe = load_recipe("glam-released", [("training.loss", f"{tmp_path / 'ours.py'}:loss")])
    space: dict[str, Any] = {}
    exec(compile(raising, str(tmp_path / "ours.py"), "exec"), space)
    with pytest.raises(ZeroDivisionError) as raised:
        space["loss"](1, 2, 3)
    assert in_own_code(raised.value, recipe) == "ours.py, line 3: ZeroDivisionError: division by zero"
    assert in_own_code(raised.value, load_recipe("glam-released")) == "ZeroDivisionError: division by zero"
