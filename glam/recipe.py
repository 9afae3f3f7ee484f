"""A recipe: all scientific settings of an experiment, from a YAML file, the command line, or a stored run.

One file of `configs/` holds one model in one setting. `released` are the settings of the release's scripts,
`paper` those of section 4.1. Whatever the source, the same classes check every value.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from glam.errors import GlamError
from glam.inputs.cut import PARTS, AnyCut, Segments, Whole
from glam.inputs.inputs import InputSettings
from glam.learning.settings import ByUtterances, EvaluationSettings, TrainingSettings
from glam.mistakes import explain, short
from glam.models import ModelSettings
from glam.named import STORED
from glam.places import check_own_file, own_file
from glam.settings import Settings, by_name
from glam.splits.population import AS_RELEASED, RATERS, CorpusSettings
from glam.splits.protocols import AnyProtocol, Random
from glam.words import did_you_mean
from glam.yaml_file import Loader, read_mapping

AUDIO = "audio"  # the input of the models of the GLAM paper


def _without_nulls(inputs: Any) -> Any:
    return {name: given for name, given in inputs.items() if given is not None} if isinstance(inputs, dict) else inputs


class Recipe(Settings):
    """The settings of an experiment. Everything but the name is part of the experiment's identity.

    inputs: by the name that the model's signature has for them; null leaves out the one of a recipe below.
    """

    name: str = Field("custom", min_length=1)
    corpus: Annotated[CorpusSettings, by_name("iemocap")] = CorpusSettings()
    inputs: Annotated[dict[str, Annotated[InputSettings, by_name("mfcc")]], BeforeValidator(_without_nulls)] = Field(
        default_factory=lambda: {AUDIO: InputSettings(name="mfcc")}
    )
    cut: AnyCut = Segments(name="segments")
    split: AnyProtocol = Random(name="random")
    model: Annotated[ModelSettings, by_name("glam")] = Field(default_factory=lambda: ModelSettings(name="glam"))
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = EvaluationSettings()
    _own: "Recipe | None" = PrivateAttr(None)

    @model_validator(mode="after")
    def _parts_fit_together(self, info: ValidationInfo) -> Self:
        if STORED in (info.context or ()):
            return self
        training, taken = self.training, self.model.inputs()
        if unexpected := [name for name in self.inputs if name not in taken]:
            raise ValueError(
                f"inputs and model disagree: the model {self.model.title} takes {', '.join(taken)}, and no "
                f"{', '.join(unexpected)}"
                + ("; parameters are called as inputs are, options stand behind a *" if self.model.own_file else "")
            )
        if missing := [name for name in taken if name not in {*self.inputs, *self.model.optional_inputs()}]:
            raise ValueError(
                f"inputs and model disagree: the model {self.model.title} takes {', '.join(missing)}, which inputs "
                "does not have"
            )
        mixed = [(isinstance(training.batches, ByUtterances), "training.batches"), (isinstance(self.cut, Whole), "cut")]
        for whole, field in mixed:
            if whole and training.alpha:
                raise ValueError(
                    f"training.alpha and {field} disagree: mixup mixes segments of equal length, and {field} is of "
                    "whole utterances; set training.alpha to 0"
                )
        if isinstance(training.batches, ByUtterances) and isinstance(self.cut, Whole):
            raise ValueError(
                "training.batches and cut disagree: with cut whole every row is an utterance, so batches are of "
                "segments (of rows)"
            )
        if training.patience and not self.split.own_validation:
            raise ValueError(
                "training.patience and split disagree: a run that stops once the scores no longer rise must look at "
                f"utterances that it is not tested on, and {self.split.name} holds none of its own for validation; use "
                "another protocol (k-fold with validation next), or set training.patience to 0"
            )
        if training.class_weights != "none" and "weight" not in training.loss.source().signature().positional:
            raise ValueError(
                f"training.class_weights and training.loss disagree: the loss {training.loss.title} takes no weights"
            )
        return self

    def scientific(self) -> dict[str, Any]:
        """The settings that identify the experiment: every one that is not at its default, as plain data.

        Defaults are left out and never change without a new format version, so a new field orphans no run. What was
        chosen by name is always there.
        """
        training = self.training.model_dump(mode="json", exclude_defaults=True, exclude={"loss"})
        return {
            "corpus": self.corpus.scientific(),
            "inputs": {name: settings.scientific() for name, settings in sorted(self.inputs.items())},
            "cut": self.cut.model_dump(mode="json", exclude_defaults=True),
            "split": self.split.model_dump(mode="json", exclude_defaults=True),
            "model": self.model.scientific(),
            "training": training | {"loss": self.training.loss.scientific()},
            "evaluation": self.evaluation.model_dump(mode="json", exclude_defaults=True),
        }

    def fields(self, defaults: bool = True) -> dict[str, Any]:
        """Every setting but the name as plain data, by its whole name: training.lr, model.name, ...

        defaults: whether those at their default are among them.
        """
        given = self.model_dump(mode="json", exclude={"name"}, exclude_none=True, exclude_defaults=not defaults)
        fields = dict(_flat(given))
        chosen = {"model": self.model, "training.loss": self.training.loss}
        chosen |= {f"inputs.{name}": settings for name, settings in self.inputs.items()}
        for section, settings in chosen.items() if defaults else ():
            for name, value in settings.defaults().items():
                fields.setdefault(f"{section}.{name}", value)
        return fields

    def without_effect(self) -> list[str]:
        """Settings that do nothing beside others, which a recipe may well inherit: a line each, with the reason."""
        lines = []
        if self.split.fixed and self.split.seed is not None:
            lines.append(f"split.seed does nothing: with {self.split.name} every seed has the same split")
        if self.training.decayed and not self.training.weight_decay:
            lines.append("training.decayed does nothing: training.weight_decay is 0")
        return lines

    def groups_used(self) -> tuple[str, ...]:
        """The kinds of group that runs of the recipe depend on, and RATERS where they do on the raters' votes."""
        by_speaker = any(settings.normalisation == "speaker" for settings in self.inputs.values())
        by_votes = self.training.labels == "votes"
        return (*self.split.uses, *(["speaker"] if by_speaker else []), *([RATERS] if by_votes else []))

    @property
    def own(self) -> "Recipe | None":
        """What the file of the user's own, which it was loaded from, says without overrides; None for one of ours."""
        return self._own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()  # whatever file it is from

    def replaced(self, **sections: Any) -> "Recipe":
        """The recipe with other sections, checked anew."""
        return type(self).model_validate(self.model_dump() | sections)


