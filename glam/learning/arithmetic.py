"""Arithmetic of matrix products and convolutions: in what precision, and by which library."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from glam.learning.settings import Precision

# Of a float32 product, relative to its norm: what rounding may come to; bfloat16 is off by some 1e-3.
EXACT = 1e-6


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """The precision of matrix products and convolutions within the block."""
    settle(precision, device)
    with autocast(precision, device):
        yield


def settle(precision: Precision, device: torch.device, by_trial: bool = False) -> None:
    """Have float32 products computed so from now on in this process, and convolutions by deterministic algorithms.

    by_trial: cuDNN tries its algorithms at every new shape and takes the fastest, which takes a while.
    """
    torch.set_float32_matmul_precision(_of_products(precision, device))
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = by_trial


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A block in which products and convolutions are computed in bfloat16, if that is the precision."""
    # No cache of cast weights: it must not outlive a step that is captured or mapped over stacked weights.
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


def _of_products(precision: Precision, device: torch.device) -> str:
    if precision == "tf32":
        return "high"
    return "medium" if device.type == "cpu" and left_to_onednn() else "highest"


@cache
def left_to_onednn() -> bool:
    """True where oneDNN computes float32 products on this CPU, instead of the MKL that torch turns to by itself.

    MKL uses AVX-512 on Intel's processors only: on others it is half as fast as can be. torch turns to oneDNN only
    where that is allowed to round to bfloat16 ("medium"), which it does with AMX and else does not: without AMX,
    "medium" is float32 by oneDNN. That is not taken on trust, but some products are computed and looked at.
    """
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch, which has no word on AMX: it stays with MKL
        return False
    processor = torch.cpu.get_capabilities()
    if "Intel" in processor.get("cpu_name", "") or processor.get("amx_tile"):
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        # In a thread of its own: whoever asks first may be mapped over the runs of a pack, or cast to bfloat16.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: max(_errors())).result() < EXACT
    finally:
        torch.set_float32_matmul_precision(before)


def _errors() -> Iterator[float]:
    """Errors of products as in linear layers and attention, forward and backward, relative to their norm."""
    draw = torch.Generator().manual_seed(0)

    def matrices(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    a, b, bias = matrices(256, 182), matrices(182, 120), matrices(120)
    stack = matrices(3, 64, 50)
    for product in (
        lambda x, y, z, _: x @ y,
        lambda x, y, z, _: torch.addmm(z, x, y),
        lambda x, y, z, _: y.T @ x.T,
        lambda x, y, z, s: s @ s.transpose(1, 2),
        lambda x, y, z, s: s.transpose(1, 2) @ s,
    ):
        result = product(a, b, bias, stack)
        exact = product(*(matrix.double() for matrix in (a, b, bias, stack)))
        yield float((result - exact).norm() / exact.norm())
