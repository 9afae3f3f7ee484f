import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from glam.learning.draws import draw_epoch, mix, shares


@given(
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 500),
    segments=st.integers(1, 300),
    batch=st.integers(1, 64),
)
def test_partners_are_a_permutation_of_each_batch(seed: int, epoch: int, segments: int, batch: int) -> None:
    draws = draw_epoch(seed, epoch, segments, batch, 0.5)
    assert sorted(draws.order) == list(range(segments))
    assert draws.partner is not None
    assert draws.share is not None
    for start in range(0, segments, batch):
        end = min(start + batch, segments)
        assert sorted(draws.partner[start:end]) == list(range(start, end))
    assert len(draws.share) == -(-segments // batch)
    assert ((draws.share >= 0) & (draws.share <= 1)).all()


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    one, again = draw_epoch(7, 3, 50, 8, 0.5), draw_epoch(7, 3, 50, 8, 0.5)
    np.testing.assert_array_equal(one.order, again.order)
    np.testing.assert_array_equal(one.share, again.share)
    assert (draw_epoch(7, 4, 50, 8, 0.5).order != one.order).any()
    assert (draw_epoch(8, 3, 50, 8, 0.5).order != one.order).any()


def test_the_draws_are_the_same_everywhere() -> None:
    # Recorded when the draws were defined; a change orphans every run made before.
    draws = draw_epoch(2602656884, 0, 10, 4, 0.5)
    assert draws.order.tolist() == RECORDED_ORDER
    assert draws.partner is not None
    assert draws.partner.tolist() == RECORDED_PARTNER
    np.testing.assert_allclose(draws.share, RECORDED_SHARE, rtol=1e-12)
    assert draws.dropout_seed == RECORDED_DROPOUT


RECORDED_ORDER = [2, 6, 3, 9, 7, 4, 5, 8, 0, 1]
RECORDED_PARTNER = [1, 2, 0, 3, 5, 4, 7, 6, 9, 8]
RECORDED_SHARE = [0.003965972035233111, 0.9879826731859354, 0.952097451534248]
RECORDED_DROPOUT = 691464266


def test_without_mixup_nothing_is_drawn_for_it() -> None:
    draws = draw_epoch(1, 0, 50, 8, 0)
    assert draws.partner is None
    assert draws.share is None
    np.testing.assert_array_equal(draws.order, draw_epoch(1, 0, 50, 8, 0.5).order)


def test_mix_is_equation_1() -> None:
    share = shares(np.array([0.25]), torch.device("cpu"))[0]
    mixed = mix(torch.tensor([1.0, 2.0]), torch.tensor([5.0, 6.0]), share)
    assert mixed.tolist() == [4.0, 5.0]
