"""A small release in IEMOCAP's layout, and where everything of it lies."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from glam.corpora.utterances import Corpus

Load = Callable[..., Corpus]

CODES = {
    "neu": "01",
    "fru": "02",
    "hap": "03",
    "sad": "04",
    "ang": "05",
    "fea": "06",
    "exc": "07",
    "xxx": "09",
}
TURNS = {  # dialogue -> (turn, label); the speaker is not always the dialogue's actor
    "Ses01F_impro01": [("F000", "neu"), ("M000", "xxx")],
    "Ses02M_script01_1": [("F000", "exc"), ("M001", "dis")],
    "Ses03M_script03_2": [("F032", "sad"), ("M000", "hap")],
    "Ses04F_impro05a": [("F000", "ang"), ("F001", "fea")],
    "Ses05M_script01_1b": [("M000", "fru"), ("M001", "oth")],
}


def folder(root: Path, dialogue: str, part: str) -> Path:
    return root / f"Session{dialogue[4]}" / part


def labels_of(root: Path, dialogue: str) -> Path:
    return folder(root, dialogue, "dialog/EmoEvaluation") / f"{dialogue}.txt"


def words_of(root: Path, dialogue: str) -> Path:
    return folder(root, dialogue, "dialog/transcriptions") / f"{dialogue}.txt"


def audio_of(root: Path, dialogue: str, turn: str) -> Path:
    return folder(root, dialogue, "sentences/wav") / dialogue / f"{dialogue}_{turn}.wav"


def make_release(root: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, (99, 32_000))
    count = 0
    for dialogue, turns in TURNS.items():
        labels, words = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n", ""
        for turn, label in turns:
            name = f"{dialogue}_{turn}"
            audio = audio_of(root, dialogue, turn)
            audio.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(audio, noise[count, : 28_799 + count], 16_000, subtype="PCM_16")
            count += 1
            labels += (
                f"\n[6.2901 - 8.2357]\t{name}\t{label}\t[2.5000, 3.0000, 3.5000]\nC-E2:\tNeutral;\t()\n"
                "C-E3:\tNeutral; Other;\t(tired)\nA-E3:\tval 3; act 2; dom  2;\t()\n"
            )
            words += f"{name} [006.2901-008.2357]: Words: of {turn}.\n"
        for path, text in ((labels_of(root, dialogue), labels), (words_of(root, dialogue), words)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def renamed(path: Path, label: str) -> Path:
    """Where the released script moves a recording."""
    first, second, *rest = path.stem.split("_")
    return path.with_name(f"{first}-{second}-{CODES[label]}-01-{'_'.join(rest)}.wav")


def kinds(corpus: Corpus) -> list[tuple[str, str]]:
    return [(problem.kind, problem.subject) for problem in corpus.problems]
