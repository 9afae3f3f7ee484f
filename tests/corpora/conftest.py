"""A small release, and the way to read it."""

from pathlib import Path

import pytest
from corpora.releases import Load, make_release

from glam.corpora import load_corpus
from glam.corpora.utterances import Corpus


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_release(tmp_path / "IEMOCAP_full_release")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(root: Path, name: str = "iemocap", verify: bool = False) -> Corpus:
        return load_corpus(name, root, tmp_path / "index", verify=verify)

    return load
