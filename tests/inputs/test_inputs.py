"""The inputs by name: their options, and the shape that each says its rows have."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import PARTS, Segments, Whole
from glam.inputs.inputs import INPUTS, Extractor, Input, InputSettings
from glam.named import STORED
from glam.recipe import Recipe

OPTIONS: dict[str, dict[str, Any]] = {
    "mfcc": {"coefficients": 26, "pad_mode": "reflect", "vtlp_copies": 0},
    "spectrogram": {},
    "melspectrogram": {"pad_mode": "reflect", "vtlp_copies": 0},
    "fbank": {},
    "logfbank": {},
    "interspeech2018": {},
}
OTHER: dict[str, Any] = {"coefficients": 13, "pad_mode": "constant", "vtlp_copies": 1}
CUTS: dict[str, Segments | Whole] = {
    "segments of the release": Segments(name="segments"),
    "segments of the paper": Segments(name="segments", length=2),
    "segments that hardly overlap": Segments(name="segments", length=0.25, train_overlap=0.01, test_overlap=0.1),
    "segments of an odd length": Segments(name="segments", length=0.33337, train_overlap=0, test_hop=999),
    "whole utterances": Whole(name="whole"),
    "whole utterances of an odd length": Whole(name="whole", longest=1.23457),
}
SPOKEN = Utterance(id="Ses01F_impro01_F000", label="neu", speaker="Ses01F", audio="a.wav", sha256="f" * 64)


def settings(name: str, **options: Any) -> InputSettings:
    return InputSettings.model_validate({"name": name, **options})


def speech(samples: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(5).normal(0, 0.1, samples)
    return noise.astype(np.float32)


@pytest.mark.parametrize("name", OPTIONS)
def test_what_can_be_set_of_each_is_what_its_class_takes(name: str) -> None:
    module, function = INPUTS[name].split(":")
    made = getattr(import_module(module), function)
    options = settings(name).source().signature().options
    assert {option: about.default for option, about in options.items()} == OPTIONS[name]
    parameters = inspect.signature(made).parameters
    assert {option: parameter.default for option, parameter in parameters.items()} == OPTIONS[name]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


@pytest.mark.parametrize("name", OPTIONS)
def test_options_belong_to_their_own_input_only(name: str) -> None:
    for option, value in OTHER.items():
        if option in OPTIONS[name]:
            chosen = settings(name, **{option: value})
            assert chosen.options() == {option: value}
            attribute = "copies" if option == "vtlp_copies" else option
            assert getattr(chosen.make(), attribute) == value
        else:
            known = ", ".join(OPTIONS[name])
            refusal = rf"no option '{option}'\..*" + (f"options are {known}" if known else "It has none")
            with pytest.raises(ValidationError, match=refusal):
                settings(name, **{option: value})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "mfc"}, r"no input 'mfc'\. Did you mean 'mfcc'\? There are mfcc, spectrogram, .*file\.py:name"),
        ({"name": "mfcc", "coefficient": 13}, r"no option 'coefficient'\. Did you mean 'coefficients'"),
        ({"name": "mfcc", "coefficients": 13.5}, "coefficients: given 13.5, expected a whole number"),
        ({"name": "mfcc", "coefficients": True}, "coefficients: given True, expected a whole number"),
        ({"name": "mfcc", "pad_mode": "zeros"}, "pad_mode: given 'zeros', expected one of reflect, constant"),
        ({"name": "fbank", "normalisation": "row"}, "'none', 'training' or 'speaker'"),
        ({"name": "absent.py:Words"}, r"absent\.py: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InputSettings.model_validate(wrong)


@pytest.mark.parametrize("name", OPTIONS)
def test_settings_survive_being_written_and_read(name: str) -> None:
    for options in ({}, {"normalisation": "speaker"}, OTHER if name == "mfcc" else {}):
        chosen = settings(name, **options)
        assert InputSettings(**chosen.model_dump()) == chosen
        assert InputSettings.model_validate_json(chosen.model_dump_json()) == chosen


def test_a_default_that_is_written_out_is_no_other_input() -> None:
    assert settings("mfcc", coefficients=26, vtlp_copies=0) == settings("mfcc")
    assert settings("mfcc", coefficients=26).scientific() == {"name": "mfcc"}
    assert settings("mfcc", coefficients=13).scientific() == {"name": "mfcc", "coefficients": 13}
    assert settings("fbank", normalisation="none").scientific() == {"name": "fbank"}


def test_recipes_choose_an_input_by_its_name_alone_or_by_its_options() -> None:
    def audio(chosen: Any) -> InputSettings:
        return Recipe.model_validate({"inputs": {"audio": chosen}}).inputs["audio"]

    assert audio("spectrogram") == settings("spectrogram")
    assert audio({"coefficients": 13}) == settings("mfcc", coefficients=13)
    assert audio({"name": "melspectrogram", "pad_mode": "constant"}) == settings("melspectrogram", pad_mode="constant")
    assert Recipe().inputs == {"audio": settings("mfcc")}
    with pytest.raises(ValidationError, match="no option 'coefficients'"):
        audio({"name": "spectrogram", "coefficients": 13})


def test_what_was_recorded_is_read_though_it_is_there_no_longer() -> None:
    old = {"name": "/gone/mine.py:Words", "sha256": "a" * 64, "size": 300}
    recorded = InputSettings.model_validate(old, context={STORED: True})
    assert recorded.model_dump() == old | {"normalisation": "none"}
    assert recorded.scientific() == {"name": "mine.py:Words", "sha256": "a" * 64, "size": 300}


@pytest.mark.parametrize("cut", CUTS.values(), ids=list(CUTS))
@pytest.mark.parametrize("name", OPTIONS)
def test_the_shape_of_a_row_is_that_of_what_is_extracted(name: str, cut: Segments | Whole) -> None:
    options: list[dict[str, Any]] = [{}]
    options += [{option: value} for option, value in OTHER.items() if option in OPTIONS[name]]
    for chosen in options:
        made = settings(name, **chosen).make()
        extractor = made.extractor(cut)
        assert extractor.shape == made.shape(cut)
        for samples in (cut.samples, cut.samples + 1, 2 * cut.samples + 777, *([5000] * isinstance(cut, Whole))):
            for part in PARTS:
                for copy in range(made.copies + 1):
                    rows = list(extractor(SPOKEN, speech(samples), part, copy))
                    values = np.concatenate([row for row, _ in rows])
                    assert values.shape == (cut.rows(samples, part), *made.shape(cut))
                    assert values.dtype == np.dtype(made.dtype)
                    assert np.isfinite(values).all()
                    _check_lengths(made, cut, samples, rows)


def _check_lengths(made: Input, cut: Segments | Whole, samples: int, rows: list[Any]) -> None:
    """Segments are whole, and so have no lengths; a whole utterance has its own, and zeros behind."""
    lengths = [length for _, length in rows]
    if isinstance(cut, Segments):
        assert lengths == [None] * len(rows)
        return
    ((values, (length,)),) = rows
    assert made.time_axis is not None
    frames = values.shape[1 + made.time_axis]
    assert length == frames if samples >= cut.samples else 0 < length < frames
    assert (np.take(values, range(length, frames), axis=1 + made.time_axis) == 0).all()


@pytest.mark.parametrize("name", OPTIONS)
def test_time_runs_along_the_axis_that_the_input_says(name: str) -> None:
    made = settings(name).make()
    short, long = (made.shape(Segments(name="segments", length=length)) for length in (1.8, 3.6))
    assert [i for i, (a, b) in enumerate(zip(short, long, strict=True)) if a != b] == [made.time_axis]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_row_of_a_whole_utterance_is_that_of_a_segment_of_its_length(name: str) -> None:
    made, samples = settings(name).make(), 24_000
    ((whole, lengths),) = made.extractor(Whole(name="whole"))(SPOKEN, speech(samples), "train")
    cut = Segments(name="segments", length=1.5, train_overlap=0)
    ((segment, _),) = made.extractor(cut)(SPOKEN, speech(samples), "train")
    assert lengths is not None
    assert made.time_axis is not None
    own = np.take(whole, range(lengths[0]), axis=1 + made.time_axis)
    np.testing.assert_allclose(own, segment, rtol=1e-5, atol=1e-4)


def test_an_utterance_too_short_for_frames_that_reflect_is_named() -> None:
    extractor = settings("mfcc").make().extractor(Whole(name="whole"))
    with pytest.raises(GlamError, match=r"Ses01F_impro01_F000: 1024 samples are too short for it: it reflects 1024"):
        list(extractor(SPOKEN, speech(1024), "train"))
    list(extractor(SPOKEN, speech(1025), "train"))
    list(settings("mfcc", pad_mode="constant").make().extractor(Whole(name="whole"))(SPOKEN, speech(5), "train"))


def test_copies_of_the_training_utterances_differ_and_stay_the_same() -> None:
    extractor = settings("mfcc", vtlp_copies=2).make().extractor(Segments(name="segments"))

    def rows(copy: int) -> NDArray[np.float32]:
        return np.concatenate([values for values, _ in extractor(SPOKEN, speech(40_000), "train", copy)])

    recording, first, second = (rows(copy) for copy in (0, 1, 2))
    assert np.abs(first - recording).max() > 1
    assert np.abs(first - second).max() > 1
    np.testing.assert_array_equal(rows(1), first)


OWN = """
import numpy as np
from glam.inputs.inputs import Input


