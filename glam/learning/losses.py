"""The losses: functions of (logits, target, group).

logits: (batch, C). target: (batch,) int64. group: (batch,) int64, which utterance each segment of the batch belongs
to; a loss over whole utterances needs it, cross-entropy does not.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(class_weights: Tensor | None = None) -> Loss:
    """Mean cross-entropy (section 4.1), each class weighted by its entry of class_weights (C,) if given."""

    def loss(logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, weight=class_weights)

    return loss


def share_weights(targets: Tensor, classes: int) -> Tensor:
    """1 - the share of each class among these targets: (C,) float32 weights for `cross_entropy`."""
    counts = torch.bincount(targets, minlength=classes).double()
    return (1 - counts / counts.sum()).float()
