"""The tests beside this one in a process of their own, where Triton interprets its kernels: it decides that once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.skipif(not hasattr(torch.library, "register_vmap"), reason="needs torch 2.5 or later")
def test_fused_layers_in_the_interpreter() -> None:
    pytest.importorskip("triton", reason="needs Triton")
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in ("layer", "gating", "fuse")]
    command = [sys.executable, "-m", "pytest", *files, "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(command, cwd=here.parent.parent, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
