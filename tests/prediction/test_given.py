"""A saved model asked about recordings with words and vectors: from Python, and by `glam predict`."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from prediction.conftest import Trained
from running.spoken import RUN, prepared, release_with, trained

import glam
from glam.cli.main import main
from glam.corpora.audio import read_audio
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.prediction.given import Given
from glam.prediction.model import Model, Prediction, Refused
from glam.results.run import read_run
from glam.running.experiment import Experiment

Everything = tuple[Experiment, dict[str, NDArray[np.float32]]]


@pytest.fixture(scope="module")
def everything(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """An experiment with sound, words and vectors, one run of which is trained; and the vector of each utterance."""
    folder = tmp_path_factory.mktemp("everything")
    release = release_with(tiny_release, folder)
    ids = sorted(path.stem for path in release.glob("Session*/sentences/wav/*/*.wav"))
    vectors = np.random.RandomState(0).randn(len(ids), 6).astype(np.float32) * 3 + 1
    np.savez(folder / "x.npz", ids=np.array(ids), vectors=vectors)
    with pytest.MonkeyPatch.context() as patch:  # the file need not be there any more when the model is asked
        patch.setenv("XVECTORS", str(folder / "x.npz"))
        experiment = prepared(release, folder, recipe="mscnn-spu")
        trained(experiment)
    return experiment, dict(zip(ids, vectors, strict=True))


@pytest.fixture(scope="module")
def text_cnn(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a model that takes words alone."""
    folder = tmp_path_factory.mktemp("words")
    experiment = prepared(release_with(tiny_release, folder), folder, recipe="text-cnn")
    trained(experiment)
    return experiment.folder / RUN.name


@pytest.fixture
def model(everything: Everything) -> Model:
    return glam.load(everything[0].folder / RUN.name)


def held_out(everything: Everything) -> list[Utterance]:
    experiment, _ = everything
    predictions = read_run(experiment.folder / RUN.name).predictions()
    return [experiment.population.utterances[i] for i in predictions.held_out]


def given_of(everything: Everything, utterance: Utterance) -> Given:
    experiment, vectors = everything
    path = experiment.corpus.root / utterance.audio
    return Given(str(path), path, utterance.words, {"speaker": vectors[utterance.id]})


def test_the_numbers_are_those_of_training_to_the_bit(everything: Everything, model: Model) -> None:
    recorded = read_run(everything[0].folder / RUN.name).predictions().logits[-1]
    answers = list(model.ask(given_of(everything, utterance) for utterance in held_out(everything)))
    assert all(isinstance(answer, Prediction) for answer in answers)
    np.testing.assert_array_equal([answer.logits for answer in answers if isinstance(answer, Prediction)], recorded)


def test_one_recording_from_python(everything: Everything, model: Model) -> None:
    utterance = held_out(everything)[-1]
    given = given_of(everything, utterance)
    assert isinstance(given.recording, Path)
    answer = glam.predict(model, given.recording, words=given.words, vectors=given.vectors)
    assert answer.unknown == (utterance.id.lower().replace("_", "x"),), "nobody says it in training"
    samples = read_audio(given.recording)
    same = glam.predict(model, samples, rate=16000, words=given.words, vectors=given.vectors)
    np.testing.assert_array_equal(answer.probabilities, same.probabilities)
    other = glam.predict(model, given.recording, words="Never, ever!", vectors=given.vectors)
    assert (other.probabilities != answer.probabilities).any()
    first, second = glam.predict(model, [given, replace(given, words=None)])
    assert isinstance(first, Prediction)
    assert isinstance(second, Refused)
    with pytest.raises(GlamError, match="words and vectors are of one recording"):
        glam.predict(model, [given], words="all of them")  # type: ignore[call-overload]


def test_what_is_missing_is_named(everything: Everything, model: Model) -> None:
    given = given_of(everything, held_out(everything)[0])
    lacking = {
        "a recording": replace(given, recording=None),
        "the words that are said": replace(given, words=None),
        "a vector": replace(given, vectors={}),
        "a recording.*and the words.*and a vector": Given("nothing"),
    }
    for missing, utterance in lacking.items():
        with pytest.raises(GlamError, match=rf"the model mscnn-spu needs {missing}.*which was not given"):
            glam.predict(model, utterance)
    with pytest.raises(GlamError, match=r"shape \(5,\), expected finite numbers of shape \(6,\)"):
        glam.predict(model, replace(given, vectors={"speaker": np.zeros(5)}))
    with pytest.raises(GlamError, match="has no input other"):
        glam.predict(model, replace(given, vectors={**given.vectors, "other": np.zeros(6)}))
    assert glam.predict(model, replace(given, words="")).probabilities.sum() == pytest.approx(1)


