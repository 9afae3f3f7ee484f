"""Kernels between the matrix products of a gMLP layer, of many runs.

Rows are the tokens of all runs, ordered (runs, tokens, batch): what mixes tokens is then one product a run. In memory
a row is wider than its values, to a multiple of 16 bytes: what is behind them is 0, but for one 1 behind the values
that enter the first product, whose bias is its weight.
"""

# See kernels.py.
# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit
def _gelu(x):
    """GELU and its slope. The error function by Abramowitz and Stegun's 7.1.26: off by at most 1.5e-7."""
    bell = tl.exp(-0.5 * x * x)
    t = 1.0 / (1.0 + 0.3275911 * 0.7071067811865476 * tl.abs(x))
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * bell
    below = tl.where(x < 0, 0.5 * tail, 1.0 - 0.5 * tail)
    return x * below, below + x * 0.3989422804014327 * bell


@triton.jit
def _tanh(x):
    e = tl.exp(-2.0 * tl.abs(x))
    size = (1.0 - e) / (1.0 + e)
    return tl.where(x < 0, -size, size)


@triton.jit
def _normed(x, known, count, eps):
    """Rows less their mean, over their deviation; and 1 over that, (M, 1)."""
    x = tl.where(known, x, 0.0)
    centred = tl.where(known, x - tl.sum(x, 1)[:, None] / count, 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, 1)[:, None] / count + eps)
    return centred * inverse, inverse


@triton.jit
def _norm_back(back, normed, inverse, known, count):
    """The gradient of what was normed from that of the result."""
    back = tl.where(known, back, 0.0)
    return inverse * (back - tl.sum(back, 1)[:, None] / count - normed * tl.sum(back * normed, 1)[:, None] / count)


@triton.jit
def _tokens(x, batch, tokens, P: tl.constexpr, of_run, of_row, of_token, of_place, M: tl.constexpr,
            N: tl.constexpr):  # fmt: skip
    """Run and batch of a program, its tokens (M, 1), places (1, N) and rows, which there are, and what x has there."""
    run, b = tl.program_id(0).to(tl.int64) // batch, tl.program_id(0).to(tl.int64) % batch
    token = (tl.program_id(1) * M + tl.arange(0, M))[:, None]
    place = tl.arange(0, N)[None, :]
    known = (token < tokens) & (place < P)
    value = tl.load(x + run * of_run + b * of_row + token * of_token + place * of_place, known, 0.0).to(tl.float32)
    return run, b, token, place, (run * tokens + token) * batch + b, known, value


