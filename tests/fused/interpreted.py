"""Fused layers on this machine: on its GPU, or on the CPU in Triton's interpreter (test_in_the_interpreter.py)."""

import os

import pytest
import torch

pytest.importorskip("triton", reason="needs Triton")
if not hasattr(torch.library, "register_vmap"):
    pytest.skip("needs torch 2.5 or later", allow_module_level=True)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("needs a CUDA device, or Triton's interpreter", allow_module_level=True)

from glam.fused import gating, layer  # noqa: E402 - Triton may be absent

DEVICE = torch.device("cpu" if INTERPRETED else "cuda")

__all__ = ["DEVICE", "INTERPRETED", "few_programs", "gating", "layer"]


@pytest.fixture
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer and larger programs in the interpreter, which takes its time for each."""
    if INTERPRETED:
        monkeypatch.setattr(layer, "PROGRAMS", 4)
        monkeypatch.setattr(gating, "PARTS", 2)
        monkeypatch.setattr(gating, "ROWS", 8)
