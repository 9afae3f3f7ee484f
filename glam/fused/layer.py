"""A layer of a trunk for many runs: convolution, batch norm, ReLU and, where there are, residual and max-pool.

The maps of all runs are laid down as (batch, frequency, time, runs, channels): cuDNN's grouped convolutions take that
as it is, and what is between them is arithmetic down the columns of a matrix (kernels.py). Of the forward pass nothing
is kept but what each convolution gave.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from triton import cdiv

from glam.fused import kernels
from glam.fused.op import Tensors, define, in_order, power

PROGRAMS = 2048  # that a pass down the rows is divided among

_LAST = torch.channels_last


def layer(
    x: Tensor,
    first: Tensor,
    second: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    padding: Sequence[int],
    eps: float,
    pool: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The layer of one run.

    Args:
        x: (batch, I, F, T).
        first: (O, I, *kernel), weights of a convolution. Its bias is not asked for: the norm takes away what it adds.
        second: None, or weights of another one (I, I, *kernel), then first, too, has I outputs. x is added to what each
            gives, and their channels are concatenated (O = 2 I).
        weight, bias: (O,) float32, of the norm.
        mean, variance: (O,) float32, which the norm takes in evaluation, when nothing has a gradient; None in training.
        padding: of the first convolution, both axes; the second's maps are as large as x.
        eps: of the norm.
        pool: whether the greatest of 2 x 2 places is taken at the end.

    Returns:
        (batch, O, F', T') of the type of x; mean and variance (O,) float32 that the norm took.
    """
    out, mean, variance, *_ = _layer(x, first, second, weight, bias, mean, variance, list(padding), eps, pool)
    return out, mean, variance


def _runs_last(x: Tensor) -> Tensor:
    """(runs, batch, channels, F, T) as (batch, F, T, runs, channels)."""
    return x.permute(1, 3, 4, 0, 2).contiguous()


def _runs_first(x: Tensor) -> Tensor:
    """(batch, F, T, runs, channels) as (runs, batch, channels, F, T)."""
    return x.permute(3, 0, 4, 1, 2)


def _lay_maps(x: Tensor) -> Tensor:
    """(runs, batch, channels, F, T) that lie as (batch, F, T, runs, channels)."""
    return _runs_first(_runs_last(x))


