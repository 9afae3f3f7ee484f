"""Inputs that a recipe leaves out again, and patience where nothing may be looked at."""

from typing import Any

import pytest

from glam.errors import GlamError
from glam.recipe import Recipe, load_recipe
from glam.results.identity import digest, identity


def id_of(recipe: Recipe) -> str:
    return digest(identity(recipe.scientific(), "0" * 64))


def test_null_leaves_out_an_input_of_the_recipe_below() -> None:
    without = load_recipe("mscnn-spu", [("inputs.speaker", None)])
    assert list(without.inputs) == ["audio", "words"]
    assert id_of(without) == id_of(load_recipe("mscnn-spu-without-xvectors"))
    with pytest.raises(GlamError, match="inputs and model disagree: the model mscnn-spu takes words, which inputs"):
        load_recipe("mscnn-spu", [("inputs.words", None)])


@pytest.mark.parametrize("split", ["random", {"name": "k-fold", "folds": 5}])
def test_patience_needs_utterances_to_look_at(split: Any) -> None:
    with pytest.raises(GlamError, match=r"training\.patience and split disagree.*holds none of its own for validation"):
        load_recipe("mscnn-spu", [("split", split)])
    load_recipe("mscnn-spu", [("split.name", "leave-speaker-out")])
    load_recipe("mscnn-spu", [("split", split), ("training.patience", 0)])


def test_what_is_new_and_at_its_default_is_no_part_of_an_identity() -> None:
    recipe = load_recipe("glam-released", [("training.patience", 0)])
    assert "patience" not in recipe.scientific()["training"]
    plain = identity(recipe.scientific(), "0" * 64)
    assert plain == identity(recipe.scientific(), "0" * 64, {})
    assert "outside" not in plain
    assert digest(identity(recipe.scientific(), "0" * 64, {"words": {"glove": "a"}})) != digest(plain)
