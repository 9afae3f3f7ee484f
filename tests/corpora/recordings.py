"""Made recordings at the paths of a corpus: each a different tenth of a second of noise."""

from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile


def record(root: Path, paths: Iterable[str], rate: int = 16_000, seconds: float = 0.1) -> Path:
    """Write a recording at each path below `root`; what is in it depends on the path alone."""
    for path in paths:
        noise = np.random.default_rng(crc32(path.encode())).normal(0, 0.1, round(seconds * rate))
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, noise, rate, subtype="PCM_16", format="AIFF" if "aif" in path else "WAV")
    return root
