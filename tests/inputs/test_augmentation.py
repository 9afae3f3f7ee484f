import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glam.inputs.augmentation import FACTORS, spread, warp_factor, warped
from glam.inputs.spectral import MelSpectrogram


@given(factor=st.floats(*FACTORS))
def test_the_warp_rises_and_keeps_its_ends(factor: float) -> None:
    frequency = np.linspace(0, 8000, 400)
    moved = warped(frequency, factor)
    assert moved[0] == 0
    assert moved[-1] == pytest.approx(8000)
    assert (np.diff(moved) > 0).all()
    assert moved[100] == pytest.approx(factor * frequency[100])


@pytest.mark.parametrize("factor", [0.8, 0.93, 1.2])
def test_the_spread_moves_power_to_where_frequencies_go(factor: float) -> None:
    moves = spread(factor, 800)
    np.testing.assert_allclose(moves.sum(1), 1, rtol=1e-6)  # no power is lost
    frequencies = np.arange(401, dtype=np.float64) * 20.0
    np.testing.assert_allclose(moves @ frequencies, warped(frequencies, factor), atol=0.5)


def test_a_tone_goes_where_it_should() -> None:
    input_, cpu = MelSpectrogram(), torch.device("cpu")
    time = np.arange(16000) / 16000
    tones = [np.sin(2 * np.pi * f * time).astype(np.float32) for f in (1000, 1200)]
    plain, expected = (input_.transform(cpu)(torch.from_numpy(tone)[None])[0] for tone in tones)
    moved = input_.transform(cpu, warp=1.2)(torch.from_numpy(tones[0])[None])[0]
    assert int(moved.mean(1).argmax()) == int(expected.mean(1).argmax()) != int(plain.mean(1).argmax())


def test_factor_one_is_the_recording() -> None:
    np.testing.assert_array_equal(spread(1.0, 800), np.eye(401))


def test_factors_belong_to_utterance_and_copy() -> None:
    factors = [warp_factor(f"Ses01F_impro01_F{i:03d}", copy) for i in range(500) for copy in (1, 2)]
    assert len(set(factors)) == 1000
    assert 0.8 <= min(factors) < 0.81
    assert 1.19 < max(factors) <= 1.2
    assert warp_factor("Ses01F_impro01_F000", 1) == pytest.approx(RECORDED)


RECORDED = 1.082171461554252
