"""Weights saved by the released implementation, loaded into our models.

The release saves state dicts (`.pth`). Its names differ from ours, and it keeps one convolution per attention
head where we keep one for all heads; everything else is the same numbers in the same shapes.
"""

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glam.errors import GlamError
from glam.models import MODELS, ModelSettings, build

# What the release trains on: MFCC of 26 coefficients, segments of 1.8 s or 2 s.
SHAPES = ((26, 57), (26, 63))

# The release's layers and ours, put together as the models are: trunk, fusion, linear layer.
_STEMS = {
    "conv1a": "trunk.across_frequency.0",
    "bn1a": "trunk.across_frequency.1",
    "conv1b": "trunk.along_time.0",
    "bn1b": "trunk.along_time.1",
}
_MULTI_SCALE = (
    _STEMS
    | {
        f"conv{number}.{theirs}": f"trunk.layers.{layer}.{ours}"
        for number, layer in ((2, 0), (3, 2), (4, 4))
        for theirs, ours in (("conv3", "near"), ("conv5", "far"), ("bn", "norm"))
    }
    | {"conv5": "trunk.layers.5.0", "bn5": "trunk.layers.5.1"}
)
_SHALLOW = _STEMS | {
    f"{theirs}{number}": f"trunk.layers.{layer}.{ours}"
    for number, layer in ((2, 0), (3, 2), (4, 4), (5, 5))
    for theirs, ours in (("conv", 0), ("bn", 1))
}
_GLOBAL_AWARE = {"gmlp": "fusion.0.gmlp"}
_HEADS = {f"attention_{role}": f"fusion.0.{role}" for role in ("query", "key", "value")}
_POOLING = {"top_down": "fusion.top_down", "bottom_up": "fusion.bottom_up"}
_CLASSIFY = {"fc": "classify"}

LAYERS: dict[str, dict[str, str]] = {
    "glam": _MULTI_SCALE | _GLOBAL_AWARE | _CLASSIFY,
    "multi-scale": _MULTI_SCALE | _CLASSIFY,
    "multi-scale-mha": _MULTI_SCALE | _HEADS | _CLASSIFY,
    "multi-scale-aa": _MULTI_SCALE | _CLASSIFY,
    "apcnn": _SHALLOW | _POOLING,
    "mhcnn": _SHALLOW | _HEADS | _CLASSIFY,
    "aacnn": _SHALLOW | _CLASSIFY,
}


# The release has a convolution for each head, numbered: attention_query.0, attention_query.1, ...
_HEAD = re.compile(r"(?P<layer>.+)\.(?P<head>\d+)\.(?P<leaf>weight|bias)")


class Released(NamedTuple):
    """A released checkpoint as a model of ours, and what `build` was told to make it.

    The shape is one that fits: a few lengths of features share a map size, and APCNN and MHCNN take any.
    """

    model: nn.Module
    name: str
    classes: int
    shape: tuple[int, int]
    options: dict[str, int]


def load_released(
    source: Path | str | Mapping[str, NDArray[np.generic] | Tensor],
    name: str | None = None,
    shape: tuple[int, int] | None = None,
) -> Released:
    """The model whose weights the released implementation saved, in evaluation mode.

    Args:
        source: a `.pth` file of the release, read as weights only (no code in it is run), or the state dict
            itself: the release's names and arrays.
        name: which of LAYERS it is. Needed only where the tensors do not tell: those of Multi-scale and
            Multi-scale + AA are alike.
        shape: (F, T) of the features it was trained on. Left out, it is the first of SHAPES that fits.

    Raises GlamError, in one line, if the file is no state dict, holds anything but tensors, or does not fit.
    """
    try:
        if isinstance(source, Mapping):
            state = {key: _tensor(value) for key, value in source.items()}
        else:
            state = _read(Path(source))
        return _load(state, _recognise(state) if name is None else name, shape)
    except GlamError as error:
        where = "the state dict" if isinstance(source, Mapping) else source
        raise GlamError(f"Cannot load {where} as a released checkpoint: {error}") from None


