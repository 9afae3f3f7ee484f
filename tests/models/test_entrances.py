"""Standardisation: fitted on the training rows alone, by group or for all, and a module like any other."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from glam.models import entrances
from glam.models.entrances import Standardise, fitted

ALL = torch.zeros(12, dtype=torch.int64)  # one group


def features() -> Tensor:
    """Twelve rows of three coefficients at five times."""
    rng = np.random.RandomState(0)
    return torch.from_numpy((rng.randn(12, 3, 5) * [[1], [10], [0.1]] + [[5], [0], [-2]]).astype(np.float32))


def test_the_training_rows_have_mean_0_and_deviation_1() -> None:
    rows = torch.tensor([0, 3, 5, 6, 11])
    entrance = fitted(features(), rows, ALL, 1, 1)
    assert entrance.mean.shape == entrance.deviation.shape == (1, 3, 1)
    standard = entrance(features()[rows])
    np.testing.assert_allclose(standard.mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std((0, 2), correction=0), 1, rtol=1e-4)


def test_held_out_rows_have_no_say() -> None:
    rows = torch.arange(6)
    changed = features()
    changed[6:] += 1000
    before, after = (fitted(x, rows, ALL, 1, 1) for x in (features(), changed))
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.deviation, after.deviation)


def test_each_speaker_has_a_scale_and_one_without_training_rows_takes_that_of_all() -> None:
    rows, group = torch.arange(8), torch.tensor([0, 1, 2]).repeat_interleave(4)
    entrance = fitted(features(), rows, group, 3, 1)
    np.testing.assert_allclose(entrance.mean[1, :, 0], features()[4:8].mean((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(entrance.mean[2, :, 0], features()[:8].mean((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(entrance.deviation[2, :, 0], features()[:8].std((0, 2), correction=0), rtol=1e-4)


def test_rows_go_by_their_group_and_by_the_first_where_none_is_given() -> None:
    group = torch.tensor([0, 1, 2]).repeat_interleave(4)
    entrance = fitted(features(), torch.arange(12), group, 3, 1)
    chosen = torch.tensor([9, 0, 5])
    standard = entrance(features()[chosen], group[chosen])
    for row, place in zip(standard, chosen.tolist(), strict=True):
        own = int(group[place])
        expected = (features()[place] - entrance.mean[own]) / entrance.deviation[own]
        torch.testing.assert_close(row, expected, rtol=0, atol=0)
    first = (features() - entrance.mean[0]) / entrance.deviation[0]
    assert torch.equal(entrance(features()), first)
    # each group by itself is at mean 0 and deviation 1
    everyone = entrance(features(), group)
    for own in range(3):
        np.testing.assert_allclose(everyone[group == own].mean((0, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(everyone[group == own].std((0, 2), correction=0), 1, rtol=1e-4)


def test_filterbanks_are_laid_out_with_time_first() -> None:
    entrance = fitted(features().transpose(1, 2), torch.arange(12), ALL, 1, 0)
    assert entrance.mean.shape == (1, 1, 3)
    np.testing.assert_allclose(entrance.mean[0, 0], features().mean((0, 2)), rtol=1e-4)


def test_without_time_every_place_has_a_scale_of_its_own() -> None:
    entrance = fitted(features(), torch.arange(12), ALL, 1, None)
    assert entrance.mean.shape == (1, 3, 5)
    np.testing.assert_allclose(entrance.mean[0], features().mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(entrance.deviation[0], features().std(0, correction=0), rtol=1e-4)


def test_a_constant_coefficient_becomes_zero() -> None:
    constant = torch.full((4, 2, 3), 7.0)
    entrance = fitted(constant, torch.arange(4), torch.zeros(4, dtype=torch.int64), 1, 1)
    assert (entrance(constant) == 0).all()


def test_how_many_rows_are_read_at_a_time_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, group = torch.arange(12), torch.tensor([0, 1]).repeat(6)
    whole = fitted(features(), rows, group, 2, 1)
    monkeypatch.setattr(entrances, "CHUNK", 5)
    pieces = fitted(features(), rows, group, 2, 1)
    torch.testing.assert_close(pieces.mean, whole.mean, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(pieces.deviation, whole.deviation, rtol=1e-6, atol=1e-7)


def test_large_numbers_keep_their_deviation() -> None:
    """Sums are in float64: in float32, squares of 10 000 leave nothing of a deviation of 0.01."""
    drawn = torch.randn(5000, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = (10_000 + 0.01 * drawn).to(torch.float32)
    entrance = fitted(values, torch.arange(5000), torch.zeros(5000, dtype=torch.int64), 1, 1)
    np.testing.assert_allclose(entrance.deviation.item(), values.double().std(correction=0), rtol=1e-2)


def test_it_learns_nothing_and_is_saved_whole() -> None:
    entrance = fitted(features(), torch.arange(12), ALL, 1, 1)
    assert not list(entrance.parameters())
    assert set(entrance.state_dict()) == {"mean", "deviation"}
    loaded = Standardise(torch.zeros(1, 3, 1), torch.ones(1, 3, 1))
    loaded.load_state_dict(entrance.state_dict())
    assert torch.equal(loaded(features()), entrance(features()))


def test_it_maps_over_runs() -> None:
    group = torch.tensor([0, 1, 2]).repeat_interleave(4)
    runs = [fitted(features(), rows, group, 3, 1) for rows in (torch.arange(0, 8), torch.arange(4, 12))]
    _, buffers = stack_module_state(list[torch.nn.Module](runs))
    rows = torch.stack([torch.tensor([0, 5, 11]), torch.tensor([1, 1, 6])])

    def standard(buffers: dict[str, Tensor], x: Tensor, of: Tensor) -> Tensor:
        y: Tensor = functional_call(runs[0], buffers, (x, of))
        return y

    together = vmap(standard)(buffers, features()[rows], group[rows])
    for entrance, chosen, of_run in zip(runs, rows, together, strict=True):
        torch.testing.assert_close(of_run, entrance(features()[chosen], group[chosen]), rtol=0, atol=0)