@triton.jit
def enter(x, weight, bias, out, batch, tokens, P: tl.constexpr, pitch: tl.constexpr, of_run, of_row, of_token, of_place,
          eps, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """Norm of tokens of maps that lie in memory as they may. out: (runs, tokens, batch, pitch)."""
    run, _, token, place, row, known, value = _tokens(x, batch, tokens, P, of_run, of_row, of_token, of_place, M, N)
    normed, _ = _normed(value, known, P, eps)
    g, s = tl.load(weight + run * P + place, place < P, 0.0), tl.load(bias + run * P + place, place < P, 0.0)
    result = tl.where(place < P, normed * g + s, tl.where(place == P, 1.0, 0.0))
    tl.store(out + row * pitch + place, result.to(out.dtype.element_ty), (token < tokens) & (place < pitch))


@triton.jit
def enter_back(grad, x, weight, to_x, sums, batch, tokens, runs, P: tl.constexpr, pitch: tl.constexpr, of_run, of_row,
               of_token, of_place, eps, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """The gradients of maps (batch, places, runs, tokens) and of the norm's weight and bias, (2, programs, P)."""
    run, b, token, place, row, known, value = _tokens(x, batch, tokens, P, of_run, of_row, of_token, of_place, M, N)
    normed, inverse = _normed(value, known, P, eps)
    back = tl.load(grad + row * pitch + place, known, 0.0).to(tl.float32)
    program = tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    tl.store(sums + program * P + place, tl.sum(back * normed, 0)[None, :], place < P)
    programs = tl.num_programs(0).to(tl.int64) * tl.num_programs(1)
    tl.store(sums + (programs + program) * P + place, tl.sum(back, 0)[None, :], place < P)
    g = tl.load(weight + run * P + place, place < P, 0.0)
    result = _norm_back(back * g, normed, inverse, known, P)
    tl.store(to_x + ((b * P + place) * runs + run) * tokens + token, result.to(to_x.dtype.element_ty), known)


@triton.jit
def widen(x, out, batch, tokens, P: tl.constexpr, pitch: tl.constexpr, of_run, of_row, of_token, of_place,
          M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """Tokens of maps that lie in memory as they may, with 0 behind them. out: (runs, tokens, batch, pitch)."""
    _, _, token, place, row, _, value = _tokens(x, batch, tokens, P, of_run, of_row, of_token, of_place, M, N)
    tl.store(out + row * pitch + place, value.to(out.dtype.element_ty), (token < tokens) & (place < pitch))


@triton.jit
def gate(
    h, weight, bias, out, rows_of_run, D: tl.constexpr, pitch: tl.constexpr, eps, M: tl.constexpr, N: tl.constexpr
):
    """GELU and norm of the second half of rows h (rows, 2 D). out: (rows, pitch)."""
    row = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    run = tl.program_id(0).to(tl.int64) * M // rows_of_run
    place = tl.arange(0, N)[None, :]
    known = place < D
    value, _ = _gelu(tl.load(h + row * (2 * D) + D + place, known, 0.0).to(tl.float32))
    normed, _ = _normed(value, known, D, eps)
    g, s = tl.load(weight + run * D + place, known, 0.0), tl.load(bias + run * D + place, known, 0.0)
    result = tl.where(known, normed * g + s, 0.0)
    tl.store(out + row * pitch + place, result.to(out.dtype.element_ty), place < pitch)


@triton.jit
def gated(h, mixed, bias, out, batch, D: tl.constexpr, pitch: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    """GELU of the first half of rows h, times tanh of what was mixed. bias: (runs, tokens), of the mixing."""
    row = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    place = tl.arange(0, N)[None, :]
    kept, _ = _gelu(tl.load(h + row * (2 * D) + place, place < D, 0.0).to(tl.float32))
    value = tl.load(mixed + row * pitch + place, place < D, 0.0).to(tl.float32)
    result = kept * _tanh(value + tl.load(bias + row // batch).to(tl.float32))
    tl.store(out + row * pitch + place, tl.where(place < D, result, 0.0).to(out.dtype.element_ty), place < pitch)


@triton.jit
def gated_back(
    grad,
    h,
    mixed,
    bias,
    to_h,
    to_mixed,
    to_bias,
    batch,
    D: tl.constexpr,
    pitch: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    """Gradients of h's first half and of what was mixed, and of its bias from each row (rows,)."""
    row = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    place = tl.arange(0, N)[None, :]
    known = place < D
    back = tl.load(grad + row * pitch + place, known, 0.0).to(tl.float32)
    kept, slope = _gelu(tl.load(h + row * (2 * D) + place, known, 0.0).to(tl.float32))
    value = tl.load(mixed + row * pitch + place, known, 0.0).to(tl.float32)
    opened = _tanh(value + tl.load(bias + row // batch).to(tl.float32))
    tl.store(to_h + row * (2 * D) + place, (back * opened * slope).to(to_h.dtype.element_ty), known)
    result = tl.where(known, back * kept * (1.0 - opened * opened), 0.0)
    tl.store(to_mixed + row * pitch + place, result.to(to_mixed.dtype.element_ty), place < pitch)
    tl.store(to_bias + row, tl.sum(result, 1)[:, None])


@triton.jit
def gate_back(grad, h, weight, to_h, sums, rows_of_run, D: tl.constexpr, pitch: tl.constexpr, eps, chunk: tl.constexpr,
              M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """The gradients of h's second half, and of the norm's weight and bias from some of a run's rows, (2, parts, D)."""
    part = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, N)[None, :]
    known = place < D
    run = part * chunk // rows_of_run
    g = tl.load(weight + run * D + place, known, 0.0)
    of_weight = tl.zeros((M, N), tl.float32)
    of_bias = tl.zeros((M, N), tl.float32)
    for start in range(0, chunk, M):
        row = (part * chunk + start + tl.arange(0, M))[:, None]
        value, slope = _gelu(tl.load(h + row * (2 * D) + D + place, known, 0.0).to(tl.float32))
        normed, inverse = _normed(value, known, D, eps)
        back = tl.load(grad + row * pitch + place, known, 0.0).to(tl.float32)
        of_weight += back * normed
        of_bias += back
        result = _norm_back(back * g, normed, inverse, known, D) * slope
        tl.store(to_h + row * (2 * D) + D + place, result.to(to_h.dtype.element_ty), known)
    tl.store(sums + part * D + place, tl.sum(of_weight, 0)[None, :], known)
    tl.store(sums + (tl.num_programs(0) + part) * D + place, tl.sum(of_bias, 0)[None, :], known)