def _lay_weights(w: Tensor) -> Tensor:
    """(runs, O, I, *kernel) that lie as (runs, O, *kernel, I)."""
    return w.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def _forward(
    x: Tensor, first: Tensor, second: Tensor | None, weight: Tensor, bias: Tensor, mean: Tensor | None,
    variance: Tensor | None, padding: list[int], eps: float, pool: bool,
) -> Tensors:  # fmt: skip
    """The layer of many runs; mean, variance (runs, O), and what the convolutions gave (runs, 1 or 2, batch, ...)."""
    x, (weight, bias) = _runs_last(x), in_order(weight, bias)
    y = _y_like(x, first, second, padding)
    _convolve(x, first, padding, y[0])
    if second is not None:
        _convolve(x, second, _same(second), y[1])
    halves, batch, f, t, runs, channels = y.shape
    columns, rows, w = runs * channels, batch * f * t, 2 if pool else 1
    like = {"C": channels, "H": halves}
    if mean is None or variance is None:
        m, n = _tile(columns)
        chunk, parts = _parts(rows, halves * columns, m, n)
        sums = y.new_empty(2, parts, halves * columns, dtype=torch.float32)
        mean, variance = _new(weight), _new(weight)
        kernels.sums_forward[(halves * cdiv(columns, n), parts)](
            y, x, sums, rows, columns, chunk=chunk, **like, M=m, N=n
        )
        kernels.moments[(halves * cdiv(columns, n),)](
            y, x, sums, mean, variance, rows, columns, parts=parts, **like, N=n
        )
    else:
        mean, variance = (
            mean.clone(memory_format=torch.contiguous_format),
            variance.clone(memory_format=torch.contiguous_format),
        )
    m, n = _tile(columns, w)
    out = x.new_empty(batch, f // w, t // w, runs, halves * channels)
    windows = batch * (f // w) * (t // w)
    kernels.forward[(cdiv(windows, m), halves * cdiv(columns, n))](
        y, x, mean, variance, weight, bias, out, windows, rows, columns, f, t, eps, **like, W=w, M=m, N=n
    )
    return _runs_first(out), mean, variance, y.movedim(4, 0)


def _backward(
    grad: Tensor, x: Tensor, first: Tensor, second: Tensor | None, weight: Tensor, bias: Tensor, _: None, __: None,
    mean: Tensor, variance: Tensor, y: Tensor, padding: list[int], eps: float, pool: bool, through: bool,
) -> Tensors:  # fmt: skip
    """Gradients of the tensors of `_forward`; empty, of x if not through, and of those that were not given."""
    grad, x, y = _runs_last(grad), _runs_last(x), y.movedim(0, 4).contiguous()
    weight, bias, mean, variance = in_order(weight, bias, mean, variance)
    halves, batch, f, t, runs, channels = y.shape
    columns, rows, w = runs * channels, batch * f * t, 2 if pool else 1
    like = {"C": channels, "H": halves, "W": w}
    m, n = _tile(columns, w)
    windows = batch * (f // w) * (t // w)
    chunk, parts = _parts(windows, halves * columns, m, n)
    sums = y.new_empty(2, parts, halves * columns, dtype=torch.float32)
    kernels.sums_backward[(halves * cdiv(columns, n), parts)](
        grad, y, x, mean, variance, weight, bias, sums, windows, rows, columns, F=f, T=t, eps=eps, chunk=chunk, **like,
        M=m, N=n,
    )  # fmt: skip
    totals = sums.sum(1)
    windows = batch * cdiv(f, w) * cdiv(t, w)
    back = torch.empty_like(y)
    kernels.backward[(cdiv(windows, m), halves * cdiv(columns, n))](
        grad, y, x, mean, variance, weight, bias, totals, back, windows, rows, columns, f, t, eps, **like, M=m, N=n
    )
    to_x, to_first = _convolve_backward(back[0], x, first, padding, through)
    to_second = x.new_empty(0)
    if second is not None:
        also_to_x, to_second = _convolve_backward(back[1], x, second, _same(second), through)
        if through:
            kernels.add[(cdiv(x.numel(), 1024),)](to_x, also_to_x, back, x.numel(), N=1024)
    of_bias, of_weight = totals.view(2, halves, runs, channels).permute(0, 2, 1, 3).reshape(2, runs, -1)
    return _runs_first(to_x) if through else to_x, to_first, to_second, of_weight.clone(), of_bias.clone(), *_none(x)


def _forward_like(
    x: Tensor, first: Tensor, second: Tensor | None, weight: Tensor, bias: Tensor, mean: Tensor | None,
    variance: Tensor | None, padding: list[int], eps: float, pool: bool,
) -> Tensors:  # fmt: skip
    y = _y_like(_runs_last(x), first, second, padding)
    halves, batch, f, t, runs, channels = y.shape
    w = 2 if pool else 1
    out = x.new_empty(batch, f // w, t // w, runs, halves * channels)
    return _runs_first(out), _new(weight), _new(weight), y.movedim(4, 0)


def _backward_like(
    grad: Tensor, x: Tensor, first: Tensor, second: Tensor | None, weight: Tensor, bias: Tensor, *rest: Any
) -> Tensors:
    to_x = _runs_first(_new(_runs_last(x))) if rest[-1] else x.new_empty(0)
    to_second = x.new_empty(0) if second is None else _lay_weights(_new(second))
    return to_x, _lay_weights(_new(first)), to_second, _new(weight), _new(bias), *_none(x)


def _none(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(0), x.new_empty(0)


def _new(like: Tensor) -> Tensor:
    return like.new_empty(like.shape)


def _y_like(x: Tensor, first: Tensor, second: Tensor | None, padding: list[int]) -> Tensor:
    """A tensor of the shape that what the convolutions give has, without values."""
    f, t = (x.shape[1 + i] + 2 * padding[i] - first.shape[3 + i] + 1 for i in range(2))
    return x.new_empty(1 if second is None else 2, len(x), f, t, *first.shape[:2])


def _same(w: Tensor) -> list[int]:
    return [(size - 1) // 2 for size in w.shape[3:]]


def _convolve(x: Tensor, w: Tensor, padding: list[int], y: Tensor) -> None:
    """Write the convolution of x (batch, F, T, runs, I) with w (runs, O, I, *kernel) to y (batch, F', T', runs, O)."""
    batch, f, t, runs, channels = y.shape
    if x.shape[4] > 1:
        maps, of_all = _squared(x, w)
        if maps is x and of_all is w and x.device.type == "cuda":
            cudnn = torch.backends.cudnn
            choice = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32
            torch.ops.aten.cudnn_convolution.out(
                _maps(x), _weights(w), padding, [1, 1], [1, 1], runs, *choice, out=_maps(y)
            )
        else:
            result = torch.conv2d(_maps(maps), _weights(of_all), None, 1, padding, 1, groups=runs)
            y.copy_(result.permute(0, 2, 3, 1).unflatten(3, (runs, -1))[..., :channels])
        return
    rows, (m, r, c) = batch * f * t, _tile_of_runs(runs, channels)
    kernels.taps_forward[(cdiv(rows, m), cdiv(runs, r))](
        x, w.contiguous(), y, rows, runs, f, t, x.shape[1], x.shape[2], *padding, channels=channels, KF=w.shape[3],
        KT=w.shape[4], M=m, R=r, C=c,
    )  # fmt: skip


def _convolve_backward(back: Tensor, x: Tensor, w: Tensor, padding: list[int], through: bool) -> tuple[Tensor, Tensor]:
    """Gradients of x, empty if not through, and of w from that of what `_convolve` gave."""
    batch, f, t, runs, channels = back.shape
    if x.shape[4] > 1 or through:
        maps, of_all = _squared(x, w)
        back = _widened(back, of_all.shape[1])
        to_maps, to_all, _ = torch.ops.aten.convolution_backward(
            _maps(back), _maps(maps), _weights(of_all), None, [1, 1], padding, [1, 1], False, [0, 0], runs,
            [through, True, False],
        )  # fmt: skip
        to_x = x.new_empty(0)
        if through:
            to_x = (
                to_maps.contiguous(memory_format=_LAST)
                .permute(0, 2, 3, 1)
                .view(maps.shape)[..., : x.shape[4]]
                .contiguous()
            )
        return to_x, _lay_weights(to_all.view(of_all.shape)[:, :channels, : x.shape[4]])
    rows, taps, (m, r, c) = batch * f * t, w.shape[3] * w.shape[4], _tile_of_runs(runs, channels)
    chunk, parts = _parts(rows, runs * taps, m, r)
    sums = back.new_empty(taps, parts, runs * channels, dtype=torch.float32)
    kernels.taps_backward[(cdiv(runs, r), parts, taps)](
        back, x, sums, rows, runs, f, t, x.shape[1], x.shape[2], *padding, chunk=chunk, channels=channels,
        KT=w.shape[4], M=m, R=r, C=c,
    )  # fmt: skip
    return x.new_empty(0), _lay_weights(sums.sum(1).t().contiguous().view(w.shape).to(w.dtype))


def _squared(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """x and w with as many channels before as behind the convolution, those that cuDNN has fast grouped kernels for."""
    outputs, inputs = w.shape[1:3]
    wide = power(max(outputs, inputs))
    if len(w) == 1 or x.dtype != torch.bfloat16 or wide > 128:
        return x, w
    if (inputs, outputs) != (wide, wide):
        w = F.pad(w, (0, 0, 0, 0, 0, wide - inputs, 0, wide - outputs))
    return _widened(x, wide), w


def _widened(x: Tensor, channels: int) -> Tensor:
    return x if x.shape[4] == channels else F.pad(x, (0, channels - x.shape[4]))


def _weights(w: Tensor) -> Tensor:
    """(runs, O, I, *kernel) as torch's convolutions take it: (runs * O, I, *kernel), channels last."""
    return w.flatten(0, 1).contiguous(memory_format=_LAST)


def _maps(x: Tensor) -> Tensor:
    """(batch, F, T, runs, channels) as torch's convolutions take it: (batch, runs * channels, F, T), channels last."""
    return x.flatten(3).permute(0, 3, 1, 2)


def _tile(columns: int, window: int = 1) -> tuple[int, int]:
    """Windows and columns that a program has in hand."""
    n = power(min(64, columns))
    return kernels.TILE // window // n, n


def _tile_of_runs(runs: int, channels: int) -> tuple[int, int, int]:
    """Places, runs and channels that a program has in hand, of layers whose channels of a run are few."""
    c, r = power(channels), 1
    while r * c < 64 and r < runs:
        r *= 2
    return max(1, kernels.TILE // (r * c)), r, c


def _parts(rows: int, columns: int, m: int, n: int) -> tuple[int, int]:
    """Rows of a part, a multiple of m, and the number of parts."""
    wanted = max(1, PROGRAMS // cdiv(columns, n))
    chunk = cdiv(cdiv(rows, wanted), m) * m
    return chunk, cdiv(rows, chunk)


_layer = define(
    "layer",
    ("x", "first", "second?", "weight", "bias", "mean?", "variance?"),
    "int[] padding, float eps, bool pool",
    3,
    _forward,
    _backward,
    _forward_like,
    _backward_like,
    {"x": _lay_maps, "grad": _lay_maps, "first": _lay_weights, "second": _lay_weights},
)
