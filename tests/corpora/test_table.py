"""Tables of utterances as corpora: the usual forms, pieces of long files, and every mistake with its line."""

import json
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora.recordings import record
from hypothesis import given
from hypothesis import strategies as st

from glam.corpora import load_corpus
from glam.corpora.audio import read_audio
from glam.corpora.table import seconds
from glam.corpora.utterances import Corpus
from glam.errors import GlamError

WAVS = [f"wav/{name}.wav" for name in ("a", "b", "c", "d")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return record(tmp_path / "lab", WAVS)


def load(path: Path, text: str, root: Path | None = None, columns: dict[str, str] | None = None) -> Corpus:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_corpus(str(path), root or path.parent, path.parent.parent / "index", columns=columns)


def problems(corpus: Corpus) -> list[tuple[str, str]]:
    return [(problem.kind, problem.subject) for problem in corpus.problems]


NKULULEKO = """file,emotion,speaker,gender,age
wav/a.wav,anger,1,female,31
wav/b.wav,joy,2,male,31
wav/c.wav,joy,2,male,40
"""
HUGGING_FACE = """{"file_name": "wav/a.wav", "label": "anger", "text": "So?"}
{"file_name": "wav/b.wav", "label": "joy", "text": null}
"""
MSP = """FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
a.wav,A,3.5,2,4,12,Male,Train
b.wav,H,3,2,4,Unknown,Male,Development
"""
SYNTHETIC = """file,emotion,speaker,gender,part,text
wav/a.wav,anger,s1,female,train,one two
wav/b.wav,joy,s2,male,test,one two
wav/c.wav,joy,s2,male,test,three
"""
PIECES = """file,start,end,emotion,speaker
long.flac,0,1.0,anger,1
long.flac,1.0,2.25,joy,1
long.flac,2.25,,joy,2
long.flac,2.5,9,joy,2
"""
AUDFORMAT = """file,start,end,emotion
wav/a.wav,0 days 00:00:00,0 days 00:00:00.05,anger
wav/b.wav,0 days 00:00:00,NaT,joy
"""
SPEAKERS = """name: lab
schemes:
  speaker:
    labels:
      3: {gender: male}
      10: {gender: female}
"""
TSV = "path\tlabel\tspeaker_id\tsplit\nwav/a.wav\tanger\ts 1\ttrain\nwav/b.wav\tjoy\ts 2\tvalidation\n"


def test_nkululeko(root: Path) -> None:
    corpus = load(root / "x.csv", NKULULEKO)
    assert [(u.id, u.label, u.speaker, u.groups) for u in corpus.utterances] == [
        ("a", "anger", "1", {"gender": "female", "age": "31"}),
        ("b", "joy", "2", {"gender": "male", "age": "31"}),
        ("c", "joy", "2", {"gender": "male", "age": "40"}),
    ]
    assert corpus.name == "x.csv"
    assert corpus.release == "all 3 rows of the table"
    assert corpus.notes == (
        "columns: file = file, emotion = emotion, speaker = speaker, gender = gender",
        "the label anger has a single utterance (line 2), which cannot be both trained on and tested",
    )


def test_hugging_face(root: Path) -> None:
    corpus = load(root / "metadata.jsonl", HUGGING_FACE)
    assert [(u.id, u.label, u.speaker, u.words) for u in corpus.utterances] == [
        ("a", "anger", "", "So?"),
        ("b", "joy", "", ""),
    ]


def test_msp(root: Path) -> None:
    corpus = load(root / "labels_consensus.csv", MSP, root / "wav")
    assert [(u.label, u.speaker, u.groups["part"], u.ratings["arousal"]) for u in corpus.utterances] == [
        ("A", "12", "train", 3.5),
        ("H", "", "dev", 3.0),
    ]


def test_tabs(root: Path) -> None:
    corpus = load(root / "x.tsv", TSV)
    assert [(u.speaker, u.groups["part"]) for u in corpus.utterances] == [("s 1", "train"), ("s 2", "dev")]


def test_semicolons_and_a_byte_order_mark(root: Path) -> None:
    corpus = load(root / "x.csv", "\ufeffFile;Emotion\nwav\\a.wav;anger\nwav\\b.wav;joy\n")
    assert [u.audio for u in corpus.utterances] == WAVS[:2]


def test_the_synthetic_corpora_of_this_project(root: Path) -> None:
    (root / "SYNTHETIC.txt").write_text("made")
    corpus = load(root / "metadata.csv", SYNTHETIC)
    assert corpus.synthetic
    assert corpus.utterances[0].groups == {"gender": "female", "part": "train", "text": "one two"}


def test_emobox(root: Path) -> None:
    rows = [
        {"key": f"lab-{name}", "dataset": "lab", "wav": f"downloads/lab/wav/{name}.wav", "emo": code, "channel": 1}
        for name, code in zip("abc", "wfw", strict=True)
    ]
    folder = root.parent / "data" / "lab"
    for fold, keys in (("fold_1", "a"), ("fold_2", "bc")):
        (folder / fold).mkdir(parents=True)
        of_fold = [json.dumps(row) for row in rows if str(row["key"])[-1] in keys]
        (folder / fold / f"lab_test_{fold}.jsonl").write_text("\n".join(of_fold))
    (folder / "label_map.json").write_text('{"w": "Angry", "f": "Happy"}')
    audio = record(root.parent / "user", [f"downloads/lab/{path}" for path in WAVS])
    corpus = load(folder / "lab.jsonl", "\n".join(map(json.dumps, rows)), audio)
    assert [(u.id, u.label, u.groups["fold"]) for u in corpus.utterances] == [
        ("lab-a", "Angry", "1"),
        ("lab-b", "Happy", "2"),
        ("lab-c", "Angry", "2"),
    ]


def test_audformat(root: Path) -> None:
    (root / "db.files.csv").write_text("file,duration,speaker\nwav/a.wav,0 days 00:00:00.1,3\nwav/b.wav,0 days,10\n")
    (root / "db.yaml").write_text(SPEAKERS)
    corpus = load(root / "db.emotion.csv", AUDFORMAT)
    assert [(u.id, u.speaker, u.group("gender"), u.end) for u in corpus.utterances] == [
        ("a_0.000-0.050", "3", "male", 0.05),
        ("b", "10", "female", 0.0),
    ]


def test_pieces_of_a_long_file(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    root.mkdir()
    sound = np.random.default_rng(0).normal(0, 0.1, 44_100 * 3)
    soundfile.write(root / "long.flac", sound, 44_100)
    corpus = load(root / "x.csv", PIECES)
    assert [(u.id, u.start, u.end) for u in corpus.utterances] == [
        ("long_0.000-1.000", 0.0, 1.0),
        ("long_1.000-2.250", 1.0, 2.25),
        ("long_2.250-end", 2.25, 0.0),
    ]
    assert [u.samples for u in corpus.utterances] == [16_000, 20_000, 12_000]
    assert len({u.sha256 for u in corpus.utterances}) == 3
    assert {u.group("file") for u in corpus.utterances} == {"long.flac"}
    assert problems(corpus) == [("unreadable audio", "long_2.500-9.000")]
    assert "has no piece from 2.5 s to 9: it is 3.000 s long" in corpus.problems[0].detail
    alone = root / "alone.wav"
    decoded = soundfile.read(root / "long.flac", dtype="float32")[0]
    soundfile.write(alone, decoded[44_100 : 44_100 + 55_125], 44_100, subtype="FLOAT")
    assert np.array_equal(read_audio(root / "long.flac", 1.0, 2.25), read_audio(alone))


def test_what_a_piece_is_of_is_opened_again_only_where_it_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "file,start,end,emotion\nwav/a.wav,0,0.05,anger\nwav/a.wav,0.05,0.1,joy\n"
    first = load(root / "x.csv", text)
    monkeypatch.setattr("glam.corpora.decode", None)
    assert load(root / "x.csv", text) == first


def test_every_mistake_has_its_line(root: Path) -> None:
    rows = [
        "wav/a.wav,anger,1",
        "wav/b.wav,,1",
        "wav/b.wav,nan,1",
        "wav/gone.wav,joy,1",
        ",joy,1",
        "wav/c.wav,joy,1",
        "wav/c.wav,joy,1",
        "wav/d.wav,joy,1",
        "wav/d.wav,anger,1",
    ]
    corpus = load(root / "x.csv", "\n".join(["file,emotion,speaker", *rows]))
    assert [u.id for u in corpus.utterances] == ["a", "c"]
    assert problems(corpus) == [
        ("conflicting labels", "line  9"),
        ("conflicting labels", "line 10"),
        ("duplicate row", "line  8"),
        ("no audio", "line  5"),
        ("no file", "line  6"),
        ("no label", "line  3"),
        ("no label", "line  4"),
    ]
    assert corpus.problems[0].detail.startswith("wav/d.wav is joy in line 9 and anger in line 10")


@pytest.mark.parametrize(
    ("times", "kind"), [("x,1", "unreadable time"), ("2,1", "unreadable time"), ("-1,1", "unreadable time")]
)
def test_times_that_are_none(root: Path, times: str, kind: str) -> None:
    corpus = load(root / "x.csv", f"file,start,end,emotion\nwav/a.wav,{times},anger\nwav/b.wav,,,joy\n")
    assert problems(corpus) == [(kind, "line 2")]


def test_ids_of_files_of_the_same_name_are_their_paths(root: Path) -> None:
    record(root, ["other/a.wav"])
    corpus = load(root / "x.csv", f"file,emotion\nwav/a.wav,anger\n{root}/other/a.wav,joy\n")
    assert [(u.id, u.audio) for u in corpus.utterances] == [("other/a", "other/a.wav"), ("wav/a", "wav/a.wav")]


def test_an_id_twice(root: Path) -> None:
    corpus = load(root / "x.csv", "id,file,emotion\nu1,wav/a.wav,anger\nu1,wav/b.wav,joy\n")
    assert problems(corpus) == [("duplicate id", "line 3")]


def test_capitals_that_make_two_labels_of_one_are_noted(root: Path) -> None:
    corpus = load(root / "x.csv", "file,emotion\nwav/a.wav,Joy\nwav/b.wav,joy\n")
    assert "labels that differ in capitals alone are different labels: Joy, joy" in corpus.notes


def test_utterances_of_no_speaker_are_noted_where_others_have_one(root: Path) -> None:
    table = "file,emotion,speaker\nwav/a.wav,joy,ana\nwav/b.wav,joy,\nwav/c.wav,anger,ben\n"
    note = "1 utterance of no speaker (line 3); to split by speaker, all must have one"
    assert note in load(root / "x.csv", table).notes
    nobody = load(root / "y.csv", table.replace("ana", "").replace("ben", ""))
    assert not any("no speaker" in note for note in nobody.notes)


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("file,feeling\nwav/a.wav,joy\n", {}, r"no column is called as the emotion .* --columns emotion=COLUMN"),
        ("sound,emotion\nwav/a.wav,joy\n", {}, r"no column is called as the file .* Its columns are sound, emotion"),
        ("file,feeling\nwav/a.wav,joy\n", {"emotion": "felling"}, r"no column 'felling'.*Did you mean 'feeling'"),
        ("file,emotion\nwav/a.wav\n", {}, r"line 2: has 1 cells, and the heading 2"),
        ("file,emotion,emotion\nwav/a.wav,joy,joy\n", {}, r"the heading has emotion twice"),
        ("", {}, "is empty"),
        ("file,emotion\nx/a.wav,joy\n", {}, r"no audio: 1, first line 2: x/a.wav is not in .* with -d"),
    ],
)
def test_mistakes_of_a_whole_table(root: Path, text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(GlamError, match=rf"(?s){message}"):
        load(root / "x.csv", text, columns=columns)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_json_lines_that_are_none(root: Path, text: str) -> None:
    with pytest.raises(GlamError, match="line 1"):
        load(root / "x.jsonl", text)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"x.csv: there is no such file"):
        load_corpus(str(tmp_path / "x.csv"), tmp_path, tmp_path / "index")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"speker": "spk"}, "speaker"),
        ({"Speaker": "who"}, "speaker"),
        ({"lable": "feeling"}, "emotion"),
        ({"voice": "spk"}, "speaker"),
    ],
)
def test_a_field_that_is_mistyped_loses_nothing_in_silence(root: Path, given: dict[str, str], meant: str) -> None:
    text = "file,emotion,spk,who,feeling\nwav/a.wav,joy,1,1,joy\nwav/b.wav,joy,2,2,joy\n"
    ((name, column),) = given.items()
    message = f"--columns {name}={column}: there is no field '{name}'. Did you mean '{meant}'? The fields are file, "
    with pytest.raises(GlamError, match=re.escape(message)):
        load(root / "x.csv", text, columns=given)


