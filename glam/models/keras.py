"""Habits of Keras that change numbers, for the models whose releases are written in it."""

from torch import nn

EPS, MOMENTUM = 1e-3, 0.01  # of batch norm; Keras counts the momentum as 0.99


def draw_as_keras(network: nn.Module) -> None:
    """Draw Glorot uniform weights for all convolutions and linear layers, in order; their biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
