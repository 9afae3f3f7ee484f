"""The index on disk, and the digest of utterances."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.corpora.utterances import Corpus, Problem, Utterance, corpus_digest, read_index, write_index
from glam.errors import GlamError
from glam.files import hashed_json


def utterance(name: str = "Ses03M_script03_2_F032", **changes: object) -> Utterance:
    made = Utterance(
        id=name,
        label="neu",
        speaker="Ses03F",
        groups={"session": "Ses03", "dialogue": "Ses03M_script03_2", "scenario": "script03_2", "style": "scripted"},
        ratings={"valence": 2.5, "arousal": 1 / 3},
        votes=("E1:Neutral", "E2:Neutral; Sadness"),
        words='He said: "Well, no."',
        audio=f"Session3/sentences/wav/Ses03M_script03_2/{name}.wav",
        samples=28_800,
        size=57_644,
        mtime_ns=1_700_000_000_123_456_789,
        sha256="0" * 64,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def corpus(*utterances: Utterance, root: Path = Path("/corpora/IEMOCAP")) -> Corpus:
    problems = (Problem("no audio", "Ses01F_impro01_F000", "neu in a.txt line 3"),)
    return Corpus("iemocap", root, False, utterances, problems, True, ("a note",))


# what a CSV file or its encoding might trip over; "|" never occurs in a vote
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n\t",;\0'), max_size=20)
VOTE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|"), min_size=1, max_size=12)
NAME = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n\t",;:'), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)  # every example is flushed to the disk
@given(
    words=TEXT,
    votes=st.lists(VOTE, max_size=3),
    ratings=st.dictionaries(NAME, st.floats(allow_nan=False), max_size=3),
    groups=st.dictionaries(NAME, NAME, max_size=3),
    start=st.floats(0, 1e6),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    words: str,
    votes: list[str],
    ratings: dict[str, float],
    groups: dict[str, str],
    start: float,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "index-of-anything"
    odd = utterance(
        words=words,
        votes=tuple(votes),
        ratings=ratings,
        groups=groups,
        start=start,
        end=start + 1 / 3,
        rate=48_000,
        channels=2,
    )
    written = corpus(odd, utterance("Ses03M_script03_2_F033"))
    write_index(written, folder)
    assert read_index(folder) == written


def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    odd = os.fsdecode(b"Session1/\xff")
    written = corpus(utterance(audio=odd), root=Path(odd))
    write_index(written, tmp_path)
    assert read_index(tmp_path) == written


def test_the_index_opens_in_a_spreadsheet(tmp_path: Path) -> None:
    rated = utterance("Ses03M_script03_2_F033", groups={"age": "31"}, ratings={"dominance": 4.0})
    path = write_index(corpus(utterance(), rated), tmp_path / "deep" / "index")
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["id"] == "Ses03M_script03_2_F032"
    assert first["votes"] == "E1:Neutral | E2:Neutral; Sadness"
    assert (first["group:style"], second["group:style"]) == ("scripted", "")
    assert (first["group:age"], second["group:age"]) == ("", "31")
    assert (first["rating:dominance"], second["rating:dominance"]) == ("", "4.0")
    assert sorted(file.name for file in path.parent.iterdir()) == ["index.csv", "index.json"]
    rest = json.loads(path.with_suffix(".json").read_text())
    assert rest["problems"][0]["kind"] == "no audio"


def test_groups_and_ratings_are_known_by_kind_and_empty_where_they_are_not() -> None:
    known = utterance()
    assert (known.group("style"), known.group("speaker"), known.group("age")) == ("scripted", "Ses03F", "")
    assert Utterance(id="a", label="b", speaker="", audio="c").group("speaker") == ""


def test_an_index_of_the_format_before_is_none(tmp_path: Path) -> None:
    write_index(corpus(utterance()), tmp_path)
    rest = json.loads((tmp_path / "index.json").read_text())
    del rest["sha256"]
    (tmp_path / "index.json").write_text(hashed_json(rest))
    assert read_index(tmp_path) is not None
    (tmp_path / "index.json").write_text(hashed_json(rest | {"format": 1}))
    assert read_index(tmp_path) is None


def test_no_index(tmp_path: Path) -> None:
    assert read_index(tmp_path / "absent") is None


@pytest.mark.parametrize("missing", ["index.csv", "index.json"])
def test_half_an_index_is_none(tmp_path: Path, missing: str) -> None:
    write_index(corpus(utterance()), tmp_path)
    (tmp_path / missing).unlink()
    assert read_index(tmp_path) is None


def test_an_interrupted_write_is_noticed(tmp_path: Path) -> None:
    write_index(corpus(utterance()), tmp_path)
    before = (tmp_path / "index.json").read_bytes()
    write_index(corpus(utterance(label="sad")), tmp_path)
    (tmp_path / "index.json").write_bytes(before)  # as if the second write had ended after index.csv
    assert read_index(tmp_path) is None


def test_an_edited_index_is_none(tmp_path: Path) -> None:
    write_index(corpus(utterance()), tmp_path)
    path = tmp_path / "index.json"
    path.write_text(path.read_text().replace('"synthetic": false', '"synthetic": true'))
    assert read_index(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"{}", b'{"format": 999}', b"null"])
def test_an_index_of_another_kind_is_none(tmp_path: Path, content: bytes) -> None:
    write_index(corpus(utterance()), tmp_path)
    (tmp_path / "index.json").write_bytes(content)
    assert read_index(tmp_path) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GlamError, match=r"cannot be written to .*file.*GLAM_DATA"):
        write_index(corpus(utterance()), tmp_path / "file" / "index")


def test_the_digest_is_of_id_label_and_audio_in_any_order() -> None:
    first, second = utterance("Ses03M_script03_2_F001"), utterance("Ses03M_script03_2_F002")
    digest = corpus_digest([first, second])
    assert len(digest) == 64
    assert digest == corpus_digest([second, first])
    assert digest == corpus_digest(
        [replace(first, words="else", mtime_ns=1, audio="b.wav", votes=(), groups={}, ratings={}), second]
    )
    changes: list[dict[str, Any]] = [{"id": "x"}, {"label": "sad"}, {"sha256": "1" * 64}]
    for change in changes:
        assert digest != corpus_digest([replace(first, **change), second])
    assert digest != corpus_digest([first])
