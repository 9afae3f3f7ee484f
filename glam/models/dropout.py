"""Dropout whose masks are a function of a seed and the place alone.

Torch's own dropout draws from a generator that every model on a device shares: what a run draws would depend on the
device, and on the runs beside it. Here each place hashes its number with the seed (by the finaliser of MurmurHash3,
twice): a run drops the same on every device, alone or in a pack.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

SEED = "dropout_seed"  # the buffer in which a module that drops keeps its seed
_CHUNK = 2**17  # places hashed together on a CPU: as many as its cache holds


def seed_buffer() -> Tensor:
    """What a module registers under SEED, not to be saved: the seed of its next masks."""
    return torch.zeros((), dtype=torch.int64)


def seeds(model: nn.Module) -> list[Tensor]:
    """The seeds of all modules in the model that drop: fill them before each step."""
    return [buffer for name, buffer in model.named_buffers() if is_seed(name)]


def is_seed(name: str) -> bool:
    """Whether a buffer of that name is the seed of a module's masks."""
    return name.rpartition(".")[2] == SEED


def kept(shape: Sequence[int], dropout: float, seed: Tensor, stream: int) -> Tensor:
    """Which places are kept, each with probability 1 - dropout: a bool tensor of that shape.

    seed: () int64, on the device of the result. stream: tells the masks that one module draws from one seed apart.
    """
    first, second = _words(seed, stream)
    threshold = round(dropout * 2**31)
    places = prod(shape)
    step = _CHUNK if seed.device.type == "cpu" else max(places, 1)
    parts = []
    for start in range(0, places, step):
        place = torch.arange(start, min(start + step, places), dtype=torch.int32, device=seed.device)
        parts.append((_mixed(_mixed(place ^ first) ^ second) & 0x7FFFFFFF) >= threshold)
    return torch.cat(parts).view(*shape)


def _words(seed: Tensor, stream: int) -> tuple[Tensor, Tensor]:
    """Two words that identify seed and stream, (1,) int32."""
    seed = seed.reshape(1)  # mapped and compiled, a constant beside a tensor without dimensions is rounded to float32
    low, high = seed.to(torch.int32), (seed >> 32).to(torch.int32)
    first = _mixed(_mixed(low ^ -1640531527) + stream)
    return first, _mixed(_mixed(first ^ high) + 2135587861)


def _mixed(x: Tensor) -> Tensor:
    """The 32-bit finaliser of MurmurHash3; a new tensor. Products wrap, and >> must not copy the sign."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * -2048144789
    x = x ^ ((x >> 13) & 0x7FFFF)
    x = x * -1028477387
    return x ^ ((x >> 16) & 0xFFFF)
