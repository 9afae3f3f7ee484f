"""The models by name. Importing this package does not import torch; building a model does.

A model is one function (classes, <its inputs>, *, <its options>) -> module, and one line below. Its positional
parameters are the inputs that it wants, given the shape of a row of each; one with a default can be done without. The
module takes the inputs in that order and gives logits (rows, classes).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

from glam.errors import GlamError
from glam.named import Chosen, in_file

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]

MODELS: dict[str, str] = {
    "glam": "glam.models.architectures:glam",
    "multi-scale": "glam.models.architectures:multi_scale",
    "multi-scale-mha": "glam.models.architectures:multi_scale_mha",
    "multi-scale-aa": "glam.models.architectures:multi_scale_aa",
    "apcnn": "glam.models.architectures:apcnn",
    "mhcnn": "glam.models.architectures:mhcnn",
    "aacnn": "glam.models.architectures:aacnn",
    "aacnn-original": "glam.models.architectures:aacnn_original",
    "glrf": "glam.models.glrf:glrf",
    "light-sernet": "glam.models.light_sernet:light_sernet",
    "deep-cnn": "glam.models.deep_cnn:deep_cnn",
    "drn-mhsa": "glam.models.drn_mhsa:drn_mhsa",
    "mscnn-spu": "glam.models.mscnn:mscnn_spu",
    "mscnn-spu-att": "glam.models.mscnn:mscnn_spu_att",
    "audio-cnn": "glam.models.mscnn:audio_cnn",
    "text-cnn": "glam.models.mscnn:text_cnn",
}


class ModelSettings(Chosen):
    """A model by name, with its options."""

    kind: ClassVar[str] = "model"
    ours: ClassVar[Mapping[str, str]] = MODELS

    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that the model takes, in order: its positional parameters after the classes."""
        return self.source().signature().positional[1:]

    def taken(self, present: Collection[str]) -> tuple[str, ...]:
        """Names of its inputs that are present, in order."""
        return tuple(name for name in self.inputs() if name in present)

    def optional_inputs(self) -> frozenset[str]:
        """The inputs that the model can do without."""
        return self.source().signature().optional


def build(model: ModelSettings, classes: int, shapes: Mapping[str, Shape]) -> nn.Module:
    """The model with initial weights drawn from torch's global generator.

    classes: number of classes. shapes: of a row of each input, by name. Raises GlamError where the model cannot be
    made so: an option has a wrong value, an input is missing or of another shape, what is made is no module.
    """
    import torch

    function = model.source().load()
    given = [shapes.get(name) for name in model.inputs()]
    try:
        network = function(classes, *given, **model.options())
    except GlamError:
        raise
    except Exception as error:
        raise GlamError(f"the model {model.title} cannot be made: {in_file(error, model.own_file)}") from None
    if not isinstance(network, torch.nn.Module):
        raise GlamError(f"the model {model.title} makes {type(network).__name__}; expected a torch.nn.Module")
    return network


def check_shape(model: ModelSettings, classes: int, shapes: Mapping[str, Shape], lengths: frozenset[str]) -> None:
    """GlamError where the model cannot take rows of these shapes, or gives no logits (rows, classes).

    lengths: the inputs whose rows are padded, so that their lengths follow them. Found out by giving the model two rows
    of zeros, before anything long begins.
    """
    import torch

    described = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
    with torch.random.fork_rng(devices=[]), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about layers without weights, which are refused below
        network = build(model, classes, shapes).eval()
        rows: list[torch.Tensor] = []
        for name in model.inputs():
            if name in shapes:
                rows.append(torch.zeros(2, *shapes[name]))
                rows += [torch.ones(2, dtype=torch.int64)] if name in lengths else []  # within any row
        try:
            logits = network(*rows)
        except Exception as error:
            raise GlamError(
                f"the model {model.title} cannot take rows of {described}: {in_file(error, model.own_file)}. "
                "Choose a greater cut.length, another input, or mend the model."
            ) from None
    shape = tuple(getattr(logits, "shape", ()))
    if shape != (2, classes):
        raise GlamError(
            f"the model {model.title} gives {shape or type(logits).__name__} for two rows of {described}; "
            f"expected logits (2, {classes})"
        )
