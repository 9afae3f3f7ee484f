"""The faster max-pool is torch's own, to the bit."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.nn import functional as F

from glam.models.max_pool import MaxPool, _Turned


def maps(rows: int, *size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Maps of few distinct values, so that places have several greatest ones."""
    torch.manual_seed(rows)
    return torch.randint(-3, 4, (rows, *size)).to(dtype) / 3


@pytest.mark.parametrize("size", [(5, 6, 8), (16, 7, 9), (1, 2, 2), (3, 2, 57), (33, 26, 1 + 27)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_gradients_are_torchs(size: tuple[int, ...], dtype: torch.dtype) -> None:
    x, torchs = (maps(4, *size, dtype=dtype).requires_grad_() for _ in range(2))
    pooled, expected = MaxPool()(x), F.max_pool2d(torchs, 2)
    assert torch.equal(pooled, expected)
    assert pooled.is_contiguous()
    pull = torch.randn_like(expected)
    pooled.backward(pull)
    expected.backward(pull)
    assert x.grad is not None
    assert torchs.grad is not None
    assert torch.equal(x.grad, torchs.grad)
    assert x.grad.stride() == torchs.grad.stride()


def test_what_is_no_number_stays_none() -> None:
    x = maps(1, 1, 4, 4)
    x[0, 0, 1, 0] = float("nan")
    torch.testing.assert_close(MaxPool()(x), F.max_pool2d(x, 2), equal_nan=True)


def test_maps_whose_channels_lie_last_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Turned, "apply", None)
    x = maps(2, 3, 4, 6).contiguous(memory_format=torch.channels_last)
    pooled = MaxPool()(x)
    assert torch.equal(pooled, F.max_pool2d(x, 2))
    assert pooled.is_contiguous(memory_format=torch.channels_last)


def test_runs_side_by_side_are_pooled_as_alone() -> None:
    x, weights = maps(6, 4, 6, 8).unflatten(0, (3, 2)), torch.randn(3, 4, 1, 1)

    def loss(weight: Tensor, x: Tensor, pool: nn.Module) -> Tensor:
        squares: Tensor = pool(weight * x) ** 2
        return squares.sum()

    for pool in (MaxPool(), nn.MaxPool2d(2)):
        of_all = vmap(grad(lambda weight, x: loss(weight, x, pool)))(weights, x)  # noqa: B023
        alone = torch.stack([grad(loss)(weights[run], x[run], nn.MaxPool2d(2)) for run in range(3)])
        assert torch.equal(of_all, alone)