def test_a_model_of_words_alone_needs_no_recording(text_cnn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = glam.predict(text_cnn, words="Fine, and nothing else!")
    assert answer.unknown == ("and", "nothing", "else")
    assert main(["predict", str(text_cnn), "--words", "Fine, and nothing else!", "--json"]) == 0
    shown = capsys.readouterr()
    row = json.loads(shown.out)
    assert (row["file"], row["predicted"], row["unknown words"]) == ("-", answer.predicted, ["and", "nothing", "else"])
    assert "not known to the model: 3 words (and, nothing, else)" in shown.err


def test_a_model_that_hears_nothing_refuses_a_channel(
    text_cnn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "channel: given 2, but the model text-cnn hears no sound, it takes the words that are said alone"
    for recordings in (None, tmp_path / "call.wav", np.zeros((16000, 2), np.float32), Given("a", words="Fine")):
        with pytest.raises(GlamError, match=message):
            glam.predict(text_cnn, recordings, rate=16000, channel=2, words="Fine")
    with pytest.raises(GlamError, match=message):
        glam.predict(text_cnn, [Given("a", words="Fine")], channel=2)
    assert main(["predict", str(text_cnn), "--words", "Fine", "--channel", "2"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err


def test_what_would_do_nothing_is_refused(
    text_cnn: Path,
    everything: Everything,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sound, given = trained.held_out[0], Given("a", words="Fine")
    with pytest.raises(GlamError, match="words: the model mhcnn takes no words; leave them out"):
        glam.predict(trained.model, sound, words="Fine")
    with pytest.raises(GlamError, match="rate: is of samples; a file tells its own"):
        glam.predict(trained.model, sound, rate=8000)
    with pytest.raises(GlamError, match="words and vectors: a Given has its own; put them into it"):
        glam.predict(text_cnn, given, words="Fine")
    with pytest.raises(GlamError, match="samples: the model text-cnn hears no sound; give None in their place"):
        glam.predict(text_cnn, np.zeros(16000, np.float32), rate=16000, words="Fine")
    of_sound = replace(given, recording=sound, vectors={"speaker": np.zeros(6), "audio": np.zeros(6)})
    with pytest.raises(GlamError, match="the model mscnn-spu has no input audio of vectors"):
        glam.predict(everything[0].folder / RUN.name, of_sound)
    assert main(["predict", str(text_cnn), "--words", "Fine", "--segments"]) == 2
    assert "--segments: the model text-cnn decides on whole recordings, not on segments" in capsys.readouterr().err


def test_words_alone_of_many(text_cnn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.csv").write_text('file,text\na,"Fine, fine"\nb,Alone\n')  # neither of them is a file here
    assert main(["predict", str(text_cnn), "--words-file", str(tmp_path / "words.csv")]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [Path(row["file"]).name for row in rows] == ["a", "b"]
    assert rows[1]["predicted"] == glam.predict(text_cnn, words="Alone").predicted
    model = glam.load(text_cnn)
    with pytest.raises(GlamError, match=r"takes words \(words\).* beside the sound or in its place"):
        model.saved.check_sound_alone(model.path)


def test_a_model_of_words_is_not_tested_on_another_corpus(
    text_cnn: Path, tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on = f"iemocap={tiny_release}"
    assert main(["test", str(text_cnn.parent), "--on", on, "--data-folder", str(tmp_path / "data")]) == 2
    assert "the model takes words (words) beside the sound or in its place" in capsys.readouterr().err


def test_a_list_with_a_file_of_words_and_one_of_vectors(
    everything: Everything, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, vectors = everything
    first, second, third = held_out(everything)[:3]
    paths = [str(experiment.corpus.root / utterance.audio) for utterance in (first, second, third)]
    lines = [f'"{first.words}",{paths[0]}', f'"{second.words}",{second.id}', "nobody's,absent.wav"]
    (tmp_path / "words.csv").write_text("\n".join(["text,file", *lines]) + "\n")
    np.savez(tmp_path / "x.npz", ids=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
    beside = ["--words-file", str(tmp_path / "words.csv"), "--vector", f"speaker={tmp_path / 'x.npz'}"]
    assert main(["predict", str(experiment.folder / RUN.name), *paths, *beside]) == 1
    shown = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [row["file"] for row in rows] == paths[:2]
    model = glam.load(experiment.folder / RUN.name)
    for row, utterance in zip(rows, (first, second), strict=True):
        answer = glam.predict(model, given_of(everything, utterance))
        assert [float(row[name]) for name in answer.classes] == pytest.approx(answer.probabilities.tolist(), abs=1e-6)
    assert f"refused: {paths[2]}: the model mscnn-spu needs the words that are said" in shown.err
    assert "not used: 1 row of" in shown.err


def test_one_vector_for_one_recording(
    everything: Everything, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, vectors = everything
    first, second = held_out(everything)[:2]
    paths = [str(experiment.corpus.root / utterance.audio) for utterance in (first, second)]
    np.save(tmp_path / "a.npy", vectors[first.id])
    np.savez(tmp_path / "a.npz", vectors[first.id])  # which calls it arr_0
    command = ["predict", str(experiment.folder / RUN.name)]
    written = []
    for name in ("a.npy", "a.npz"):
        vector = f"speaker={tmp_path / name}"
        assert main([*command, paths[0], "--words", first.words, "--vector", vector]) == 0
        written.append(capsys.readouterr().out)
    assert written[0] == written[1]
    (tmp_path / "w.csv").write_text(f"file,text\n{first.id},a\n{second.id},b\n")
    more = ["--words-file", str(tmp_path / "w.csv"), "--vector", f"speaker={tmp_path / 'a.npy'}"]
    assert main([*command, *paths, *more]) == 2
    assert "a.npy: has no ids (a.ids beside it, one on each line)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "the model mscnn-spu needs the words that are said (its input words) and a vector (its input speaker)"),
        (["--words", "a", "--words-file", "w.csv"], "--words and --words-file exclude each other"),
        (["--words-file", "absent.csv"], "absent.csv: cannot be read: No such file"),
        (["--words-file", "w.csv"], "w.csv: line 1 is 'utterance,text'; expected the names of the columns: file,text"),
        (["--words-file", "twice.csv"], "twice.csv: line 3: a has words already"),
        (["--words-file", "cells.csv"], "cells.csv: line 2 has 3 cells, expected 2"),
        (["--vector", "speaker"], "--vector speaker: expected INPUT=FILE"),
        (["--vector", "speaker=a.npy", "--vector", "speaker=b.npy"], "speaker is given twice"),
        (["--vector", "speaker=absent.npy"], "absent.npy: cannot be read as NumPy's .npy"),
        (["--vector", "speaker=odd.xls"], "odd.xls: ends in '.xls'"),
    ],
)
def test_mistakes(
    everything: Everything,
    flags: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"w.csv": "utterance,text\n", "twice.csv": "file,text\na,b\na,c\n", "cells.csv": "file,text\na,b,c\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    experiment, _ = everything
    path = str(experiment.corpus.root / held_out(everything)[0].audio)
    assert main(["predict", str(experiment.folder / RUN.name), path, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_name_of_two_recordings_is_not_guessed(
    everything: Everything, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, _ = everything
    utterance = held_out(everything)[0]
    content = (experiment.corpus.root / utterance.audio).read_bytes()
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").write_bytes(content)
    (tmp_path / "words.csv").write_text("file,text\na.wav,Fine\n")
    run = str(experiment.folder / RUN.name)
    recordings = [str(tmp_path / "x"), str(tmp_path / "y")]
    assert main(["predict", run, *recordings, "--words-file", str(tmp_path / "words.csv")]) == 2
    assert "a.wav is the name of 2 recordings; give their paths, seen from" in capsys.readouterr().err


def test_without_recordings(everything: Everything, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(everything[0].folder / RUN.name)]) == 2
    assert "no recordings are given" in capsys.readouterr().err
