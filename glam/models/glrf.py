"""GLRF (Interspeech 2023): a global and a local branch on each map, and a gate that fuses them.

    features -> stem -> block, halved in time, block, ... -> mean over time -> linear layer

The paper gives no widths and no code. The branches are those of MS-TCT, side by side and smaller; the gate is SKNet's.
What is not in the paper is said where it was chosen.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glam.models import Shape
from glam.models.dropout import Dropout
from glam.models.row_norm import RowNorm
from glam.models.self_attention import SelfAttention


def glrf(
    classes: int,
    audio: Shape,
    *,
    channels: int = 128,
    blocks: int = 4,
    heads: int = 4,
    dropout: float = 0.1,
    fusion: Literal["gate", "sum"] = "gate",
    branches: Literal["global-local", "convolutions"] = "global-local",
) -> "Glrf":
    """GLRF for features of shape (F, T), frequencies (coefficients) and frames.

    Args:
        classes: number of classes.
        audio: (F, T) of a row.
        channels: of all maps. blocks: how many. heads: of attention; all three are not in the paper.
        dropout: on what a branch adds to its input, active in training.
        fusion: "gate", or "sum" of the branches (Table 4, without the fusion block).
        branches: "global-local", or "convolutions" of kernel 3 and 5 in their place (Table 4, without the branches).

    Raises ValueError for an option that does not fit, and for features that are too short for so many blocks.
    """
    if channels < 1 or blocks < 1:
        raise ValueError(f"channels is {channels} and blocks is {blocks}, expected 1 or more of each")
    if fusion not in ("gate", "sum"):
        raise ValueError(f'fusion is {fusion!r}, expected "gate" or "sum"')
    if branches not in ("global-local", "convolutions"):
        raise ValueError(f'branches is {branches!r}, expected "global-local" or "convolutions"')
    coefficients, frames = audio
    if frames < 2 ** (blocks - 1):
        raise ValueError(
            f"{blocks} blocks halve the time {blocks - 1} times, which takes {2 ** (blocks - 1)} frames or more; "
            f"the features have {frames}"
        )
    layers = []
    for number in range(blocks):
        first, second = Dropout(dropout, 2 * number), Dropout(dropout, 2 * number + 1)
        fuse = Gate(channels) if fusion == "gate" else Sum()
        if branches == "global-local":
            layers.append(Block(GlobalBranch(channels, heads, first), LocalBranch(channels, second), fuse))
        else:
            layers.append(Block(ConvolutionBranch(channels, 3, first), ConvolutionBranch(channels, 5, second), fuse))
    return Glrf(Stem(coefficients, channels), layers, nn.Linear(channels, classes))


class Glrf(nn.Module):
    """Stem, blocks with the time halved between them, mean over time, and a linear layer to the classes."""

    def __init__(self, stem: nn.Module, blocks: list["Block"], classify: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.classify = classify

    def embed(self, x: Tensor) -> Tensor:
        """The mean over time of the last block's map: (rows, channels)."""
        x = self.stem(x).transpose(1, 2)
        for number, block in enumerate(self.blocks):
            x = block(_halved(x) if number else x)
        return x.mean(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (rows, classes) of features (rows, F, T)."""
        logits: Tensor = self.classify(self.embed(x))
        return logits


class Stem(nn.Module):
    """A convolution over time of kernel 3, batch norm, ReLU."""

    def __init__(self, coefficients: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(coefficients, channels, 3, padding=1)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, F, T) to (rows, channels, T)."""
        normed: Tensor = self.norm(self.conv(x))
        return normed.relu()


class Block(nn.Module):
    """The GLRA block: two branches side by side, each with a residual connection of its own, and their fusion."""

    def __init__(self, first: nn.Module, second: nn.Module, fuse: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.fuse = fuse

    def forward(self, x: Tensor) -> Tensor:
        """(rows, T, channels) to (rows, T, channels)."""
        fused: Tensor = self.fuse(self.first(x), self.second(x))
        return fused


class GlobalBranch(nn.Module):
    """x + MHSA(LN(x)): every time step attends to all. A plain layer norm in front, as MS-TCT has it."""

    def __init__(self, channels: int, heads: int, dropout: Dropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attend = SelfAttention(channels, heads)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(rows, T, channels) to (rows, T, channels)."""
        y: Tensor = x + self.dropout(self.attend(self.norm(x)))
        return y


class LocalBranch(nn.Module):
    """x + W2 GELU(depthwise convolution(W1 LN(x))): a time step sees its neighbours.

    W1 doubles the channels (MS-TCT: eightfold); the convolution has a kernel of 3 for each of them, and pads with zeros
    what W1, bias included, has made.
    """

    def __init__(self, channels: int, dropout: Dropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.depthwise = nn.Conv1d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(rows, T, channels) to (rows, T, channels)."""
        wide = self.depthwise(self.widen(self.norm(x)).transpose(1, 2)).transpose(1, 2)
        y: Tensor = x + self.dropout(self.narrow(F.gelu(wide)))
        return y


class ConvolutionBranch(nn.Module):
    """x + ReLU(BN(convolution(x))), what Table 4 has in place of a branch.

    The paper says "conv3x3" and "conv5x5" of maps that have a single spatial axis: kernels of 3 and 5 here. That batch
    norm and ReLU follow, as in the stem, and that the residual connection stays, is our choice.
    """

    def __init__(self, channels: int, kernel: int, dropout: Dropout) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel, padding="same")
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(rows, T, channels) to (rows, T, channels)."""
        y: Tensor = x + self.dropout(self.norm(self.conv(x.transpose(1, 2))).relu().transpose(1, 2))
        return y


class Gate(nn.Module):
    """The fusion of two branches by SKNet's gate: for each row and channel, the share of either.

    The mean over time of the branches' sum is squeezed to max(channels / 16, 32) values, normalised over the rows of
    the batch, and makes two scores a channel, whose softmax is the shares. No biases. A training batch of one row has
    no statistics: its row is normalised with the running ones (row_norm.py).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // 16, 32)
        self.squeeze = nn.Linear(channels, squeezed, bias=False)
        self.norm = RowNorm(squeezed)
        self.first_score = nn.Linear(squeezed, channels, bias=False)
        self.second_score = nn.Linear(squeezed, channels, bias=False)

    def share(self, first: Tensor, second: Tensor) -> Tensor:
        """The first branch's share (rows, channels), in 0..1; the second has the rest."""
        squeezed: Tensor = self.norm(self.squeeze((first + second).mean(dim=1))).relu()
        return torch.sigmoid(self.first_score(squeezed) - self.second_score(squeezed))  # a softmax over two

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps (rows, T, channels) to one."""
        share = self.share(first, second).unsqueeze(1)
        return share * first + (1 - share) * second


class Sum(nn.Module):
    """The fusion of two branches without a gate."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps (rows, T, channels) to one."""
        return first + second


def _halved(x: Tensor) -> Tensor:
    """The greater of each two time steps: (rows, T, channels) to (rows, T // 2, channels); an odd last one is lost."""
    return F.max_pool1d(x.transpose(1, 2), 2).transpose(1, 2)
