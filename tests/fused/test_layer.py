"""The fused layer of a trunk against the operations it stands for, of several runs."""

from collections.abc import Callable

import pytest
import torch
from fused.interpreted import DEVICE, few_programs, layer
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional as F

from glam.learning.arithmetic import settle

__all__ = ["few_programs"]

RUNS, BATCH, EPS = 3, 2, 1e-5

pytestmark = pytest.mark.usefixtures("few_programs")


def written_out(
    x: Tensor, first: Tensor, weight: Tensor, bias: Tensor, second: Tensor | None, padding: list[int], pool: bool
) -> tuple[Tensor, Tensor, Tensor]:
    y = F.conv2d(x, first, None, padding=padding)
    if second is not None:
        y = torch.cat((x + y, x + F.conv2d(x, second, None, padding="same")), 1)
    variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
    normed = (y - mean[:, None, None]) * (variance + EPS).rsqrt()[:, None, None]
    z = (normed * weight[:, None, None] + bias[:, None, None]).relu()
    return F.max_pool2d(z, 2) if pool else z, mean, variance


def fused(
    x: Tensor, first: Tensor, weight: Tensor, bias: Tensor, second: Tensor | None, padding: list[int], pool: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return layer.layer(x, first, second, weight, bias, None, None, padding, EPS, pool)


def drawn(*shape: int) -> Tensor:
    return torch.randn(RUNS, *shape).to(DEVICE)


CASES = {
    "two scales, odd maps, pool": (4, 4, (3, 3), [1, 1], True, True, (6, 7)),
    "two scales": (24, 24, (3, 3), [1, 1], True, False, (6, 7)),
    "one scale, pool": (3, 5, (3, 3), [1, 1], False, True, (5, 7)),
    "stem across frequency": (1, 16, (3, 1), [1, 0], False, False, (6, 5)),
    "long stem, more than a tile of channels": (1, 70, (2, 8), [0, 3], False, False, (3, 9)),
    "stem with a pool": (1, 4, (10, 2), [4, 0], False, True, (12, 6)),
}


@pytest.mark.parametrize("case", CASES)
def test_is_the_layer_written_out(case: str) -> None:
    inputs, outputs, kernel, padding, two, pool, size = CASES[case]
    torch.manual_seed(0)
    settle("fp32", DEVICE)
    x, first = drawn(BATCH, inputs, *size), drawn(outputs, inputs, *kernel) / 5
    second = drawn(inputs, inputs, 5, 5) / 5 if two else None
    columns = outputs * (2 if two else 1)
    weight, bias = drawn(columns).abs() + 0.5, drawn(columns) / 10
    tensors = [x, first, weight, bias, *([] if second is None else [second])]

    def of(function: Callable[..., tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        def results_of(*given: Tensor) -> tuple[Tensor, ...]:
            x, first, weight, bias, *more = given
            return function(x, first, weight, bias, more[0] if more else None, padding, pool)

        results = vmap(results_of)(*tensors)
        torch.manual_seed(1)
        back = torch.randn(results[0].shape).to(DEVICE)
        wanted = tuple(range(1 if inputs == 1 else 0, len(tensors)))  # a stem's input is data

        def loss(back: Tensor, *given: Tensor) -> Tensor:
            return (results_of(*given)[0] * back).sum()

        return results, vmap(grad(loss, argnums=tuple(place + 1 for place in wanted)))(back, *tensors)

    for ours, theirs in zip(of(fused), of(written_out), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            assert float((mine - other).norm()) < 2e-5 * float(other.norm())


def test_takes_given_moments_in_evaluation() -> None:
    torch.manual_seed(0)
    x, first, weight, bias = drawn(BATCH, 3, 5, 7), drawn(4, 3, 3, 3), drawn(4), drawn(4)
    mean, variance = drawn(4), drawn(4).abs() + 0.1

    def ours(x: Tensor, first: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return layer.layer(x, first, None, weight, bias, mean, variance, [1, 1], EPS, True)[0]

    def theirs(x: Tensor, first: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        y = F.batch_norm(F.conv2d(x, first, None, padding=1), mean, variance, weight, bias, eps=EPS)
        return F.max_pool2d(y.relu(), 2)

    tensors = x, first, weight, bias, mean, variance
    torch.testing.assert_close(vmap(ours)(*tensors), vmap(theirs)(*tensors), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours(*(t[1] for t in tensors)), theirs(*(t[1] for t in tensors)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (16, 32), (32, 16), (16, 16)])
def test_bf16_convolutions_of_unequal_channels(inputs: int, outputs: int) -> None:
    """They are widened with zeros to what cuDNN has kernels for."""
    torch.manual_seed(0)
    x = torch.randn(BATCH, 6, 7, RUNS, inputs).to(DEVICE, torch.bfloat16)
    w = layer._lay_weights((torch.randn(RUNS, outputs, inputs, 3, 3) / 5).to(DEVICE, torch.bfloat16))
    y = x.new_empty(BATCH, 6, 7, RUNS, outputs)
    layer._convolve(x, w, [1, 1], y)
    back = torch.randn_like(y)
    gradients = layer._convolve_backward(back, x, w, [1, 1], True)
    wide_x, wide_w = x.float().requires_grad_(), w.float().requires_grad_()
    exact = torch.stack(
        [F.conv2d(wide_x[..., run, :].permute(0, 3, 1, 2), wide_w[run], padding=1) for run in range(RUNS)], 1
    ).permute(0, 3, 4, 1, 2)
    expected = torch.autograd.grad((exact * back.float()).sum(), (wide_x, wide_w))
    for ours, theirs in zip((y, *gradients), (exact, *expected), strict=True):
        assert ours.shape == theirs.shape
        assert float((ours.float() - theirs.detach()).norm()) < 5e-3 * float(theirs.detach().norm())
