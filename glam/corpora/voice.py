"""The voice of the synthetic corpora: glottal pulses and breath noise through the formants of syllables.

The same samples come out everywhere, but for one step of 16 bits. Whatever decides something is made of integers and of
single additions, multiplications and divisions, which round alike on all machines. Sines, powers and Fourier
transforms, whose last digit may differ, only shape the sound, continuously and without feedback. Random numbers come
from NumPy's legacy generator, whose streams are frozen, seeded by the name of what they are for.
"""

import hashlib
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from glam.corpora.audio import RATE

Floats = NDArray[np.float64]


class Manner(NamedTuple):
    """A manner of speaking, as differences from a neutral utterance of an average speaker."""

    pitch: float = 0.0  # semitones
    intonation: float = 0.0  # range of the pitch, semitones
    tempo: float = 0.0  # share by which syllables come faster
    loudness: float = 0.0  # dB
    tilt: float = 0.0  # of the glottal spectrum, dB an octave: pressed voice > 0, lax < 0
    breath: float = 0.0  # of the breath noise, dB
    rough: float = 0.0  # cycle-to-cycle irregularity, share of its usual amount
    pause: float = 0.0  # share by which pauses are longer

    def plus(self, other: "Manner", scale: float = 1.0) -> "Manner":
        """The sum of this manner and `scale` times the other one."""
        return Manner(*(a + scale * b for a, b in zip(self, other, strict=True)))


# The first formants (Hz) of an average man's vowels, of a nasal and of a glide, then those they share.
FORMANTS = {
    "a": (700, 1220, 2600),
    "e": (530, 1840, 2480),
    "i": (300, 2200, 2960),
    "o": (500, 900, 2500),
    "u": (320, 850, 2250),
    "@": (500, 1500, 2500),
    "m": (260, 1100, 2200),
    "l": (360, 1100, 2700),
}
UPPER_FORMANTS = (3500, 4500, 5500, 6500, 7500)
# Where the noise of a fricative or stop lies: centre and width (Hz), and how strong it is beside the voice.
HISSES = {"s": (5800, 1800, 2.0), "f": (4800, 3500, 0.6), "t": (4000, 2000, 1.5), "h": (1500, 1500, 0.3)}
HARMONICS = 96
CYCLE = 1024  # points of one glottal cycle
FRAME = 512  # samples of the frames that are filtered, half overlapping
HOP = FRAME // 2
FFT = 2 * FRAME
RING = (FFT - FRAME) // 2  # samples for which a filter rings on either side of a frame


class Syllable(NamedTuple):
    """The place of a syllable in its utterance, and what it is made of."""

    first: int  # sample
    samples: int
    onset: str
    vowel: str


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance before it is spoken."""

    id: str
    dialogue: str
    speaker: str
    label: str
    samples: int
    begin: int  # sample of the dialogue at which it begins
    manner: Manner
    syllables: tuple[Syllable, ...]
    words: str
    votes: tuple[str, ...]  # of three raters, and the actor's own
    scores: tuple[tuple[int, int, int], ...]  # valence, arousal, dominance of two raters


def record(path: Path, turn: Turn) -> None:
    """Write the utterance as a WAV file: mono, 16 kHz, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound(turn).astype("<i2").tobytes())


