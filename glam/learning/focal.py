"""Focal loss: cross-entropy that counts less where the model is already right."""

import torch
from torch import Tensor, nn


class Focal(nn.Module):
    """The mean over rows of (1 - p)^gamma times -ln p, p the softmax probability of the row's class.

    As in Light-SERNet's release, whose gamma is 2; gamma 0 is cross-entropy.

    Raises ValueError for a negative gamma.
    """

    activation = "softmax"
    whole_utterances = False

    def __init__(self, *, gamma: float = 2.0) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma is {gamma}, expected 0 or more")
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """The loss (), of logits (rows, C), classes (rows,) int64 and the rows' utterances (rows,) int64, unused."""
        log_p = logits.log_softmax(dim=1).gather(1, target.unsqueeze(1))
        # A gamma below 1 has no gradient at p = 1; just above it has, and the term's own zero makes it vanish.
        rest = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)
        return (rest**self.gamma * -log_p).mean()
