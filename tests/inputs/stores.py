"""Small recordings, and the store of their features."""

import hashlib
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glam.corpora.audio import read_audio
from glam.corpora.utterances import Utterance
from glam.inputs.cut import Padding, Segments
from glam.inputs.inputs import InputSettings
from glam.inputs.spectral import Mfcc, SpectralExtractor
from glam.inputs.store import Store, open_store

LENGTH, HOP = 4000, 1500
SAMPLES = (4000, 9000, 5499, 5500, 40_000, 4001)
SHORT = 1700  # of one more recording, shorter than a segment


def write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def utterance(root: Path, name: str, samples: int) -> Utterance:
    """An utterance as the index has it, of the file as it is now."""
    path = root / f"{name}.wav"
    about = path.stat()
    return Utterance(
        id=name,
        label="neu",
        speaker="Ses01F",
        audio=path.name,
        groups={"session": "Ses01", "dialogue": "Ses01F_impro01", "scenario": "impro01", "style": "improvised"},
        samples=samples,
        size=about.st_size,
        mtime_ns=about.st_mtime_ns,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def segments(length: int = LENGTH, hop: int = HOP, padding: Padding = "none") -> Segments:
    """Segments of so many samples."""
    return Segments(name="segments", length=(length + 0.5) / 16_000, train_hop=hop, test_hop=hop, padding=padding)


def settings(name: str = "mfcc", **options: Any) -> InputSettings:
    return InputSettings.model_validate({"name": name, **options})


def opened(root: Path, utterances: list[Utterance], folder: Path, **other: Any) -> Store:
    """The store of MFCC of segments, but for what is given otherwise."""
    asked: dict[str, Any] = {"settings": settings(), "cut": segments(), "part": "train"} | other
    asked.setdefault("made", asked["settings"].make())
    return open_store(root, utterances, folder=folder, **asked)


def by_hand(root: Path, spoken: Utterance, padding: Padding = "none") -> NDArray[np.float32]:
    """The MFCC of an utterance's segments, cut in plain sight."""
    speech, cut = read_audio(root / spoken.audio), segments(padding=padding)
    speech = np.tile(speech, cut.padded(len(speech)) // len(speech))
    rows = [speech[start : start + LENGTH] for start in range(0, len(speech) - LENGTH + 1, HOP)]
    values: NDArray[np.float32] = (
        SpectralExtractor(Mfcc(), cut).of_segments(torch.from_numpy(np.stack(rows))).cpu().numpy()
    )
    return values


def files(folder: Path) -> list[str]:
    """The suffixes of what lies in the folder of a store, locks and what was checked aside."""
    return sorted(path.suffix for path in (folder / "features").iterdir() if path.suffix not in (".lock", ".checked"))
