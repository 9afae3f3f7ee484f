"""Deep-CNN (Issa et al. 2020): convolutions along a vector of statistics of a recording.

The paper was not at hand; the layers are those of public code that names it, with Keras's defaults (keras.py):
convolutions without padding.
"""

from torch import Tensor, nn

from glam.models import Shape
from glam.models.dropout import Dropout
from glam.models.keras import EPS, MOMENTUM, draw_as_keras
from glam.models.row_norm import RowNorm

KERNEL, POOL = 5, 8


def deep_cnn(classes: int, statistics: Shape, *, dropout: float = 0.2) -> "DeepCnn":
    """Deep-CNN for rows of so many statistics, 193 in the paper.

    Args:
        classes: number of classes.
        statistics: (D,) of a row.
        dropout: in three places, active in training.

    Raises ValueError for a dropout outside [0, 1), and for rows too short for the layers.
    """
    (values,) = statistics
    positions = (values - 2 * (KERNEL - 1)) // POOL - 4 * (KERNEL - 1)
    if positions < 1:
        least = 2 * (KERNEL - 1) + POOL * (4 * (KERNEL - 1) + 1)
        raise ValueError(f"rows have {values} statistics, expected {least} or more")
    return DeepCnn(classes, positions, dropout)


class DeepCnn(nn.Module):
    """Six convolutions, flattened, dropout, and a linear layer to the classes, whose logits are normalised too."""

    def __init__(self, classes: int, positions: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 256, KERNEL),
            _norm(256),
            nn.ReLU(),
            nn.Conv1d(256, 128, KERNEL),
            nn.ReLU(),
            Dropout(dropout, 0),
            _norm(128),
            nn.MaxPool1d(POOL),
            nn.Conv1d(128, 128, KERNEL),
            nn.ReLU(),
            nn.Conv1d(128, 128, KERNEL),
            nn.ReLU(),
            nn.Conv1d(128, 128, KERNEL),
            _norm(128),
            nn.ReLU(),
            Dropout(dropout, 1),
            nn.Conv1d(128, 128, KERNEL),
            nn.Flatten(),
            Dropout(dropout, 2),
        )
        self.classify = nn.Sequential(nn.Linear(128 * positions, classes), RowNorm(classes, EPS, MOMENTUM))
        draw_as_keras(self)

    def embed(self, x: Tensor) -> Tensor:
        """The last convolution's map, flattened, after dropout: (rows, 128 * positions)."""
        hidden: Tensor = self.layers(x.unsqueeze(1))
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Logits (rows, classes) of statistics (rows, D).

        A training batch of one row is normalised with the running statistics of the logits (row_norm.py).
        """
        logits: Tensor = self.classify(self.embed(x))
        return logits


def _norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, EPS, MOMENTUM)
