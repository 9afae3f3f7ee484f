"""Trunks: from features (batch, 1, F, T) to a map (batch, channels, F', T'), F frequency and T time.

The multi-scale trunk is the lower half of Figure 1 of the GLAM paper; the shallow one is what APCNN, MHCNN
and AACNN share. Every layer keeps PyTorch's default initialisation.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from glam.models.max_pool import MaxPool


class ConvNormReLU(nn.Sequential):
    """Convolution, batch norm, ReLU: the layer both trunks are made of."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        padding: tuple[int, int] | Literal["same"] = "same",
    ) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU())


class MultiScaleBlock(nn.Module):
    """The multi-scale block (GLAM paper, section 3.1; Figure 1, lower right panel).

    A 3x3 and a 5x5 convolution look at the same map side by side, each with a residual connection around it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, (3, 3), padding="same")
        self.far = nn.Conv2d(channels, channels, (5, 5), padding="same")
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c, F, T) to (batch, 2c, F, T): both scales, concatenated along channels."""
        both: Tensor = self.norm(torch.cat((x + self.near(x), x + self.far(x)), dim=1))
        return both.relu()


class MultiScale(nn.Module):
    """The multi-scale trunk of GLAM and its ablations (GLAM paper, section 3.1; Figure 1).

    Two stems of 16 channels, one across frequency and one along time, are concatenated along frequency.
    Three multi-scale blocks double the channels to 128, a 2x2 max-pool after the first and the second;
    a 5x5 convolution ends it.
    """

    channels = 128

    def __init__(self) -> None:
        super().__init__()
        self.across_frequency = ConvNormReLU(1, 16, (3, 1))
        self.along_time = ConvNormReLU(1, 16, (1, 3))
        self.layers = nn.Sequential(
            MultiScaleBlock(16),
            MaxPool(),
            MultiScaleBlock(32),
            MaxPool(),
            MultiScaleBlock(64),
            ConvNormReLU(128, 128, (5, 5)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, F, T) to (batch, 128, F//2, T//4)."""
        y: Tensor = self.layers(torch.cat((self.across_frequency(x), self.along_time(x)), dim=2))
        return y

    def map_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(F', T') of the map made from features of shape (F, T)."""
        frequencies, frames = shape[0], shape[1]
        return frequencies // 2, frames // 4


class Shallow(nn.Module):
    """The trunk of APCNN, MHCNN and AACNN: two long stems, then four 3x3 convolutions up to 80 channels.

    The stems lose one row and one column; a 2x2 max-pool follows the first and the second convolution.

    Args:
        stem: channels of each stem.
        along: what the stems are concatenated along.
    """

    channels = 80

    def __init__(self, stem: int, along: Literal["channels", "frequency"] = "channels") -> None:
        super().__init__()
        self.along = along
        self.across_frequency = ConvNormReLU(1, stem, (10, 2), padding=(4, 0))
        self.along_time = ConvNormReLU(1, stem, (2, 8), padding=(0, 3))
        self.layers = nn.Sequential(
            ConvNormReLU(2 * stem if along == "channels" else stem, 32, (3, 3)),
            MaxPool(),
            ConvNormReLU(32, 48, (3, 3)),
            MaxPool(),
            ConvNormReLU(48, 64, (3, 3)),
            ConvNormReLU(64, 80, (3, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, F, T) to (batch, 80, F', T'), see `map_size`."""
        stems = (self.across_frequency(x), self.along_time(x))
        y: Tensor = self.layers(torch.cat(stems, dim=1 if self.along == "channels" else 2))
        return y

    def map_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(F', T') of the map made from features of shape (F, T)."""
        frequencies, frames = shape[0] - 1, shape[1] - 1
        return (frequencies if self.along == "channels" else 2 * frequencies) // 4, frames // 4
