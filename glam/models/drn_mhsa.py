"""DRN-MHSA, our reading: dilated residual convolutions, self-attention and an LSTM over time (Li et al. 2019).

Of the paper the abstract alone was at hand. The layers are those of public code that names it and leaves the attention
out; where the attention stands, and that it has a residual connection, is our choice. An LSTM cannot be mapped over
the runs of a pack.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from glam.models import Shape
from glam.models.self_attention import SelfAttention

WIDTH = 512  # of the attention and the LSTM


def drn_mhsa(classes: int, audio: Shape, *, heads: int = 4) -> "DrnMhsa":
    """DRN-MHSA, our reading, for features of shape (F, T), frequencies (coefficients) and frames.

    Args:
        classes: number of classes.
        audio: (F, T) of a row.
        heads: of attention.

    Raises ValueError for heads that do not divide 512, and for features of less than 4 frames.
    """
    coefficients, frames = audio
    if frames < 4:
        raise ValueError(f"the time is halved twice, which takes 4 frames or more; the features have {frames}")
    return DrnMhsa(classes, coefficients, heads)


class DrnMhsa(nn.Module):
    """Convolutions that quarter the time, attention, two layers of LSTM whose last state decides, dense layers."""

    def __init__(self, classes: int, coefficients: int, heads: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv1d(coefficients, 32, 10),
            nn.Conv1d(32, 64, 2, stride=2),
            ResidualBlock(64, kernel=5),
            ResidualBlock(64, kernel=5),
            nn.Conv1d(64, 128, 2, stride=2),
            ResidualBlock(128, kernel=5),
            ResidualBlock(128, kernel=5),
            nn.Conv1d(128, 256, 1),
            ResidualBlock(256, kernel=3, dilation=2),
            ResidualBlock(256, kernel=3, dilation=2),
            nn.Conv1d(256, WIDTH, 1),
            ResidualBlock(WIDTH, kernel=3, dilation=4),
            ResidualBlock(WIDTH, kernel=3, dilation=4),
        )
        self.attend = SelfAttention(WIDTH, heads)
        self.recur = nn.LSTM(WIDTH, WIDTH, num_layers=2, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(WIDTH, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU())
        self.classify = nn.Linear(200, classes)

    def embed(self, x: Tensor) -> Tensor:
        """The second dense layer: (rows, 200)."""
        steps = self.convolve(F.pad(x, (4, 5))).transpose(1, 2)  # the first kernel of 10 keeps the length
        states, _ = self.recur(steps + self.attend(steps))
        hidden: Tensor = self.dense(states[:, -1])
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Logits (rows, classes) of features (rows, F, T)."""
        logits: Tensor = self.classify(self.embed(x))
        return logits


class ResidualBlock(nn.Module):
    """Convolution, batch norm, ReLU, convolution, batch norm; the input is added, and a ReLU ends it."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(rows, channels, T) to (rows, channels, T)."""
        y: Tensor = x + self.layers(x)
        return y.relu()
