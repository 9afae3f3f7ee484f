"""Where corpora, derived data and results lie."""

from pathlib import Path

import pytest

from glam.data.places import corpus_root, data_folder, index_folder, runs_folder
from glam.errors import GlamError

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IEMOCAP", "GLAM_DATA", "GLAM_RUNS"):
        monkeypatch.delenv(variable, raising=False)


def test_by_default_beside_the_project() -> None:
    assert data_folder() == PROJECT / "data"
    assert runs_folder() == PROJECT / "runs"


def test_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "a b"))
    monkeypatch.setenv("GLAM_RUNS", "~/runs")
    monkeypatch.setenv("IEMOCAP", str(tmp_path))
    assert data_folder() == tmp_path / "a b"
    assert index_folder(data_folder(), "iemocap") == tmp_path / "a b" / "index" / "iemocap"
    assert runs_folder() == Path.home() / "runs"
    assert corpus_root("iemocap", "/elsewhere") == tmp_path
    assert corpus_root("synthetic") == tmp_path / "a b" / "synthetic"


def test_the_constant_of_path_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEMOCAP", "")
    assert corpus_root("iemocap", "/corpora/IEMOCAP") == Path("/corpora/IEMOCAP")


def test_neither_is_explained() -> None:
    with pytest.raises(GlamError, match=r"IEMOCAP is not set and path.py names no folder. Set IEMOCAP="):
        corpus_root("iemocap", " ")
