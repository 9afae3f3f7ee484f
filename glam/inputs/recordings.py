"""The recordings of a corpus as they were indexed, from which rows are made."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glam.corpora.audio import decode, read_audio, read_bytes
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Segments


def samples_of(root: Path, utterance: Utterance, cut: AnyCut) -> NDArray[np.float32]:
    """The recording (samples,) float32, or the piece of it, as it was indexed, padded for segments.

    Raises GlamError where it is not the one that was indexed.
    """
    path = root / utterance.audio
    whole = not (utterance.start or utterance.end)
    # Of a piece, no more than the piece is read: a long file may have thousands, and its hash is of more than the file.
    content = read_bytes(path) if whole else b""
    samples = decode(content, path).samples if whole else read_audio(path, utterance.start, utterance.end)
    on_disk = path.stat()
    measured = (on_disk.st_size, on_disk.st_mtime_ns, len(samples))
    if measured != (utterance.size, utterance.mtime_ns, utterance.samples):
        raise GlamError(
            f"{path}: has changed since the corpus was indexed: {measured[0]} bytes and {measured[2]} samples, then "
            f"{utterance.size} and {utterance.samples}. Is something writing to the corpus? Run the same command again "
            "once it is at rest."
        )
    if whole and utterance.sha256 and sha256(content).hexdigest() != utterance.sha256:
        raise GlamError(
            f"{path}: is not the recording that was indexed, though its size and time of change are the same. Run the "
            "same command with --verify-corpus once: the corpus is then read anew."
        )
    if isinstance(cut, Segments):
        return np.tile(samples, cut.padded(len(samples)) // len(samples))
    return samples