def sound(turn: Turn) -> NDArray[np.int16]:
    """The utterance as 16-bit samples (turn.samples,) at 16 kHz, mono."""
    rng = random_of(f"{turn.id} sound")
    n, manner = turn.samples, turn.manner
    time = np.arange(n, dtype=np.float64)
    course = _course(turn.syllables, n, rng)

    fundamental = 105 * np.exp2(np.interp(time, *_pitch(turn, rng)) / 12)
    phase = np.cumsum(fundamental) / RATE  # in cycles
    irregular = max(0.2, 1 + manner.rough)
    cycles = np.arange(n // 16)
    jitter, shimmer = rng.random_sample((2, len(cycles))) - 0.5
    phase += 0.03 * irregular * np.interp(phase, cycles, jitter)
    glottis = np.interp(phase % 1, np.linspace(0, 1, CYCLE), _cycle(manner.tilt, float(fundamental.max())))
    glottis *= 1 + 0.4 * irregular * np.interp(phase, cycles, shimmer)

    breath, hiss, room = 2 * rng.random_sample((3, n)) - 1
    breath *= _amplitude(manner.breath - 22) * (1 - 0.6 * np.cos(2 * np.pi * phase))  # while the glottis is open
    voice = (glottis + breath) * np.interp(time, course.at, course.voice)
    hiss *= np.interp(time, course.at, course.hiss)
    speech = _articulate(voice, hiss, course, _mouth(turn.speaker))
    speech *= _amplitude(manner.loudness - 32) / np.sqrt(np.mean(speech**2))
    speech += _amplitude(-66 + 3 * normal(rng)) * room
    return np.clip(np.rint(32767 * speech), -32768, 32767).astype(np.int16)


class Course(NamedTuple):
    """Loudness of voice and hiss, and what forms them, at chosen samples `at` (P,); linear in between."""

    at: Floats
    voice: Floats  # (P,)
    hiss: Floats  # (P,)
    phones: Floats  # (P, phones), shares
    hisses: Floats  # (P, hisses), shares


def _course(syllables: tuple[Syllable, ...], n: int, rng: np.random.RandomState) -> Course:
    rows: list[tuple[float, float, float, str, str]] = [(0, 0, 0, syllables[0].vowel, "h")]
    for k, (first, length, onset, vowel) in enumerate(syllables):
        level = 0.6 + 0.8 * rng.random_sample()
        if first > rows[-1][0] + 1:  # after a pause
            rows.append((first - 1, 0, 0, vowel, "h"))
        if onset in FORMANTS:
            rows += [
                (first + 0.05 * length, 0.4 * level, 0, onset, "h"),
                (first + 0.25 * length, 0.5 * level, 0, onset, "h"),
            ]
        elif onset in HISSES:
            begins = 0.18 if onset == "t" else 0.06  # a stop is silent first
            loud = level * HISSES[onset][2]
            rows += [
                (first + 0.05 * length, 0, 0, vowel, onset),
                (first + begins * length, 0, 0, vowel, onset),
                (first + (begins + 0.04) * length, 0, loud, vowel, onset),
                (first + 0.28 * length, 0.1 * level, 0.5 * loud, vowel, onset),
                (first + 0.34 * length, 0.6 * level, 0, vowel, onset),
            ]
        last = k + 1 == len(syllables) or syllables[k + 1].first > first + length
        rows += [
            (first + 0.45 * length, level, 0, vowel, "h"),
            (first + 0.8 * length, 0.8 * level, 0, vowel, "h"),
            (first + length, 0 if last else 0.5 * level, 0, vowel, "h"),
        ]
    rows.append((max(n, rows[-1][0] + 1), 0, 0, rows[-1][3], "h"))
    at, voice, hiss, phones, hisses = zip(*rows, strict=True)
    return Course(
        at=np.array(at, dtype=np.float64),
        voice=np.array(voice, dtype=np.float64),
        hiss=np.array(hiss, dtype=np.float64),
        phones=np.array([[phone == other for other in FORMANTS] for phone in phones], dtype=np.float64),
        hisses=np.array([[noise == other for other in HISSES] for noise in hisses], dtype=np.float64),
    )


def _pitch(turn: Turn, rng: np.random.RandomState) -> tuple[Floats, Floats]:
    """Samples, and the pitch there in semitones: it falls over the utterance, and accents stand out."""
    span = max(0.5, 2.2 + turn.manner.intonation)
    at = np.array([syllable.first + syllable.samples // 2 for syllable in turn.syllables], dtype=np.float64)
    accents = 2 * (rng.random_sample((3, len(at))).sum(0) - 1.5)
    pitch = turn.manner.pitch + span * (0.5 - at / turn.samples + 0.6 * accents)
    return at, pitch


def _cycle(tilt: float, highest: float) -> Floats:
    """One glottal cycle (CYCLE,), of effective value 1; harmonics fade before half the sampling rate."""
    order = np.arange(1, HARMONICS + 1)
    strength = order ** ((tilt - 4.5) / 6.02) * np.clip((7800 - order * highest) / 1000, 0, 1)
    strength /= np.sqrt(np.mean(strength**2) * HARMONICS / 2)
    cycle: Floats = strength @ _harmonics()
    return cycle


@cache
def _harmonics() -> Floats:
    order = np.arange(1, HARMONICS + 1)[:, None]
    # The quadratic term lets the pulse ring a little, as a vocal tract does, instead of peaking at one sample.
    return np.cos(2 * np.pi * order * np.linspace(0, 1, CYCLE) + 0.02 * order**2)


@cache
def _mouth(speaker: str) -> Floats:
    """Amplitude responses (phones, FFT // 2 + 1) of the speaker's mouth: resonances at the formants."""
    rng = random_of(f"{speaker} mouth")
    scale = (1.15 if speaker[-1] == "F" else 1.0) * (1 + 0.04 * normal(rng))
    f = np.linspace(0, RATE / 2, FFT // 2 + 1)
    responses = np.ones((len(FORMANTS), len(f)))
    for response, lower in zip(responses, FORMANTS.values(), strict=True):
        for k, formant in enumerate((*lower, *UPPER_FORMANTS)):
            centre = scale * formant * (1 + 0.03 * normal(rng))
            width = 80 + 40 * k
            response *= centre**2 / np.sqrt((centre**2 - f**2) ** 2 + (width * f) ** 2)
    return responses


@cache
def _teeth() -> Floats:
    """Amplitude responses (hisses, FFT // 2 + 1) that shape noise to fricatives and bursts."""
    f = np.linspace(0, RATE / 2, FFT // 2 + 1)
    return np.stack([np.exp(-(((f - centre) / width) ** 2)) for centre, width, _ in HISSES.values()])


def _articulate(voice: Floats, hiss: Floats, course: Course, mouth: Floats) -> Floats:
    """`voice` (n,) through the mouth and `hiss` (n,) through the teeth, summed: (n,).

    mouth: the speaker's responses (phones, FFT // 2 + 1). They are mixed as `course` says and applied to the
    spectra of overlapping Hann frames.
    """
    n = len(voice)
    count = n // HOP + 2
    frames = np.zeros((2, count, FFT))  # each frame in the middle: a filter without phase rings to both sides
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    for framed, source in zip(frames, (voice, hiss), strict=True):
        padded = np.pad(source, (HOP, count * HOP - n))
        framed[:, RING : RING + FRAME] = sliding_window_view(padded, FRAME)[::HOP] * window
    centres = HOP * np.arange(count)
    phones = np.stack([np.interp(centres, course.at, share) for share in course.phones.T], axis=1)
    hisses = np.stack([np.interp(centres, course.at, share) for share in course.hisses.T], axis=1)
    voiced, hissed = np.fft.rfft(frames)
    filtered = np.fft.irfft(voiced * (phones @ mouth) + hissed * (hisses @ _teeth()))
    out = np.zeros((count + FFT // HOP - 1, HOP))
    for k in range(FFT // HOP):
        out[k : k + count] += filtered[:, k * HOP : (k + 1) * HOP]
    return out.ravel()[RING + HOP : RING + HOP + n]


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def random_of(name: str) -> np.random.RandomState:
    """The random numbers for what is called so."""
    return np.random.RandomState(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))


def normal(rng: np.random.RandomState) -> float:
    """A nearly normal number, within 3 of 0: a sum, as logarithms, which the usual ways take, differ by machine."""
    return 2.0 * (rng.random_sample() + rng.random_sample() + rng.random_sample() - 1.5)
