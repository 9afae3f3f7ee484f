"""The folder of a model that is taken away: complete, checked, and as safe to read back as anything else."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from prediction.conftest import Train, Trained

from glam.cli.main import main
from glam.corpora.audio import RATE
from glam.errors import GlamError
from glam.evaluation.metrics import Averaging, softmax
from glam.files import read_hashed
from glam.inputs.cut import Segments, Whole
from glam.inputs.deep_cnn import DeepCnnStatistics
from glam.learning.course import of_utterances
from glam.learning.losses import Activation
from glam.learning.settings import EvaluationSettings
from glam.prediction import exported as module
from glam.prediction import graphs
from glam.prediction.exported import export
from glam.prediction.graphs import Check
from glam.prediction.model import Prediction, extractors
from glam.prediction.notebook import load, predict
from glam.prediction.origin import SYNTHETIC, cautions, trained_on

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

FILES = "README.md config.json model.onnx model.safetensors parity.json parity.npz preprocessor_config.json use.py"


@pytest.fixture(scope="session")
def exported(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model. torch's exporter takes seconds: once for all tests."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    export(train().model, folder)
    return folder


@pytest.fixture
def without_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports everything but the graphs."""
    nothing = Check(np.zeros((16, 8), np.float32), {}, np.zeros((16, 4), np.float32), {}, 0.0)
    monkeypatch.setattr(module, "write_graphs", lambda model, folder: (nothing, "it is so in this test"))


def test_all_is_there(trained: Trained, exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == sorted([*FILES.split(), "waveform.onnx"])
    config, hashed = read_hashed((exported / "config.json").read_bytes())
    assert hashed
    assert config["id2label"] == {"0": "neutral", "1": "sad", "2": "angry", "3": "happy"}
    assert config["label2id"]["happy"] == 3
    assert (config["segment_samples"], config["sampling_rate"]) == (8000, 16000)
    assert config["inputs"]["audio"] == {"name": "mfcc", "shape": [26, 16]}
    assert set(config["files"]) == {path.name for path in exported.iterdir()} - {"config.json"}
    card = (exported / "README.md").read_text()
    for words in ("pipeline_tag: audio-classification", "random splits of utterances", "licence of the corpus", "WA "):
        assert words in card
    assert "One run tells nothing of the spread over runs" in card
    assert "shorter than a segment (0.5 s) are refused" in card
    assert str(trained.run.folder) not in card, "where it lay is nobody's business"


def test_the_parity_is_true(trained: Trained, exported: Path) -> None:
    parity = json.loads((exported / "parity.json").read_text())
    assert set(parity["greatest_difference_of_a_logit"]) == {"model.onnx", "waveform.onnx"}
    with np.load(exported / "parity.npz") as known:
        samples, logits, audio = known["samples"], known["logits"], known["audio"]
    assert samples.shape == (16, 8000)
    assert samples.std(axis=1).min() > 1e-3, "speech, not silence"
    said = [predict(trained.model, segment, rate=RATE) for segment in samples]
    np.testing.assert_allclose([answer.logits for answer in said], logits, rtol=0, atol=1e-5)
    for name, given in (("model.onnx", {"audio": audio}), ("waveform.onnx", {"samples": samples})):
        (ours,) = onnxruntime.InferenceSession(exported / name).run(None, given)
        difference = parity["greatest_difference_of_a_logit"][name]
        assert np.abs(ours - logits).max() == pytest.approx(difference, abs=1e-5)
        assert difference < 1e-4


def test_the_lines_of_numpy_say_the_same(trained: Trained, exported: Path) -> None:
    without = "import sys; sys.modules['torch'] = sys.modules['glam'] = None; import runpy; sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-c", without + "runpy.run_path(sys.argv[0])", str(exported / "use.py")]
    done = subprocess.run([*command, str(trained.held_out[0])], capture_output=True, text=True, check=True)
    answer = predict(trained.model, trained.held_out[0])
    expected = dict(zip(answer.classes, answer.probabilities.tolist(), strict=True))
    assert ast.literal_eval(done.stdout) == pytest.approx(expected, abs=2e-4)
    segments = [*command, "--segments", str(trained.held_out[0])]
    whole, *lines = subprocess.run(segments, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"{whole}\n" == done.stdout
    for start, of_segment, line in zip(answer.starts, answer.segments, lines, strict=True):
        place, _, chances = line.partition(" s: ")
        assert float(place) == pytest.approx(start, abs=0.01)
        assert list(ast.literal_eval(chances).values()) == pytest.approx(of_segment.tolist(), abs=2e-4)


@pytest.mark.parametrize(("average", "activation"), module.PROBABILITIES)
def test_probabilities_come_of_logits_as_in_training(average: Averaging, activation: Activation) -> None:
    logits = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32) * 5
    expected = softmax(of_utterances(logits, np.array([7]), EvaluationSettings(average=average), activation)[0])
    formula = module.PROBABILITIES[average, activation]
    np.testing.assert_allclose(eval(formula, {"np": np, "logits": logits.astype("f8")}), expected, rtol=1e-5)


