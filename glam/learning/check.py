"""A check that model, loss and the shapes of the inputs fit together: made on rows of zeros, before long work."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from glam.errors import GlamError
from glam.learning.batch import Step, noise, rows_like
from glam.learning.course import initial_objective
from glam.learning.losses import loss_of
from glam.learning.pack import Pack
from glam.learning.settings import ByUtterances, TrainingSettings
from glam.models import ModelSettings, Shape, check_shape
from glam.named import in_file

ROWS = 6  # of three utterances
SHOWN = 8  # names of parameters in a message


def check(
    model: ModelSettings,
    training: TrainingSettings,
    classes: tuple[str, ...],
    shapes: Mapping[str, Shape],
    whole: bool,
    lengths: frozenset[str] = frozenset(),
) -> None:
    """GlamError, naming what disagrees, where training could not begin.

    shapes: of a row of each input, as the network sees it. whole: whether rows are whole utterances. lengths: the
    inputs whose rows are padded, so that lengths go beside.
    """
    check_shape(model, len(classes), shapes, lengths)
    settings = training.loss
    try:
        loss = loss_of(settings, classes)
    except Exception as error:
        raise GlamError(f"training.loss {settings.title}: {in_file(error, settings.own_file)}") from None
    if getattr(loss, "whole_utterances", False) and not whole and not isinstance(training.batches, ByUtterances):
        raise GlamError(
            f"training.loss and training.batches disagree: {settings.title} looks at all segments of an utterance, and "
            "batches are of segments; set training.batches to utterances"
        )
    if training.labels == "votes" and not getattr(loss, "distributions", False):
        raise GlamError(
            f"training.labels and training.loss disagree: {settings.title} takes the class of each row, not how votes "
            "are distributed over the classes; set training.labels to hard, or training.loss to cross-entropy"
        )
    _check_loss(settings.title, loss, len(classes), settings.own_file, training.labels == "votes")
    if training.decayed:
        objective = initial_objective(model, training, classes, shapes, seed=0)
        names = [name.removeprefix("network.") for name, _ in objective.named_parameters()]
        _check_decayed(training.decayed, names, model.title)


def not_packable(
    model: ModelSettings,
    training: TrainingSettings,
    classes: tuple[str, ...],
    shapes: Mapping[str, Shape],
    lengths: frozenset[str] = frozenset(),
) -> str:
    """The reason why runs cannot be trained as one pack; empty where they can. For the parameters see `check`."""
    if isinstance(training.batches, ByUtterances):
        return "batches of whole utterances differ in size"
    objective = initial_objective(model, training, classes, shapes, seed=0)
    for module in objective.network.modules():
        if isinstance(module, torch.nn.RNNBase):  # whatever the device of this check makes of it
            return f"the model {model.title} cannot be mapped over runs (it has a layer {type(module).__name__})"
    votes = training.labels == "votes"
    batch = noise(2, rows_like(shapes, lengths), len(classes), training.alpha > 0, "cpu", votes)
    try:
        with warnings.catch_warnings():
            # What has no rule for several runs, torch computes for one after another, with a warning.
            warnings.filterwarnings("error", message="There is a performance drop")
            Pack(objective, training, 2, torch.device("cpu")).gradients([Step(batch, 1e-4)] * 2)
    except Exception as error:
        return f"the model {model.title} cannot be mapped over runs ({type(error).__name__})"
    return ""


def _check_decayed(decayed: Sequence[str], parameters: Sequence[str], title: str) -> None:
    """GlamError where one of these beginnings of names is of no parameter; those of entrances are not known here."""
    unknown = [prefix for prefix in decayed if not any(name.startswith(prefix) for name in parameters)]
    if other := [prefix for prefix in unknown if not prefix.startswith("entrances")]:
        raise GlamError(
            f"training.decayed: the name of no parameter of the model {title} begins with {other[0]!r}; they are "
            f"{', '.join(parameters[:SHOWN])}{', ...' if len(parameters) > SHOWN else ''}"
        )


def _check_loss(title: str, loss: torch.nn.Module, classes: int, path: Path | None, votes: bool) -> None:
    logits = torch.zeros(ROWS, classes, requires_grad=True)
    group = torch.arange(ROWS) // 2
    target = torch.eye(classes)[group % classes] if votes else group % classes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = loss(logits, target, group)
    except Exception as error:
        given = f", given distributions ({ROWS}, {classes}) for training.labels votes" if votes else ""
        raise GlamError(f"training.loss {title}{given}: {in_file(error, path)}") from None
    if not isinstance(value, torch.Tensor) or value.shape != () or not value.requires_grad:
        what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise GlamError(
            f"training.loss {title} gives {what} for logits ({ROWS}, {classes}); expected a scalar that depends on them"
        )
