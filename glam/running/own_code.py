"""Files of code that a saved model names, which are run only where the user has given them.

A saved model may come from anywhere, and so may the paths in it. A file is told by its hash, wherever it lies.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from glam.errors import GlamError
from glam.files import set_aside, write_bytes
from glam.foreign import file_name
from glam.named import Chosen, in_file, line_in
from glam.recipe import Recipe

CODE = "code"  # the folder of an experiment that keeps them
Named = TypeVar("Named", bound=Chosen)


def own_code(recipe: Recipe) -> list[Chosen]:
    """What of a recipe is of files of the user's own and would be run to ask its model."""
    asked: list[Chosen] = [recipe.model, *recipe.inputs.values()]
    if recipe.evaluation.average == "probabilities":  # of which the loss says what they are
        asked.append(recipe.training.loss)
    return [chosen for chosen in asked if chosen.name not in chosen.ours]


def own_files(recipe: Recipe) -> list[Chosen]:
    """Model, inputs and loss of a recipe, as far as they are of files of the user's own."""
    chosen: list[Chosen] = [recipe.model, *recipe.inputs.values(), recipe.training.loss]
    return [of for of in chosen if of.sha256 is not None]


def in_own_code(error: Exception, recipe: Recipe) -> str:
    """An error in one line: what it says and, if it was in a file of the user's own that the recipe names, where."""
    for chosen in own_files(recipe):
        path = chosen.own_file
        if path is not None and line_in(error, path):
            return f"{path.name}, {in_file(error, path)}"
    return in_file(error, None)


def keep_code(recipe: Recipe, experiment: Path) -> None:
    """Keep the files of the user's own in the experiment's folder, as they are: edited, its runs could not be repeated.

    Raises GlamError where one has been changed since the recipe was read, or the folder cannot be written.
    """
    for chosen in own_files(recipe):
        if content_kept(chosen, experiment) is None:
            _keep(chosen.content(), kept_code(chosen, experiment))


def take_code(recipe: Recipe, source: Path, target: Path) -> list[str]:
    """Keep in `target` what the same experiment in `source` keeps; a line for each file that was changed there since.

    Raises GlamError where a file cannot be written.
    """
    changed = []
    for chosen in own_files(recipe):
        kept, content = kept_code(chosen, source), content_kept(chosen, source)
        if content is None and kept.is_file():
            changed.append(f"{kept} is not the file that was recorded: it has been changed since")
        elif content is not None and content_kept(chosen, target) is None:
            _keep(content, kept_code(chosen, target))
    return changed


def kept_code(chosen: Chosen, experiment: Path) -> Path:
    """The file in an experiment's folder that keeps one of the user's own; its name is part of the identity."""
    return experiment / CODE / file_name(str(chosen.sha256)[:8]) / chosen.source().path.name


def content_kept(chosen: Chosen, experiment: Path) -> bytes | None:
    """What an experiment's folder keeps of a file of the user's own; None where it has none, or one changed since."""
    kept = kept_code(chosen, experiment)
    content = kept.read_bytes() if kept.is_file() else b""
    return content if sha256(content).hexdigest() == chosen.sha256 else None


def where_given(recipe: Recipe, given: Sequence[Path]) -> Recipe:
    """The recipe with each file of the user's own where it is given, told by its hash; others stay where they were."""
    files = _by_hash(given)

    def located(chosen: Named) -> Named:
        if chosen.sha256 not in files:
            return chosen
        where, same = chosen.source(), files[chosen.sha256]
        file = next((file for file in same if file.name == where.path.name), same[0])
        return chosen.model_copy(update={"name": f"{file.absolute()}:{where.function}"})

    training = recipe.training.model_copy(update={"loss": located(recipe.training.loss)})
    inputs = {name: located(settings) for name, settings in recipe.inputs.items()}
    return recipe.model_copy(update={"model": located(recipe.model), "inputs": inputs, "training": training})


def only_given(recipe: Recipe, given: Sequence[Path], model: Path) -> Recipe:
    """The recipe of the saved model `model`, with each file of code where the user has it.

    Raises GlamError where it names a file that is not given, one without a hash, or no file at all.
    """
    files = _by_hash(given)
    for chosen in own_code(recipe):
        path = chosen.source().path
        if chosen.sha256 in files:
            continue
        if same_name := [file for file in given if file.name == path.name]:
            raise GlamError(f"{same_name[0]} is not the file that {model} was made with: it has been changed since")
        # As in a folder that `glam export` wrote, or in that of an experiment.
        beside = [
            place for place in (model.parent / path.name, kept_code(chosen, model.parent.parent)) if place.is_file()
        ]
        path = next(iter(beside), path)
        raise GlamError(
            f"{model}: the {chosen.kind} {chosen.title} is code of a file of its own ({path}), which would be run. If "
            f"you trust it, say so by giving the file: --code {path}"
        )
    return where_given(recipe, given)


def not_used(recipe: Recipe, given: Sequence[Path]) -> list[Path]:
    """Those of the files and folders given that have none of the recipe's files of the user's own."""
    recorded = {chosen.sha256 for chosen in own_files(recipe)}
    return [path for path in given if recorded.isdisjoint(_by_hash([path]))]


def _keep(content: bytes, path: Path) -> None:
    """Write a file; what lies there is another, and set aside."""
    try:
        if path.exists():
            set_aside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    except OSError as error:
        raise GlamError(f"{path}: cannot be written ({error.strerror})") from None


def _by_hash(given: Sequence[Path]) -> dict[str | None, list[Path]]:
    """The files that are given, and those of Python in folders that are given, by their hash."""
    files: dict[str | None, list[Path]] = {}
    for path in given:
        for file in sorted(filter(Path.is_file, path.rglob("*.py"))) if path.is_dir() else [path]:
            files.setdefault(sha256(_content(file)).hexdigest(), []).append(file)
    return files


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GlamError(f"--code {path}: cannot be read ({error.strerror})") from None
