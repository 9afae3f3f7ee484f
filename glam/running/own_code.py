"""Files of code that a saved model names, which are run only where the user has given them.

A saved model may come from anywhere, and so may the paths in it. A file is told by its hash, wherever it lies.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from glam.errors import GlamError
from glam.named import Chosen
from glam.recipe import Recipe

Named = TypeVar("Named", bound=Chosen)


def own_code(recipe: Recipe) -> list[Chosen]:
    """What of a recipe is of files of the user's own and would be run to ask its model."""
    asked: list[Chosen] = [recipe.model, *recipe.inputs.values()]
    if recipe.evaluation.average == "probabilities":  # of which the loss says what they are
        asked.append(recipe.training.loss)
    return [chosen for chosen in asked if chosen.name not in chosen.ours]


def only_given(recipe: Recipe, given: Sequence[Path], model: Path) -> Recipe:
    """The recipe of the saved model `model`, with each file of code where the user has it.

    Raises GlamError where it names a file that is not given, one without a hash, or no file at all.
    """
    files = {sha256(_content(path)).hexdigest(): path for path in given}

    def located(chosen: Named) -> Named:
        if chosen not in named:
            return chosen
        path, function = chosen.source().path, chosen.source().function
        if chosen.sha256 in files:
            return chosen.model_copy(update={"name": f"{files[chosen.sha256].absolute()}:{function}"})
        if same_name := [file for file in given if file.name == path.name]:
            raise GlamError(f"{same_name[0]} is not the file that {model} was made with: it has been changed since")
        beside = model.parent / path.name  # as in a folder that `glam export` wrote
        path = beside if beside.is_file() else path
        raise GlamError(
            f"{model}: the {chosen.kind} {chosen.title} is code of a file of its own ({path}), which would be run. If "
            f"you trust it, say so by giving the file: --code {path}"
        )

    named = own_code(recipe)
    training = recipe.training.model_copy(update={"loss": located(recipe.training.loss)})
    inputs = {name: located(settings) for name, settings in recipe.inputs.items()}
    return recipe.model_copy(update={"model": located(recipe.model), "inputs": inputs, "training": training})


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GlamError(f"--code {path}: cannot be read ({error.strerror})") from None
