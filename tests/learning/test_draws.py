import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from glam.learning.draws import EpochDraws, draw_epoch, mix, shares, whole_batches
from glam.learning.settings import BySegments, ByUtterances


def draw(seed: int, epoch: int, segments: int, batch: int, alpha: float) -> EpochDraws:
    return draw_epoch(seed, epoch, np.ones(segments, dtype=np.int64), BySegments(name="segments", size=batch), alpha)


@given(
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 500),
    segments=st.integers(1, 300),
    batch=st.integers(1, 64),
)
def test_partners_are_a_permutation_of_each_batch(seed: int, epoch: int, segments: int, batch: int) -> None:
    draws = draw(seed, epoch, segments, batch, 0.5)
    assert sorted(draws.order) == list(range(segments))
    assert draws.partner is not None
    assert draws.share is not None
    for start in range(0, segments, batch):
        end = min(start + batch, segments)
        assert sorted(draws.partner[start:end]) == list(range(end - start))
    assert len(draws.share) == len(draws.sizes) == -(-segments // batch)
    assert sum(draws.sizes) == segments
    assert ((draws.share >= 0) & (draws.share <= 1)).all()


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    draws, again = draw(7, 3, 50, 8, 0.5), draw(7, 3, 50, 8, 0.5)
    np.testing.assert_array_equal(draws.order, again.order)
    assert draws.share is not None
    assert again.share is not None
    np.testing.assert_array_equal(draws.share, again.share)
    assert (draw(7, 4, 50, 8, 0.5).order != draws.order).any()
    assert (draw(8, 3, 50, 8, 0.5).order != draws.order).any()


def test_the_draws_are_the_same_everywhere() -> None:
    # Recorded when the draws were defined; a change orphans every run made before.
    draws = draw(2602656884, 0, 10, 4, 0.5)
    assert draws.order.tolist() == RECORDED_ORDER
    assert draws.partner is not None
    assert draws.share is not None
    assert draws.partner.tolist() == RECORDED_PARTNER
    np.testing.assert_allclose(draws.share, RECORDED_SHARE, rtol=1e-12)
    assert draws.dropout_seed == RECORDED_DROPOUT


RECORDED_ORDER = [2, 6, 3, 9, 7, 4, 5, 8, 0, 1]
RECORDED_PARTNER = [1, 2, 0, 3, 1, 0, 3, 2, 1, 0]  # within batches of 4, 4 and 2
RECORDED_SHARE = [0.003965972035233111, 0.9879826731859354, 0.952097451534248]
RECORDED_DROPOUT = 691464266


def test_the_draws_of_whole_utterances_are_the_same_everywhere() -> None:
    # Recorded when they were defined.
    batches = ByUtterances(name="utterances", size=2, most=7)
    draws = draw_epoch(2602656884, 0, np.array([3, 1, 4, 9, 2]), batches)
    assert draws.order.tolist() == RECORDED_WHOLE
    assert draws.sizes == RECORDED_SIZES
    assert draws.dropout_seed == RECORDED_WHOLE_DROPOUT


RECORDED_WHOLE = [4, 5, 6, 7, 17, 18, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 1, 2, 3]
RECORDED_SIZES = (6, 9, 4)
RECORDED_WHOLE_DROPOUT = 3719798612


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=60), size=st.integers(1, 9), most=st.integers(2, 60))
def test_batches_of_utterances_keep_their_bounds(counts: list[int], size: int, most: int) -> None:
    """No more utterances than `size`, no more rows than `most` but for a longer utterance, and none that would fit."""
    sizes = whole_batches(np.array(counts), ByUtterances(name="utterances", size=size, most=most))
    assert sum(sizes) == sum(counts)
    ends = np.cumsum(counts).tolist()
    first = 0
    for end in np.cumsum(sizes).tolist():
        assert end in ends  # utterances are whole
        last = ends.index(end) + 1
        taken = counts[first:last]
        assert 1 <= len(taken) <= size
        assert sum(taken) <= most or len(taken) == 1
        assert last == len(counts) or len(taken) == size or sum(taken) + counts[last] > most
        first = last


def test_without_mixup_nothing_is_drawn_for_it() -> None:
    draws = draw(1, 0, 50, 8, 0)
    assert draws.partner is None
    assert draws.share is None
    np.testing.assert_array_equal(draws.order, draw(1, 0, 50, 8, 0.5).order)


def test_mix_is_equation_1() -> None:
    share = shares(np.array([0.25]), torch.device("cpu"))[0]
    mixed = mix(torch.tensor([1.0, 2.0]), torch.tensor([5.0, 6.0]), share)
    assert mixed.tolist() == [4.0, 5.0]
