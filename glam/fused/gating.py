"""The gMLP layer of GLAM for many runs: all of it but its residual connection and the last bias.

Matrix products are cuBLAS's, a product a run; what is between them is done in as few passes as there can be
(gating_kernels.py).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from triton import cdiv

from glam.fused import gating_kernels as kernels
from glam.fused.op import Tensors, define, in_order, power

MOST_PLACES = 256  # of a token's map, with the 1 behind it: what a program holds
TOKENS = 16  # of a map that one has in hand
ROWS = 1  # that one has in hand: a single warp, so that sums along a row need no other
PARTS = 64  # of a run's rows


def gating(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    proj_in: Tensor,
    in_bias: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    mixing: Tensor,
    mixing_bias: Tensor,
    proj_out: Tensor,
    eps: float,
) -> Tensor:
    """What a gMLP layer with tanh on its gate adds to x (batch, tokens, P), less the bias of its last projection.

    Norms' weights are float32; the others, and what is returned, are of one type. proj_in: (2 D, P), proj_out: (P, D),
    mixing: (tokens, tokens); biases by their length. P is less than MOST_PLACES.
    """
    tensors = norm_weight, norm_bias, proj_in, in_bias, gate_weight, gate_bias, mixing, mixing_bias, proj_out
    return _gating(x, *tensors, eps)[0]


def _forward(
    x: Tensor, norm_weight: Tensor, norm_bias: Tensor, proj_in: Tensor, in_bias: Tensor, gate_weight: Tensor,
    gate_bias: Tensor, mixing: Tensor, mixing_bias: Tensor, proj_out: Tensor, eps: float,
) -> Tensors:  # fmt: skip
    """The result; and the first norm, h, the gate, what was mixed of it, and what was gated, token by token."""
    norm_weight, norm_bias, gate_weight, gate_bias, mixing_bias = in_order(
        norm_weight, norm_bias, gate_weight, gate_bias, mixing_bias
    )
    runs, batch, tokens, places = x.shape
    d, p, wide = proj_out.shape[2], _pitch(places), _pitch(proj_out.shape[2])
    entered = _empty(proj_in, x, p)
    kernels.enter[(runs * batch, cdiv(tokens, TOKENS))](
        x, norm_weight, norm_bias, entered, batch, tokens, places, p, *_strides(x), eps, M=TOKENS, N=power(p)
    )
    h = torch.bmm(entered.flatten(1, 2), _in_matrix(proj_in, in_bias, p).transpose(1, 2)).view(runs, tokens, batch, -1)
    rows, n = runs * tokens * batch, power(wide)
    opened = _empty(proj_in, x, wide)
    kernels.gate[(rows // ROWS,)](
        h, gate_weight, gate_bias, opened, tokens * batch, d, wide, eps, M=ROWS, N=n, num_warps=1
    )
    mixed = torch.bmm(mixing, opened.flatten(2)).view_as(opened)
    gated = _empty(proj_in, x, wide)
    kernels.gated[(rows // ROWS,)](h, mixed, mixing_bias, gated, batch, d, wide, M=ROWS, N=n, num_warps=1)
    out = torch.bmm(gated.flatten(1, 2), _out_matrix(proj_out, p, wide).transpose(1, 2)).view_as(entered)
    return _result(out, places), entered, h, opened, mixed, gated


def _backward(
    grad: Tensor, x: Tensor, norm_weight: Tensor, norm_bias: Tensor, proj_in: Tensor, in_bias: Tensor,
    gate_weight: Tensor, gate_bias: Tensor, mixing: Tensor, mixing_bias: Tensor, proj_out: Tensor, entered: Tensor,
    h: Tensor, opened: Tensor, mixed: Tensor, gated: Tensor, eps: float, through: bool,
) -> Tensors:  # fmt: skip
    """Gradients of all the tensors that `_forward` takes."""
    norm_weight, gate_weight, mixing_bias, entered, h, opened, mixed, gated = in_order(
        norm_weight, gate_weight, mixing_bias, entered, h, opened, mixed, gated
    )
    runs, batch, tokens, places = x.shape
    d, p, wide = proj_out.shape[2], entered.shape[3], opened.shape[3]
    rows, n = runs * tokens * batch, power(wide)
    back = torch.empty_like(entered)
    kernels.widen[(runs * batch, cdiv(tokens, TOKENS))](
        grad, back, batch, tokens, places, p, *_strides(grad), M=TOKENS, N=power(p)
    )
    to_out = torch.bmm(back.flatten(1, 2).transpose(1, 2), gated.flatten(1, 2))[:, :places, :d]
    to_gated = torch.bmm(back.flatten(1, 2), _out_matrix(proj_out, p, wide))
    to_h, to_mixed = torch.empty_like(h), torch.empty_like(mixed)
    of_rows = h.new_empty(runs, tokens, batch, dtype=torch.float32)
    kernels.gated_back[(rows // ROWS,)](
        to_gated, h, mixed, mixing_bias, to_h, to_mixed, of_rows, batch, d, wide, M=ROWS, N=n, num_warps=1
    )
    to_mixing = torch.bmm(to_mixed.flatten(2), opened.flatten(2).transpose(1, 2))
    to_opened = torch.bmm(mixing.transpose(1, 2), to_mixed.flatten(2))
    parts = next(parts for parts in range(PARTS, 0, -1) if tokens * batch % (parts * ROWS) == 0)
    sums = h.new_empty(2, runs, parts, d, dtype=torch.float32)
    kernels.gate_back[(runs * parts,)](
        to_opened, h, gate_weight, to_h, sums, tokens * batch, d, wide, eps, chunk=tokens * batch // parts, M=ROWS, N=n,
        num_warps=1,
    )  # fmt: skip
    of_gate = sums.sum(2)
    to_in = torch.bmm(to_h.flatten(1, 2).transpose(1, 2), entered.flatten(1, 2))
    to_entered = torch.bmm(to_h.flatten(1, 2), _in_matrix(proj_in, in_bias, p))
    to_x = x.new_empty(batch, places, runs, tokens)
    sums = h.new_empty(2, runs, batch * cdiv(tokens, TOKENS), places, dtype=torch.float32)
    kernels.enter_back[(runs * batch, cdiv(tokens, TOKENS))](
        to_entered, x, norm_weight, to_x, sums, batch, tokens, runs, places, p, *_strides(x), eps, M=TOKENS, N=power(p)
    )
    of_norm = sums.sum(2)
    return (
        to_x.permute(2, 0, 3, 1) if through else x.new_empty(0),
        of_norm[0].clone(),
        of_norm[1].clone(),
        to_in[..., :places].contiguous(),
        to_in[..., places].contiguous(),
        of_gate[0].clone(),
        of_gate[1].clone(),
        to_mixing,
        of_rows.sum(2).to(mixing_bias.dtype, copy=True),
        to_out.contiguous(),
    )


def _forward_like(x: Tensor, *rest: Any) -> Tensors:
    proj_in, proj_out = rest[2], rest[8]
    p, wide = _pitch(x.shape[3]), _pitch(proj_out.shape[2])
    entered, opened = _empty(proj_in, x, p), _empty(proj_in, x, wide)
    h = _empty(proj_in, x, proj_in.shape[1])
    mixed, gated = _empty(proj_in, x, wide), _empty(proj_in, x, wide)
    return _result(_empty(proj_in, x, p), x.shape[3]), entered, h, opened, mixed, gated


def _backward_like(grad: Tensor, x: Tensor, *rest: Any) -> Tensors:
    runs, batch, tokens, places = x.shape
    to_x = x.new_empty(batch, places, runs, tokens).permute(2, 0, 3, 1) if rest[-1] else x.new_empty(0)
    return to_x, *(tensor.new_empty(tensor.shape) for tensor in rest[:9])


def _pitch(size: int) -> int:
    """Numbers of a row in memory: a multiple of 8, with room for one more."""
    return size // 8 * 8 + 8


def _empty(like: Tensor, x: Tensor, pitch: int) -> Tensor:
    return like.new_empty(x.shape[0], x.shape[2], x.shape[1], pitch)


def _result(out: Tensor, places: int) -> Tensor:
    """(runs, tokens, batch, pitch) as (runs, batch, tokens, places)."""
    return out[..., :places].transpose(1, 2)


def _in_matrix(proj_in: Tensor, in_bias: Tensor, pitch: int) -> Tensor:
    """(runs, 2 D, pitch): the weights, and the bias for the 1 behind a row's values."""
    wide = torch.cat((proj_in, in_bias[..., None]), 2)
    return F.pad(wide, (0, pitch - wide.shape[2]))


def _out_matrix(proj_out: Tensor, pitch: int, wide: int) -> Tensor:
    return F.pad(proj_out, (0, wide - proj_out.shape[2], 0, pitch - proj_out.shape[1]))


def _strides(x: Tensor) -> tuple[int, int, int, int]:
    return x.stride(0), x.stride(1), x.stride(2), x.stride(3)


_gating = define(
    "gating",
    tuple("x norm_weight norm_bias proj_in in_bias gate_weight gate_bias mixing mixing_bias proj_out".split()),
    "float eps",
    5,
    _forward,
    _backward,
    _forward_like,
    _backward_like,
    {},
)