class Loudness(Input):
    def __init__(self, *, pieces: int = 3):
        if pieces < 1:
            raise ValueError(f"pieces: given {pieces}, expected 1 or more")
        self.pieces = pieces

    def row(self, samples):
        return np.array([piece.std() for piece in np.array_split(samples, self.pieces)])


class Bare(Input):
    pass


class Sounding(Input):
    def row(self, samples):
        return samples[samples != 0]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def test_one_of_the_user_s_own_gives_a_row_for_each_of_the_cut(mine: Path) -> None:
    made = settings(f"{mine}:Loudness", pieces=5).make()
    assert (made.copies, made.time_axis, made.dtype) == (0, None, "<f4")
    assert made.source(SPOKEN) == ["f" * 64]  # its recording decides about its rows
    assert made.outside() == {}
    for cut in CUTS.values():
        assert made.shape(cut) == (5,)
    cut = Segments(name="segments", length=0.5, train_hop=3000)
    signal = speech(20_000)
    rows = list(made.extractor(cut)(SPOKEN, signal, "train"))
    assert [lengths for _, lengths in rows] == [None] * 5
    for (row, _), start in zip(rows, range(0, 12_001, 3000), strict=True):
        pieces = np.array_split(signal[start : start + 8000], 5)
        np.testing.assert_array_equal(row, np.array([[piece.std() for piece in pieces]], dtype=np.float32))