def used(folder: Path, *recordings: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(folder / "use.py"), *recordings], capture_output=True, text=True)


def test_use_names_what_it_cannot_use_and_goes_on(trained: Trained, exported: Path, tmp_path: Path) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(16000)
    soundfile.write(tmp_path / "48k.wav", np.zeros(48000), 48000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([sound, sound], axis=1), 16000)
    soundfile.write(tmp_path / "short.wav", sound[:3000], 16000)
    soundfile.write(tmp_path / "whole.wav", sound, 16000)
    (tmp_path / "cut off.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:20000])
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_text("")
    names = ["48k", "stereo", "short", "cut off", "text", "empty", "absent"]
    done = used(exported, *(tmp_path / f"{name}.wav" for name in names), trained.held_out[0])
    *lines, last = done.stderr.splitlines()
    said = {Path(line.partition(".wav: ")[0]).name: line.partition(".wav: ")[2] for line in lines}
    assert said == {
        "48k": "has 48000 Hz, 16 bits and 1 channels",
        "stereo": "has 16000 Hz, 16 bits and 2 channels",
        "short": "is 0.19 s long, shorter than a segment of 0.5 s",
        "cut off": "is truncated",
        "text": "file does not start with RIFF id",
        "empty": "is no WAV file",
        "absent": f"[Errno 2] No such file or directory: '{tmp_path / 'absent.wav'}'",
    }
    assert last.startswith(
        "WAV files of 16 kHz, mono, 16 bits are needed; glam predict takes any recording, and one is "
    )
    assert done.stdout.startswith(f"{trained.held_out[0]}: {{'neutral': ")
    assert done.returncode == 1


def test_use_refuses_a_mistyped_flag(trained: Trained, exported: Path) -> None:
    done = used(exported, Path("--segmets"), trained.held_out[0])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "there is no flag --segmets; the only one is --segments\n"


def test_use_without_recordings_or_its_folder(exported: Path, tmp_path: Path) -> None:
    done = used(exported)
    assert (done.returncode, done.stdout) == (1, "")
    assert "python use.py call.wav [more.wav ...]" in done.stderr
    for name, message in (("", "belongs into the folder"), ("config.json", "belongs into"), ("waveform.onnx", "")):
        (tmp_path / "use.py").write_bytes((exported / "use.py").read_bytes())
        if name:
            (tmp_path / name).write_bytes((exported / name).read_bytes())
        done = used(tmp_path, tmp_path / "absent.wav")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "waveform.onnx").write_bytes(b"another")
    assert "waveform.onnx is not what was written" in used(tmp_path, tmp_path / "absent.wav").stderr


def test_use_says_what_is_not_installed(exported: Path) -> None:
    without = "import sys; sys.modules['onnxruntime'] = None; import runpy; runpy.run_path(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", without, exported / "use.py"], capture_output=True, text=True)
    assert done.stderr == "onnxruntime is not installed: pip install numpy onnxruntime\n"


def test_it_is_read_back(trained: Trained, exported: Path) -> None:
    again = predict(load(exported), trained.held_out[0])
    np.testing.assert_array_equal(again.logits, trained.run.predictions().logits[-1, 0])


@pytest.mark.parametrize("where", [200, -5])
def test_damage_is_noticed(exported: Path, tmp_path: Path, where: int) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[where] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(GlamError, match=r"is damaged \(model\.safetensors is not what was written\)"):
        load(tmp_path)
    for config in (b"{", b"[]", b'{"files": 3, "sha256": "0"}', (tmp_path / "config.json").read_bytes() + b" 1"):
        (tmp_path / "config.json").write_bytes(config)
        with pytest.raises(GlamError, match="is damaged"):
            load(tmp_path)


