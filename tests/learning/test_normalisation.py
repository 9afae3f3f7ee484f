import numpy as np
import torch

from glam.learning.normalisation import fit


def features() -> torch.Tensor:
    rng = np.random.RandomState(0)
    return torch.from_numpy((rng.randn(12, 3, 5) * [[1], [10], [0.1]] + [[5], [0], [-2]]).astype(np.float32))


def test_the_training_rows_have_mean_0_and_deviation_1() -> None:
    rows = np.array([0, 3, 5, 6, 11])
    scale = fit(features(), rows, np.zeros(12, dtype=np.int64), 1, 2)
    done = scale(features()[rows][:, None], torch.from_numpy(rows))[:, 0]
    np.testing.assert_allclose(done.mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(done.std((0, 2), correction=0), 1, rtol=1e-4)


def test_held_out_rows_have_no_say() -> None:
    rows = np.arange(6)
    changed = features()
    changed[6:] += 1000
    scales = [fit(x, rows, np.zeros(12, dtype=np.int64), 1, 2) for x in (features(), changed)]
    assert torch.equal(scales[0].mean, scales[1].mean)
    assert torch.equal(scales[0].deviation, scales[1].deviation)


def test_each_speaker_has_a_scale_and_one_without_training_rows_takes_that_of_all() -> None:
    rows, group = np.arange(8), np.repeat([0, 1, 2], 4)
    scale = fit(features(), rows, group, 3, 2)
    np.testing.assert_allclose(scale.mean[1, :, 0], features()[4:8].mean((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(scale.mean[2, :, 0], features()[:8].mean((0, 2)), rtol=1e-4)


def test_filterbanks_are_laid_out_with_time_first() -> None:
    scale = fit(features().transpose(1, 2), np.arange(12), np.zeros(12, dtype=np.int64), 1, 1)
    np.testing.assert_allclose(scale.mean[0, 0], features().mean((0, 2)), rtol=1e-4)


def test_a_constant_coefficient_becomes_zero() -> None:
    constant = torch.full((4, 2, 3), 7.0)
    scale = fit(constant, np.arange(4), np.zeros(4, dtype=np.int64), 1, 2)
    assert (scale(constant[:, None], torch.arange(4)) == 0).all()
