"""GLAM's fused gMLP layer against the layer as it is written, of several runs."""

import pytest
import torch
from fused.interpreted import DEVICE, few_programs, gating
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from glam.fused.fuse import fuse
from glam.learning.arithmetic import settle
from glam.models.fusions import GlobalAware

__all__ = ["few_programs", "gating"]

RUNS, BATCH = 2, 3

pytestmark = pytest.mark.usefixtures("few_programs")


@pytest.mark.parametrize(("channels", "f", "t"), [(8, 3, 2), (16, 1, 8)])
def test_is_the_layer_as_it_is_written(channels: int, f: int, t: int) -> None:
    torch.manual_seed(0)
    settle("fp32", DEVICE)
    module = GlobalAware(channels, f * t).to(DEVICE)
    weights = {name: torch.randn(RUNS, *w.shape).to(DEVICE) / 3 for name, w in module.named_parameters()}
    x, back = (torch.randn(RUNS, BATCH, channels, *size).to(DEVICE) for size in ((f, t), (f * t,)))

    def loss(weights: dict[str, Tensor], x: Tensor, back: Tensor) -> Tensor:
        y: Tensor = functional_call(module, weights, (x,))
        return (y * back).sum()

    def gradients() -> dict[str, Tensor]:
        (of_weights, of_x), losses = vmap(grad_and_value(loss, argnums=(0, 1)))(weights, x, back)
        return {**of_weights, "x": of_x, "loss": losses}

    expected = gradients()
    fuse(module)
    assert "forward" in vars(module)
    ours = gradients()
    for name, theirs in expected.items():
        assert float((ours[name] - theirs).norm()) < 1e-5 * float(theirs.norm()) + 1e-6, name


def test_a_map_that_is_too_large_is_left_alone() -> None:
    module = GlobalAware(4, gating.MOST_PLACES)
    fuse(module)
    assert "forward" not in vars(module)
