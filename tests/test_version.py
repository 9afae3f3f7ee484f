"""The version is the same wherever it is written."""

import re
from pathlib import Path

import yaml

import glam

PROJECT = Path(__file__).resolve().parent.parent


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.findall(r"^## (\d\S*) - \d{4}-\d\d-\d\d$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert glam.__version__ == str(citation["version"]) == released[0]
