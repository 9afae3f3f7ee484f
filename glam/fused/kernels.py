"""Kernels between the convolutions of many runs: batch norm, ReLU and max-pool in as few passes as there can be.

A map of all runs is a matrix: a row for each place (batch, frequency, time), a column for each channel of each run. A
norm is then arithmetic down the columns, whatever the runs. `y` is what one convolution gave or, above each other, two
(H, rows, columns), whose channels are each run's halves behind the norm. With two, the block of GLAM, what both were
given, `x`, is added before the norm. That sum is never written: every pass makes it again. A program takes some columns
of one half, and some windows of 1 x 1 or, with a max-pool, 2 x 2 places. C: channels of a run in a half.
"""

# Triton compiles these functions; Python, whose types and docstrings they do without, never runs them.
# mypy: ignore-errors

import triton
import triton.language as tl

TILE = 2048  # windows times columns that a program has in hand; with a max-pool half as many


@triton.jit
def _columns(axis: tl.constexpr, columns, C: tl.constexpr, H: tl.constexpr, N: tl.constexpr):
    """The program's half, its columns (1, N) there and behind the norm, and which of them there are."""
    tiles = tl.cdiv(columns, N)
    half = tl.program_id(axis) // tiles
    col = (tl.program_id(axis) % tiles * N + tl.arange(0, N))[None, :]
    if H == 1:
        return half, col, col, col < columns
    return half, col, col // C * (2 * C) + half * C + col % C, col < columns


@triton.jit
def _larger(a, b):
    """The larger of two; NaN, which must be seen in the loss, is larger than all."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _before_norm(y, x, row, col, mask, columns, H: tl.constexpr):
    """What the norm is given, float32, in rows (M, 1) of a half y."""
    value = tl.load(y + row * columns + col, mask, 0.0).to(tl.float32)
    if H == 2:
        value += tl.load(x + row * columns + col, mask, 0.0).to(tl.float32)
    return value


@triton.jit
def _store_sums(sums, first, second, place, known, size):
    """Write the sums down the rows of two tiles, the second `size` behind the first."""
    tl.store(sums + place, tl.sum(first, 0)[None, :], known)
    tl.store(sums + size + place, tl.sum(second, 0)[None, :], known)


@triton.jit
def sums_forward(y, x, sums, rows, columns, chunk: tl.constexpr, C: tl.constexpr, H: tl.constexpr, M: tl.constexpr,
                 N: tl.constexpr):  # fmt: skip
    """Sums and sums of squares (2, parts, H * columns) of distances from the first row, in a part of the rows each."""
    half, col, _, known = _columns(0, columns, C, H, N)
    y += half.to(tl.int64) * rows * columns
    first = _before_norm(y, x, tl.zeros((1, 1), tl.int64), col, known, columns, H)
    part = tl.program_id(1).to(tl.int64)
    total = tl.zeros((M, N), tl.float32)
    squares = tl.zeros((M, N), tl.float32)
    for start in range(0, chunk, M):
        row = (part * chunk + start + tl.arange(0, M))[:, None]
        inside = (row < rows) & known
        value = tl.where(inside, _before_norm(y, x, row, col, inside, columns, H) - first, 0.0)
        total += value
        squares += value * value
    _store_sums(sums, total, squares, (part * H + half) * columns + col, known, tl.num_programs(1) * H * columns)


@triton.jit
def moments(y, x, sums, mean, variance, rows, columns, parts: tl.constexpr, C: tl.constexpr, H: tl.constexpr,
            N: tl.constexpr):  # fmt: skip
    """Mean and variance of the sums of all parts, by column behind the norm."""
    half, col, behind, known = _columns(0, columns, C, H, N)
    y += half.to(tl.int64) * rows * columns
    first = _before_norm(y, x, tl.zeros((1, 1), tl.int64), col, known, columns, H)
    total = tl.zeros((1, N), tl.float32)
    squares = tl.zeros((1, N), tl.float32)
    for part in range(0, parts):
        total += tl.load(sums + (part * H + half) * columns + col, known, 0.0)
        squares += tl.load(sums + ((parts + part) * H + half) * columns + col, known, 0.0)
    total /= rows
    tl.store(mean + behind, first + total, known)
    tl.store(variance + behind, _larger(squares / rows - total * total, 0.0), known)


@triton.jit
def forward(y, x, mean, variance, weight, bias, out, windows, rows, columns, F, T, eps, C: tl.constexpr,
            H: tl.constexpr, W: tl.constexpr, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """Norm, ReLU and the greatest of each window of W x W places: (windows, H * columns)."""
    half, col, behind, known = _columns(1, columns, C, H, N)
    y += half.to(tl.int64) * rows * columns
    q = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    inside = (q < windows) & known
    b, f, t = q // ((F // W) * (T // W)), q // (T // W) % (F // W), q % (T // W)
    middle = tl.load(mean + behind, known, 0.0)
    inverse = tl.rsqrt(tl.load(variance + behind, known, 1.0) + eps)
    g, s = tl.load(weight + behind, known, 0.0), tl.load(bias + behind, known, 0.0)
    greatest = tl.zeros((M, N), tl.float32)  # ReLU
    for i in tl.static_range(W):
        for j in tl.static_range(W):
            row = (b * F + f * W + i) * T + t * W + j
            normed = (_before_norm(y, x, row, col, inside, columns, H) - middle) * inverse
            greatest = _larger(greatest, g * normed + s)
    tl.store(out + q * (H * columns) + behind, greatest.to(out.dtype.element_ty), inside)


@triton.jit
def sums_backward(grad, y, x, mean, variance, weight, bias, sums, windows, rows, columns, chunk: tl.constexpr, F, T,
                  eps, C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, M: tl.constexpr,
                  N: tl.constexpr):  # fmt: skip
    """Gradients of the norm's bias and weight (2, parts, H * columns), from a part of the windows each."""
    half, col, behind, known = _columns(0, columns, C, H, N)
    y += half.to(tl.int64) * rows * columns
    part = tl.program_id(1).to(tl.int64)
    middle = tl.load(mean + behind, known, 0.0)
    inverse = tl.rsqrt(tl.load(variance + behind, known, 1.0) + eps)
    g, s = tl.load(weight + behind, known, 0.0), tl.load(bias + behind, known, 0.0)
    total = tl.zeros((M, N), tl.float32)
    products = tl.zeros((M, N), tl.float32)
    for start in range(0, chunk, M):
        q = (part * chunk + start + tl.arange(0, M))[:, None]
        inside = (q < windows) & known
        b, f, t = q // ((F // W) * (T // W)), q // (T // W) % (F // W), q % (T // W)
        greatest = tl.zeros((M, N), tl.float32)
        at = tl.zeros((M, N), tl.float32)
        for i in tl.static_range(W):
            for j in tl.static_range(W):
                row = (b * F + f * W + i) * T + t * W + j
                normed = (_before_norm(y, x, row, col, inside, columns, H) - middle) * inverse
                value = g * normed + s
                at = tl.where(value > greatest, normed, at)
                greatest = _larger(greatest, value)
        back = tl.load(grad + q * (H * columns) + behind, inside, 0.0).to(tl.float32)
        back = tl.where(greatest > 0, back, 0.0)
        total += back
        products += back * at
    _store_sums(sums, total, products, (part * H + half) * columns + col, known, tl.num_programs(1) * H * columns)