def test_every_file_but_the_card_is_as_it_was_written(exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "README.md").write_text("what we use it for")
    (tmp_path / "model.onnx").unlink()
    load(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(re.sub(r',\s*"sha256": "\w+"', "", config))
    with pytest.raises(GlamError, match=r"is damaged \(config\.json has lost its hash\)"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "use.py").write_text("import os")
    with pytest.raises(GlamError, match=r"is damaged \(use\.py is not what was written\)"):
        load(tmp_path)


def test_a_folder_of_made_up_sounds_says_so(trained: Trained, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cautions(load(exported)) == []
    monkeypatch.setattr("glam.prediction.origin.MADE", {"iemocap": ""})
    assert cautions(load(exported)) == [SYNTHETIC]
    assert trained_on(load(exported))[0] == SYNTHETIC
    assert trained_on(load(exported))[1:] == trained_on(trained.model)[1:]


def test_of_a_run_damage_is_noticed_too(trained: Trained, tmp_path: Path) -> None:
    for path in trained.run.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(GlamError, match=r"model\.safetensors: damaged"):
        load(tmp_path)


def test_code_goes_along_and_is_run_only_where_it_is_given(
    own: tuple[Trained, Path, Path], tmp_path: Path, without_graphs: None
) -> None:
    trained, path, _ = own
    export(trained.model, tmp_path / "model")
    code = tmp_path / "model" / "mine.py"
    assert code.read_text() == path.read_text()
    path.unlink()
    with pytest.raises(GlamError, match=re.escape(f"--code {code}")):
        load(tmp_path / "model")
    assert isinstance(predict(load(tmp_path / "model", code=[code]), trained.held_out[0]), Prediction)


def test_without_a_waveform_it_is_said_why(
    trained: Trained, exported: Path, tmp_path: Path, without_graphs: None
) -> None:
    export(trained.model, tmp_path / "model")
    assert "no `waveform.onnx`: it is so in this test" in (tmp_path / "model" / "README.md").read_text()
    assert "no waveform.onnx" in json.loads((tmp_path / "model" / "parity.json").read_text())
    for name in ("model.onnx", "parity.npz"):
        (tmp_path / "model" / name).write_bytes((exported / name).read_bytes())
    done = subprocess.run([sys.executable, tmp_path / "model" / "use.py"], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) < 1e-5
    assert "There is no waveform.onnx: it is so in this test" in used(tmp_path / "model", trained.held_out[0]).stderr


def test_what_makes_no_waveform(trained: Trained, tmp_path: Path) -> None:
    cut = Segments(name="segments")
    assert graphs._no_waveform(extractors(trained.model, trained.model.recipe.cut), cut) == ""
    statistics = {"statistics": DeepCnnStatistics().extractor(cut)}
    assert "the input statistics is not computed by torch" in graphs._no_waveform(statistics, cut)
    assert "decides on whole recordings" in graphs._no_waveform(statistics, Whole(name="whole"))


def test_a_graph_that_says_something_else_is_not_exported(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "_difference", lambda path, inputs, logits: float("nan"))
    monkeypatch.setattr(graphs, "_write", lambda *_: None)
    with pytest.raises(GlamError, match=r"model\.onnx: gives logits that are off by nan .* nothing is exported"):
        export(trained.model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_verb(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(trained.run.folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    assert main(["export", run, str(tmp_path / "full")]) == 2
    assert "is there already, and holds something" in capsys.readouterr().err
    assert main(["export", run, str(tmp_path / "new"), "--epoch", "1"]) == 2
    assert "--epoch cannot be given with a folder" in capsys.readouterr().err
    assert main(["export", run]) == 0
    assert capsys.readouterr().out.startswith("utterance,label,prediction")


def test_missing_packages_are_named(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(GlamError, match=r"needs no_such_package, .*glam-ser\[export\]"):
        export(trained.model, tmp_path / "model")


def test_the_speech_is_speech() -> None:
    sound = graphs.speech(8000)
    assert sound.shape == (16, 8000)
    assert len({row.tobytes() for row in sound}) == 16
