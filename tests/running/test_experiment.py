"""An experiment from a recipe and a corpus to what its runs are given, on a tiny release."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from running import small
from running.small import CPU

from glam.errors import GlamError
from glam.recipe import Recipe
from glam.results.experiment import store_experiment
from glam.results.run import read_run
from glam.running.events import Event, Finished
from glam.running.experiment import Sizes, experiment_on, job
from glam.running.job import run_data
from glam.running.workers import run_alone
from glam.splits.runs import RunKey

prepared = partial(small.prepared, recipe="glam-released")


def test_a_fold_tests_one_session_and_a_worker_trains_it(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path, ("split.name", "leave-session-out"), ("training.epochs", 2))
    assert experiment.stored.folds == ("Ses01", "Ses02", "Ses03", "Ses04", "Ses05")
    run = RunKey(7, 3)
    assert experiment.runs([7])[2] == run
    session = np.array([utterance.group("session") for utterance in experiment.population.utterances])
    data = run_data(job(experiment, CPU), run)
    assert len(data.test_counts) == 12, "a session of eight utterances, and a speaker of four"
    assert len(data.train_counts) == 28

    store_experiment(experiment.stored)
    heard: list[Event] = []
    run_alone(job(experiment, CPU), run, heard.append, lambda: False)
    finished = heard[-1]
    assert isinstance(finished, Finished)
    assert finished.chosen_on == "validation"
    assert experiment.finished(run)
    assert not experiment.finished(RunKey(7))
    stored = read_run(experiment.folder / "7-fold3")
    predictions = stored.predictions()
    assert (stored.key, stored.validation_only) == (run, 4)
    assert len(predictions.train) == 28
    assert set(session[predictions.train]) == {"Ses01", "Ses02", "Ses04", "Ses05"}
    tested = predictions.held_out[4:]
    assert set(session[tested]) == {"Ses03"}
    right = predictions.logits[:, 4:].argmax(axis=2) == experiment.stored.targets[tested]
    assert [score.wa for score in stored.scores] == pytest.approx((100 * right.mean(axis=1)).tolist())
    assert finished.wa == stored.scores[finished.epoch - 1].wa


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (
            "leave-scenarios-out",
            r"corpus iemocap, improvised: split.name leave-scenarios-out needs .* one, impro01",
        ),
        ("k-fold", r"cannot cut 40 utterances into split.folds 41"),
    ],
)
def test_a_protocol_that_the_corpus_is_too_small_for(
    tiny_release: Path, tmp_path: Path, protocol: str, message: str
) -> None:
    folds = [("split.folds", 41)] if protocol == "k-fold" else []
    with pytest.raises(GlamError, match=message):
        prepared(tiny_release, tmp_path, ("split.name", protocol), *folds)


def test_copies_of_features_without_mel_filters_are_refused(tiny_release: Path, tmp_path: Path) -> None:
    copies, name = ("inputs.audio.vtlp_copies", 1), ("inputs.audio.name", "spectrogram")
    for fields in ([copies, name], [name, copies]):
        with pytest.raises(GlamError, match=r"inputs\.audio: the input spectrogram has no option 'vtlp_copies'"):
            prepared(tiny_release, tmp_path, *fields)


def test_shuffled_labels_make_another_experiment(tiny_release: Path, tmp_path: Path) -> None:
    shuffled = prepared(tiny_release, tmp_path, ("training.shuffle_labels", True))
    assert shuffled.folder != prepared(tiny_release, tmp_path).folder


@pytest.mark.parametrize(
    ("field", "value", "shape"), [("inputs.audio.coefficients", 1, "1 x 16"), ("cut.length", 0.09, "26 x 3")]
)
def test_features_too_small_for_the_model_are_refused_before_anything_long(
    tiny_release: Path, tmp_path: Path, field: str, value: float, shape: str
) -> None:
    with pytest.raises(GlamError, match=f"cannot take rows of audio {shape}.*Choose a greater cut.length"):
        prepared(tiny_release, tmp_path, ("cut.train_overlap", 0), (field, value))
    assert not (tmp_path / "data" / "features").exists()


def test_a_changed_recording_is_noticed(tiny_release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(tiny_release, copy)
    before = prepared(copy, tmp_path)
    path = next(copy.rglob("*.wav"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert prepared(copy, tmp_path).folder != before.folder


def test_who_is_not_known_is_not_normalised_as_one_speaker(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path, ("inputs.audio.normalisation", "speaker"))
    recipe, places = experiment.recipe, experiment.places
    corpus = recipe.corpus.load(places.corpus, places.data)
    unknown = replace(corpus, utterances=tuple(replace(of, speaker="") for of in corpus.utterances))
    with pytest.raises(GlamError, match="speaker, but iemocap does not tell who speaks in"):
        experiment_on(unknown, recipe, places)


def test_rows_that_differ_in_their_utterances_alone_are_checked_once(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(function: object, recipe: Recipe, sizes: Sizes) -> int:
        checked.append(recipe.model.name)
        return 4

    monkeypatch.setattr("glam.running.experiment._CHECKED", {})
    monkeypatch.setattr("glam.running.experiment.with_torch", check)
    for model in ("glam", "mhcnn"):
        for least in (0.0, 0.9):
            more = ("corpus.min_length", least), ("model.name", model)
            assert prepared(tiny_release, tmp_path, *more).weights == 4
    assert checked == ["glam", "mhcnn"]
