"""The statistics of Deep-CNN: time means of 193 features of librosa's, zeros beyond the edges.

    40 MFCC | 128 mel powers | 12 chroma | 7 spectral contrasts | 6 tonnetz

Asked for one by one, librosa computes the same spectrum five times, and the filters of its constant-Q transform, on
which tonnetz rests, take most of the time. Here there is one spectrum, and filters are kept.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import RATE
from glam.inputs.cut import AnyCut
from glam.inputs.inputs import Input, Shape

STATISTICS = 40 + 128 + 12 + 7 + 6
# librosa's defaults
N_FFT, HOP = 2048, 512
COEFFICIENTS, CHROMA = 40, 12
# of its constant-Q transform for tonnetz
OCTAVES, BINS, LOWEST = 7, 36, "C1"  # BINS an octave

Floats = NDArray[np.float32]


class DeepCnnStatistics(Input):
    """The statistics of a segment: (193,). librosa computes them on the CPU, whatever the device."""

    def shape(self, cut: AnyCut) -> Shape:
        """See Input."""
        if cut.samples < N_FFT:
            raise ValueError(
                f"{cut.samples} samples are too short for it: its frames have {N_FFT}. Choose a greater cut.length"
            )
        return (STATISTICS,)

    def row(self, samples: Floats) -> Floats:
        """See Input."""
        return statistics(samples)


def statistics(segment: Floats) -> Floats:
    """The statistics (193,) of a segment (samples,)."""
    import librosa

    magnitude = np.abs(librosa.stft(segment, n_fft=N_FFT, hop_length=HOP))
    power = magnitude**2
    mel = _mel_filters() @ power
    chroma = librosa.util.normalize(_chroma_filters(_tuning(power, CHROMA)) @ power, norm=np.inf, axis=0)
    constant_q = _constant_q(segment, _tuning(magnitude, BINS))
    parts = (
        librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=COEFFICIENTS),
        mel,
        chroma,
        librosa.feature.spectral_contrast(S=magnitude, sr=RATE),
        librosa.feature.tonnetz(chroma=librosa.feature.chroma_cqt(C=constant_q, sr=RATE, bins_per_octave=BINS)),
    )
    return np.concatenate([part.mean(axis=1) for part in parts]).astype(np.float32)


def _tuning(spectrum: Floats, bins: int) -> float:
    """How far the pitches in a spectrum (frequencies, frames) lie beside the notes, in bins of so many an octave.

    As librosa estimates it: -0.5 to 0.49 in steps of 0.01; 0 where there is no pitch, which librosa also warns of.
    """
    import librosa

    pitch, strength = librosa.piptrack(S=spectrum, sr=RATE)
    pitched = pitch > 0
    if not pitched.any():
        return 0.0
    strong = pitched & (strength >= np.median(strength[pitched]))
    return float(librosa.pitch_tuning(pitch[strong], resolution=0.01, bins_per_octave=bins))


def _constant_q(segment: Floats, tuning: float) -> Floats:
    """Magnitudes (252, frames) of librosa's constant-Q transform of a segment (samples,).

    The lower octaves meet the filters of the highest, the segment halved in rate for each octave.
    """
    import librosa

    filters, first = _constant_q_filters(tuning)
    frames, size = 1 + len(segment) // HOP, 512
    framed = np.empty((OCTAVES, frames, size), dtype=np.float32)
    for octave in range(OCTAVES):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(segment, size // 2), size)[:: HOP >> octave]
        framed[octave] = windows[:frames]
        if octave < OCTAVES - 1:
            segment = librosa.resample(segment, orig_sr=2, target_sr=1, scale=True)
    spectra = np.fft.rfft(framed)[..., first : first + filters.shape[1]]
    octaves = np.abs(spectra @ filters.T)  # (octaves, frames, bins), the highest octave first
    magnitudes: Floats = octaves[::-1].transpose(0, 2, 1).reshape(OCTAVES * BINS, frames)
    return magnitudes


@lru_cache(1)
def _mel_filters() -> Floats:
    import librosa

    filters: Floats = librosa.filters.mel(sr=RATE, n_fft=N_FFT)
    return filters


@lru_cache(101)  # as many tunings as there are
def _chroma_filters(tuning: float) -> Floats:
    import librosa

    filters: Floats = librosa.filters.chroma(sr=RATE, n_fft=N_FFT, tuning=tuning, n_chroma=CHROMA)
    return filters


@lru_cache(101)
def _constant_q_filters(tuning: float) -> tuple[NDArray[np.complex64], int]:
    """The filters of the highest octave (36, frequencies) in the domain of frequency, and which the first of these is.

    Frequencies are those of a frame of 512. As in librosa, a filter's smallest values, 1 % of its sum, are 0.
    """
    import librosa

    lowest = librosa.note_to_hz(LOWEST) * 2 ** (tuning / BINS + OCTAVES - 1)
    wavelets, lengths = librosa.filters.wavelet(freqs=lowest * 2 ** (np.arange(BINS) / BINS), sr=RATE)
    size = wavelets.shape[1]
    spectra = np.fft.fft(wavelets * (lengths[:, None] / size))[:, : size // 2 + 1]
    sparse = librosa.util.sparsify_rows(spectra, quantile=0.01, dtype=np.complex64).toarray()
    used = np.flatnonzero(sparse.any(axis=0))
    # divided by the square root of its length, each filter gives what librosa calls scaled
    filters = sparse[:, used[0] : used[-1] + 1] / np.sqrt(lengths[:, None])
    return np.ascontiguousarray(filters, dtype=np.complex64), int(used[0])
