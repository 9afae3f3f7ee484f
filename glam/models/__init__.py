"""The models by name. Importing this package does not import torch; building a model does.

A model is one function (classes, shape, **options) -> module and one line in each of the two tables below.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from glam.errors import GlamError
from glam.settings import Settings

if TYPE_CHECKING:
    from torch import nn

MODELS: dict[str, str] = {
    "glam": "glam.models.architectures:glam",
    "multi-scale": "glam.models.architectures:multi_scale",
    "multi-scale-mha": "glam.models.architectures:multi_scale_mha",
    "multi-scale-aa": "glam.models.architectures:multi_scale_aa",
    "apcnn": "glam.models.architectures:apcnn",
    "mhcnn": "glam.models.architectures:mhcnn",
    "aacnn": "glam.models.architectures:aacnn",
    "aacnn-original": "glam.models.architectures:aacnn_original",
}

# The options a model takes and their defaults: here as well as in the function's signature, so that settings
# are checked without importing torch.
OPTIONS: dict[str, dict[str, int | float | bool]] = {
    "multi-scale-mha": {"heads": 4, "hidden": 64},
    "multi-scale-aa": {"dropout": 0.5},
    "mhcnn": {"heads": 4, "hidden": 64},
    "aacnn": {"dropout": 0.5},
    "aacnn-original": {"dropout": 0.5, "dropout_at_test": False},
}


def check_name(name: str) -> str:
    """The name itself, if there is such a model; GlamError with the list of models otherwise."""
    if name not in MODELS:
        raise GlamError(f"There is no model {name!r}. The models are: {', '.join(MODELS)}.")
    return name


def check_options(name: str, options: dict[str, int | float | bool]) -> None:
    """GlamError with the options that the model takes, if it does not take all of these."""
    taken = OPTIONS.get(name, {})
    unknown = [option for option in options if option not in taken]
    if unknown:
        allowed = f"Its options are: {', '.join(taken)}." if taken else "It takes no options."
        raise GlamError(f"Model {name!r} does not take {', '.join(map(repr, unknown))}. {allowed}")


def build(name: str, classes: int, shape: tuple[int, int], **options: int | float | bool) -> nn.Module:
    """The model of that name, its initial weights drawn from torch's global generator.

    Args:
        name: one of MODELS.
        classes: number of classes.
        shape: (F, T) of the features: frequencies (coefficients) and frames.
        options: what the model takes besides, see OPTIONS.

    Returns a module from features (batch, 1, F, T) to logits (batch, classes), whose `embed` gives the last
    hidden layer (batch, features). Raises GlamError for an unknown name or option.
    """
    module, function = MODELS[check_name(name)].split(":")
    check_options(name, options)
    model: nn.Module = getattr(import_module(module), function)(classes, shape, **options)
    return model


class ModelSettings(Settings):
    """Which model, and its options; None is the model's own default.

    An option given at its default becomes None too: writing a default out does not make another experiment.
    """

    name: str = "glam"
    heads: int | None = Field(default=None, ge=1, le=1024, description="attention heads (the release's --head)")
    hidden: int | None = Field(default=None, ge=1, le=4096, description="channels of a head (--attn_hidden)")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout on the attention weights")
    dropout_at_test: bool | None = Field(default=None, description="dropout stays active in evaluation")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return check_name(name)
        except GlamError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _taken(self) -> Self:
        try:
            check_options(self.name, self.options())
        except GlamError as error:
            raise ValueError(str(error)) from None
        for option, value in OPTIONS.get(self.name, {}).items():
            if getattr(self, option) == value:
                object.__setattr__(self, option, None)
        return self

    def options(self) -> dict[str, int | float | bool]:
        """The options given, as `build` takes them."""
        return self.model_dump(exclude={"name"}, exclude_none=True)


def check_shape(model: ModelSettings, classes: int, shape: tuple[int, int]) -> None:
    """GlamError where the model cannot take features of that shape (F, T), or gives no logits (batch, classes).

    Found out by giving it two segments of zeros, before anything long begins.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about layers without weights, which are refused below
        try:
            found = tuple(build(model.name, classes, shape, **model.options()).eval()(torch.zeros(2, 1, *shape)).shape)
        except (RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise GlamError(
                f"the model {model.name} cannot take features of {shape[0]} x {shape[1]} (frequencies x frames; "
                f"{' '.join(str(error).split())}): choose a greater segments.length or features.coefficients"
            ) from None
    if found != (2, classes):
        raise GlamError(f"the model {model.name} gives {found} for two segments, expected logits (2, {classes})")