def translate(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """A released state dict of that model under our names, the heads of an attention in one tensor.

    Raises GlamError for a tensor that the released model does not have.
    """
    weights: dict[str, Tensor] = {}
    heads: dict[str, dict[int, Tensor]] = {}
    for key, tensor in state.items():
        ours = _our_name(key, name)
        if ours is None:
            raise GlamError(f"tensor {key!r} belongs to no layer of a released {name}.")
        head = _HEAD.fullmatch(ours) if "attention_" in key else None
        if head is None:
            weights[ours] = tensor
        else:
            heads.setdefault(f"{head['layer']}.{head['leaf']}", {})[int(head["head"])] = tensor
    for ours, parts in heads.items():
        if len({part.shape for part in parts.values()}) > 1:
            raise GlamError(f"the heads of {ours!r} differ in size.")
        weights[ours] = torch.cat([parts[number] for number in sorted(parts)])
    return weights


def _tensor(value: NDArray[np.generic] | Tensor) -> Tensor:
    return value.detach().cpu() if isinstance(value, Tensor) else torch.tensor(np.asarray(value))


def _our_name(key: str, name: str) -> str | None:
    """Our name of a released tensor, None if that model has no such layer."""
    for theirs, ours in LAYERS[name].items():
        if key.startswith(f"{theirs}."):
            return ours + key.removeprefix(theirs)
    return None


def _recognise(state: Mapping[str, Tensor]) -> str:
    """The model whose layers are exactly those of the state dict."""
    fits = [
        name
        for name, layers in LAYERS.items()
        if all(_our_name(key, name) for key in state)
        and all(any(key.startswith(f"{layer}.") for key in state) for layer in layers)
    ]
    if not state:
        raise GlamError("it holds no tensors.")
    if not fits:
        some = ", ".join(list(state)[:4])
        raise GlamError(f"its {len(state)} tensors ({some}, ...) are those of no released model.")
    if len(fits) > 1:
        raise GlamError(f"its tensors fit {' and '.join(fits)} alike: say which, with name=.")
    return fits[0]


def _load(state: Mapping[str, Tensor], name: str, shape: tuple[int, int] | None) -> Released:
    """The model of that name with these released weights."""
    if name not in LAYERS:
        what = "the release has no" if name in MODELS else "there is no model"
        raise GlamError(f"{what} {name}; the release has {', '.join(LAYERS)}.")
    weights = translate(state, name)
    decision = "top_down.bias" if name == "apcnn" else "fc.bias"
    if decision not in state:
        raise GlamError(f"it has no tensor {decision!r}, which a released {name} has.")
    classes = state[decision].numel()
    options: dict[str, int] = {}
    if "attention_query" in LAYERS[name]:
        sizes = [tensor.numel() for key, tensor in state.items() if re.fullmatch(r"attention_query\.\d+\.bias", key)]
        if not sizes:
            raise GlamError(f"it has no tensor 'attention_query.0.bias', which a released {name} has.")
        options = {"heads": len(sizes), "hidden": sizes[0]}
    misfits = []
    for candidate in SHAPES if shape is None else (shape,):
        with torch.random.fork_rng(devices=[]):  # the draws of weights that are replaced at once
            model = build(ModelSettings.model_validate({"name": name, **options}), classes, {"audio": candidate})
        misfit = _misfit(weights, model)
        if misfit is None:
            model.load_state_dict(weights)
            return Released(model.eval(), name, classes, candidate, options)
        misfits.append(f"for features of shape {candidate}, {misfit}")
    raise GlamError(f"it is no {name} {'; '.join(misfits)}. Give shape=(F, T) if it was trained on others.")


def _misfit(weights: Mapping[str, Tensor], model: nn.Module) -> str | None:
    """The first thing that keeps the weights from being loaded into the model, None if they fit."""
    expected = model.state_dict()
    for key, tensor in expected.items():
        if key not in weights:
            return f"{key} is missing"
        if weights[key].shape != tensor.shape:
            return f"{key} would be {tuple(tensor.shape)} and is {tuple(weights[key].shape)}"
    for key in weights:
        if key not in expected:
            return f"{key} is not expected"
    return None


def _check_zip(data: bytes) -> None:
    """GlamError where an entry of a zip, torch's format since 1.6, is not what was written: torch does not look."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except Exception as error:  # whatever damage provokes in the reader
        raise GlamError(f"it is damaged ({type(error).__name__}).") from None
    if damaged is not None:
        raise GlamError(f"it is damaged: {damaged} in it is not what was written.")


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.pth` file; no code in it is run."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GlamError(f"{error.strerror}.") from None
    _check_zip(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of a file that is refused below
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise GlamError(
            "it is damaged, or holds more than tensors (which takes running code); expected a state dict."
        ) from None
    except Exception as error:  # whatever a file of another kind, or a damaged one, provokes in the reader
        raise GlamError(f"it is no file of torch.save, or damaged ({type(error).__name__}).") from None
    if not isinstance(content, dict):
        raise GlamError(f"it holds a {type(content).__name__}; expected a state dict.")
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            kind = type(value).__name__
            raise GlamError(f"its entry {key!r} is of type {kind}; expected a state dict of named tensors.")
    return content
