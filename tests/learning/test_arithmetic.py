from collections.abc import Iterator
from types import MappingProxyType

import pytest
import torch

from glam.learning import arithmetic as module
from glam.learning.arithmetic import EXACT, arithmetic, left_to_onednn
from glam.learning.settings import Precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    left_to_onednn.cache_clear()
    yield
    left_to_onednn.cache_clear()
    torch.set_float32_matmul_precision(before)


def is_a(monkeypatch: pytest.MonkeyPatch, name: str, capability: str = "AVX512", amx: bool = False) -> None:
    about = MappingProxyType({"cpu_name": name, "amx_tile": amx})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: about, raising=False)  # torch 2.4 has none
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)


@pytest.mark.parametrize(
    ("name", "capability", "amx"),
    [
        ("Intel Xeon", "AVX512", False),
        ("Intel Xeon", "AVX512", True),
        ("AMD EPYC", "AVX512", True),
        ("AMD EPYC", "AVX2", False),
    ],
)
def test_products_stay_where_they_are(monkeypatch: pytest.MonkeyPatch, name: str, capability: str, amx: bool) -> None:
    is_a(monkeypatch, name, capability, amx)
    assert not left_to_onednn()


@pytest.mark.parametrize(("error", "left"), [(2e-7, True), (2e-3, False)])
def test_only_exact_products_are_left_to_onednn(monkeypatch: pytest.MonkeyPatch, error: float, left: bool) -> None:
    is_a(monkeypatch, "AMD EPYC")
    monkeypatch.setattr(module, "_errors", lambda: iter([1e-8, error]))
    torch.set_float32_matmul_precision("high")
    assert left_to_onednn() is left
    assert torch.get_float32_matmul_precision() == "high"


def test_who_asks_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    is_a(monkeypatch, "AMD EPYC")
    expected = left_to_onednn()
    left_to_onednn.cache_clear()

    def ask(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            assert left_to_onednn() is expected
        return x.sum()

    torch.func.vmap(torch.func.grad(ask))(torch.zeros(2, 3))
    assert left_to_onednn.cache_info().misses == 1


def test_rounding_to_bfloat16_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(module._errors()) < EXACT
    draw = torch.randn

    def rounded(*shape: int, generator: torch.Generator) -> torch.Tensor:
        matrix = draw(*shape, generator=generator)
        exact = matrix.double
        matrix = matrix.bfloat16().float()
        matrix.double = exact  # type: ignore[method-assign]
        return matrix

    monkeypatch.setattr(torch, "randn", rounded)
    assert min(module._errors()) > EXACT


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_float32_products_are_exact(precision: Precision) -> None:
    """Those a model keeps in float32 under bf16 as well."""
    a, b = torch.randn(300, 190), torch.randn(190, 70)
    with arithmetic(precision, CPU), torch.autocast("cpu", enabled=False):
        product = a @ b
    exact = a.double() @ b.double()
    assert product.dtype == torch.float32
    assert (product - exact).norm() < EXACT * exact.norm()


def test_bf16_computes_in_bfloat16() -> None:
    with arithmetic("bf16", CPU):
        assert (torch.randn(8, 8) @ torch.randn(8, 8)).dtype == torch.bfloat16


@pytest.mark.parametrize(("precision", "expected"), [("tf32", "high"), ("fp32", "highest"), ("bf16", "highest")])
def test_a_gpu_never_rounds_unasked(monkeypatch: pytest.MonkeyPatch, precision: Precision, expected: str) -> None:
    monkeypatch.setattr(module, "left_to_onednn", lambda: True)
    assert module._of_products(precision, torch.device("cuda")) == expected
