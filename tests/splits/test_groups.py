"""What utterances belong to, by kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glam.corpora.utterances import Utterance
from glam.splits.groups import Grouping, groups_of


def utterance(name: str, speaker: str = "", sha256: str = "", **groups: str) -> Utterance:
    return Utterance(id=name, label="neu", speaker=speaker, audio=f"{name}.wav", groups=groups, sha256=sha256 or name)


@given(st.lists(st.text(max_size=3), max_size=40))
def test_a_grouping_has_a_code_for_each_name_in_sorted_order(names: list[str]) -> None:
    grouping = Grouping.of(names)
    assert list(grouping.names) == sorted(set(names))
    assert [grouping.names[code] for code in grouping.codes] == names
    assert grouping.codes.dtype == "int64"


def test_groups_are_those_that_any_utterance_has_in_the_usual_order() -> None:
    groups = groups_of(
        [
            utterance("a", "s2", text="t1", session="2", style="improvised"),
            utterance("b", "s1", text="t1", session="1"),
            utterance("c", "s2", text="t2", dialogue="d", style="scripted"),
        ]
    )
    assert list(groups) == ["speaker", "session", "dialogue", "recording", "style", "text"]
    assert groups["speaker"].names == ("s1", "s2")
    assert groups["speaker"].codes.tolist() == [1, 0, 1]
    assert groups["text"].codes.tolist() == [0, 0, 1]
    # an empty name stands for what is not known of an utterance
    assert groups["session"].names == ("", "1", "2")
    assert groups["session"].codes.tolist() == [2, 1, 0]
    assert groups["dialogue"].names == ("", "d")


def test_speakers_and_recordings_are_always_among_them() -> None:
    groups = groups_of([utterance("a"), utterance("b")])
    assert list(groups) == ["speaker", "recording"]
    assert groups["speaker"].names == ("",)  # nobody says who speaks
    assert groups["recording"].names == ("a", "b")


def test_identical_recordings_go_by_the_name_of_the_first_of_them() -> None:
    groups = groups_of([utterance("b", sha256="x"), utterance("a", sha256="y"), utterance("c", sha256="x")])
    assert groups["recording"].names == ("a", "b")
    assert groups["recording"].codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", ["speaker", "recording"])
def test_no_corpus_can_say_otherwise_what_is_known_already(kind: str) -> None:
    groups = groups_of([utterance("a", "s1", **{kind: "other"} if kind == "recording" else {}), utterance("b", "s2")])
    assert list(groups) == ["speaker", "recording"]
    assert "other" not in groups[kind].names


def spoken(name: str, words: str) -> Utterance:
    return Utterance(id=name, label="neu", speaker="", audio=f"{name}.wav", sha256=name, words=words)


def test_the_same_words_are_the_same_text_whatever_their_case_and_nothing_is_known_of_none() -> None:
    groups = groups_of([spoken("a", "Yes, I did."), spoken("b", "yes , i did ."), spoken("c", " "), spoken("d", "No.")])
    text = groups["text"]
    assert text.codes[0] == text.codes[1] != text.codes[3]
    assert text.names[text.codes[2]] == ""
    assert not any(word in name for name in text.names for word in ("yes", "did")), "transcriptions stay where they are"
    assert "text" not in groups_of([spoken("a", ""), spoken("b", "")])


def test_a_corpus_s_own_texts_go_by_its_names() -> None:
    own = Utterance(id="a", label="neu", speaker="", audio="a.wav", groups={"text": "a01"}, words="Das will sie.")
    assert groups_of([own])["text"].names == ("a01",)
