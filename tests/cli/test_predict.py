"""`glam predict`: files, folders and lists to tables, with whatever is wrong in them."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from prediction.conftest import Trained

from glam.cli.main import main
from glam.inputs.filters import torchaudio_matches


@pytest.fixture
def mixed(trained: Trained, tmp_path: Path) -> Path:
    """A folder of recordings of several rates and kinds, and of what cannot be used."""
    folder = tmp_path / "mixed"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.wav").write_bytes(trained.held_out[0].read_bytes())
    rng = np.random.default_rng(0)
    soundfile.write(folder / "b.flac", 0.1 * rng.standard_normal((44100, 2)), 44100)
    soundfile.write(folder / "inner" / "c.ogg", 0.1 * rng.standard_normal(8000), 8000)
    soundfile.write(folder / "d short.mp3", 0.1 * rng.standard_normal(3000), 16000)
    (folder / "e.wav").write_bytes(b"no sound")
    (folder / "notes.txt").write_text("no audio by its name")
    (folder / "._a.wav").write_bytes(b"what some systems put beside a file")
    (folder / "f.wav").symlink_to(tmp_path / "nowhere.wav")
    return folder


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder(trained: Trained, mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = mixed.parent / "out.csv"
    assert main(["predict", str(trained.run.folder), str(mixed), "-o", str(output)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "not opened: 2 files in the folders" in said.err
    assert f"refused: {mixed / 'd short.mp3'}: is 0.19 s long, shorter than a segment" in said.err
    assert f"refused: {mixed / 'e.wav'}: is not readable as audio" in said.err
    assert f"refused: {mixed / 'f.wav'}: cannot be read: No such file" in said.err
    assert "shorter than a segment: 1; the model was trained without such recordings (--repeat-short" in said.err
    assert f"3 of 6 recordings predicted, written to {output}" in said.err
    rows = table(output.read_text())
    assert [Path(row["file"]).name for row in rows] == ["a.wav", "b.flac", "c.ogg"]
    assert list(rows[0]) == ["file", "start", "end", "predicted", "neutral", "sad", "angry", "happy"]
    for row in rows:
        chances = [float(row[name]) for name in ("neutral", "sad", "angry", "happy")]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == ("neutral", "sad", "angry", "happy")[int(np.argmax(chances))]
    assert (rows[1]["start"], rows[1]["end"]) == ("0.000", "0.979"), "the end of the last segment"


def test_segments_labels_and_hop(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(trained.held_out[0])
    more = ["--segments", "--labels", "happy, sad", "--hop", "0.25"]
    assert main(["predict", str(trained.run.folder), path, *more]) == 0
    rows = table(capsys.readouterr().out)
    assert [(row["start"], row["end"]) for row in rows[:2]] == [("0.000", "0.500"), ("0.250", "0.750")]
    assert {row["predicted"] for row in rows} <= {"happy", "sad"}
    assert list(rows[0])[4:] == ["sad", "happy"]


def test_json_lines(trained: Trained, mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mixed.parent / "list.txt").write_text("mixed/a.wav\n\nmixed/e.wav\nmixed/absent.wav\n")
    model = str(trained.run.folder)
    assert main(["predict", model, str(mixed.parent / "list.txt"), "--json", "--segments"]) == 1
    good, bad, absent = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert good["file"] == str(mixed / "a.wav")
    assert good["predicted"] == max(good["probabilities"], key=good["probabilities"].get)
    assert good["segments"][0] | {"probabilities": {}, "predicted": ""} == {
        "start": 0,
        "end": 0.5,
        "predicted": "",
        "probabilities": {},
    }
    assert "not readable" in bad["refused"]
    assert "cannot be read: No such file" in absent["refused"]


def test_flags_may_stand_between_model_and_recordings(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(trained.run.folder)
    assert main(["predict", run, "--json", str(trained.held_out[0])]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(trained.held_out[0])
    assert main(["export", "--runs-folder", str(tmp_path), run, "--epoch", "1", str(tmp_path / "model")]) == 2
    assert "unrecognized" not in capsys.readouterr().err


def test_standard_input(trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["predict", str(trained.run.folder), "--json", "-"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(trained.held_out[0].read_bytes())))
    assert main(asked) == 0
    piped = json.loads(capsys.readouterr().out)
    assert main(["predict", str(trained.run.folder), "--json", str(trained.held_out[0])]) == 0
    assert piped == json.loads(capsys.readouterr().out) | {"file": "stdin"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert main(asked) == 1
    assert "refused: stdin: is empty (0 bytes)" in capsys.readouterr().err


def test_a_file_called_minus_is_no_standard_input(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    Path("list.txt").write_text("-\n")
    model = str(trained.run.folder)
    assert main(["predict", model, "list.txt"]) == 1
    assert "refused: -: cannot be read: No such file" in capsys.readouterr().err
    Path("-").write_bytes(trained.held_out[0].read_bytes())
    for asked in ("./-", "list.txt"):
        assert main(["predict", model, "--json", asked]) == 0
        assert json.loads(capsys.readouterr().out)["file"] == "-"


def test_pictures(trained: Trained, mixed: Path) -> None:
    (mixed / "inner" / "a.wav").write_bytes((mixed / "a.wav").read_bytes())
    figures = mixed.parent / "figures"
    model, files = str(trained.run.folder), [str(mixed / "a.wav"), str(mixed / "inner" / "a.wav")]
    assert main(["predict", model, *files, "--figures", str(figures), "-o", str(mixed.parent / "out.csv")]) == 0
    assert sorted(path.name for path in figures.iterdir()) == [
        f"{name}.{kind}" for name in ("a-2", "a") for kind in ("pdf", "png", "svg")
    ]


def test_what_was_finished_before_an_interruption_is_kept(
    trained: Trained,
    mixed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from glam.prediction.model import Model

    ask = Model.ask

    def interrupted(self: Model, *arguments: object) -> object:
        yield next(ask(self, *arguments))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "ask", interrupted)
    output = mixed.parent / "out.csv"
    assert main(["predict", str(trained.run.folder), str(mixed), "-o", str(output)]) == 130
    assert len(table(output.read_text())) == 1
    assert not list(mixed.parent.glob(".out.csv*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labels", "glad"], "--labels glad: the model knows"),
        (["--labels", ""], "--labels : the model knows"),
        (["--hop", "0"], "--hop 0: expected seconds"),
        (["--threads", "0"], "--threads 0"),
        (["--code", "absent.py"], "--code absent.py: cannot be read"),
    ],
)
def test_mistakes(
    trained: Trained,
    mixed: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    output = mixed.parent / "out.csv"
    assert main(["predict", str(trained.run.folder), str(mixed / "a.wav"), "-o", str(output), *more]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_where_nothing_lies(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(trained.run.folder), str(tmp_path / "empty")]) == 2
    assert "no recordings are there" in capsys.readouterr().err
    assert main(["predict", "absent/7", str(trained.held_out[0])]) == 2
    assert "absent/7: no experiment lies here" in capsys.readouterr().err
    assert main(["predict", str(trained.run.folder), str(tmp_path / "absent.txt")]) == 2
    assert "absent.txt: cannot be read as a list" in capsys.readouterr().err


def test_what_would_mislead_is_said(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["predict", str(trained.run.folder), str(trained.held_out[0])]
    assert main([*command, "--hop", "100", "--labels", "sad"]) == 0
    err = capsys.readouterr().err
    assert "--hop 100: segments are 0.5 s long, so what lies between them is not heard" in err
    assert "--labels sad: a single class has the probability 1" in err
    assert main([*command, "--hop", "0.5", "--labels", "sad,happy"]) == 0
    assert "--" not in capsys.readouterr().err


def test_a_model_of_made_up_sounds_says_so(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glam.prediction.origin.MADE", {"iemocap": ""})
    assert main(["predict", str(trained.run.folder), str(trained.held_out[0])]) == 0
    assert "SYNTHETIC CORPUS: this model was trained on made-up sounds" in capsys.readouterr().err


def test_a_name_is_no_formula_and_no_escape(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("=1+1\x1b.wav").write_bytes(trained.held_out[0].read_bytes())
    assert main(["predict", str(trained.run.folder), "."]) == 0
    (row,) = table(capsys.readouterr().out)
    assert row["file"] == "'=1+1\\x1b.wav"


def test_the_run_of_an_experiment_that_is_asked_is_told(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = trained.run.folder.parent
    assert main(["predict", str(experiment), str(trained.held_out[0])]) == 0
    said = f"asked: the model of 7, the first run of {experiment.name} that kept one"
    assert said in capsys.readouterr().err


def test_words_that_a_model_does_not_take_are_told(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(trained.run.folder), str(trained.held_out[0]), "--words", "hello"]) == 0
    assert "--words: the model mhcnn takes no words, so they are not used" in capsys.readouterr().err


@pytest.mark.skipif(not torchaudio_matches(), reason="without its torchaudio, filters are librosa's and SciPy's")
def test_what_is_slow_to_import_and_not_needed_is_not_imported(trained: Trained) -> None:
    code = "import sys; from glam.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "predict", str(trained.run.folder), str(trained.held_out[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"scipy", "librosa", "sklearn", "matplotlib", "onnx", "ray"} & set(done.stdout.split())


def test_places_that_cannot_be_meant(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, recording = str(trained.run.folder), str(trained.held_out[0])
    assert main(["predict", recording]) == 2
    assert f"the model comes first: glam predict MODEL {recording}" in capsys.readouterr().err
    assert main(["predict", recording, model]) == 2
    assert f"the model comes first: glam predict {model} {recording}" in capsys.readouterr().err
    assert main(["predict", model, recording, "-o", str(tmp_path / "nosuch" / "out.csv")]) == 2
    assert f"the folder {tmp_path / 'nosuch'} does not exist" in capsys.readouterr().err
    assert main(["predict", model, recording, "-o", str(tmp_path)]) == 2
    assert f"error: {tmp_path}: is a folder; give the name of a file" in capsys.readouterr().err
    assert main(["predict", model, recording, "--figures", recording]) == 2
    assert f"error: {recording}: is a file; give the name of a folder" in capsys.readouterr().err
    assert main(["predict", str(trained.run.folder.with_name("8")), recording]) == 2
    assert f"no such run. The runs of {trained.run.folder.parent.name} are 7\n" in capsys.readouterr().err
    assert main(["export", model, str(tmp_path / "new"), "--epoch", "1"]) == 2
    assert "--epoch cannot be given with a folder" in capsys.readouterr().err


def test_code_is_run_where_it_is_given(
    own: tuple[Trained, Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained, path, _ = own
    command = ["predict", str(trained.run.folder), str(trained.held_out[0])]
    assert main(command) == 2
    assert f"--code {path}" in capsys.readouterr().err
    assert main([*command, "--code", str(path)]) == 0
