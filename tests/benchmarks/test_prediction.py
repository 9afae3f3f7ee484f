"""The benchmark of a trained model that is asked runs. No time is tested."""

import re
from pathlib import Path

import pytest
import soundfile
from prediction.conftest import Trained, train, trained

from benchmarks import prediction
from glam.prediction.graphs import speech

__all__ = ["train", "trained"]


def test_it_runs(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "SECONDS", 3)
    soundfile.write(tmp_path / "speech.wav", speech(3000).ravel(), 16000, subtype="PCM_16")
    head, beside, apart = prediction._measured(trained.model, tmp_path / "speech.wav", 2)
    assert re.match(r"mhcnn, \d+ segments of 0\.5 s, 0\.0 s apart:", head)
    assert re.match(r"segments a second, features included: \d+, which is \d+\.\d\d of evaluation", beside)
    assert re.match(r"at a hop of one segment: \d+ times real time", apart)
