"""A trained model in one file that says of itself what it is: it is rebuilt without the experiment it came from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.inputs.inputs import Input
from glam.models import build
from glam.recipe import Recipe, recorded
from glam.results.upgrade import recipe as upgraded_recipe
from glam.running.own_code import only_given
from glam.splits.runs import RunKey

if TYPE_CHECKING:
    from torch import Tensor

    from glam.learning.losses import Activation
    from glam.learning.objective import Objective

FORMAT = "2"


@dataclass(frozen=True, eq=False)
class SavedModel:
    """The model of a run: recipe, shapes of its inputs' rows, weights of entrances and network.

    epoch: whose weights these are, from 1. remembered: by input, what its rows are made with (a vocabulary).
    """

    recipe: Recipe
    shapes: Mapping[str, tuple[int, ...]]
    seed: int
    epoch: int
    objective: "Objective"
    remembered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def input(self, name: str) -> Input:
        """The input of that name, with what is remembered of it; GlamError where it is of a file that is not there."""
        return _recalled(self.recipe, name, self.remembered)

    @cached_property
    def needs(self) -> Mapping[str, str]:
        """What each input is computed of: a recording, words, a vector."""
        return {name: settings.make().needs for name, settings in self.recipe.inputs.items()}

    def check_sound_alone(self, path: Path) -> None:
        """GlamError where some input is computed of more than the sound. path: of the model, for the message."""
        if beside := [name for name, needs in self.needs.items() if needs != "recording"]:
            kinds = ", ".join(f"{name} ({self.recipe.inputs[name].title})" for name in beside)
            raise GlamError(
                f"{path}: the model takes {kinds} beside the sound or in its place; this is only for models whose "
                "inputs are all computed of the sound (glam predict asks all of them)"
            )

    @cached_property
    def activation(self) -> "Activation":
        """The function that turns logits into probabilities where segments are averaged as such."""
        if self.recipe.evaluation.average == "logits":
            return "softmax"
        from glam.learning.losses import activation_of, loss_of

        return activation_of(loss_of(self.recipe.training.loss, self.recipe.corpus.classes))

    def embed(self, inputs: "Mapping[str, Tensor]") -> NDArray[np.float32]:
        """The last hidden layer (rows, D) of rows; GlamError where the model has none."""
        if not hasattr(self.objective.network, "embed"):
            raise GlamError(f"the model {self.recipe.model.title} has no `embed`, which gives its last hidden layer")
        import torch

        with torch.inference_mode():
            hidden: NDArray[np.float32] = self.objective.embed(inputs).float().cpu().numpy()
        return hidden

    def logits(self, inputs: "Mapping[str, Tensor]") -> NDArray[np.float32]:
        """The logits (rows, C) of rows."""
        import torch

        with torch.inference_mode():
            logits: NDArray[np.float32] = self.objective.logits(inputs).cpu().numpy()
        return logits


def pack_model(
    weights: "Mapping[str, Tensor]",
    recipe: Recipe,
    shapes: Mapping[str, tuple[int, ...]],
    run: RunKey,
    epoch: int,
    inputs: Mapping[str, Input] | None = None,
) -> bytes:
    """The content of the file of a model. weights: by name, as learner.weights gives them. epoch: from 1.

    inputs: those that looked through the corpus; what they remember goes along.
    """
    meta = {
        "format": FORMAT,
        "recipe": recipe.model_dump_json(),
        "shapes": json.dumps({name: list(shape) for name, shape in shapes.items()}),
        "seed": str(run.seed),
        "epoch": str(epoch),
    }
    remembered = {name: kept for name, made in (inputs or {}).items() if (kept := made.remembered())}
    if remembered:
        meta["remembered"] = json.dumps(remembered)
    from safetensors.torch import save

    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("loss.")}  # which nobody asks
    # Copies: safetensors take no tensors that share their memory, as a model's of tied weights do.
    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in kept.items()}, meta)


def load_model(path: Path, code: Sequence[Path] | None = None) -> SavedModel:
    """The model of that file, in evaluation mode on the CPU.

    code: files of one's own that may be run, as the model was made with them; None to run those that were recorded,
    where they lie (for a run of the user's).
    Raises GlamError where the file is no such model, is damaged, or names a model of the user's own that is not there.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            meta = dict(file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        recipe, shapes, weights = _described(path, meta, weights)
        remembered: dict[str, dict[str, Any]] = json.loads(meta.get("remembered", "{}"))
        recipe = recipe if code is None else only_given(recipe, code, path)
        try:
            objective = _objective(recipe, shapes, weights, remembered)
        except GlamError as error:
            raise GlamError(f"{path}: {error}") from None
        objective.load_state_dict(weights)
        return SavedModel(recipe, shapes, int(meta["seed"]), int(meta["epoch"]), objective.eval(), remembered)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        what = " ".join(str(error).split())
        raise GlamError(f"{path}: is no saved model, or damaged ({type(error).__name__}: {what[:200]})") from None


def _described(
    path: Path, meta: Mapping[str, str], weights: "dict[str, Tensor]"
) -> tuple[Recipe, dict[str, tuple[int, ...]], "dict[str, Tensor]"]:
    """Recipe, shapes and weights as they are now, of a model of this format or the one before."""
    settings: dict[str, Any] = json.loads(meta["recipe"])
    if meta.get("format") == FORMAT:
        shapes = {name: tuple(int(n) for n in shape) for name, shape in json.loads(meta["shapes"]).items()}
        return recorded(settings, str(path)), shapes, weights
    recipe = recorded(upgraded_recipe(settings), str(path))
    if any(settings.normalisation != "none" for settings in recipe.inputs.values()):
        raise GlamError(f"{path}: was saved without the normalisation that it was trained with (format 1)")
    frequencies, frames = (int(n) for n in meta["shape"].split(","))
    return recipe, {"audio": (frequencies, frames)}, {f"network.{name}": t for name, t in weights.items()}


def _objective(
    recipe: Recipe,
    shapes: Mapping[str, tuple[int, ...]],
    weights: "Mapping[str, Tensor]",
    remembered: Mapping[str, Mapping[str, Any]],
) -> "Objective":
    import torch
    from torch import nn

    from glam.learning.objective import Objective

    recipe.model.check_file()
    entrances: dict[str, nn.Module] = {}
    entered = dict(shapes)
    for name, settings in recipe.inputs.items():
        prefix = f"entrances.{name}."
        state = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
        if not state and settings.normalisation == "none" and name not in remembered:
            continue
        made = _recalled(recipe, name, remembered)
        entered[name] = made.entered(shapes[name])
        if state or settings.normalisation != "none":
            entrances[name] = made.restored(state, shapes[name])
    with torch.random.fork_rng(devices=[]):  # the draws of weights that are replaced at once
        network = build(recipe.model, len(recipe.corpus.classes), entered)
    asked = nn.Identity()  # a model that is asked, not trained, needs no loss
    return Objective(network, asked, recipe.model.taken(shapes), entrances, recipe.training.precision)


def _recalled(recipe: Recipe, name: str, remembered: Mapping[str, Mapping[str, Any]]) -> Input:
    settings = recipe.inputs[name]
    settings.check_file()
    made = settings.make()
    made.recall(remembered.get(name, {}))
    return made


def of_anybody(inputs: "Mapping[str, Tensor]", model: SavedModel) -> "dict[str, Tensor]":
    """The inputs of a speaker unknown to the model: standardised, where that is by speaker, as all are together."""
    import torch

    from glam.learning.column import GROUP
    from glam.models.entrances import Standardise

    more = {}
    for name, entrance in model.objective.entrances.items():
        if model.recipe.inputs[name].normalisation == "speaker" and isinstance(entrance, Standardise):
            rows = inputs[name]
            more[name + GROUP] = torch.full((rows.shape[0],), len(entrance.mean) - 1, device=rows.device)
    return {**inputs, **more}
