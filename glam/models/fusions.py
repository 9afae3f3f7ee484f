"""Fusions: what gathers the map (batch, channels, F, T) of a trunk before the decision.

One class for each model of the comparison (GLAM paper, Table 1): the gMLP of GLAM, the head fusion of MHCNN, the
area attention of AACNN, the attention pooling of APCNN.
"""

from collections.abc import Sequence
from typing import Any

import torch
from g_mlp_pytorch import gMLP
from torch import Tensor, nn
from torch.nn import functional

from glam.models.dropout import SEED, kept, seed_buffer

# How many positions of area attention are computed together: few enough for a processor's cache.
ROWS_AT_ONCE = 128


class GlobalAware(nn.Module):
    """The global-aware block of GLAM (section 3.2; Figure 1, upper right panel): one gMLP layer.

    The tokens are the channels, each its flattened map of d = F*T values. LayerNorm, d to 4d, GELU, two
    halves of 2d: the second is normalised, mixed across the channels by one matrix, and gates the first.
    Then 2d to d; a residual connection around it all. The tanh on the gate is in the release, not in the figure.
    """

    def __init__(self, channels: int, positions: int) -> None:
        super().__init__()
        self.gmlp = gMLP(dim=positions, seq_len=channels, depth=1, ff_mult=4, act=nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, F, T) to (batch, channels, F*T)."""
        x = x.flatten(2)
        layer = self.gmlp.layers[0].fn
        block, gating = layer.fn.fn, layer.fn.fn.sgu
        kept, gate = block.proj_in(layer.norm(x)).chunk(2, dim=-1)
        # The library mixes by einsum, which leaves the gate transposed in memory: what follows, forward and backward,
        # is slow on that, in bfloat16 on a CPU most of all.
        mixing = gating.weight.expand(x.shape[0], -1, -1)  # len(x) would be a constant of exported graphs
        gate = torch.baddbmm(gating.bias.unsqueeze(-1), mixing, gating.norm(gate))
        y: Tensor = x + block.proj_out(gating.act(gate) * kept)
        return y


class HeadFusion(nn.Module):
    """The attention heads of MHCNN ("MHA" in Table 2), laid one above the other along frequency.

    A head has its own query, key and value at each position (1x1 convolutions); its attention is the softmax
    over channels of query * key, its output the value weighted by that. One convolution serves all heads.
    """

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        if min(heads, hidden) < 1:
            raise ValueError(f"heads: {heads}, hidden: {hidden}: expected 1 or more of each")
        self.heads = heads
        self.query = nn.Conv2d(channels, heads * hidden, 1)
        self.key = nn.Conv2d(channels, heads * hidden, 1)
        self.value = nn.Conv2d(channels, heads * hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, F, T) to (batch, hidden, heads*F, T)."""
        # Softmax leaves channels-last memory, and products of tensors that lie differently in it are slow.
        query, key, value = (
            convolution(x).contiguous().unflatten(1, (self.heads, -1))
            for convolution in (self.query, self.key, self.value)
        )
        fused: Tensor = (query * key).softmax(dim=2) * value
        return fused.transpose(1, 2).flatten(2, 3)


