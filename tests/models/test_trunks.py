from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from glam.models.trunks import MultiScale, MultiScaleBlock, Shallow

TRUNKS: dict[str, Any] = {
    "multi-scale": MultiScale,
    "along channels": lambda: Shallow(8),
    "along frequency": lambda: Shallow(16, along="frequency"),
}


@pytest.mark.parametrize("name", TRUNKS)
@given(frequencies=st.integers(10, 60), frames=st.integers(10, 60))
@settings(deadline=None, max_examples=25)
def test_map_has_the_size_it_says(name: str, frequencies: int, frames: int) -> None:
    with torch.device("meta"):
        trunk = TRUNKS[name]()
        y = trunk(torch.empty(2, 1, frequencies, frames))
    assert y.shape == (2, trunk.channels, *trunk.map_size((frequencies, frames)))


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [
        ("multi-scale", (26, 63), (13, 15)),
        ("multi-scale", (26, 57), (13, 14)),
        ("along channels", (400, 197), (99, 49)),
        ("along frequency", (26, 63), (12, 15)),
        ("along frequency", (128, 81), (63, 20)),
    ],
)
def test_sizes_of_the_published_inputs(name: str, shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert TRUNKS[name]().map_size(shape) == size


def test_block_is_two_residual_convolutions_side_by_side() -> None:
    block: Any = MultiScaleBlock(2).eval()
    with torch.no_grad():
        for conv in (block.near, block.far):
            torch.nn.init.zeros_(conv.weight)
        block.near.bias.fill_(1.0)
        block.far.bias.fill_(-2.0)
    x = torch.randn(1, 2, 5, 5)
    expected = functional.relu(torch.cat((x + 1, x - 2), dim=1))
    assert torch.allclose(block(x), expected, rtol=1e-4)  # batch norm at rest divides by sqrt(1 + 1e-5)


def test_stems_of_the_multi_scale_trunk_lie_frequency_first_then_time() -> None:
    trunk: Any = MultiScale().eval()
    seen: list[torch.Tensor] = []
    trunk.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 1, 6, 8)
    trunk(x)
    assert seen[0].shape == (1, 16, 12, 8)
    assert torch.equal(seen[0][:, :, :6], trunk.across_frequency(x))
    assert torch.equal(seen[0][:, :, 6:], trunk.along_time(x))
    assert trunk.across_frequency[0].kernel_size == (3, 1)
    assert trunk.along_time[0].kernel_size == (1, 3)
