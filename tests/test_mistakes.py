"""What is said of settings that cannot be."""

import pytest

from glam.errors import GlamError
from glam.mistakes import CALLED_NOW
from glam.recipe import load_recipe, recipe_names


@pytest.mark.parametrize(("before", "now"), CALLED_NOW.items())
def test_a_field_of_an_earlier_version_is_told_its_name_of_today(before: str, now: str) -> None:
    field = before if "." in before else f"{before}.anything"
    with pytest.raises(GlamError, match=rf"there is no field {before}\. It is {now} now\."):
        load_recipe("demo", [(field, 1)])
    known = {name for recipe in recipe_names() for name in load_recipe(recipe).fields()}
    place = now.partition(",")[0]
    assert any(f"{name}.".startswith(f"{place}.") for name in known)
