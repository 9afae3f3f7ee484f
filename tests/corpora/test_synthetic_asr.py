"""The recogniser that never was: always the same errors, about as many as it says."""

from pathlib import Path

import numpy as np

from glam.corpora.asr import read_asr
from glam.corpora.synthetic import plan
from glam.corpora.synthetic_asr import ADDED, LOST, MISTAKEN, NAME, heard, make_transcripts
from glam.inputs.tokens import word_errors


def test_every_utterance_has_a_text_with_errors_that_have_nothing_to_do_with_its_label(tmp_path: Path) -> None:
    path = tmp_path / "asr.csv"
    make_transcripts(path)
    transcripts, turns = read_asr(path), list(plan())
    assert transcripts.models == (NAME,)
    assert list(transcripts.texts) == [turn.id for turn in turns]
    rates: dict[str, list[float]] = {}
    for turn in turns:
        spoken = turn.words.rstrip(".").lower().split()
        errors = sum(word_errors(spoken, transcripts.texts[turn.id].split()))
        rates.setdefault(turn.label, []).append(errors / len(spoken))
    expected = (LOST + MISTAKEN + ADDED) / 100
    assert abs(np.mean([rate for of_label in rates.values() for rate in of_label]) - expected) < 0.02
    assert all(abs(np.mean(of_label) - expected) < 0.05 for of_label in rates.values() if len(of_label) > 50)


def test_it_comes_out_the_same_everywhere_and_a_file_that_is_there_stays(tmp_path: Path) -> None:
    assert heard("Ses01F_impro01_F000", "I never tell you this.") == heard(
        "Ses01F_impro01_F000", "I never tell you this."
    )
    path = tmp_path / "asr.csv"
    path.write_text("mine")
    make_transcripts(path)
    assert path.read_text() == "mine"
