"""Dropout masks as a function of seed and place."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.models import dropout
from glam.models.dropout import Dropout, kept, seeds


def seed(value: int) -> torch.Tensor:
    return torch.tensor(value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_one_asked_for(share: float) -> None:
    places = 400_000
    dropped = 1 - kept((places,), share, seed(2602656884), 0).double().mean().item()
    assert abs(dropped - share) < 5 * np.sqrt(share * (1 - share) / places)


def test_nothing_is_dropped_at_zero() -> None:
    assert kept((3, 1000), 0.0, seed(1), 0).all()


@given(st.integers(0, 2**33), st.integers(0, 300))
@settings(deadline=None, max_examples=40)
def test_masks_of_neighbouring_places_seeds_and_streams_are_independent(value: int, stream: int) -> None:
    places = 40_000
    mask = kept((places,), 0.5, seed(value), stream)
    others = {
        "neighbour": mask.roll(1),
        "row of a map": mask.roll(57),
        "next step": kept((places,), 0.5, seed(value + 1), stream),
        "next stream": kept((places,), 0.5, seed(value), stream + 1),
        "seed and stream exchanged by one": kept((places,), 0.5, seed(value + 1), stream + 1),
        "high word": kept((places,), 0.5, seed(value + 2**32), stream),
    }
    for name, other in others.items():
        agreement = (mask == other).double().mean().item()
        assert abs(agreement - 0.5) < 6 * 0.5 / np.sqrt(places), name


def test_the_masks_stay_what_they_are() -> None:
    # Runs of models with dropout would come out different if these changed: that is a new format of results.
    assert kept((2, 12), 0.5, seed(2602656884), 3).int().tolist() == RECORDED


def test_hashing_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kept((7, 100), 0.3, seed(9), 1)
    monkeypatch.setattr(dropout, "_CHUNK", 64)
    assert torch.equal(kept((7, 100), 0.3, seed(9), 1), whole)


def test_it_maps_over_seeds() -> None:
    seeds = torch.tensor([1, 2, 2**32])
    stacked = torch.func.vmap(lambda seed: kept((5, 9), 0.5, seed, 4))(seeds)
    for mask, value in zip(stacked, seeds, strict=True):
        assert torch.equal(mask, kept((5, 9), 0.5, value, 4))


def test_a_module_drops_by_its_seed_and_stream_and_keeps_the_mean() -> None:
    module, x = Dropout(0.25, 3), torch.rand(40, 50) + 1
    (own,) = seeds(module)
    own.fill_(11)
    y = module(x)
    assert torch.equal(y, x * kept(x.shape, 0.25, seed(11), 3) / 0.75)
    assert abs(float(y.mean() / x.mean()) - 1) < 0.05
    assert not torch.equal(y, Dropout(0.25, 4)(x))


def test_a_module_does_nothing_in_evaluation_or_at_zero() -> None:
    x = torch.rand(3, 4)
    assert Dropout(0.5, 0).eval()(x) is x
    assert Dropout(0.0, 0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="expected at least 0 and less than 1"):
        Dropout(p, 0)


RECORDED = [[1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1]]
