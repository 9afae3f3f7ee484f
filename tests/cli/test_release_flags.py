import argparse
import json
from pathlib import Path

import pytest

from glam.cli.release_flags import RELEASED_MODELS, add_release_flags, boolean, notes, overrides, with_config
from glam.errors import GlamError
from glam.recipe import Recipe, load_recipe


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_release_flags(parser)
    return with_config(parser, list(words))


def recipe(*words: str) -> Recipe:
    return load_recipe("glam-released", overrides(parsed(*words)))


def test_no_flag_means_the_recipe() -> None:
    assert recipe() == load_recipe("glam-released")


def test_short_and_long_flags_of_the_release() -> None:
    found = recipe(*"-f mfcc -i script -s 16000 -n 20 -b 64 -l 1e-4 -e 3 -m GLAM".split())
    assert found.corpus.style == "scripted"
    assert found.features.coefficients == 20
    assert (found.training.batch_size, found.training.lr, found.training.epochs) == (64, 1e-4, 3)
    words = "--train_overlap 1 --test_overlap 1.5 --segment_length 2 --split_rate 0.7 --lr_min 0 --alpha 0"
    found = recipe(*words.split())
    assert (found.segments.length, found.segments.train_overlap, found.segments.test_overlap) == (2, 1, 1.5)
    assert found.split.train_share == 0.7
    assert (found.training.lr_min, found.training.alpha) == (0, 0)


@pytest.mark.parametrize(
    ("flag", "schedule", "factor", "every"),
    [
        ("exp", "decay", 0.95, 1),
        ("step", "decay", 0.1, 10),
        ("warmstep", "decay", 0.1, 10),
        ("cosine", "cosine", 0.95, 10),
    ],
)
def test_schedules(flag: str, schedule: str, factor: float, every: int) -> None:
    training = recipe("--lr_schedule", flag).training
    assert (training.schedule, training.lr_factor, training.lr_every) == (schedule, factor, every)


def test_sgd_brings_the_weight_decay_of_the_release() -> None:
    training = recipe("--optimizer", "sgd").training
    assert (training.optimizer, training.momentum, training.weight_decay) == ("sgd", 0.9, 1e-4)


@pytest.mark.parametrize(("word", "value"), [("False", False), ("true", True), ("0", False), ("yes", True)])
def test_booleans_mean_what_they_say(word: str, value: bool) -> None:
    assert boolean(word) is value
    assert recipe("--padding", word).segments.padding == ("repeat" if value else "none")
    assert recipe("--weight", word).training.class_weights == ("share" if value else "none")
    assert parsed("--SaveModel", word).SaveModel is value


def test_a_word_that_is_no_boolean_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--weight", "perhaps")
    assert "given 'perhaps', expected true or false" in capsys.readouterr().err


def test_bare_booleans_are_true() -> None:
    assert recipe("--weight", "--padding", "--aug", "upsampling").training.upsampling is True


def test_iter_is_refused_with_the_reason() -> None:
    with pytest.raises(GlamError, match=r"best on the test set.*--runs"):
        overrides(parsed("--iter", "5"))


def test_the_pickle_flags_are_accepted_with_a_note() -> None:
    (note,) = notes(parsed("--toSaveFeatures", "True", "--featuresFileName", "x.pkl"))
    assert "--toSaveFeatures, --featuresFileName" in note
    assert "store" in note
    assert notes(parsed()) == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("-m Transformer", ["Transformer", "glam", "mhcnn"]),
        ("-f wav2vec", ["features.kind", "wav2vec", "mfcc"]),
        ("-s 8000", ["8000", "16000", "resampled"]),
        ("--head 8", ["heads", "glam"]),
    ],
)
def test_values_that_do_not_exist_are_answered_with_those_that_do(words: str, parts: list[str]) -> None:
    with pytest.raises(GlamError) as error:
        recipe(*words.split())
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("name", RELEASED_MODELS)
def test_the_release_s_model_names(name: str) -> None:
    assert recipe("-m", name).model.name == RELEASED_MODELS[name]


def test_config_file_and_command_line(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"epochs": 7, "alpha": 0.3, "padding": False, "gpu": -1, "seed": None}))
    args = parsed("-c", str(path), "--epochs", "9")
    assert (args.epochs, args.alpha, args.padding, args.gpu, args.seed) == (9, 0.3, False, -1, None)


def test_flags_of_ours_stand_in_a_config_file_too(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    for value in (True, False, None):
        path.write_text(json.dumps({"verify-corpus": value, "set": ["training.lr=1", "training.epochs=2"]}))
        parser = argparse.ArgumentParser()
        add_release_flags(parser)
        parser.add_argument("--verify-corpus", action="store_true")
        parser.add_argument("--set", action="append", default=[])
        args = with_config(parser, ["-c", str(path), "--set", "a=3"])
        assert args.verify_corpus is bool(value)
        assert args.set == ["training.lr=1", "training.epochs=2", "a=3"]
        path.write_text('{"verify-corpus": "yes"}')
        with pytest.raises(GlamError, match="verify-corpus: given 'yes', expected true or false"):
            with_config(parser, ["-c", str(path)])


@pytest.mark.parametrize(
    "content", ["{", "[1]", '{"epoch": 3}', '{"config": "x"}', '{"help": true}', '{"epochs": [3]}']
)
def test_a_wrong_config_file_is_one_message(tmp_path: Path, content: str) -> None:
    path = tmp_path / "flags.json"
    path.write_text(content)
    with pytest.raises(GlamError, match=r"--config .*flags\.json") as error:
        parsed("-c", str(path))
    allowed = str(error.value).partition("there are ")[2].split(", ")
    assert not {"config", "help"} & set(allowed)
