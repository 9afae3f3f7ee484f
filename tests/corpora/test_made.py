"""The folders of corpora: made ones lie in the data folder, with what stands beside them."""

from pathlib import Path

import pytest

from glam.corpora import made
from glam.corpora.made import folder_of
from glam.places import ASR, file_at


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corpora that are made at once, and nothing said of files."""
    monkeypatch.setattr(made, "make", lambda name, root: root.mkdir(parents=True, exist_ok=True))
    monkeypatch.setenv(ASR, "")


def test_a_made_corpus_lies_in_the_data_folder_and_its_transcripts_beside_it(quick: None, tmp_path: Path) -> None:
    assert folder_of("synthetic", tmp_path) == tmp_path / "synthetic"
    assert file_at(ASR) == tmp_path / "synthetic-asr.csv"
    assert (tmp_path / "synthetic-asr.csv").is_file()


def test_transcripts_that_are_given_are_taken(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASR, str(tmp_path / "mine.csv"))
    folder_of("synthetic", tmp_path)
    assert file_at(ASR) == tmp_path / "mine.csv"
    assert not (tmp_path / "synthetic-asr.csv").exists()


def test_any_other_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREMA_D", str(tmp_path / "there"))
    assert folder_of("crema-d", tmp_path) == tmp_path / "there"
