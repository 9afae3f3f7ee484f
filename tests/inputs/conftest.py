"""Recordings to extract features of, a folder to keep them in, and torch's precision as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inputs.stores import SAMPLES, SHORT, utterance, write_wav

from glam.corpora.utterances import Utterance


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.RandomState(3)
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i, n in enumerate((*SAMPLES, SHORT)):
        write_wav(folder / f"u{i}.wav", (8000 * rng.randn(n)).clip(-32768, 32767).astype(np.int16))
    return folder


@pytest.fixture
def spoken(root: Path) -> list[Utterance]:
    return [utterance(root, f"u{i}", n) for i, n in enumerate(SAMPLES)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def switches() -> Iterator[tuple[Any, Any]]:
    """Torch's switches for the precision of products, put back afterwards."""
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        pytest.skip("torch has had a switch for each device since 2.9")
    both = (backends.cuda.matmul, backends.mkldnn.matmul)
    before = [switch.fp32_precision for switch in both]
    yield both
    for switch, value in zip(both, before, strict=True):
        switch.fp32_precision = value
