"""docs/sound-and-words.md: its recipes, places and settings are those that there are."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from glam.cli.main import main
from glam.recipe import load_recipe, recipe_names

PROJECT = Path(__file__).resolve().parent.parent.parent
TEXT = (PROJECT / "docs" / "sound-and-words.md").read_text(encoding="utf-8")


def test_the_settings_shown_are_those_of_the_recipe() -> None:
    (block,) = re.findall(r"(?:^    (?:inputs:| +\w+: \{|cut:).*\n)+", TEXT, re.MULTILINE)
    shown, recipe = yaml.safe_load(block), load_recipe("mscnn-spu")
    again = recipe.replaced(inputs=shown["inputs"], cut=shown["cut"])
    assert again == recipe


def test_recipes_and_places_are_known() -> None:
    named = set(re.findall(r"--recipe ([\w-]+)", TEXT)) | set(re.findall(r"audit ([\w-]+)", TEXT))
    assert named
    assert named <= set(recipe_names())
    for ending in re.findall(r"`(-without-[\w-]+)`", TEXT):
        assert f"mscnn-spu{ending}" in recipe_names()
    places = set(re.findall(r"^\| `([A-Z]+)`", TEXT, re.MULTILINE))
    written = (PROJECT / "path.py").read_text(encoding="utf-8")
    assert places == {"GLOVE", "ASR", "XVECTORS"}
    assert all(f'{place} = ""' in written for place in places)


def test_what_the_python_lines_import_is_there() -> None:
    imports = re.findall(r"^    from (glam[\w.]+) import ([\w, ]+)$", TEXT, re.MULTILINE)
    assert imports
    for module, names in imports:
        assert all(hasattr(import_module(module), name.strip()) for name in names.split(","))


@pytest.mark.parametrize("verb", ["train", "table", "verify"])
def test_the_help_of_every_verb_that_reads_them_names_the_places(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert all(f"{place}=" in words for place in ("GLOVE", "ASR", "XVECTORS"))
