"""Words as an input: texts, vocabulary, vectors, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import glove
from glam.inputs.cut import Segments, Whole
from glam.inputs.inputs import InputSettings
from glam.inputs.tokens import PADDING, UNKNOWN
from glam.inputs.words import Words

WHOLE = Whole(name="whole", longest=2)
TEXTS = {"a": "Well, well [LAUGHTER]", "b": "WELL then.", "c": "", "d": "One two three four five six"}


def spoken(**texts: str) -> list[Utterance]:
    return [Utterance(name, "neu", "s", f"{name}.wav", words=text) for name, text in texts.items()]


def words(folder: Path, **options: object) -> Words:
    made = InputSettings.model_validate({"name": "words", **options}).make()
    assert isinstance(made, Words)
    made.look_through(spoken(**TEXTS), folder)
    return made


def test_rows_are_ids_over_the_words_of_the_corpus(tmp_path: Path) -> None:
    made = words(tmp_path, longest=4)
    assert made.shape(WHOLE) == (4,)
    assert made.entered((4,)) == (4, 300)
    assert made.vocabulary.words[:4] == (",", ".", "[laughter]", "five")
    extractor = made.extractor(WHOLE)
    assert not extractor.needs_audio
    ids = made.vocabulary.ids()
    expected = {
        "a": ([ids["well"], ids[","], ids["well"], ids["[laughter]"]], 4),
        "b": ([ids["well"], ids["then"], ids["."], PADDING], 3),
        "c": ([UNKNOWN, PADDING, PADDING, PADDING], 1),
        "d": ([ids[word] for word in ("one", "two", "three", "four")], 4),
    }
    for utterance in spoken(**TEXTS):
        ((row, length),) = extractor(utterance, np.zeros(0, np.float32), "train")
        assert (row[0].tolist(), length is not None and length.tolist()) == (
            expected[utterance.id][0],
            [expected[utterance.id][1]],
        )
    assert made.remarks(WHOLE)[0] == (
        "words: transcripts of the corpus; tokens penn-lower, tags kept: 11 distinct in 4 utterances, 1 without any, 1 "
        "cut at 4"
    )


def test_tags_can_be_dropped_and_texts_decide_about_the_identity(tmp_path: Path) -> None:
    kept, dropped = words(tmp_path), words(tmp_path, tags="drop")
    assert "[laughter]" in kept.vocabulary.words
    assert "[laughter]" not in dropped.vocabulary.words
    other = Words()
    other.look_through(spoken(**{**TEXTS, "c": "now"}), tmp_path)
    assert other.outside()["text"] != kept.outside()["text"] == dropped.outside()["text"]


def test_without_a_file_of_vectors_it_says_so(tmp_path: Path) -> None:
    made = words(tmp_path)
    assert made.unlike_print() == "random embeddings"
    assert made.remarks(WHOLE)[-1] == (
        "RANDOM EMBEDDINGS of 300 numbers: no file of GloVe's is given (--file GLOVE=PATH)"
    )


def test_the_head_of_a_report_says_what_glove_has_of_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("well 1 2\nONE 3 4\nthen 5 6\nunused 7 8\n")
    monkeypatch.setenv("GLOVE", str(path))
    made = words(tmp_path, dimension=2)
    assert made.vectors is not None
    assert made.remarks(WHOLE)[-1] == (
        f"GloVe: vectors.txt, SHA-256 {made.vectors.sha256[:12]}, 4 words of 2 numbers; it has 18.2 % of the distinct "
        "tokens here (0 of 2 in lower case alone), 30.8 % of all"
    )
    assert made.unlike_print() == ""
    assert made.outside()["glove"] == made.vectors.sha256
    assert words(tmp_path, dimension=2, embeddings="random").vectors is None


def test_vectors_are_read_once_and_again_when_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vectors.txt"
    read: list[Path] = []
    path.write_text("well 1 2\n")
    monkeypatch.setenv("GLOVE", str(path))
    real = glove.read_vectors

    def counted(path: Path, words: frozenset[str]) -> glove.WordVectors:
        read.append(path)
        return real(path, words)

    monkeypatch.setattr(glove, "read_vectors", counted)
    first, again = words(tmp_path, dimension=2).vectors, words(tmp_path, dimension=2).vectors
    assert len(read) == 1
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.array, again.array)
    assert (first.words, first.lines, first.sha256, first.name, first.lower_case) == (
        again.words,
        again.lines,
        again.sha256,
        again.name,
        again.lower_case,
    )
    (kept,) = (tmp_path / "glove").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:50])  # damaged
    words(tmp_path, dimension=2)
    path.write_text("well 1 2\nthen 3 4\n")
    assert len(words(tmp_path, dimension=2).vectors.words) == 2  # type: ignore[union-attr]
    assert len(read) == 3


def test_a_recogniser_stands_in_for_the_transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "asr.csv"
    path.write_text("utterance,text,model\na,well bell,m1\nb,,m1\nc,now,m1\nd,one two three four five six,m1\n")
    monkeypatch.setenv("ASR", str(path))
    made = words(tmp_path, transcripts="asr")
    assert made.text_of(spoken(**TEXTS)[0]) == "well bell"
    assert "[laughter]" not in made.vocabulary.words
    lines = made.remarks(WHOLE)
    assert lines[0].startswith("words: transcripts of a recogniser by m1 (asr.csv, ")
    # well bell for well well, nothing for well then; c, of which the corpus has no words, does not count
    assert lines[1] == "word error rate against the corpus's words, without tags and punctuation: 30.00 %"
    path.write_text("utterance,text\na,well\n")
    with pytest.raises(GlamError, match=r"asr\.csv: has no text of 3 of 4 utterances \(b, c, d\)"):
        words(tmp_path, transcripts="asr")
    monkeypatch.delenv("ASR")
    with pytest.raises(GlamError, match="ASR is not given, the file with the transcripts of a speech recogniser"):
        words(tmp_path, transcripts="asr")


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match="the corpus has no transcription of any utterance"):
        Words().look_through(spoken(a="", b=""), tmp_path)
    with pytest.raises(ValueError, match="set cut to whole"):
        Words().shape(Segments(name="segments"))
    for wrong in ({"longest": 0}, {"dimension": -1}):
        with pytest.raises(GlamError, match=next(iter(wrong))):
            words(tmp_path, **wrong)
    with pytest.raises(GlamError, match="words: normalisation is training, but its rows are no measurements"):
        words(tmp_path, normalisation="training")