def test_a_group_of_ones_own_name(root: Path) -> None:
    text = "file,emotion,kind\nwav/a.wav,joy,x\nwav/b.wav,joy,x\nwav/c.wav,joy,y\n"
    corpus = load(root / "x.csv", text, columns={"style": "kind"})
    assert [u.group("style") for u in corpus.utterances] == ["x", "x", "y"]


def test_columns_called_otherwise(root: Path) -> None:
    text = "nr,sound,feeling,who,mood\n1,wav/a.wav,joy,x,m\n2,wav/b.wav,anger,x,n\n3,wav/c.wav,anger,y,n\n"
    corpus = load(root / "x.csv", text, columns={"file": "sound", "emotion": "feeling", "speaker": "who"})
    assert [(u.label, u.speaker, u.groups) for u in corpus.utterances] == [
        ("joy", "x", {"mood": "m"}),
        ("anger", "x", {"mood": "n"}),
        ("anger", "y", {"mood": "n"}),
    ]
    assert "no groups, as all rows have the same or each its own: nr" in corpus.notes


@given(st.integers(0, 10**7), st.booleans())
def test_times_in_every_form(thousandths: int, days: bool) -> None:
    value = thousandths / 1000
    whole, rest = divmod(value, 60)
    hours, minutes = divmod(int(whole), 60)
    written = f"{'0 days ' if days else ''}{hours:02d}:{minutes:02d}:{rest:06.3f}"
    assert seconds(written) == pytest.approx(value, abs=1e-6)
    assert seconds(f"{value:.3f}") == value


@given(st.text(max_size=20))
def test_anything_else_is_no_time(text: str) -> None:
    with suppress(ValueError):
        assert seconds(text) >= 0
