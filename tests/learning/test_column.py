"""Rows on their way to the device: gathered or resident, of copies, with what goes beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from learning.small import CPU, SHAPE, write_store

from glam.learning.column import GROUP, LENGTH, Column, Columns, Picked, stacked


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store") / "features.npy")


def test_rows_on_the_way_to_a_device_without_room_are_the_same(store: Path) -> None:
    lengths = np.arange(48)
    resident, streamed = (Columns({"audio": Column([store], CPU, lengths), "more": Column([store], CPU)}) for _ in "ab")
    streamed.resident = streamed["audio"].resident = False
    rows = torch.from_numpy(np.random.RandomState(0).permutation(48)).split(7)
    batches = 0
    for batch, other in zip(resident.batches(rows), streamed.batches(rows), strict=True):
        assert batch.keys() == other.keys() == {"audio", "audio" + LENGTH, "more"}
        assert all(torch.equal(batch[name], other[name]) for name in batch)
        assert batch["audio"].shape[1:] == SHAPE
        batches += 1
    assert batches == 7


def test_rows_of_a_second_array_follow_those_of_the_first(store: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "copy.npy", -np.load(store))
    rows = torch.tensor([3, 51, 48, 0])
    column = Column([store, tmp_path / "copy.npy"], CPU, np.arange(48))
    (batch,) = Columns({"audio": column}).batches([rows])
    signs = np.array([1, -1, -1, 1])[:, None, None]
    np.testing.assert_array_equal(batch["audio"], np.load(store)[[3, 3, 0, 0]] * signs)
    assert batch["audio" + LENGTH].tolist() == [3, 3, 0, 0]  # a copy is as long as its recording


def test_each_row_has_its_group_beside(store: Path) -> None:
    column = Column([store], CPU)
    grouped = column.grouped(np.arange(48) // 4)
    assert grouped.take(torch.tensor([47, 0]))[GROUP].tolist() == [11, 0]
    assert GROUP not in column.take(torch.tensor([0]))


def test_columns_know_their_shapes(store: Path) -> None:
    assert Columns({"audio": Column([store], CPU)}).shapes == {"audio": SHAPE}


@pytest.mark.parametrize("shared", [True, False])
def test_batches_of_several_runs_are_gathered_at_once_and_are_the_same(store: Path, shared: bool) -> None:
    lengths = np.arange(48)
    columns = [Columns({"audio": Column([store], CPU, lengths), "more": Column([store], CPU)}) for _ in range(2)]
    parts = torch.from_numpy(np.random.RandomState(0).permutation(48)).split(8)
    picked = [columns[0 if shared else number % 2].picked([rows]) for number, rows in enumerate(parts)]
    inputs = [next(iter(batch)) for batch in picked]
    assert all(isinstance(batch, Picked) for batch in inputs)
    together = stacked(inputs)
    assert together.keys() == set(inputs[0]) == {"audio", "audio" + LENGTH, "more"}
    for number, batch in enumerate(columns[0].batches(parts)):
        assert len(inputs[number]) == len(batch)
        for name, tensor in batch.items():
            assert torch.equal(together[name][number], tensor)
            assert torch.equal(inputs[number][name], tensor)


def test_what_is_not_resident_is_gathered_as_before(store: Path) -> None:
    columns = Columns({"audio": Column([store], CPU)})
    columns.resident = columns["audio"].resident = False
    (batch,) = columns.picked([torch.tensor([3, 1])])
    assert not isinstance(batch, Picked)
    np.testing.assert_array_equal(stacked([batch, batch])["audio"][1], np.load(store)[[3, 1]])