def _flat(settings: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    for field, value in settings.items():
        if isinstance(value, dict) and field not in OF_ITS_LAYOUT:
            yield from _flat(value, f"{section}{field}.")
        else:
            yield section + field, value


def configs_folder() -> Path:
    """The folder of the recipes: `configs/` of a checkout, or its copy in an installed package."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else installed.parent.parent / "configs"


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    return tuple(sorted(path.stem for path in configs_folder().glob("*.yaml")))


def load_recipe(recipe: str, overrides: Sequence[tuple[str, Any]] = ()) -> Recipe:
    """The recipe of that name (or YAML file), with `(field, value)` overrides such as ("training.lr", "1e-4").

    Raises GlamError naming the file and field, what was given and what is allowed.
    """
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        path = configs_folder() / f"{recipe}.yaml"
        if recipe not in recipe_names():
            raise GlamError(
                f"there is no recipe {recipe!r}.{_other_recipes(recipe)}; one of your own is path/to/file.yaml"
            )
    settings = _read_recipe(path, ())
    settings["name"] = settings.get("name", path.stem)
    own = None
    if settings["name"] not in recipe_names():
        with suppress(GlamError):  # by itself, a file need not be complete
            own = checked(_located(deepcopy(settings), Path.cwd()), path.name)
    given: list[str] = []
    for field, value in overrides:
        _override(settings, field, value, given)
        given.append(field)
    made = checked(_located(settings, Path.cwd()), f"{path.name}" + (" with " + ", ".join(given) if given else ""))
    made._own = own
    return made


def corpus_settings(name: str, label_set: str = "", columns: Mapping[str, str] | None = None) -> CorpusSettings:
    """The settings of all of a corpus that is given by its name; GlamError where there is none of that name."""
    check_own_file(name)
    given = {"name": name, "label_set": label_set, "columns": dict(columns or {})}
    return checked(_located({CORPUS: given}, Path.cwd()), name).corpus


def _other_recipes(name: str) -> str:
    """The recipe that may be meant by a name that none has, or all of them."""
    hint = did_you_mean(name, recipe_names())
    return f"{hint} glam list shows all recipes" if hint else f" The recipes are {', '.join(recipe_names())}"


def checked(settings: Mapping[str, Any], source: str) -> Recipe:
    """The recipe that these plain settings make; GlamError naming `source` and each wrong field."""
    return _validated(settings, source, None)


def recorded(settings: Mapping[str, Any], source: str) -> Recipe:
    """The recipe that was stored with an experiment: read as it is, whether or not what it names is there."""
    return _validated(settings, source, {STORED: True})


def _validated(settings: Mapping[str, Any], source: str, context: dict[str, Any] | None) -> Recipe:
    try:
        return Recipe.model_validate(settings, context=context)
    except ValidationError as error:
        raise GlamError(f"{source}: " + explain(error, Recipe)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`section.field=value` as (field, value), the value read as YAML; GlamError where there is no `=`."""
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise GlamError(f"--set {short(text)[1:-1]}: expected section.field=value, for example --set training.lr=1e-4")
    try:
        return field.strip(), yaml.load(value, Loader=Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise GlamError(f"--set {field.strip()}: the value {short(value)} is not valid YAML") from None


CORPUS = "corpus"
# Fields that mean nothing in a corpus of another layout; each is given as a whole.
OF_ITS_LAYOUT = ("where", "labels", "label_set", "columns")
# Two ways to say the same: a recipe on top of another may choose the other way.
OTHER_WAY = {f"{part}_{way}": f"{part}_{other}" for part in PARTS for way, other in permutations(("hop", "overlap"))}


def _read_recipe(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """The settings of a recipe file, on top of those of the recipe that it extends."""
    settings = _located(read_mapping(path, "recipe"), path.resolve().parent)
    base = settings.pop("extends", None)
    if base is None:
        return settings
    if not isinstance(base, str):
        raise GlamError(f"{path}: extends is {short(base)}, expected the name or the path of a recipe")
    under = path.parent / base if base.endswith((".yaml", ".yml")) else configs_folder() / f"{base}.yaml"
    if not _is_file(under):
        raise GlamError(f"{path}: extends {short(base)}, but there is no such recipe.{_other_recipes(base)}")
    if under.resolve() in (path.resolve(), *below):
        raise GlamError(f"{path}: extends {base}, which extends it in turn")
    inherited = _read_recipe(under, (*below, path.resolve()))
    inherited.pop("name", None)
    return _merged(inherited, settings)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no disk takes
        return False


def _merged(base: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `base` with those of `more` on top; what is chosen by another name brings its own options."""
    merged = dict(base)
    if {"inputs", "model"} <= more.keys() and _name(more["model"]) not in (None, _name(base.get("model"))):
        more = {**more, "inputs": _inputs_of_another_model(base.get("inputs"), more["inputs"])}
        merged.pop("inputs", None)
    for field, value in more.items():
        merged.pop(OTHER_WAY.get(field, ""), None)
        here = merged.get(field)
        if isinstance(here, str) and isinstance(value, dict):  # chosen by its name alone
            here = {"name": here}
        if isinstance(here, dict) and field not in OF_ITS_LAYOUT:
            value = {"name": value} if isinstance(value, str) else value
            same = isinstance(value, dict) and value.get("name") in (None, here.get("name"))
            if isinstance(value, dict) and field == CORPUS:
                value = _merged(_of_layout(here, value.get("name")), value)
            elif isinstance(value, dict) and same:
                value = _merged(here, value)
        merged[field] = value
    return merged


def _inputs_of_another_model(base: Any, inputs: Any) -> Any:
    """The inputs that a recipe gives with another model: those alone, each on top of the base's of that name."""
    if not (isinstance(base, dict) and isinstance(inputs, dict)):
        return inputs
    return _merged({name: settings for name, settings in base.items() if name in inputs}, inputs)


def _name(choice: Any) -> Any:
    """The name by which something is chosen, alone or with options; None where none is given."""
    return choice.get("name") if isinstance(choice, dict) else choice


def _of_layout(corpus: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    """The settings of a corpus that another, of that name, can have too: all of them where the layout is the same."""
    own = corpus.get("name", "iemocap")
    same = name in (None, own) or (name in AS_RELEASED and own in AS_RELEASED)
    return {field: value for field, value in corpus.items() if same or field not in OF_ITS_LAYOUT}


def _located(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with files of the user's own (`mine.py:statistics`) by their whole path, seen from that folder."""

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return value | {"name": whole(value["name"])} if "name" in value else value
        path, colon, function = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if isinstance(value, str) and own_file(value):
            path, colon, function = value, "", ""
        elif not (colon and path.endswith(".py")):
            return value
        try:
            return f"{folder / Path(path).expanduser()}{colon}{function}"
        except RuntimeError as error:  # ~ without a home
            raise GlamError(f"{value}: {error}") from None

    located = dict(settings)
    for section in (CORPUS, "model"):
        if section in located:
            located[section] = whole(located[section])
    if isinstance(located.get("training"), dict) and "loss" in located["training"]:
        located["training"] = located["training"] | {"loss": whole(located["training"]["loss"])}
    if isinstance(located.get("inputs"), dict):
        located["inputs"] = {name: whole(value) for name, value in located["inputs"].items()}
    return located


def _override(settings: dict[str, Any], field: str, value: Any, given: Sequence[str]) -> None:
    """Set a field. given: those that were set before in the same way."""
    *sections, last = field.split(".")
    place = settings
    for section in sections:
        inner = place.get(section, {})
        if isinstance(inner, str):  # chosen by its name alone
            inner = {"name": inner}
        if not isinstance(inner, dict):
            raise GlamError(f"--set {field}: {section!r} is a value, not a section")
        place[section] = dict(inner)  # a section of a recipe that others may extend
        place = place[section]
    if last == "name" and sections == [CORPUS]:
        settings[CORPUS] = place = _of_layout(place, value)
    elif last == "name" and sections and place.get("name", value) != value:
        for option in [option for option in place if ".".join([*sections, option]) not in given]:
            del place[option]  # it was one of what was chosen before
    if ".".join([*sections, OTHER_WAY.get(last, "")]) not in given:
        place.pop(OTHER_WAY.get(last, ""), None)
    place[last] = value
