"""Light-SERNet (ICASSP 2022) as its authors' TensorFlow release has it: three stems side by side, then five layers.

Rows are MFCC of shape (T, F), frames by coefficients: (122, 40) for 2 s. Every layer is convolution, batch norm, ReLU,
average pool. TensorFlow's habits are kept where they change numbers (keras.py): "same" pooling leaves out what lies
beyond the edge.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from glam.models import Shape
from glam.models.dropout import Dropout
from glam.models.keras import EPS, MOMENTUM, draw_as_keras

STEMS = ((11, 1), (1, 9), (3, 3))  # kernels, (time, frequency)
# Of the body: channels, kernel and pool, (time, frequency)
BODY = ((64, 3, (2, 2)), (96, 3, (2, 2)), (128, 3, (2, 1)), (160, 3, (2, 1)), (320, 1, (1, 1)))


def light_sernet(classes: int, audio: Shape, *, dropout: float = 0.3) -> "LightSernet":
    """Light-SERNet for MFCC of shape (T, F); any shape will do.

    Args:
        classes: number of classes.
        audio: (T, F) of a row, frames and coefficients.
        dropout: on the last hidden layer, active in training.

    The release adds 1e-6 times the sum of squares of the body's kernels to the loss: here the parameters whose names
    begin with `body.` and end with `conv.weight`. Raises ValueError for a dropout outside [0, 1).
    """
    return LightSernet(classes, dropout)


class LightSernet(nn.Module):
    """Stems concatenated along channels, body, mean over the map, dropout, and a linear layer to the classes."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        self.stems = nn.ModuleList(_layer(1, 32, kernel, (2, 2), bias=True) for kernel in STEMS)
        body, inputs = [], 32 * len(STEMS)
        for channels, kernel, pool in BODY:
            body.append(_layer(inputs, channels, (kernel, kernel), pool, bias=False))
            inputs = channels
        self.body = nn.Sequential(*body)
        self.dropout = Dropout(dropout, 0)
        self.classify = nn.Linear(inputs, classes)
        draw_as_keras(self)

    def embed(self, x: Tensor) -> Tensor:
        """The body's map averaged over its positions, after dropout: (rows, 320)."""
        x = x.unsqueeze(1)
        maps: Tensor = self.body(torch.cat([stem(x) for stem in self.stems], dim=1))
        hidden: Tensor = self.dropout(maps.mean(dim=(2, 3)))
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Logits (rows, classes) of MFCC (rows, T, F)."""
        logits: Tensor = self.classify(self.embed(x))
        return logits


def _layer(inputs: int, outputs: int, kernel: tuple[int, int], pool: tuple[int, int], *, bias: bool) -> nn.Sequential:
    """Convolution, batch norm, ReLU, average pool of (rows, inputs, T, F), all of them "same"."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, padding="same", bias=bias),
            norm=nn.BatchNorm2d(outputs, EPS, MOMENTUM),
            relu=nn.ReLU(),
            # Without the second flag torch.compile divides the gradient of a cut pool by its full size
            # (github.com/pytorch/pytorch/issues/198119).
            pool=nn.AvgPool2d(pool, ceil_mode=True, count_include_pad=False),
        )
    )