@triton.jit
def backward(grad, y, x, mean, variance, weight, bias, sums, back_to_y, windows, rows, columns, F, T, eps,
             C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """The gradient of what the norm was given, as y. sums: (2, H * columns). Windows may be cut at the edges."""
    half, col, behind, known = _columns(1, columns, C, H, N)
    y += half.to(tl.int64) * rows * columns
    back_to_y += half.to(tl.int64) * rows * columns
    q = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    inside = (q < windows) & known
    across, along = (F + W - 1) // W, (T + W - 1) // W
    b, f, t = q // (across * along), q // along % across, q % along
    middle = tl.load(mean + behind, known, 0.0)
    inverse = tl.rsqrt(tl.load(variance + behind, known, 1.0) + eps)
    g, s = tl.load(weight + behind, known, 0.0), tl.load(bias + behind, known, 0.0)
    share = tl.load(sums + half * columns + col, known, 0.0) / rows
    slope = tl.load(sums + (H + half) * columns + col, known, 0.0) / rows
    whole = inside & (f < F // W) & (t < T // W)
    place = (b * (F // W) + f) * (T // W) + t
    back = tl.load(grad + place * (H * columns) + behind, whole, 0.0).to(tl.float32)
    # The windows' places one by one: as a loop, they would be read twice.
    row = (b * F + f * W) * T + t * W
    normed = (_before_norm(y, x, row, col, inside, columns, H) - middle) * inverse
    greatest = _larger(g * normed + s, 0.0)
    mine = g * normed + s > 0
    if W == 2:
        lower, right = inside & (f * W + 1 < F), inside & (t * W + 1 < T)
        corner = lower & right
        normed1 = (_before_norm(y, x, row + 1, col, right, columns, H) - middle) * inverse
        normed2 = (_before_norm(y, x, row + T, col, lower, columns, H) - middle) * inverse
        normed3 = (_before_norm(y, x, row + T + 1, col, corner, columns, H) - middle) * inverse
        mine1 = g * normed1 + s > greatest
        greatest = _larger(greatest, g * normed1 + s)
        mine2 = g * normed2 + s > greatest
        greatest = _larger(greatest, g * normed2 + s)
        mine3 = g * normed3 + s > greatest
        mine2 = mine2 & ~mine3
        mine1 = mine1 & ~mine2 & ~mine3
        mine = mine & ~mine1 & ~mine2 & ~mine3
        _give(back_to_y + (row + 1) * columns + col, g * inverse, back, mine1, share, normed1, slope, right)
        _give(back_to_y + (row + T) * columns + col, g * inverse, back, mine2, share, normed2, slope, lower)
        _give(back_to_y + (row + T + 1) * columns + col, g * inverse, back, mine3, share, normed3, slope, corner)
    _give(back_to_y + row * columns + col, g * inverse, back, mine, share, normed, slope, inside)


@triton.jit
def _give(to, scale, back, mine, share, normed, slope, mask):
    """Write the gradient of places of which `mine` was taken."""
    result = scale * (tl.where(mine, back, 0.0) - share - normed * slope)
    tl.store(to, result.to(to.dtype.element_ty), mask)


@triton.jit
def add(into, second, halves, size, N: tl.constexpr):
    """Add `second` and both of `halves` (2, size) to `into`, (size,) each."""
    place = tl.program_id(0).to(tl.int64) * N + tl.arange(0, N)
    known = place < size
    value = tl.load(into + place, known, 0.0).to(tl.float32) + tl.load(second + place, known, 0.0).to(tl.float32)
    value += tl.load(halves + place, known, 0.0).to(tl.float32) + tl.load(halves + size + place, known, 0.0).to(
        tl.float32
    )
    tl.store(into + place, value.to(into.dtype.element_ty), known)


@triton.jit
def _seen(x, row, tap_f, tap_t, run, known, runs, F, T, Fx, Tx, up, left):
    """What a tap sees, float32: (M, R) of rows (M, 1) and runs (1, R)."""
    f, t = row // T % F + tap_f - up, row % T + tap_t - left
    seen = known & (f >= 0) & (f < Fx) & (t >= 0) & (t < Tx)
    return tl.load(x + ((row // (F * T) * Fx + f) * Tx + t) * runs + run, seen, 0.0).to(tl.float32)


@triton.jit
def taps_forward(x, w, y, rows, runs, F, T, Fx, Tx, up, left, channels: tl.constexpr, KF: tl.constexpr,
                 KT: tl.constexpr, M: tl.constexpr, R: tl.constexpr, C: tl.constexpr):  # fmt: skip
    """A convolution of one channel. x: (batch, Fx, Tx, runs). w: (runs, channels, taps). y: (rows, runs, channels)."""
    row = (tl.program_id(0).to(tl.int64) * M + tl.arange(0, M))[:, None]
    run = (tl.program_id(1) * R + tl.arange(0, R))[None, :]
    channel = tl.arange(0, C)[None, None, :]
    known = (row < rows) & (run < runs)
    filled = (run < runs)[:, :, None] & (channel < channels)
    place = run[:, :, None] * channels + channel
    total = tl.zeros((M, R, C), tl.float32)
    for i in tl.static_range(KF):
        for j in tl.static_range(KT):
            value = _seen(x, row, i, j, run, known, runs, F, T, Fx, Tx, up, left)
            total += value[:, :, None] * tl.load(w + place * (KF * KT) + i * KT + j, filled, 0.0).to(tl.float32)
    result = total.to(y.dtype.element_ty)
    tl.store(y + row[:, :, None] * (runs * channels) + place, result, known[:, :, None] & filled)


@triton.jit
def taps_backward(grad, x, sums, rows, runs, F, T, Fx, Tx, up, left, chunk: tl.constexpr, channels: tl.constexpr,
                  KT: tl.constexpr, M: tl.constexpr, R: tl.constexpr, C: tl.constexpr):  # fmt: skip
    """The gradient of such a convolution's weights (taps, parts, runs, channels), from a part of the rows each."""
    run = (tl.program_id(0) * R + tl.arange(0, R))[None, :]
    channel = tl.arange(0, C)[None, None, :]
    part, tap = tl.program_id(1).to(tl.int64), tl.program_id(2)
    filled = (run < runs)[:, :, None] & (channel < channels)
    place = run[:, :, None] * channels + channel
    total = tl.zeros((M, R, C), tl.float32)
    for start in range(0, chunk, M):
        row = (part * chunk + start + tl.arange(0, M))[:, None]
        known = (row < rows) & (run < runs)
        value = _seen(x, row, tap // KT, tap % KT, run, known, runs, F, T, Fx, Tx, up, left)
        back = tl.load(grad + row[:, :, None] * (runs * channels) + place, known[:, :, None] & filled, 0.0)
        total += value[:, :, None] * back.to(tl.float32)
    base = (tap * tl.num_programs(1) + part) * (runs * channels)
    tl.store(sums + base + place, tl.sum(total, 0)[None, :, :], filled)
