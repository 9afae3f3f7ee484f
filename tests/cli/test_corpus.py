"""`glam corpus`: what is there beside what should be."""

from pathlib import Path

import pytest
import soundfile
from corpora.recordings import record

from glam.cli.corpus import corpus


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def snapshot(root: Path) -> dict[str, int]:
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_what_is_there_beside_what_should_be(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = record(tmp_path / "tess", ["OAF_back_angry.wav", "YAF_back_sad.wav"], rate=24_414)
    record(root, ["YAF_bone_sad.wav"], rate=96_000)
    soundfile.write(root / "YAF_bone_fear.wav", [0.0] * 2000, 24_414)
    (root / "OAF_back_sad.wav").write_bytes((root / "OAF_back_angry.wav").read_bytes())
    (root / "OAF_bone_sad.wav").write_bytes(b"RIFF")
    before = snapshot(root)
    assert corpus(["tess", "-d", str(root)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for line in (
        "4 usable utterances of 2 speakers",
        "release: INCOMPLETE: 4 of 2800 utterances",
        "NOT TRIED ON REAL FILES",
        "2 speakers: no interval is possible",
        "| anger | 1 | 400 |",
        "| YAF | 2 | 1400 |",
        "problem: silent audio: 1 YAF_bone_fear",
        "problem: unreadable audio: 1 OAF_bone_sad",
        "several names, all of them used: 1 OAF_back_anger (anger) = OAF_back_sadness (sadness)",
        "note: 1 audio file of 96000 Hz and 1 channel, read as 16 kHz mono",
        "another rate than the release's 24414 Hz: 1 file; the first is YAF_bone_sadness, 96000 Hz",
        "4 shorter than one segment of 1.8 s",
    ):
        assert line in text
    assert snapshot(root) == before
    assert (data / "index" / "tess" / "index.csv").is_file()


def test_all_corpora_and_what_is_known_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 22
    assert any(line.startswith("| crema-d") and "intended, voice, audiovisual" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["emodbb"], "there is no corpus 'emodbb'. Did you mean 'emodb'?"),
        (["emodb"], "set the environment variable EMODB"),
        (["crema-d"], "set the environment variable CREMA_D"),
        (["emodb", "--columns", "emotion=x", "-d", "."], "emodb is no table"),
        (["iemocap", "--label-set", "x", "-d", "."], "iemocap has no label sets"),
        (["emodb", "--columns", "emotion"], "expected FIELD=COLUMN"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus(words) == 2
    assert message in capsys.readouterr().err


def test_iemocap_is_looked_through_as_ever(tiny_release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus(["iemocap", "-d", str(tiny_release)]) == 0
    assert "WARNING: this is not the complete release" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mine.xlsx",
            "is neither a corpus's name nor a table (.csv, .tsv, .jsonl, .ndjson): save a spreadsheet as CSV",
        ),
        ("recordings/", "is a folder, and no corpus's name: give it with -d, beside the name of its corpus"),
    ],
)
def test_a_spreadsheet_and_a_folder_are_no_corpus(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "mine.xlsx").write_bytes(b"PK")
    assert corpus([name]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert text.endswith(f": {name} {message}")
