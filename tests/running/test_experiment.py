"""What an experiment hands to its runs, on a tiny release."""

from pathlib import Path

import numpy as np
import pytest

from glam.errors import GlamError
from glam.recipe import load_recipe
from glam.results.run import read_run, store_experiment
from glam.running.experiment import Experiment, Places, job, prepare
from glam.running.job import Resources, run_data, upsampled
from glam.running.message import Message
from glam.running.workers import run_alone
from glam.splits.splits import RunKey

CPU = Resources("cpu", 1, 1, 60)
SMALL = [("segments.length", 0.5), ("segments.train_overlap", 0.3), ("segments.test_overlap", 0.1)]


def experiment(release: Path, folder: Path, *more: tuple[str, object]) -> Experiment:
    return prepare(load_recipe("glam-released", [*SMALL, *more]), Places(release, folder / "data", folder / "runs"))


def test_segments_of_training_and_held_out_utterances_never_mix(tiny_release: Path, tmp_path: Path) -> None:
    one = experiment(tiny_release, tmp_path)
    data = run_data(job(one, CPU), RunKey(7))
    assert len(set(data.train_groups.tolist())) == 32
    assert len(data.test_segments) == 8
    assert data.test_segments.sum() == len(data.test_rows)
    assert data.train.shape == (26, 16)
    utterance = data.train_groups.numpy()
    np.testing.assert_array_equal(data.train_targets, np.array(one.population.targets)[utterance])


def test_a_fold_tests_one_session_and_a_worker_trains_it(tiny_release: Path, tmp_path: Path) -> None:
    one = experiment(tiny_release, tmp_path, ("split.protocol", "leave-session-out"), ("training.epochs", 2))
    assert one.stored.folds == ("Ses01", "Ses02", "Ses03", "Ses04", "Ses05")
    run = RunKey(7, 3)
    assert one.runs([7])[2] == run
    session = np.array([u.session for u in one.population.utterances])
    data = run_data(job(one, CPU), run)
    assert len(data.test_segments) == 12, "a session of eight utterances, and a speaker of four"
    trained_on = sorted(set(data.train_groups.tolist()))
    assert len(trained_on) == 28
    assert set(session[trained_on]) == {"Ses01", "Ses02", "Ses04", "Ses05"}

    store_experiment(one.stored)
    heard: list[Message] = []
    run_alone(job(one, CPU), run, heard.append, lambda: False)
    assert heard[-1].kind == "finished"
    assert one.finished(run)
    assert not one.finished(RunKey(7))
    stored = read_run(one.folder / "7-fold3")
    predictions = stored.predictions()
    assert (stored.key, stored.validation_only) == (run, 4)
    tested = predictions.held_out[4:]
    assert set(session[tested]) == {"Ses03"}
    right = predictions.logits[:, 4:].argmax(axis=2) == one.stored.targets[tested]
    assert [score.wa for score in stored.scores] == pytest.approx((100 * right.mean(axis=1)).tolist())
    assert heard[-1].wa == stored.scores[heard[-1].epoch - 1].wa


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (
            "leave-scenarios-out",
            r"corpus iemocap, improvised: split.protocol leave-scenarios-out needs .* one, impro01",
        ),
        ("k-fold", r"cannot cut 40 utterances into split.folds 41"),
    ],
)
def test_a_protocol_that_the_corpus_is_too_small_for(
    tiny_release: Path, tmp_path: Path, protocol: str, said: str
) -> None:
    folds = [("split.folds", 41)] if protocol == "k-fold" else []
    with pytest.raises(GlamError, match=said):
        experiment(tiny_release, tmp_path, ("split.protocol", protocol), *folds)


def test_augmented_copies_double_the_training_segments_alone(tiny_release: Path, tmp_path: Path) -> None:
    plain = run_data(job(experiment(tiny_release, tmp_path), CPU), RunKey(7))
    one = experiment(tiny_release, tmp_path, ("augmentation.vtlp_copies", 1))
    data = run_data(job(one, CPU), RunKey(7))
    n = len(plain.train_rows)
    assert len(data.train_rows) == 2 * n
    np.testing.assert_array_equal(data.train_targets, np.tile(plain.train_targets, 2))
    (recorded,) = plain.train.batches([plain.train_rows])
    (both,) = data.train.batches([data.train_rows])
    np.testing.assert_array_equal(both[:n], recorded)
    assert (both[n:] != recorded).any(dim=(1, 2, 3)).all()
    np.testing.assert_array_equal(data.test_rows, plain.test_rows)


def test_copies_of_features_without_mel_filters_are_refused(tiny_release: Path, tmp_path: Path) -> None:
    with pytest.raises(GlamError, match="vtlp_copies"):
        experiment(tiny_release, tmp_path, ("augmentation.vtlp_copies", 1), ("features.kind", "spectrogram"))


def test_upsampling_makes_every_class_as_large_as_the_largest() -> None:
    targets = np.array([0, 0, 0, 0, 1, 2, 2])
    train = np.array([6, 0, 4, 3, 1, 5])
    more = upsampled(train, targets)
    assert more[: len(train)].tolist() == train.tolist()
    assert np.bincount(targets[more]).tolist() == [3, 3, 3]
    assert set(more.tolist()) == set(train.tolist())


def test_shuffled_labels_are_those_of_the_training_part(tiny_release: Path, tmp_path: Path) -> None:
    plain = run_data(job(experiment(tiny_release, tmp_path), CPU), RunKey(7))
    one = experiment(tiny_release, tmp_path, ("training.shuffle_labels", True))
    data = run_data(job(one, CPU), RunKey(7))
    assert one.folder != experiment(tiny_release, tmp_path).folder
    assert (data.train_targets != plain.train_targets).any()
    labels = dict(zip(data.train_groups.tolist(), data.train_targets.tolist(), strict=True))
    before = dict(zip(plain.train_groups.tolist(), plain.train_targets.tolist(), strict=True))
    assert sorted(labels.values()) == sorted(before.values())


@pytest.mark.parametrize(
    ("field", "value", "shape"), [("features.coefficients", 1, "1 x 16"), ("segments.length", 0.09, "26 x 3")]
)
def test_features_too_small_for_the_model_are_refused_before_anything_long(
    tiny_release: Path, tmp_path: Path, field: str, value: float, shape: str
) -> None:
    with pytest.raises(GlamError, match=f"cannot take features of {shape}.*choose a greater segments.length"):
        experiment(tiny_release, tmp_path, ("segments.train_overlap", 0), (field, value))


def test_a_changed_recording_is_noticed(tiny_release: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "release"
    shutil.copytree(tiny_release, copy)
    before = experiment(copy, tmp_path)
    path = next(copy.rglob("*.wav"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert experiment(copy, tmp_path).folder != before.folder


@pytest.mark.parametrize("how", ["training", "speaker"])
def test_normalised_features(tiny_release: Path, tmp_path: Path, how: str) -> None:
    one = experiment(tiny_release, tmp_path, ("training.normalisation", how))
    data = run_data(job(one, CPU), RunKey(7))
    assert data.test is not data.train, "the test segments have another hop, and the training segments' scale"
    (batch,) = data.train.batches([data.train_rows])
    np.testing.assert_allclose(batch.mean((0, 1, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(batch.std((0, 1, 3)), 1, rtol=0.01)
    (held_out,) = data.test.batches([data.test_rows])
    assert held_out.std() < 3
