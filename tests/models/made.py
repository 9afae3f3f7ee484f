"""Models by name, for tests that know the shape of their one input."""

from typing import Any

from glam.models import ModelSettings, build

# Those of the GLAM paper, which take segments of any size and are in its release.
RELEASED = (
    "glam",
    "multi-scale",
    "multi-scale-mha",
    "multi-scale-aa",
    "apcnn",
    "mhcnn",
    "aacnn",
    "aacnn-original",
)

OF_MAPS = (*RELEASED, "glrf", "light-sernet")  # those of several runs side by side, on segments of any size


def made(name: str, classes: int, shape: tuple[int, ...], **options: Any) -> Any:
    """The model of that name, with these options. Its layers are not declared, and so it is of any type."""
    return build(ModelSettings.model_validate({"name": name, **options}), classes, {"audio": shape})


def takes(name: str, option: str) -> bool:
    """Whether the model of that name has the option."""
    return option in ModelSettings(name=name).source().signature().options


def without_dropout(name: str) -> dict[str, Any]:
    """The options that make the model drop nothing."""
    return {"dropout": 0.0} if takes(name, "dropout") else {}
