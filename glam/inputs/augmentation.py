"""Augmented copies of utterances. A copy is a function of the utterance's id and its number: the same in every run.

Vocal tract length perturbation (Jaitly and Hinton, ICML workshop 2013; AACNN's authors) warps the frequency axis of
the power spectrum: below `HIGHEST` by a factor, above it so that half the sampling rate stays in place. Warping the
power before the mel filters leaves no phases to repair, as warped audio would.
"""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE

FACTORS = (0.8, 1.2)
HIGHEST = 4800.0  # Hz


def warp_factor(utterance: str, copy: int) -> float:
    """The factor of a copy (from 1), uniform between FACTORS."""
    word = int.from_bytes(sha256(f"{utterance}/vtlp/{copy}".encode()).digest()[:8], "big")
    low, high = FACTORS
    return low + (high - low) * word / 2**64


def warped(frequency: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """The frequencies in Hz that these are moved to: piecewise linear, 0 and half the sampling rate stay."""
    half = RATE / 2
    corner = HIGHEST * min(factor, 1) / factor
    above = half - (half - factor * corner) / (half - corner) * (half - frequency)
    return np.where(frequency <= corner, factor * frequency, above)


def spread(factor: float, fft: int) -> NDArray[np.float32]:
    """(bins, bins) float32: row i shares bin i of a power spectrum between the two bins nearest to where it goes."""
    bins = fft // 2 + 1
    source = np.arange(bins)
    target = warped(source * RATE / fft, factor) * fft / RATE
    low = np.minimum(np.floor(target + 1e-9).astype(int), bins - 1)
    share = np.clip(target - low, 0, 1)
    moves = np.zeros((bins, bins), dtype=np.float32)
    np.add.at(moves, (source, low), 1 - share)
    np.add.at(moves, (source, np.minimum(low + 1, bins - 1)), share)
    return moves
