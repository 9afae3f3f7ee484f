"""What is said of a corpus's licence."""

from pathlib import Path

import pytest

from glam.corpora import CORPORA
from glam.corpora.licences import licence_of
from glam.corpora.scheme import scheme, scheme_names


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_corpus_has_one(name: str) -> None:
    assert licence_of(name)
    if name in scheme_names():
        assert licence_of(name) == scheme(name).licence


def test_of_ones_own(tmp_path: Path) -> None:
    assert licence_of("my.csv") == licence_of("mine.py:read") == licence_of(str(tmp_path / "absent.yaml")) == ""
    own = tmp_path / "own.yaml"
    own.write_text("title: Ours\nlicence: ours alone\npattern: '(?P<speaker>[a-z]+)-(?P<label>[a-z]+)'\n")
    assert licence_of(str(own)) == "ours alone"
