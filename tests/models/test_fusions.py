from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glam.models import fusions
from glam.models.fusions import AreaAttention, AttentionPooling, GlobalAware, HeadFusion, area_attention

SEED = torch.tensor(7)


def explicit_area_attention(x: torch.Tensor, widest: int) -> torch.Tensor:
    """Area attention of (positions, channels) as it is defined: every area written out."""
    areas = [x[start : start + width] for width in range(1, widest + 1) for start in range(len(x) - width + 1)]
    keys = torch.stack([area.mean(0) for area in areas])
    values = torch.stack([area.sum(0) for area in areas])
    return (x @ keys.T).softmax(dim=-1) @ values


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Area attention goes through the few positions of these tests in several steps too."""
    monkeypatch.setattr(fusions, "ROWS_AT_ONCE", 4)


@given(
    positions=st.integers(1, 9),
    channels=st.integers(1, 4),
    widest=st.integers(1, 4),
    loud=st.sampled_from([0.1, 1.0, 30.0]),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_moving_averages_are_area_attention(positions: int, channels: int, widest: int, loud: float, seed: int) -> None:
    x = torch.randn(positions, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = (loud * x).requires_grad_()
    ours, defined = area_attention(x, widest, 0.0, SEED), explicit_area_attention(x, widest)
    assert torch.allclose(ours, defined, rtol=1e-10, atol=1e-10)
    (ours_gradient,) = torch.autograd.grad(ours.square().sum(), x)
    (defined_gradient,) = torch.autograd.grad(defined.square().sum(), x)
    scale = defined_gradient.abs().max()
    assert torch.allclose(ours_gradient, defined_gradient, rtol=1e-8, atol=1e-9 * float(scale))


def test_flat_area_attention_wraps_from_row_to_row_and_by_row_does_not() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    flat, by_row = AreaAttention(0.0)(x), AreaAttention(0.0, by_row=True)(x)
    assert flat.shape == (2, 20, 3)
    assert by_row.shape == (2, 4, 5, 3)
    rows = x.permute(0, 2, 3, 1)
    assert torch.allclose(flat[1], explicit_area_attention(rows[1].flatten(0, 1), 3))
    assert torch.allclose(by_row[1, 2], explicit_area_attention(rows[1, 2], 3))


def test_dropout_falls_on_the_weights_of_areas_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 2, dtype=torch.float64)
    kept = area_attention(x, 3, 0.0, SEED)
    dropped = area_attention(x.expand(20000, 6, 2), 3, 0.5, SEED)
    assert torch.allclose(dropped.mean(0), kept, atol=0.05 * float(kept.abs().max()))
    # One position has one area: its weight of 1 is dropped or doubled.
    alone = area_attention(torch.ones(1000, 1, 1), 3, 0.5, SEED)
    assert set(alone.flatten().tolist()) == {0.0, 2.0}


def test_gradient_goes_through_the_dropout_that_was_drawn() -> None:
    x = 0.5 * torch.randn(7, 2, dtype=torch.float64)

    def attend(x: torch.Tensor) -> torch.Tensor:
        return area_attention(x, 3, 0.5, SEED)

    assert torch.autograd.gradcheck(attend, x.requires_grad_())


def test_dropout_stays_active_in_evaluation_only_where_asked() -> None:
    x = torch.randn(1, 3, 4, 6)
    none, off, on = (
        AreaAttention(0.0).eval(),
        AreaAttention(0.5).eval(),
        AreaAttention(0.5, dropout_at_test=True).eval(),
    )
    assert torch.equal(off(x), none(x))
    assert not torch.equal(on(x), none(x))


def test_area_attention_keeps_float32_under_autocast() -> None:
    x = 20 * torch.rand(1, 8, 3, 5)
    attend = AreaAttention(0.0)
    gradient = torch.func.grad(lambda x: attend(x).square().sum())
    with torch.autocast("cpu", torch.bfloat16):
        mixed, mixed_gradient = attend(x), gradient(x)
    assert torch.equal(mixed, attend(x))
    assert torch.equal(mixed_gradient, gradient(x))


def test_head_fusion_is_a_softmax_over_channels_head_by_head() -> None:
    fusion = HeadFusion(5, heads=3, hidden=4).double()
    x = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    fused = fusion(x)
    assert fused.shape == (2, 4, 18, 7)
    for head in range(3):
        own = slice(4 * head, 4 * head + 4)
        q, k, v = fusion.query(x)[:, own], fusion.key(x)[:, own], fusion.value(x)[:, own]
        assert torch.allclose(fused[:, :, 6 * head : 6 * head + 6], (q * k).softmax(dim=1) * v)


def test_attention_pooling_averages_class_maps_weighed_by_one_map() -> None:
    pooling = AttentionPooling(5, classes=3).double()
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64)
    expected = torch.einsum("bkft,bft->bk", pooling.top_down(x).softmax(dim=1), pooling.bottom_up(x).squeeze(1))
    assert torch.allclose(pooling(x), expected / 24)


def test_global_aware_block_starts_as_a_gate_of_tanh_one() -> None:
    block = GlobalAware(channels=6, positions=8)
    sgu = block.gmlp.layers[0].fn.fn.fn.sgu
    assert torch.equal(sgu.bias, torch.ones(1, 6))
    assert sgu.weight.shape == (1, 6, 6)
    assert sgu.weight.abs().max() <= 1e-3 / 6
    assert isinstance(sgu.act, torch.nn.Tanh)
    assert block(torch.randn(2, 6, 2, 4)).shape == (2, 6, 8)


def test_stacked_models_drop_what_each_would_alone() -> None:
    def gradient(x: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
        slope: torch.Tensor = torch.func.grad(lambda x: area_attention(x, 3, 0.5, seed).square().sum())(x)
        return slope

    x, seeds = torch.ones(3, 4, 7, 3), torch.tensor([5, 6, 5])
    stacked = torch.func.vmap(gradient)(x, seeds)
    for i in range(3):
        assert torch.equal(stacked[i], gradient(x[i], seeds[i]))
    assert not torch.equal(stacked[0], stacked[1])


def test_global_aware_block_is_the_library_s_gmlp() -> None:
    block = GlobalAware(channels=6, positions=8).double()
    with torch.no_grad():
        block.gmlp.layers[0].fn.fn.fn.sgu.weight.normal_()
    x = torch.randn(3, 6, 2, 4, dtype=torch.float64)
    gradients = []
    forwards: list[Callable[[torch.Tensor], torch.Tensor]] = [block, lambda x: block.gmlp(x.flatten(2))]
    for forward in forwards:
        block.zero_grad()
        y = forward(x)
        y.square().sum().backward()
        gradients.append([y, *(parameter.grad for parameter in block.parameters())])
    for ours, library in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, library, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fusion", [GlobalAware(16, 12), HeadFusion(16, 4, 8)], ids=["global-aware", "heads"])
def test_no_fusion_passes_on_a_tensor_that_lies_badly_in_memory(fusion: torch.nn.Module) -> None:
    # Elementwise operations on bfloat16 take many times as long where two tensors lie differently: what a fusion
    # computes between its matrix products lies as the others do, whatever the format of the map.
    x = torch.randn(2, 16, 3, 4).to(memory_format=torch.channels_last)
    seen: list[bool] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in (torch.ops.aten.mul.Tensor, torch.ops.aten.tanh_backward.default):
                tensors = [a for a in args if isinstance(a, torch.Tensor) and a.dim() > 2]
                seen.extend(a.stride(-1) == 1 for a in tensors)
            return function(*args, **(kwargs or {}))

    with Watch():  # type: ignore[no-untyped-call]
        y = fusion(x)
        y.backward(torch.ones_like(y))
    assert seen
    assert all(seen)