class AreaAttention(nn.Module):
    """The area attention of AACNN: a position attends to all runs of up to three neighbours at once.

    Query, key and value are the map itself, without projections. The key of an area is the mean of its
    positions, its value their sum; scores are plain dot products, not scaled; softmax over the areas of all
    widths, dropout on the weights. The release asks for areas of up to "3x3" and gets runs of up to 3.

    Args:
        dropout: probability of dropping an area's weight.
        by_row: False, as in the release: all F*T positions are one sequence, row after row, so that a run
            can wrap from one row to the next. True, as in AACNN's own implementation: each row of the map is
            a head of its own, and attention runs along time only.
        dropout_at_test: dropout stays active in evaluation, as in AACNN's own implementation.
    """

    def __init__(self, dropout: float, by_row: bool = False, dropout_at_test: bool = False) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: given {dropout:g}, expected 0 or more and below 1")
        self.dropout = dropout
        self.by_row = by_row
        self.dropout_at_test = dropout_at_test
        self.register_buffer(SEED, seed_buffer(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, F, T) to (batch, F, T, channels), or (batch, F*T, channels) if not by row."""
        sequence = x.permute(0, 2, 3, 1)
        if not self.by_row:
            sequence = sequence.flatten(1, 2)
        # Scores are not scaled and reach thousands, where bfloat16 has steps of 8 and more.
        with torch.autocast(x.device.type, enabled=False):
            sequence = sequence.to(torch.promote_types(x.dtype, torch.float32))
            dropout = self.dropout if self.training or self.dropout_at_test else 0.0
            return area_attention(sequence, 3, dropout, getattr(self, SEED))


def area_attention(x: Tensor, widest: int, dropout: float, seed: Tensor) -> Tensor:
    """Attention of each position of x (..., positions, channels) to all runs of 1 to `widest` positions.

    No area is ever written out. The key of a run is a mean, so its scores are moving averages of one matrix of
    scores between positions; its value is a sum, so its weight counts for each of its positions, and all runs
    together come down to one matrix of weights between positions. seed: () int64, of dropout's masks.
    """
    if torch.compiler.is_compiling():  # which finds out by itself what to compute again
        return _AreaAttention.forward(x, widest, dropout, seed)[0]
    outputs: tuple[Tensor, ...] = _AreaAttention.apply(x, widest, dropout, seed)  # type: ignore[no-untyped-call]
    return outputs[0]


def _runs(weights: Tensor, width: int) -> Tensor:
    """Sums over the runs of that width: (..., positions) to (..., positions - width + 1)."""
    runs = weights.shape[-1] - width + 1
    total = weights[..., :runs]
    for start in range(1, width):
        total = total + weights[..., start : start + runs]
    return total


def _spread(areas: Sequence[Tensor]) -> Tensor:
    """The sum over the areas that each position belongs to; areas of width 1, 2, ...: the transpose of _runs."""
    total = areas[0]
    for width, area in enumerate(areas[1:], 2):
        for before in range(width):
            total = total + functional.pad(area, (before, width - 1 - before))
    return total


def _areas(rows: Tensor, x: Tensor, widest: int) -> list[Tensor]:
    """The weights of all runs for some rows of x, before they are divided by their sum; one tensor a width."""
    scores = rows @ x.transpose(-1, -2)
    # The greatest score bounds those of all areas, as no mean exceeds it: nothing overflows.
    scores = scores - scores.amax(dim=-1, keepdim=True)
    return [(_runs(scores, width) / width).exp() for width in range(1, min(widest, x.shape[-2]) + 1)]


def _dropped(areas: Sequence[Tensor], kept: Sequence[Tensor], dropout: float) -> list[Tensor]:
    """The areas' weights after dropout with those masks."""
    return [area * keep / (1 - dropout) for area, keep in zip(areas, kept, strict=True)]


class _AreaAttention(torch.autograd.Function):
    """Area attention some rows at a time, its weights computed once more in the backward pass.

    The weights are several matrices of positions by positions for each segment: kept for the backward pass, they
    take more memory than the rest of a model, and more time than computing them again. Only dropout's masks are kept.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, widest: int, dropout: float, seed: Tensor) -> tuple[Tensor, ...]:
        """The attended positions, the sum over the areas' weights of each, and the masks of dropout."""
        attended, masses = [], []
        masks: list[Tensor] = []
        for rows in x.split(ROWS_AT_ONCE, dim=-2):
            areas = _areas(rows, x, widest)
            mass = torch.cat(areas, dim=-1).sum(dim=-1, keepdim=True)
            if dropout:
                masks += [kept(area.shape, dropout, seed, len(masks) + i) for i, area in enumerate(areas)]
                areas = _dropped(areas, masks[-len(areas) :], dropout)
            attended.append(_spread(areas) @ x / mass)
            masses.append(mass)
        return torch.cat(attended, dim=-2), torch.cat(masses, dim=-2), *masks

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what the backward pass needs; only the attended positions have a gradient."""
        x, ctx.widest, ctx.dropout, _ = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, *output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of x, which is query, key and value at once."""
        x, attended, mass, *masks = ctx.saved_tensors
        gradient = gradient / mass
        expected = (gradient * attended).sum(dim=-1, keepdim=True)
        as_query, as_key_and_value = [], torch.zeros_like(x)
        with torch.autocast(x.device.type, enabled=False):
            for start in range(0, x.shape[-2], ROWS_AT_ONCE):
                part = slice(start, start + ROWS_AT_ONCE)
                rows, pull = x[..., part, :], gradient[..., part, :]
                areas = applied = _areas(rows, x, ctx.widest)
                if masks:
                    applied = _dropped(areas, masks[: len(areas)], ctx.dropout)
                    masks = masks[len(areas) :]
                along_values = pull @ x.transpose(-1, -2)
                scores = _spread(
                    [
                        (applied[i] * _runs(along_values, i + 1) - areas[i] * expected[..., part, :]) / (i + 1)
                        for i in range(len(areas))
                    ]
                )
                as_query.append(scores @ x)
                as_key_and_value = as_key_and_value + (
                    scores.transpose(-1, -2) @ rows + _spread(applied).transpose(-1, -2) @ pull
                )
        return torch.cat(as_query, dim=-2) + as_key_and_value, None, None, None


class AttentionPooling(nn.Module):
    """The attention pooling of APCNN: what is there, times where it matters, averaged over positions.

    Top-down: a score for each class at each position, softmax over the classes. Bottom-up: one map, as it is.
    Both are 1x1 convolutions.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.top_down = nn.Conv2d(channels, classes, 1)
        self.bottom_up = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, F, T) to (batch, classes)."""
        pooled: Tensor = (self.top_down(x).softmax(dim=1) * self.bottom_up(x)).mean(dim=(2, 3))
        return pooled
