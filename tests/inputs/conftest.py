"""Recordings to extract features of, and a folder to keep them in."""

from pathlib import Path

import numpy as np
import pytest
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
