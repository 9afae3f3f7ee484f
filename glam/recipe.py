"""A recipe: all scientific settings of an experiment, from a YAML file, the command line, or a stored run.

One file of `configs/` holds one model in one setting. `released` are the settings of the release's scripts,
`paper` those of section 4.1. Whatever the source, the same classes check every value.
"""

import difflib
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from glam.errors import GlamError
from glam.inputs.augmentation import AugmentationSettings
from glam.inputs.cut import SegmentSettings
from glam.inputs.spectral import FeatureSettings
from glam.learning.settings import EvaluationSettings, TrainingSettings
from glam.models import ModelSettings
from glam.settings import Settings
from glam.splits.population import RELEASED_LABELS, CorpusSettings
from glam.splits.splits import SplitSettings


class Recipe(Settings):
    """The settings of an experiment. Everything but the name is part of the experiment's identity."""

    name: str = Field("custom", min_length=1)
    corpus: CorpusSettings = CorpusSettings()
    features: FeatureSettings = FeatureSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    segments: SegmentSettings = SegmentSettings()
    split: SplitSettings = SplitSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _copies_are_of_mel_features(self) -> Self:
        if self.augmentation.vtlp_copies and self.features.kind not in ("mfcc", "melspectrogram"):
            raise ValueError(
                "augmentation.vtlp_copies warps the spectrum that mel filters meet: it goes with the kinds mfcc "
                f"and melspectrogram; features.kind is {self.features.kind}"
            )
        return self

    def scientific(self) -> dict[str, Any]:
        """What identifies the experiment: every setting that is not at its default, as plain data.

        Defaults are left out and never change without a new format version, so a new field orphans no run.
        """
        settings = self.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        # The order of the classes is their index, which neither a comparison of dicts nor sorted keys respect.
        settings.get("corpus", {}).pop("labels", None)
        labels = list(self.corpus.labels.items())
        if labels != list(RELEASED_LABELS.items()):
            settings.setdefault("corpus", {})["labels"] = [[name, list(made_of)] for name, made_of in labels]
        if not settings.get("corpus", True):
            del settings["corpus"]
        return settings


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
                f"there is no recipe {recipe!r}. The recipes are: {', '.join(recipe_names())}; "
                "or give the path of a YAML file (ending in .yaml)."
            )
    settings = _read_yaml(path)
    settings.setdefault("name", path.stem)
    given = []
    for field, value in overrides:
        _override(settings, field, value)
        given.append(field)
    return checked(settings, f"{path.name}" + (" with " + ", ".join(given) if given else ""))


def checked(settings: Mapping[str, Any], source: str) -> Recipe:
    """The recipe that these plain settings make; GlamError naming `source` and each wrong field."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise GlamError(f"{source}: " + _explain(error)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`section.field=value` as (field, value), the value read as YAML; GlamError where there is no `=`."""
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise GlamError(f"--set {_short(text)[1:-1]}: expected section.field=value, for example --set training.lr=1e-4")
    try:
        return field.strip(), yaml.load(value, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise GlamError(f"--set {field.strip()}: the value {_short(value)} is not valid YAML") from None


class _Loader(yaml.SafeLoader):
    """YAML as people expect it: 1e-4 is a number, only true and false are booleans, no field stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key!r} is not a word", key_node.start_mark
                )
            if key in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key!r} stands twice", key_node.start_mark
                )
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


_RESOLVED = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^(?:0|[-+]?[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise GlamError(f"{path}: there is no such recipe file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: cannot be read ({error})") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise GlamError(f"{path}: not a recipe in YAML: {detail[:300]}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise GlamError(f"{path}: expected sections with fields, found {type(settings).__name__}")
    return settings


def _override(settings: dict[str, Any], field: str, value: Any) -> None:
    *sections, last = field.split(".")
    place = settings
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise GlamError(f"--set {field}: {section!r} is a value, not a section")
        place = inner
    place[last] = value


def _explain(error: ValidationError) -> str:
    return "; ".join(_explain_one(dict(item)) for item in error.errors(include_url=False))


def _explain_one(item: dict[str, Any]) -> str:
    path = [str(part) for part in item["loc"]]
    field = ".".join(path) or "the recipe"
    if item["type"] == "extra_forbidden":
        allowed = _fields_at(path[:-1])
        near = difflib.get_close_matches(path[-1], allowed, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"there is no field {field}.{hint} Allowed here: {', '.join(allowed)}"
    if item["type"] == "value_error":
        return f"{field}: {item['ctx']['error']}"
    return f"{field}: given {_short(item['input'])}; {item['msg'][0].lower()}{item['msg'][1:]}"


def _short(value: object) -> str:
    """A value in a message: one line of bounded length, however large or nested the value is."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxstring, brief.maxother = 3, 80, 80
    return brief.repr(value)


def _fields_at(path: Sequence[str]) -> list[str]:
    here: type[BaseModel] = Recipe
    for part in path:
        annotation = here.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        here = annotation
    return list(here.model_fields)
