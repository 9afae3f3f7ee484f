"""The batches of an epoch: which rows, classes and utterances they are of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning.small import CPU, data_of, write_store

from glam.learning.batch import Data, noise, numbered, rows_like
from glam.learning.column import LENGTH
from glam.learning.draws import draw_epoch
from glam.learning.settings import BySegments, ByUtterances

RAGGED = np.array([3, 1, 6, 2, 4, 3, 5, 1, 2, 4, 4, 4])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data_of(write_store(tmp_path_factory.mktemp("store") / "features.npy"), RAGGED)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_utterances_are_numbered_within_a_batch_as_they_come(utterance: list[int], draw: st.DataObject) -> None:
    sizes, left = [], len(utterance)
    while left:
        sizes.append(draw.draw(st.integers(1, left)))
        left -= sizes[-1]
    numbers = np.split(numbered(np.array(utterance), sizes), np.cumsum(sizes)[:-1])
    for number, part in zip(numbers, np.split(np.array(utterance), np.cumsum(sizes)[:-1]), strict=True):
        order = list(dict.fromkeys(part.tolist()))
        assert number.tolist() == [order.index(u) for u in part.tolist()]


def test_a_batch_of_whole_utterances_holds_all_their_rows_and_no_others(data: Data) -> None:
    batches = ByUtterances(name="utterances", size=3, most=8)
    first = np.cumsum(RAGGED) - RAGGED
    seen: list[int] = []
    stored = data.train["audio"].recordings()
    for batch in data.batches(draw_epoch(7, 0, data.train_counts, batches), CPU):
        rows = [int((stored == row).all(dim=(1, 2)).nonzero()[0, 0]) for row in batch.inputs["audio"]]
        utterances = np.searchsorted(first, rows, side="right") - 1
        whole = list(dict.fromkeys(utterances.tolist()))
        assert rows == [row for u in whole for row in range(first[u], first[u] + RAGGED[u])]
        assert batch.group.tolist() == [whole.index(u) for u in utterances]
        assert batch.target.tolist() == [u % 3 for u in utterances]
        assert len(rows) <= 8
        assert len(whole) <= 3
        seen += whole
    assert sorted(seen) == list(range(9))


def test_an_epoch_goes_on_from_any_step(data: Data) -> None:
    draws = draw_epoch(7, 0, data.train_counts, BySegments(name="segments", size=4), 0.5)
    whole = list(data.batches(draws, CPU))
    rest = list(data.batches(draws, CPU, 3))
    assert len(rest) == len(whole) - 3
    for batch, other in zip(whole[3:], rest, strict=True):
        assert torch.equal(batch.inputs["audio"], other.inputs["audio"])
        assert torch.equal(batch.mix[0], other.mix[0])
        assert len(batch.mix[0]) == len(batch.target)
        assert int(batch.mix[0].max()) < len(batch.target)


def test_noise_is_shaped_as_what_it_stands_for() -> None:
    like = rows_like({"audio": (8, 12), "vector": (5,)}, lengths={"audio"})
    batch = noise(6, like, 4, True, "cpu")
    assert {name: tuple(x.shape) for name, x in batch.inputs.items()} == {
        "audio": (6, 8, 12),
        "audio" + LENGTH: (6,),
        "vector": (6, 5),
    }
    assert batch.inputs["audio" + LENGTH].dtype == torch.int64
    assert batch.target.max() == 3
    assert len(batch.mix) == 2
    assert noise(6, like, 4, False, "cpu").mix == ()


def test_distributions_go_with_their_rows_in_place_of_classes(data: Data) -> None:
    shares = torch.rand(len(data.train_rows), 3)
    taught = replace(data, train_shares=shares)
    draws = draw_epoch(3, 0, data.train_counts, BySegments(name="segments", size=8), 0.5)
    plain, batches = (list(d.batches(draws, CPU)) for d in (data, taught))
    assert torch.equal(torch.cat([batch.target for batch in batches]), shares[torch.from_numpy(draws.order)])
    for a, b in zip(plain, batches, strict=True):
        assert torch.equal(a.inputs["audio"], b.inputs["audio"])
        assert torch.equal(a.group, b.group)
    assert noise(6, rows_like({"audio": (2, 2)}), 4, False, "cpu", True).target.tolist()[5] == [0, 1, 0, 0]
