"""Embeddings of a lab's as an input: pooled and frames, whole utterances and segments."""

import os
from pathlib import Path

import numpy as np
import pytest

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs.cut import AnyCut, Segments, Whole
from glam.inputs.vectors import Vectors

WHOLE = Whole(name="whole", longest=2)
UTTERANCES = [Utterance(name, "neu", "s", f"{name}.wav", samples=40_000) for name in "ab"]
POOLED = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
FRAMES = {"a": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.ones((7, 2), dtype=np.float32)}


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    np.savez(tmp_path / "x.npz", ids=np.array(["b", "a"]), vectors=POOLED)
    monkeypatch.setenv("XVECTORS", str(tmp_path / "x.npz"))
    made = Vectors()
    made.look_through(UTTERANCES, tmp_path)
    return made


def rows(made: Vectors, cut: AnyCut) -> list[tuple[list[object], object]]:
    extractor = made.extractor(cut)
    assert not extractor.needs_audio
    taken = []
    for utterance in UTTERANCES:
        ((values, length),) = extractor(utterance, np.zeros(0, np.float32), "train")
        assert values.shape[1:] == made.shape(cut)
        taken.append((values.tolist(), None if length is None else length.tolist()))
    return taken


def test_a_pooled_vector_is_that_of_each_row_of_an_utterance(vectors: Vectors) -> None:
    assert rows(vectors, WHOLE) == [([[4, 5, 6]], None), ([[1, 2, 3]], None)]
    segments = Segments(name="segments", length=1, train_hop=16_000)
    assert rows(vectors, segments) == [([[4, 5, 6]] * 2, None), ([[1, 2, 3]] * 2, None)]
    assert not vectors.padded(WHOLE)
    assert vectors.outside().keys() == {"xvectors"}
    assert vectors.remarks(WHOLE)[0].startswith("xvectors: x.npz, SHA-256 ")
    assert vectors.remarks(WHOLE)[0].endswith(", 3 numbers")


def test_frames_are_cut_or_padded_along_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "w.npz", a=FRAMES["a"], b=FRAMES["b"])
    monkeypatch.setenv("WAVLM", str(tmp_path / "w.npz"))
    made = Vectors(place="WAVLM", frames=4)
    made.look_through(UTTERANCES, tmp_path)
    assert made.shape(WHOLE) == (2, 4)
    assert made.padded(WHOLE)
    assert made.time_axis == 1
    assert rows(made, WHOLE) == [([[[0, 2, 4, 0], [1, 3, 5, 0]]], [3]), ([[[1] * 4] * 2], [4])]
    assert made.remarks(WHOLE)[0].endswith("2 numbers a frame, 1 of 2 utterances cut at 4 frames")
    with pytest.raises(ValueError, match="set cut to whole"):
        made.shape(Segments(name="segments"))
    with pytest.raises(GlamError, match="has frames, up to 7 an utterance; set the option frames"):
        Vectors(place="WAVLM").look_through(UTTERANCES, tmp_path)


def test_what_is_missing_is_named(vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = [*UTTERANCES, Utterance("c", "neu", "s", "c.wav")]
    with pytest.raises(GlamError, match=r"x\.npz: has no embedding of 1 of 3 utterances \(c\)"):
        Vectors().look_through(other, tmp_path)
    with pytest.raises(GlamError, match="has an embedding for each utterance, not frames"):
        Vectors(frames=3).look_through(UTTERANCES, tmp_path)
    monkeypatch.delenv("XVECTORS")
    with pytest.raises(GlamError, match=r"XVECTORS is not given, the file with embeddings .* --file XVECTORS="):
        Vectors().look_through(UTTERANCES, tmp_path)
    for wrong in ({"place": "x-vectors"}, {"frames": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Vectors(**wrong)


def test_ids_that_are_mended_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, as a notebook is: the array itself has not changed."""
    np.save(tmp_path / "x.npy", POOLED)
    monkeypatch.setenv("XVECTORS", str(tmp_path / "x.npy"))
    for when, ids, first in ((1, "a\nb\n", [1, 2, 3]), (2, "b\na\n", [4, 5, 6])):
        (tmp_path / "x.ids").write_text(ids)
        os.utime(tmp_path / "x.ids", (when, when))
        made = Vectors()
        made.look_through(UTTERANCES, tmp_path)
        assert made.vector("a").tolist() == first


def test_a_saved_model_remembers_the_dimension(vectors: Vectors) -> None:
    again = Vectors()
    again.recall(vectors.remembered())
    assert again.shape(WHOLE) == (3,)
    for damaged in ({}, {"dimension": 0}, {"dimension": True}, {"dimension": 3, "more": 1}):
        with pytest.raises(ValueError, match="dimension"):
            Vectors().recall(damaged)
