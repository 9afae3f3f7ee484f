"""Transcripts of a recogniser: what a file may be, and what is said of one that is wrong."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.corpora.asr import read_asr
from glam.errors import GlamError

PLAIN = 'utterance,text\nU1,"yes, I did"\nU2,\nU3,no\n'


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "asr.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_texts_by_utterance(tmp_path: Path) -> None:
    asr = read_asr(written(tmp_path, PLAIN))
    assert asr.texts == {"U1": "yes, I did", "U2": "", "U3": "no"}
    assert asr.of(["U3", "U2"]) == ["no", ""]
    assert asr.models == ()
    assert asr.sha256 == sha256(PLAIN.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        'text,utterance\n"yes, I did",U1\n,U2\nno,U3\n',
        'utterance,text,model\nU1,"yes, I did",b\nU2,,a\nU3,no,\n',
        PLAIN.replace("U3", " U3 "),
    ],
)
def test_other_ways_to_write_it(text: str, tmp_path: Path) -> None:
    asr = read_asr(written(tmp_path, text))
    assert asr.texts == {"U1": "yes, I did", "U2": "", "U3": "no"}
    assert asr.models == (("a", "b") if "model" in text else ())


@settings(deadline=None, max_examples=60)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_in_quotes_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    quoted = text.replace('"', '""')
    path = written(tmp_path_factory.getbasetemp(), f'utterance,text\nU1,"{quoted}"\n')
    assert read_asr(path).texts == {"U1": text}


def test_missing_utterances_are_counted_and_named(tmp_path: Path) -> None:
    asr = read_asr(written(tmp_path, PLAIN))
    with pytest.raises(GlamError, match=r"has no text of 1 of 2 utterances \(U9\); every utterance needs one"):
        asr.of(["U1", "U9"])
    with pytest.raises(GlamError, match=r"has no text of 5 of 6 utterances \(U4, U5, U6, \.\.\.\)"):
        asr.of([f"U{i}" for i in range(3, 9)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is empty \(0 bytes\)"),
        ("U1,yes\n", r"line 1 is 'U1,yes'; expected the names of the columns: utterance,text or utterance,text,model"),
        ("utterance,words\nU1,yes\n", r"line 1 is 'utterance,words'; expected"),
        ("utterance,text,text\nU1,yes,no\n", r"line 1 is 'utterance,text,text'; expected"),
        ("utterance,text,wer\nU1,yes,0\n", r"line 1 is 'utterance,text,wer'; expected"),
        ("utterance,text\nU1,yes, I did\n", r"line 2 has 3 cells, expected 2; a text with a comma"),
        ("utterance,text\nU1,yes\nU2\n", r"line 3 has 1 cell, expected 2"),
        ("utterance,text\nU1,yes\n,no\n", r"line 3 has no utterance id"),
        ("utterance,text\nU1,yes\nU2,no\nU1,no\n", r"duplicate utterance U1: line 2 and line 4"),
        ('utterance,text\nU1,"yes\n', r"line 2 is no CSV: unexpected end of data"),
        (b"utterance,text\nU1,yes\nU2,\xff\n", r"line 3 is not UTF-8 \(invalid start byte\); save the file as UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(GlamError, match=message) as error:
        read_asr(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"none\.csv: cannot be read: No such file"):
        read_asr(tmp_path / "none.csv")
