"""Where corpora, derived data and results lie."""

from pathlib import Path

import pytest

from glam import places
from glam.errors import GlamError
from glam.places import corpus_root, data_folder, file_at, files_not_used, give_files, index_folder, runs_folder

PROJECT = Path(__file__).resolve().parents[1]


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
    assert corpus_root("iemocap", data_folder()) == tmp_path
    assert corpus_root("synthetic", tmp_path) == tmp_path / "synthetic"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "_project", lambda: tmp_path)
    return tmp_path


def test_the_constant_of_path_py(project: Path) -> None:
    (project / "path.py").write_text('"""Doc."""\nIEMOCAP = "/corpora/IEMOCAP"\n')
    assert corpus_root("iemocap", data_folder()) == Path("/corpora/IEMOCAP")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("IEMOCAP = open", "path in quotes"),
        ("IEMOCAP = 3", "path in quotes"),
        ("IEMOCAP = (", "Python"),
        ("IEMOCAP = " + "{" * 3000, "Python"),
    ],
)
def test_a_path_py_that_cannot_be_meant(project: Path, content: str, part: str) -> None:
    (project / "path.py").write_text(content)
    with pytest.raises(GlamError, match=part):
        corpus_root("iemocap", data_folder())


@pytest.mark.parametrize("content", [None, "", 'IEMOCAP = ""', 'IEMOCAP = " "'])
def test_neither_is_explained(project: Path, content: str | None) -> None:
    if content is not None:
        (project / "path.py").write_text(content)
    with pytest.raises(GlamError, match=r"where IEMOCAP lies is not known: say -d .*variable IEMOCAP"):
        corpus_root("iemocap", data_folder())


def test_files_that_nothing_looks_for_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLOVE", "OTHER"):
        monkeypatch.setenv(name, "")
    give_files({"GLOVE": "a.txt", "OTHER": "b.txt"})
    assert file_at("GLOVE") == Path("a.txt").absolute()
    assert files_not_used() == ["OTHER"]
    give_files({})
    assert files_not_used() == []
