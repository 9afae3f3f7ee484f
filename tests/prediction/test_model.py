"""A trained model asked about recordings: the numbers of training, whatever the recordings' company."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prediction.conftest import OWN, Train, Trained

from glam.corpora import stream
from glam.corpora.audio import RATE, read_audio
from glam.errors import GlamError
from glam.evaluation.metrics import softmax
from glam.prediction import model as module
from glam.prediction.given import Given
from glam.prediction.model import Prediction, Question, Refused
from glam.prediction.notebook import load, predict


def answers(trained: Trained, *paths: Path, **question: object) -> list[Prediction]:
    said = list(trained.model.ask(paths, Question(**question)))  # type: ignore[arg-type]
    assert all(isinstance(answer, Prediction) for answer in said), said
    return [answer for answer in said if isinstance(answer, Prediction)]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("inputs.audio.normalisation", "training")],
        [("evaluation.average", "probabilities")],
        [("training.precision", "bf16")],
    ],
    ids=["plain", "normalised", "probabilities", "bf16"],
)
def test_to_the_bit_as_in_training(train: Train, fields: list[tuple[str, object]]) -> None:
    trained = train(*fields)
    recorded = trained.run.predictions()
    together = answers(trained, *trained.held_out)
    np.testing.assert_array_equal([answer.logits for answer in together], recorded.logits[-1])
    assert [len(answer.starts) for answer in together] == recorded.segments.tolist()
    np.testing.assert_array_equal(
        np.concatenate([answer.segments.argmax(axis=1) for answer in together]), recorded.segment_classes[-1]
    )
    for path, answer in zip(trained.held_out[:2], together, strict=False):
        (alone,) = answers(trained, path)
        np.testing.assert_array_equal(alone.logits, answer.logits)
        np.testing.assert_array_equal(alone.segments, answer.segments)


def test_of_whole_utterances(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN.format(trace=str(tmp_path / "trace")).replace("(self, audio):", "(self, audio, length):"))
    cut = ("cut", {"name": "whole", "longest": 1.0})
    trained = train(cut, ("training.alpha", 0), model=f"{path}:tiny", code=path)
    said = answers(trained, *trained.held_out)
    np.testing.assert_array_equal([answer.logits for answer in said], trained.run.predictions().logits[-1])
    seconds = [len(read_audio(path)) / 16000 for path in trained.held_out]
    assert [answer.end for answer in said] == seconds
    assert [answer.length for answer in said] == [answer.heard for answer in said] == [min(s, 1.0) for s in seconds]
    with pytest.raises(GlamError, match=r"--repeat-short: the model mine\.py:tiny decides on whole recordings"):
        answers(trained, trained.held_out[0], repeat_short=True)
    with pytest.raises(GlamError, match=r"--hop: the model mine\.py:tiny decides on whole recordings"):
        answers(trained, trained.held_out[0], hop=0.5)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(8000, 60000), min_size=1, max_size=4), group=st.sampled_from([4, 8, 256]))
def test_whatever_the_company_and_the_pieces(trained: Trained, lengths: list[int], group: int) -> None:
    rng = np.random.default_rng(sum(lengths))
    sounds = [(str(i), 0.1 * rng.standard_normal(n).astype(np.float32)) for i, n in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUP", group)
        together = list(trained.model.ask(sounds))
    for sound, answer in zip(sounds, together, strict=True):
        (alone,) = trained.model.ask([sound])
        assert isinstance(answer, Prediction)
        assert isinstance(alone, Prediction)
        np.testing.assert_array_equal(answer.segments, alone.segments)
        assert answer.end == len(sound[1]) / 16000
        assert len(answer.starts) == 1 + (len(sound[1]) - 8000) // trained.model.recipe.cut.hop("test")  # type: ignore[union-attr]


def test_a_long_file_is_never_held_as_a_whole(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(16000 * 40)
    soundfile.write(tmp_path / "long.wav", sound, 16000)
    (whole,) = answers(trained, tmp_path / "long.wav", hop=0.25)
    monkeypatch.setattr(stream, "WHOLE", 0)
    monkeypatch.setattr(stream, "PIECE", 5000)
    monkeypatch.setattr(module, "GROUP", 8)
    most = 0
    inputs = module._Answers._inputs

    def watched(self: module._Answers, utterance: Given, samples: np.ndarray) -> object:
        nonlocal most
        most = max(most, len(samples))
        return inputs(self, utterance, samples)

    monkeypatch.setattr(module._Answers, "_inputs", watched)
    (pieces,) = answers(trained, tmp_path / "long.wav", hop=0.25)
    assert most == 7 * 4000 + 8000
    np.testing.assert_array_equal(pieces.segments, whole.segments)


def test_the_hop(trained: Trained) -> None:
    path = trained.held_out[0]
    seconds = len(read_audio(path)) / 16000
    (answer,) = answers(trained, path, hop=0.1)
    assert answer.starts.tolist() == pytest.approx(0.1 * np.arange(1 + int((seconds - 0.5) / 0.1)))
    for hop in (0, -1, float("nan"), float("inf")):
        with pytest.raises(GlamError, match="--hop"):
            answers(trained, path, hop=hop)


def test_some_labels_share_the_probability_of_all(trained: Trained) -> None:
    path = trained.held_out[0]
    (all_of_them,), (two,) = answers(trained, path), answers(trained, path, labels=("happy", "sad"))
    assert two.classes == ("sad", "happy")
    np.testing.assert_allclose(two.probabilities, softmax(all_of_them.logits[[1, 3]]))
    assert two.predicted in two.classes
    np.testing.assert_allclose(two.segments.sum(axis=1), 1)
    with pytest.raises(GlamError, match="--labels glad: the model knows neutral, sad, angry, happy"):
        answers(trained, path, labels=("glad",))


def test_too_short_a_recording_is_refused_or_repeated(train: Train) -> None:
    sound = ("short", np.full(3000, 0.1, np.float32))
    trained = train()
    (refused,) = trained.model.ask([sound])
    assert isinstance(refused, Refused)
    assert "is 0.19 s long, shorter than a segment of 0.5 s" in refused.reason
    (answer,) = trained.model.ask([sound], Question(repeat_short=True))
    assert isinstance(answer, Prediction)
    assert (answer.end, len(answer.starts)) == (0.1875, 2)  # 9000 samples, three times itself
    padded = train(("cut.padding", "repeat"))
    assert isinstance(next(padded.model.ask([sound])), Prediction)
    (nothing,) = padded.model.ask([("nothing", np.empty(0, np.float32))])
    assert isinstance(nothing, Refused)


def test_a_bad_recording_is_refused_in_its_place(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    good = trained.held_out[0]
    said = list(trained.model.ask([good, tmp_path / "bad.wav", tmp_path / "absent.wav", good]))
    assert [isinstance(answer, Refused) for answer in said] == [False, True, True, False]
    assert isinstance(said[1], Refused)
    assert "not readable as audio" in said[1].reason
    assert str(tmp_path) not in said[1].reason, "the file is named already"


def test_the_process_is_left_as_it_was(trained: Trained) -> None:
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("high")
    before = torch.get_rng_state()
    try:
        answers(trained, trained.held_out[0])
        assert torch.get_num_threads() == 2
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision("highest")


def test_in_a_notebook(trained: Trained, tmp_path: Path) -> None:
    import glam

    path = trained.held_out[0]
    model = glam.load(trained.run.folder)
    answer = glam.predict(model, path)
    np.testing.assert_array_equal(answer.logits, trained.run.predictions().logits[-1, 0])
    assert glam.predict(trained.run.folder / "model.safetensors", str(path)).predicted == answer.predicted
    np.testing.assert_array_equal(predict(model, read_audio(path), rate=RATE).logits, answer.logits)
    stereo = np.repeat(read_audio(path)[:, None], 2, axis=1)
    np.testing.assert_array_equal(predict(model, stereo, rate=RATE).logits, answer.logits)
    assert predict(model, np.zeros(8000), rate=8000).end == 1
    several = glam.predict(model, [path, tmp_path / "absent.wav"])
    assert [type(said) for said in several] == [Prediction, Refused]
    with pytest.raises(GlamError, match=r"absent\.wav: cannot be read"):
        glam.predict(model, tmp_path / "absent.wav")
    with pytest.raises(GlamError, match="expected finite floats"):
        predict(model, np.zeros(8000, np.int16), rate=RATE)
    with pytest.raises(GlamError, match="without their rate: rate=16000 if"):
        predict(model, stereo)
    assert len(repr(answer)) < 500, "no array of a value a segment"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = glam.nothing  # type: ignore[attr-defined]


def test_one_speaker_of_a_call(trained: Trained, tmp_path: Path) -> None:
    one, other = (read_audio(path)[:16000] for path in trained.held_out[:2])
    call = np.stack([one, other], axis=1)
    soundfile.write(tmp_path / "call.wav", call, RATE, subtype="FLOAT")
    model = load(trained.run.folder)
    for number, alone in ((1, one), (2, other)):
        expected = predict(model, alone, rate=RATE).logits
        np.testing.assert_array_equal(predict(model, tmp_path / "call.wav", channel=number).logits, expected)
        np.testing.assert_array_equal(predict(model, call, rate=RATE, channel=number).logits, expected)
    with pytest.raises(GlamError, match=r"call\.wav: has 2 channels, and no channel 3"):
        predict(model, tmp_path / "call.wav", channel=3)
    for recording in (tmp_path / "call.wav", call):
        for wrong in (0, -5, 1.0, True):
            with pytest.raises(GlamError, match=f"channel: given {wrong}, expected a whole number from 1"):
                predict(model, recording, rate=RATE, channel=wrong)  # type: ignore[arg-type]
    (refused,) = predict(model, [Given("one", one)], channel=2)
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("channel: given 2, but")


def test_a_model_by_the_name_of_its_run(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained.run.folder
    monkeypatch.setenv("GLAM_RUNS", str(folder.parent.parent))
    assert load(f"{folder.parent.name}/{folder.name}").path == folder / "model.safetensors"


def test_where_no_model_lies(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"model\.safetensors: no saved model lies here.*--save-model"):
        load(tmp_path)


def test_code_of_a_saved_model_is_run_only_where_it_is_given(own: tuple[Trained, Path, Path]) -> None:
    trained, path, trace = own
    for name in [name for name in sys.modules if name.startswith("glam_own_")]:
        del sys.modules[name]  # as in a process that has not trained it
    with pytest.raises(GlamError, match=rf"the model mine\.py:tiny is code of a file of its own.*--code {path}"):
        load(trained.run.folder)
    assert not trace.exists(), "the file was run"
    np.testing.assert_array_equal(
        predict(load(trained.run.folder, code=[path]), trained.held_out[0]).logits,
        trained.run.predictions().logits[-1, 0],
    )
    assert trace.exists()
    trace.unlink()
    elsewhere = path.rename(path.with_name("moved.py"))
    load(trained.run.folder, code=[elsewhere])
    elsewhere.rename(path).write_text(path.read_text() + "\nMORE = 1\n")
    with pytest.raises(GlamError, match=r"mine\.py is not the file that .* was made with"):
        load(trained.run.folder, code=[path])
    with pytest.raises(GlamError, match=r"--code .*absent\.py: cannot be read"):
        load(trained.run.folder, code=[path.with_name("absent.py")])


def test_code_without_a_hash_is_not_run(own: tuple[Trained, Path, Path], tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    trained, path, trace = own
    with safe_open(trained.run.folder / "model.safetensors", "pt") as file:
        meta = dict(file.metadata())
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    settings = trained.model.recipe.model_dump(mode="json")
    settings["model"] = {"name": f"{path}:tiny"}
    meta["recipe"] = trained.model.recipe.model_validate(settings).model_dump_json(exclude={"model": {"sha256"}})
    save_file(weights, tmp_path / "model.safetensors", meta)
    for code in ([], [path.with_name("other.py")]):
        path.with_name("other.py").write_text("pass")
        with pytest.raises(GlamError, match="is code of a file of its own"):
            load(tmp_path, code=code)
    assert not trace.exists()


WORDS = """
import numpy as np
from glam.inputs.inputs import Extractor, Input


class Words(Input):
    def row(self, samples):
        return np.zeros((26, 16))

    def extractor(self, cut, device="cpu"):
        return OfWords(self, cut)


class OfWords(Extractor):
    needs_audio = False

    def __call__(self, utterance, samples, part, copy=0):
        yield np.zeros((self.cut.rows(utterance.samples, part), 26, 16), np.float32), None
"""


def test_an_input_that_is_not_of_the_sound_is_named(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "words.py"
    path.write_text(WORDS)
    trained = train(("inputs.audio", {"name": f"{path}:Words"}), code=path)
    with pytest.raises(GlamError, match=r"takes audio \(words\.py:Words\) beside the sound"):
        answers(trained, trained.held_out[0])
