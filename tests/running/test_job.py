"""What one run is given: the rows of its split, their labels, and what is fitted on its training part."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from running import small
from running.small import CPU

from glam.inputs.frames import slaney_mels
from glam.learning.batch import Data
from glam.models.entrances import Standardise
from glam.running.experiment import job
from glam.running.job import Job, Resources, objective_of, open_columns, rows_of, run_data, upsampled
from glam.splits.runs import RunKey

RUN = RunKey(7)
TWO_INPUTS = """
from torch import nn


class Sum(nn.Module):
    def __init__(self, classes, a, b):
        super().__init__()
        self.a, self.b = nn.Linear(a[0] * a[1], classes), nn.Linear(b[0] * b[1], classes)

    def forward(self, a, b):
        return self.a(a.flatten(1)) + self.b(b.flatten(1))


def both(classes, a, b):
    return Sum(classes, a, b)
"""

Ints = NDArray[np.int64]


prepared = partial(small.prepared, recipe="glam-released")


def trained_on(work: Job, data: Data) -> Ints:
    """(n,): the utterance of the population that each training row is of, found by where it is kept."""
    rows = data.train_rows.numpy() % work.train_offsets[-1]
    place = np.searchsorted(work.train_offsets, rows, side="right") - 1
    utterance = {kept: i for i, kept in enumerate(work.positions.tolist())}
    return np.array([utterance[kept] for kept in place.tolist()])


def test_rows_of_utterances_follow_each_other() -> None:
    rows, counts = rows_of(np.array([0, 2, 5, 6]), np.array([2, 0]))
    assert rows.tolist() == [5, 0, 1]
    assert counts.tolist() == [1, 2]


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=20), data=st.data())
def test_rows_of_all_utterances_are_all_rows(counts: list[int], data: st.DataObject) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    order = np.array(data.draw(st.permutations(range(len(counts)))), dtype=np.int64)
    rows, of_each = rows_of(offsets, order)
    assert sorted(rows.tolist()) == list(range(sum(counts)))
    assert of_each.tolist() == [counts[i] for i in order]
    utterance = np.searchsorted(offsets, rows, side="right") - 1
    assert utterance.tolist() == np.repeat(order, of_each).tolist()


def test_upsampling_makes_every_class_as_large_as_the_largest() -> None:
    targets = np.array([0, 0, 0, 0, 1, 2, 2])
    train = np.array([6, 0, 4, 3, 1, 5])
    more = upsampled(train, targets)
    assert more[: len(train)].tolist() == train.tolist()
    assert np.bincount(targets[more]).tolist() == [3, 3, 3]
    assert set(more.tolist()) == set(train.tolist())


def test_upsampled_utterances_are_trained_on_as_often(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(tiny_release, tmp_path, ("training.upsampling", True)), CPU)
    data = run_data(work, RUN)
    train = work.recipe.split.split(work.groups, RUN).train
    largest = np.bincount(work.targets[train]).max()
    assert len(data.train_counts) == 4 * largest
    assert len(data.train_counts) > len(train), "the split has classes of different sizes"
    utterance = trained_on(work, data)
    np.testing.assert_array_equal(data.train_targets, work.targets[utterance])
    assert set(utterance.tolist()) == set(train.tolist())


def test_segments_of_training_and_held_out_utterances_never_mix(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(tiny_release, tmp_path), CPU)
    data = run_data(work, RUN)
    utterance = trained_on(work, data)
    divided = work.recipe.split.split(work.groups, RUN)
    assert len(set(utterance.tolist())) == len(data.train_counts) == 32
    assert not set(utterance.tolist()) & set(divided.held_out.tolist())
    np.testing.assert_array_equal(utterance, np.repeat(divided.train, data.train_counts))
    assert len(data.test_counts) == 8
    assert data.test_counts.sum() == len(data.test_rows)
    assert data.train.shapes == {"audio": (26, 16)}
    np.testing.assert_array_equal(data.train_targets, work.targets[utterance])


def test_augmented_copies_double_the_training_segments_alone(tiny_release: Path, tmp_path: Path) -> None:
    plain = run_data(job(prepared(tiny_release, tmp_path), CPU), RUN)
    work = job(prepared(tiny_release, tmp_path, ("inputs.audio.vtlp_copies", 1)), CPU)
    assert work.copies == 1
    data = run_data(work, RUN)
    n = len(plain.train_rows)
    assert len(data.train_rows) == 2 * n
    np.testing.assert_array_equal(data.train_targets, np.tile(plain.train_targets, 2))
    np.testing.assert_array_equal(data.train_counts, np.tile(plain.train_counts, 2))
    (recorded,) = plain.train.batches([plain.train_rows])
    (both,) = data.train.batches([data.train_rows])
    np.testing.assert_array_equal(both["audio"][:n], recorded["audio"])
    assert (both["audio"][n:] != recorded["audio"]).any(dim=(1, 2)).all()
    np.testing.assert_array_equal(data.test_rows, plain.test_rows)


def test_the_rows_of_copies_do_not_depend_on_what_the_process_computed_before(
    tiny_release: Path, tmp_path: Path
) -> None:
    """After training, oneDNN may compute products; the filters of a warped spectrum are one."""
    rows: list[torch.Tensor] = []
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("highest", "medium", "medium"):
            torch.set_float32_matmul_precision(precision)
            slaney_mels.cache_clear()
            folder = tmp_path / str(len(rows))
            data = run_data(job(prepared(tiny_release, folder, ("inputs.audio.vtlp_copies", 1)), CPU), RUN)
            (batch,) = data.train.batches([data.train_rows])
            rows.append(batch["audio"])
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])


@pytest.mark.parametrize(("of_a", "of_b"), [(2, 0), (2, 1)])
def test_an_input_of_fewer_copies_begins_again(tiny_release: Path, tmp_path: Path, of_a: int, of_b: int) -> None:
    (tmp_path / "mine.py").write_text(TWO_INPUTS)
    inputs = {"a": {"name": "mfcc", "vtlp_copies": of_a}, "b": {"name": "melspectrogram", "vtlp_copies": of_b}}
    own = ("model", f"{tmp_path / 'mine.py'}:both")
    data = run_data(job(prepared(tiny_release, tmp_path, own, ("inputs", inputs)), CPU), RUN)
    n = len(data.train_rows) // 3
    (rows,) = data.train.batches([data.train_rows])
    for i in range(3):
        again = i % (of_b + 1)
        np.testing.assert_array_equal(rows["b"][i * n : (i + 1) * n], rows["b"][again * n : (again + 1) * n])
    assert len({rows["a"][i * n].numpy().tobytes() for i in range(3)}) == 3


def test_shuffled_labels_are_those_of_the_training_part(tiny_release: Path, tmp_path: Path) -> None:
    plain = job(prepared(tiny_release, tmp_path), CPU)
    work = job(prepared(tiny_release, tmp_path, ("training.shuffle_labels", True)), CPU)
    before, after = run_data(plain, RUN), run_data(work, RUN)
    assert (after.train_targets != before.train_targets).any()
    utterance = trained_on(work, after)
    np.testing.assert_array_equal(utterance, trained_on(plain, before))
    labels = dict(zip(utterance.tolist(), after.train_targets.tolist(), strict=True))
    true = dict(zip(utterance.tolist(), before.train_targets.tolist(), strict=True))
    np.testing.assert_array_equal(after.train_targets, [labels[i] for i in utterance.tolist()], "one of each utterance")
    assert sorted(labels.values()) == sorted(true.values())
    np.testing.assert_array_equal(work.targets, plain.targets, "what is tested is scored by the truth")


def test_labels_are_shuffled_otherwise_in_every_fold(tiny_release: Path, tmp_path: Path) -> None:
    fields = [("training.shuffle_labels", True), ("split", {"name": "k-fold", "folds": 4})]
    work = job(prepared(tiny_release, tmp_path, *fields), CPU)
    order = []
    for fold in (1, 2):
        train = work.recipe.split.split(work.groups, RunKey(7, fold)).train
        data = run_data(work, RunKey(7, fold))
        targets = data.train_targets.numpy()[np.cumsum([0, *data.train_counts[:-1]])]
        assert sorted(targets.tolist()) == sorted(work.targets[train].tolist())
        order.append(targets.tolist())
    assert order[0] != order[1]


def test_rows_to_test_are_those_to_train_where_the_cut_is_the_same(tiny_release: Path, tmp_path: Path) -> None:
    train, test = open_columns(job(prepared(tiny_release, tmp_path), CPU))
    assert test["audio"] is not train["audio"], "the test segments have another hop"
    same = ("cut", {"length": 0.5, "train_overlap": 0.3, "test_overlap": 0.3})
    train, test = open_columns(job(prepared(tiny_release, tmp_path, same), CPU))
    assert test["audio"] is train["audio"], "and is read once"


def test_rows_go_with_their_speakers_where_these_are_asked_for(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(tiny_release, tmp_path, ("inputs.audio.normalisation", "speaker")), CPU)
    speaker = work.groups["speaker"].codes
    data = run_data(work, RUN, open_columns(work))
    (batch,) = data.train.batches([data.train_rows])
    np.testing.assert_array_equal(batch["audio_group"], speaker[trained_on(work, data)])
    held_out = work.recipe.split.split(work.groups, RUN).held_out
    (batch,) = data.test.batches([data.test_rows])
    np.testing.assert_array_equal(batch["audio_group"], np.repeat(speaker[held_out], data.test_counts))
    for other in ("none", "training"):
        columns = open_columns(job(prepared(tiny_release, tmp_path, ("inputs.audio.normalisation", other)), CPU))
        (batch,) = columns[0].batches([data.train_rows])
        assert set(batch) == {"audio"}


@pytest.mark.parametrize("how", ["training", "speaker"])
def test_normalised_features(tiny_release: Path, tmp_path: Path, how: str) -> None:
    work = job(prepared(tiny_release, tmp_path, ("inputs.audio.normalisation", how)), CPU)
    data = run_data(work, RUN)
    entrances = objective_of(work, RUN, data)
    assert data.test is not data.train, "the test segments have another hop, and the training segments' scale"
    (batch,) = data.train.batches([data.train_rows])
    (entered,) = entrances.enter(batch)
    np.testing.assert_allclose(entered.mean((0, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(entered.std((0, 2)), 1, rtol=0.01)
    (batch,) = data.test.batches([data.test_rows])
    (held_out,) = entrances.enter(batch)
    assert held_out.std() < 3
    if how == "speaker":
        (batch,) = data.train.batches([data.train_rows])
        (entered,) = entrances.enter(batch)
        for code in set(batch["audio_group"].tolist()):
            np.testing.assert_allclose(entered[batch["audio_group"] == code].mean((0, 2)), 0, atol=1e-3)


@pytest.mark.parametrize("copies", [0, 1])
def test_what_is_fitted_is_of_the_recordings_to_train_on(tiny_release: Path, tmp_path: Path, copies: int) -> None:
    fields = [("inputs.audio.normalisation", "training"), ("inputs.audio.vtlp_copies", copies)]
    work = job(prepared(tiny_release, tmp_path, *fields), CPU)
    data = run_data(work, RUN)
    fitted = objective_of(work, RUN, data).entrances["audio"]
    assert isinstance(fitted, Standardise)
    recordings = data.train_rows[data.train_rows < work.train_offsets[-1]]
    values = data.train["audio"].recordings()[recordings].double()
    np.testing.assert_allclose(fitted.mean[0, :, 0], values.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(fitted.deviation[0, :, 0], values.std((0, 2), correction=0), rtol=1e-6)


def test_a_speaker_who_is_only_tested_is_normalised_as_all_are(tiny_release: Path, tmp_path: Path) -> None:
    fields = [("inputs.audio.normalisation", "speaker"), ("split.name", "leave-speaker-out")]
    work = job(prepared(tiny_release, tmp_path, *fields), CPU)
    run = RunKey(7, 3)
    fitted = objective_of(work, run, run_data(work, run)).entrances["audio"]
    assert isinstance(fitted, Standardise)
    codes = work.groups["speaker"].codes
    train = set(codes[work.recipe.split.split(work.groups, run).train].tolist())
    assert len(fitted.mean) == 11, "ten speakers, and all of them together"
    for code in range(10):
        as_all = torch.equal(fitted.mean[code], fitted.mean[-1])
        assert as_all == (code not in train)


def test_initial_weights_are_those_of_the_seed_and_the_fold(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(tiny_release, tmp_path, ("split.name", "k-fold"), ("model", "mhcnn")), CPU)

    def weights(run: RunKey) -> bytes:
        objective = objective_of(work, run, run_data(work, run))
        return b"".join(tensor.numpy().tobytes() for tensor in objective.state_dict().values())

    assert weights(RunKey(7, 1)) == weights(RunKey(7, 1))
    assert len({weights(run) for run in (RunKey(7, 1), RunKey(7, 2), RunKey(8, 1))}) == 3


def test_class_weights_are_of_the_segments_to_train_on(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(tiny_release, tmp_path, ("training.class_weights", "share")), CPU)
    data = run_data(work, RUN)
    weight = objective_of(work, RUN, data).loss.weight
    share = np.bincount(data.train_targets) / len(data.train_targets)
    assert isinstance(weight, torch.Tensor)
    np.testing.assert_allclose(weight, 1 - share, rtol=1e-6)


def test_times_of_packs_are_said_to_be_of_steps_that_are_not_compiled() -> None:
    assert Resources("cpu", 1, 2, 60.0).described() == "2 at once"
    packed = Resources("cuda:0", 1, 0, 60.0, packed=True).described()
    assert packed == "as many at once as fit, timed without compiling: long experiments take less"
