"""The figures of an epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One epoch: learning rate, mean training loss, seconds of training and of evaluation."""

    lr: float
    loss: float
    train_seconds: float
    evaluation_seconds: float
