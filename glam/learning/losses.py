"""The losses: modules (logits, target, group) -> the scalar that a step descends.

logits: (rows, C). target: (rows,) int64, the class of each row's utterance. group: (rows,) int64, the number of each
row's utterance within the batch, from 0; a loss over whole utterances needs it, cross-entropy does not.

A loss says how its logits become probabilities (`activation`), whether a batch must hold whole utterances, and with
`distributions` that it also takes the target as (rows, C) float32, a distribution over the classes for each row (which
training.labels votes wants). One of the user's own is such a class, or a plain function of the three with keyword-only
options.
"""

from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glam.learning.settings import LossSettings

Activation = Literal["softmax", "sigmoid"]


class Loss(Protocol):
    """A loss, as a run uses it."""

    activation: Activation
    whole_utterances: bool

    def __call__(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""


class CrossEntropy(nn.Module):
    """Mean cross-entropy (section 4.1), each class weighted by its entry of weight (C,) if given.

    Of distributions y: the sum over rows and classes of weight * y * -ln p, divided by that of weight * y, so that
    distributions that are certain give what their classes do.
    """

    activation: Activation = "softmax"
    whole_utterances = False
    distributions = True
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """See Loss; target may be (rows, C) float32, too."""
        if target.is_floating_point():
            share = target if self.weight is None else target * self.weight
            return -(share * logits.log_softmax(dim=1)).sum() / share.sum()
        return F.cross_entropy(logits, target, weight=self.weight)


class OwnFunction(nn.Module):
    """A function (logits, target, group, **options) of the user's as a loss."""

    activation: Activation = "softmax"
    whole_utterances = False
    distributions = True  # found out by trying it

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """See Loss."""
        loss: Tensor = self.function(logits, target, group, **self.options)
        return loss


def loss_of(settings: LossSettings, classes: tuple[str, ...], weight: Tensor | None = None) -> nn.Module:
    """The loss that settings name.

    classes: names, by index, for a loss that wants them. weight: (C,) class weights, which cross-entropy alone takes.
    Raises ValueError where an option has a value that the loss does not take.
    """
    made, positional = settings.source().load(), settings.source().signature().positional
    if not isinstance(made, type):
        return OwnFunction(made, settings.options())
    given = {"classes": classes, "weight": weight}
    module: nn.Module = made(*(given[name] for name in positional if name in given), **settings.options())
    return module


def activation_of(loss: nn.Module) -> Activation:
    """The function that turns the logits of a loss into probabilities."""
    return "sigmoid" if getattr(loss, "activation", "softmax") == "sigmoid" else "softmax"


def share_weights(targets: Tensor, classes: int) -> Tensor:
    """1 - the share of each class among these targets: (C,) float32 weights for `CrossEntropy`."""
    counts = torch.bincount(targets, minlength=classes).double()
    return (1 - counts / counts.sum()).float()
