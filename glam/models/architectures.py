"""The published models, each as trunk + fusion: read downwards, the ablation of the GLAM paper (Table 2).

A model is any module from its inputs to logits (rows, classes); these have one, `audio`, features (rows, F, T), and
give their last hidden layer as `embed`. Each function below takes the number of classes and the shape (F, T). In all
but APCNN a linear layer decides. It is made before the fusion, as in the release: a seed then draws the very
initial weights of GLAM that it draws there.
"""

from torch import Tensor, nn

from glam.models import Shape
from glam.models.fusions import AreaAttention, AttentionPooling, GlobalAware, HeadFusion
from glam.models.trunks import MultiScale, Shallow


class Network(nn.Module):
    """Trunk, fusion, and a linear layer to the classes."""

    def __init__(self, trunk: nn.Module, fusion: nn.Module, classify: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.fusion = fusion
        self.classify = classify

    def embed(self, x: Tensor) -> Tensor:
        """The last hidden layer (batch, features): what enters the linear layer."""
        hidden: Tensor = self.fusion(self.trunk(x.unsqueeze(1)))
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of features (batch, F, T)."""
        logits: Tensor = self.classify(self.embed(x))
        return logits


class PoolingNetwork(nn.Module):
    """Trunk, and a fusion that decides at every position and averages the decisions."""

    def __init__(self, trunk: nn.Module, fusion: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.fusion = fusion

    def embed(self, x: Tensor) -> Tensor:
        """The map that enters the fusion, averaged over positions as the decisions are: (batch, channels)."""
        hidden: Tensor = self.trunk(x.unsqueeze(1))
        return hidden.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of features (batch, F, T)."""
        logits: Tensor = self.fusion(self.trunk(x.unsqueeze(1)))
        return logits


def glam(classes: int, audio: Shape) -> Network:
    """GLAM (section 3, Figure 1): multi-scale trunk + global-aware fusion."""
    trunk = MultiScale()
    f, t = trunk.map_size(audio)
    classify = nn.Linear(trunk.channels * f * t, classes)
    fusion = nn.Sequential(GlobalAware(trunk.channels, f * t), nn.ReLU(), nn.Flatten())
    return Network(trunk, fusion, classify)


def multi_scale(classes: int, audio: Shape) -> Network:
    """Multi-scale (Table 2): multi-scale trunk alone."""
    trunk = MultiScale()
    f, t = trunk.map_size(audio)
    classify = nn.Linear(trunk.channels * f * t, classes)
    return Network(trunk, nn.Flatten(), classify)


def multi_scale_mha(classes: int, audio: Shape, *, heads: int = 4, hidden: int = 64) -> Network:
    """Multi-scale + MHA (Table 2): multi-scale trunk + head fusion."""
    trunk = MultiScale()
    f, t = trunk.map_size(audio)
    classify = nn.Linear(hidden * heads * f * t, classes)
    fusion = nn.Sequential(HeadFusion(trunk.channels, heads, hidden), nn.ReLU(), nn.Flatten())
    return Network(trunk, fusion, classify)


def multi_scale_aa(classes: int, audio: Shape, *, dropout: float = 0.5) -> Network:
    """Multi-scale + AA (Table 2): multi-scale trunk + area attention."""
    trunk = MultiScale()
    f, t = trunk.map_size(audio)
    classify = nn.Linear(trunk.channels * f * t, classes)
    fusion = nn.Sequential(AreaAttention(dropout), nn.ReLU(), nn.Flatten())
    return Network(trunk, fusion, classify)


def apcnn(classes: int, audio: Shape) -> PoolingNetwork:
    """APCNN (paper's [6]): shallow trunk + attention pooling; any shape will do."""
    trunk = Shallow(stem=8)
    return PoolingNetwork(trunk, AttentionPooling(trunk.channels, classes))


def mhcnn(classes: int, audio: Shape, *, heads: int = 4, hidden: int = 64) -> Network:
    """MHCNN (paper's [8]): shallow trunk + head fusion, averaged over positions; any shape will do."""
    trunk = Shallow(stem=8)
    classify = nn.Linear(hidden, classes)
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    fusion = nn.Sequential(HeadFusion(trunk.channels, heads, hidden), nn.ReLU(), *average)
    return Network(trunk, fusion, classify)


def aacnn(classes: int, audio: Shape, *, dropout: float = 0.5) -> Network:
    """AACNN (paper's [9]) as the release has it: shallow trunk + area attention."""
    trunk = Shallow(stem=16, along="frequency")
    f, t = trunk.map_size(audio)
    classify = nn.Linear(trunk.channels * f * t, classes)
    fusion = nn.Sequential(AreaAttention(dropout), nn.ReLU(), nn.Flatten())
    return Network(trunk, fusion, classify)


def aacnn_original(classes: int, audio: Shape, *, dropout: float = 0.5, dropout_at_test: bool = False) -> Network:
    """AACNN as its authors have it: "same" padding, each row of the map attends along time, no ReLU after it.

    Their features are log mel spectrograms of shape (128, 81). Batch norm normalises here: in their code a missing
    flag keeps it at its initial statistics.
    """
    shallow = Shallow(stem=16, along="frequency")
    f, t = shallow.map_size((audio[0] + 1, audio[1] + 1))
    trunk = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), shallow)  # what the stems would lose: they keep the size
    classify = nn.Linear(shallow.channels * f * t, classes)
    fusion = nn.Sequential(AreaAttention(dropout, by_row=True, dropout_at_test=dropout_at_test), nn.Flatten())
    return Network(trunk, fusion, classify)
