"""Dropout whose masks are a function of a seed and the place alone.

Torch's own dropout draws from a generator that every model on a device shares: what a run draws would depend on the
device, and on the runs beside it. Here each place hashes its number with the seed (by the finaliser of MurmurHash3,
twice): a run drops the same on every device, alone or in a pack.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

SEED = "dropout_seed"  # the buffer in which a module that drops keeps its seed; torch 2.4 compiles no get_buffer
_CHUNK = 2**17  # places hashed together on a CPU: as many as its cache holds


def seed_buffer() -> Tensor:
    """A buffer for a module to register under SEED, not to be saved: the seed of its next masks."""
    return torch.zeros((), dtype=torch.int64)


def seeds(model: nn.Module) -> list[Tensor]:
    """The seeds of all modules in the model that drop: fill them before each step."""
    return [buffer for name, buffer in model.named_buffers() if is_seed(name)]


def is_seed(name: str) -> bool:
    """True where a buffer of that name is the seed of a module's masks."""
    return name.rpartition(".")[2] == SEED


class Dropout(nn.Module):
    """Dropout of single values: in training, each is 0 with probability p, and 1 / (1 - p) times itself otherwise.

    Nothing is drawn in evaluation, nor where p is 0.

    Args:
        p: probability of dropping a value.
        stream: tells this module's masks from those of the model's others, which have the same seed: a number of its
            own for each.

    Raises ValueError for a p outside [0, 1).
    """

    def __init__(self, p: float, stream: int) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p}, expected at least 0 and less than 1")
        self.p = p
        self.stream = stream
        self.register_buffer(SEED, seed_buffer(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """A tensor of any shape to one of the same shape."""
        if not self.training or not self.p:
            return x
        return x * kept(x.shape, self.p, getattr(self, SEED), self.stream) / (1 - self.p)

    def extra_repr(self) -> str:
        """The text that `print` shows of it."""
        return f"p={self.p}, stream={self.stream}"


def kept(shape: Sequence[int], dropout: float, seed: Tensor, stream: int) -> Tensor:
    """A mask of the places that are kept, each with probability 1 - dropout: a bool tensor of that shape.

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
