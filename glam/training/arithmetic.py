"""In what precision matrix products and convolutions are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from glam.training.settings import Precision


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """The precision of matrix products and convolutions within the block."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.deterministic = True
    # No cache of cast weights: it must not outlive a step that is captured or mapped over stacked weights.
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
        yield