def test_one_of_the_user_s_own_sees_zeros_behind_whole_utterances(mine: Path) -> None:
    made, signal = settings(f"{mine}:Loudness", pieces=1).make(), speech(20_000)
    extractor = made.extractor(Whole(name="whole", longest=1))
    for samples in (20_000, 16_000, 9000):
        ((row, lengths),) = extractor(SPOKEN, signal[:samples], "test")
        assert lengths is None
        padded = np.pad(signal[: min(samples, 16_000)], (0, max(0, 16_000 - samples)))
        np.testing.assert_allclose(row, [[padded.std()]], rtol=1e-6)


def test_the_file_of_one_of_the_user_s_own_is_part_of_what_it_is(mine: Path) -> None:
    before = settings(f"{mine}:Loudness")
    assert before.title == "mine.py:Loudness"
    assert before.scientific() == {"name": "mine.py:Loudness", "sha256": before.sha256}
    copy = mine.with_name("elsewhere") / "mine.py"
    copy.parent.mkdir()
    copy.write_text(OWN)
    assert settings(f"{copy}:Loudness").scientific() == before.scientific()  # wherever it lies
    copy.write_text(OWN + "# changed\n")
    assert settings(f"{copy}:Loudness").sha256 != before.sha256
    with pytest.raises(ValidationError, match="not the file that was recorded"):
        InputSettings.model_validate({"name": f"{copy}:Loudness", "sha256": before.sha256})


def test_what_goes_wrong_with_one_of_the_user_s_own(mine: Path) -> None:
    with pytest.raises(GlamError, match=r"mine\.py:Loudness: pieces: given 0, expected 1 or more"):
        settings(f"{mine}:Loudness", pieces=0).make()
    with pytest.raises(ValidationError, match=r"mine\.py: has no 'Loud'; it has Loudness, Bare, Sounding"):
        settings(f"{mine}:Loud")
    with pytest.raises(NotImplementedError):
        settings(f"{mine}:Bare").make().shape(Segments(name="segments"))
    extractor = Extractor(settings(f"{mine}:Loudness").make(), Segments(name="segments"))
    extractor.of = settings(f"{mine}:Sounding").make()
    with pytest.raises(GlamError, match=r"rows of different shapes: \(28800,\), and \(3,\) before"):
        list(extractor(SPOKEN, np.ones(28_800, dtype=np.float32), "train"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("np.zeros(3) / (samples[0] == 0)", "the input mine of .* is not finite"),
        ("[1, 2, 3][int(3 * samples[0]) :]", r"the input mine of .* gives rows of different shapes: \(0,\), and"),
        ("np.zeros(3)[3 * int(samples[0])]", r"the input mine of .*: line 5: IndexError: index 3 is out of bounds"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*in divide:RuntimeWarning")
def test_what_goes_wrong_in_a_row_is_named_with_its_utterance(tmp_path: Path, row: str, message: str) -> None:
    own = "import numpy as np\nfrom glam.inputs.inputs import Input\nclass mine(Input):\n    def row(self, samples):\n"
    (tmp_path / "mine.py").write_text(f"{own}        return {row}\n    def shape(self, cut): return (3,)\n")
    extractor = Extractor(settings(f"{tmp_path / 'mine.py'}:mine").make(), Segments(name="segments"))
    with pytest.raises(GlamError, match=message):
        list(extractor(SPOKEN, np.ones(28_800, dtype=np.float32), "train"))


def test_what_goes_wrong_in_one_of_the_package_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings("mfcc").make()
    extractor = Extractor(made, Segments(name="segments"))
    monkeypatch.setattr(made, "row", lambda samples: samples[len(samples)])
    with pytest.raises(IndexError):
        list(extractor(SPOKEN, speech(28_800), "train"))


def test_a_class_that_is_no_input_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class mine:\n    def row(self, samples): ...\n")
    with pytest.raises(GlamError, match=r"mine\.py:mine makes mine; expected a class with the base Input"):
        settings(f"{tmp_path / 'mine.py'}:mine").make()
