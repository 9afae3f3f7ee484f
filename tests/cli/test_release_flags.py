import argparse
import json
from pathlib import Path

import pytest

from glam.cli.release_flags import RELEASED_MODELS, add_release_flags, boolean, notes, overrides, with_config
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.learning.settings import Cosine, Decay, Sgd
from glam.recipe import Recipe, load_recipe
from glam.splits.protocols import Random


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_release_flags(parser)
    return with_config(parser, list(words))


def recipe(*words: str) -> Recipe:
    return load_recipe("glam-released", overrides(parsed(*words)))


def test_no_flag_means_the_recipe() -> None:
    assert recipe() == load_recipe("glam-released")


def cut_of(recipe: Recipe) -> Segments:
    assert isinstance(recipe.cut, Segments)
    return recipe.cut


def test_short_and_long_flags_of_the_release() -> None:
    short = recipe(*"-f mfcc -i script -s 16000 -n 20 -b 64 -l 1e-4 -e 3 -m GLAM".split())
    assert (dict(short.corpus.where), short.corpus.part) == ({"style": ("scripted",)}, "scripted")
    assert (short.inputs["audio"].name, short.inputs["audio"].options()) == ("mfcc", {"coefficients": 20})
    assert (short.training.batches.size, short.training.lr, short.training.epochs) == (64, 1e-4, 3)
    words = "--train_overlap 1 --test_overlap 1.5 --segment_length 2 --split_rate 0.7 --lr_min 0 --alpha 0"
    long = recipe(*words.split())
    cut = cut_of(long)
    assert (cut.length, cut.train_overlap, cut.test_overlap) == (2, 1, 1.5)
    assert long.split == Random(name="random", train_share=0.7)
    assert isinstance(long.training.schedule, Decay)
    assert (long.training.schedule.least, long.training.alpha) == (0, 0)


@pytest.mark.parametrize(
    ("word", "part", "styles"),
    [
        ("impro", "improvised", {"style": ("improvised",)}),
        ("script", "scripted", {"style": ("scripted",)}),
        ("all", "full", {}),
    ],
)
def test_styles_are_parts_of_the_corpus(word: str, part: str, styles: dict[str, tuple[str, ...]]) -> None:
    corpus = recipe("-i", word).corpus
    assert (corpus.part, dict(corpus.where)) == (part, styles)


@pytest.mark.parametrize(
    ("flag", "schedule"),
    [
        ("exp", Decay(name="decay", factor=0.95, every=1)),
        ("step", Decay(name="decay", factor=0.1, every=10)),
        ("warmstep", Decay(name="decay", factor=0.1, every=10)),
        ("cosine", Cosine(name="cosine", every=10)),
    ],
)
def test_schedules(flag: str, schedule: Decay | Cosine) -> None:
    assert recipe("--lr_schedule", flag).training.schedule == schedule


def test_the_least_rate_is_of_whichever_schedule() -> None:
    words = ("--lr_min", "1e-5", "--lr_schedule")
    assert recipe(*words, "cosine").training.schedule == Cosine(name="cosine", every=10, least=1e-5)
    assert recipe(*words, "step").training.schedule == Decay(name="decay", factor=0.1, every=10, least=1e-5)


def test_options_are_of_what_is_chosen_whatever_comes_first() -> None:
    words = ("-n", "20", "--head", "2", "-f", "mfcc", "-m", "MHCNN")
    chosen = recipe(*words)
    assert chosen.model.options() == {"heads": 2}
    assert chosen.inputs["audio"].options() == {"coefficients": 20}


def test_sgd_brings_the_weight_decay_of_the_release() -> None:
    training = recipe("--optimizer", "sgd").training
    assert (training.optimizer, training.weight_decay) == (Sgd(name="sgd", momentum=0.9), 1e-4)


@pytest.mark.parametrize(("word", "value"), [("False", False), ("true", True), ("0", False), ("yes", True)])
def test_booleans_mean_what_they_say(word: str, value: bool) -> None:
    assert boolean(word) is value
    assert cut_of(recipe("--padding", word)).padding == ("repeat" if value else "none")
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
        ("-f wav2vec", ["inputs.audio", "wav2vec", "mfcc"]),
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
    assert "--recipe" not in str(error.value)
    allowed = str(error.value).partition("there are ")[2].split(", ")
    assert not {"config", "help"} & set(allowed)


def test_a_recipe_is_no_config_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: glam-released")
    with pytest.raises(GlamError, match=r"mine\.yaml: not a readable JSON file .*; a recipe is given with --recipe"):
        parsed("-c", str(path))
