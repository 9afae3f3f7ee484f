"""The store: what it holds is what was asked for, whatever lies on the disk."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inputs.stores import HOP, LENGTH, SHORT, by_hand, files, opened, segments, settings, utterance, write_wav
from numpy.typing import NDArray

from glam.corpora.audio import AudioError, read_audio
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import spectral
from glam.inputs.cut import PARTS, AnyCut, Part, Whole
from glam.inputs.inputs import Extractor, Input, InputSettings, Rows, Shape
from glam.inputs.spectral import Mfcc, SpectralExtractor
from glam.inputs.store import Store


@pytest.mark.parametrize("group", [1, 3, 64])
def test_a_store_holds_the_segments_of_every_utterance_in_order(
    group: int, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectral, "GROUP", group)
    threads = torch.get_num_threads()
    store = opened(root, spoken, folder)
    assert store.ids == tuple(recording.id for recording in spoken)
    assert store.offsets.tolist() == [0, 1, 5, 6, 8, 33, 34]
    assert store.array.shape == (34, *Mfcc().of_samples(LENGTH))
    assert store.array.dtype == np.float32
    assert store.lengths is None
    expected = np.concatenate([by_hand(root, recording) for recording in spoken])
    np.testing.assert_allclose(store.array, expected, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(np.load(store.path), store.array)  # plain .npy, readable by anything
    assert torch.get_num_threads() == threads
    assert files(folder) == [".json", ".npy"]


def test_short_utterances_are_repeated(root: Path, folder: Path) -> None:
    short = utterance(root, "u6", SHORT)
    store = opened(root, [short], folder, cut=segments(padding="repeat"))
    np.testing.assert_allclose(store.array, by_hand(root, short, "repeat"), rtol=0, atol=1e-3)
    with pytest.raises(GlamError, match=r"u6: has 1700 samples, too few for segments of 0\.25"):
        opened(root, [short], folder)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_rows_are_those_of_the_utterances_in_the_order_asked_for(positions: list[int]) -> None:
    store = Store(Path("none.npy"), tuple("abcdef"), np.array([0, 1, 5, 6, 8, 33, 34]), None, "")
    rows = store.rows(positions)
    assert rows.dtype == np.int64
    assert rows.tolist() == [row for p in positions for row in range(int(store.offsets[p]), int(store.offsets[p + 1]))]


def test_a_second_start_reads_no_audio(root: Path, spoken: list[Utterance], folder: Path) -> None:
    first = opened(root, spoken, folder)
    expected = np.array(first.array)
    shutil.rmtree(root)
    second = opened(root, spoken, folder)
    np.testing.assert_array_equal(second.array, expected)
    np.testing.assert_array_equal(second.offsets, first.offsets)
    assert second.ids == first.ids


def test_whatever_changes_the_features_makes_another_store(root: Path, spoken: list[Utterance], folder: Path) -> None:
    paths = {
        opened(root, spoken, folder).path,
        opened(root, spoken, folder, cut=segments(hop=HOP + 1)).path,
        opened(root, spoken, folder, cut=segments(length=LENGTH - 1)).path,
        opened(root, spoken, folder, cut=segments(padding="repeat")).path,
        opened(root, spoken, folder, cut=Whole(name="whole")).path,
        opened(root, spoken, folder, cut=Whole(name="whole", longest=2)).path,
        opened(root, spoken, folder, settings=settings(pad_mode="constant")).path,
        opened(root, spoken, folder, settings=settings(coefficients=13)).path,
        opened(root, spoken, folder, settings=settings("fbank")).path,
        opened(root, spoken, folder, settings=settings(vtlp_copies=2), copy=1).path,
        opened(root, spoken, folder, settings=settings(vtlp_copies=2), copy=2).path,
        opened(root, spoken[:-1], folder).path,
        opened(root, spoken[::-1], folder).path,
    }
    assert len(paths) == 13
    write_wav(root / "u1.wav", np.arange(9000).astype(np.int16))
    spoken[1] = utterance(root, "u1", 9000)
    changed = opened(root, spoken, folder)
    assert changed.path not in paths
    np.testing.assert_allclose(changed.array[1:5], by_hand(root, spoken[1]), rtol=0, atol=1e-3)


def test_what_does_not_change_the_features_makes_no_other(root: Path, spoken: list[Utterance], folder: Path) -> None:
    path = opened(root, spoken, folder).path
    other = [replace(recording, label="sad", words="so", mtime_ns=1, groups={}) for recording in spoken]
    assert opened(root, other, folder).path == path
    # a run's own business, or the other part of it; and a default that is written out
    assert opened(root, spoken, folder, settings=settings(normalisation="speaker")).path == path
    assert opened(root, spoken, folder, part="test").path == path
    assert opened(root, spoken, folder, settings=settings(coefficients=26)).path == path
    assert files(folder) == [".json", ".npy"]


def test_parts_that_advance_differently_are_kept_apart(root: Path, spoken: list[Utterance], folder: Path) -> None:
    cut = segments().model_copy(update={"test_hop": HOP + 1})
    train, test = (opened(root, spoken, folder, cut=cut, part=part) for part in PARTS)
    assert train.path == opened(root, spoken, folder).path
    assert test.path == opened(root, spoken, folder, cut=segments(hop=HOP + 1)).path != train.path


def longer(path: Path) -> None:
    write_wav(path, np.zeros(9001, dtype=np.int16))


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [longer, touched])
def test_a_recording_that_changed_since_it_was_indexed_is_an_error(
    change: Callable[[Path], None], root: Path, spoken: list[Utterance], folder: Path
) -> None:
    change(root / "u1.wav")
    with pytest.raises(GlamError, match=r"u1\.wav: has changed since the corpus was indexed.*Run the same command"):
        opened(root, spoken, folder)
    assert files(folder) == []


def test_a_recording_that_vanished_is_named(root: Path, spoken: list[Utterance], folder: Path) -> None:
    (root / "u4.wav").unlink()
    with pytest.raises(AudioError, match=r"u4\.wav"):
        opened(root, spoken, folder)
    assert files(folder) == []


def no_sidecar(path: Path) -> None:
    path.with_suffix(".json").unlink()


def half_sidecar(path: Path) -> None:
    about = path.with_suffix(".json")
    about.write_bytes(about.read_bytes()[:-20])


def foreign_sidecar(path: Path) -> None:
    about = path.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"key": "0" * 64}))


def short_array(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def other_rows(path: Path) -> None:
    """The segments of one utterance would be taken for another's."""
    about = path.with_suffix(".json")
    content = json.loads(about.read_text())
    content["offsets"][1] += 1
    about.write_text(json.dumps(content))


def other_order(path: Path) -> None:
    about = path.with_suffix(".json")
    content = json.loads(about.read_text())
    content["utterances"].reverse()
    about.write_text(json.dumps(content))


def deep_sidecar(path: Path) -> None:
    path.with_suffix(".json").write_text("[" * 100_000)


def other_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"'fortran_order': False", b"'fortran_order': True ", 1))


def no_array(path: Path) -> None:
    path.unlink()


def other_lengths(path: Path) -> None:
    """Rows that are not padded have none."""
    about = path.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"lengths": [1, 2, 3]}))


@pytest.mark.parametrize(
    "damage",
    [
        no_sidecar,
        half_sidecar,
        foreign_sidecar,
        other_rows,
        other_order,
        deep_sidecar,
        short_array,
        other_header,
        no_array,
        other_lengths,
    ],
)
def test_what_is_not_whole_is_extracted_again(
    damage: Callable[[Path], None], root: Path, spoken: list[Utterance], folder: Path
) -> None:
    store = opened(root, spoken, folder)
    expected = store.path.read_bytes()
    damage(store.path)
    again = opened(root, spoken, folder)
    assert again.path == store.path
    assert again.path.read_bytes() == expected


def test_a_changed_byte_is_found_by_verification(root: Path, spoken: list[Utterance], folder: Path) -> None:
    store = opened(root, spoken, folder)
    store.verify()
    content = bytearray(store.path.read_bytes())
    content[-100] ^= 1
    store.path.write_bytes(content)
    with pytest.raises(GlamError, match=r"have changed on disk\. Delete that file"):
        store.verify()
    store.path.unlink()
    opened(root, spoken, folder).verify()


def test_whole_utterances_are_a_row_each_with_its_length(root: Path, spoken: list[Utterance], folder: Path) -> None:
    cut = Whole(name="whole", longest=1)
    store = opened(root, spoken, folder, cut=cut)
    assert store.offsets.tolist() == list(range(len(spoken) + 1))
    assert store.array.shape == (len(spoken), *Mfcc().shape(cut))
    assert store.lengths is not None
    for row, length, recording in zip(store.array, store.lengths.tolist(), spoken, strict=True):
        speech = read_audio(root / recording.audio)[:16_000]
        alone = SpectralExtractor(Mfcc(), segments(length=len(speech))).of_segments(torch.from_numpy(speech)[None])
        assert length == 1 + len(speech) // 512 == alone.shape[2]
        np.testing.assert_allclose(row[:, :length], alone[0].numpy(), rtol=0, atol=1e-3)
        assert (row[:, length:] == 0).all()
    again = opened(root, spoken, folder, cut=cut)  # as it lies there
    assert again.lengths is not None
    assert again.lengths.dtype == np.int64
    np.testing.assert_array_equal(again.lengths, store.lengths)


OWN = """
import numpy as np
from glam.inputs.inputs import Input

class Peaks(Input):
    dtype = "<i8"

    def __init__(self, *, pieces: int = 2):
        self.pieces = pieces

    def row(self, samples):
        return np.array([round(32768 * piece.max()) for piece in np.array_split(samples, self.pieces)])
"""


def test_an_input_of_the_user_s_own_is_kept_as_it_gives_its_rows(
    root: Path, spoken: list[Utterance], folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(OWN)
    store = opened(root, spoken, folder, settings=settings(f"{mine}:Peaks", pieces=4))
    assert store.path.name.startswith("mine-py-Peaks-")
    assert store.path.suffix == ".npy"
    assert store.array.dtype == np.int64
    assert store.array.shape == (34, 4)
    assert store.lengths is None
    speech = read_audio(root / "u1.wav")
    for row, start in zip(store.array[1:5], range(0, 9000, HOP), strict=False):
        pieces = np.array_split(speech[start : start + LENGTH], 4)
        assert row.tolist() == [round(32768 * float(piece.max())) for piece in pieces]
    # other options are another input, and so is another file
    paths = {store.path, opened(root, spoken, folder, settings=settings(f"{mine}:Peaks")).path}
    mine.write_text(OWN + "\n# changed\n")
    paths.add(opened(root, spoken, folder, settings=settings(f"{mine}:Peaks")).path)
    assert len(paths) == 3


class Odd(Input):
    """An input that tells of each utterance and of a file beside the corpus what decides about its rows."""

    def __init__(self, words: str = "", outside: str = "", rows: int = 1) -> None:
        self.words, self.hash, self.count = words, outside, rows

    def shape(self, cut: AnyCut) -> Shape:
        return (1,)

    def source(self, utterance: Utterance) -> list[str]:
        return [self.words]

    def outside(self) -> dict[str, str]:
        return {"words": self.hash} if self.hash else {}

    def extractor(self, cut: AnyCut, device: str = "cpu") -> Extractor:
        return OddExtractor(self, cut)


class OddExtractor(Extractor):
    needs_audio = False

    def __call__(self, utterance: Utterance, samples: NDArray[np.float32], part: Part, copy: int = 0) -> Iterator[Rows]:
        assert isinstance(self.of, Odd)
        assert not len(samples)  # nothing was read
        yield np.full((self.of.count, 1), 7.0), None


def test_what_an_input_says_decides_about_its_rows_decides_about_the_store(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path_of(made: Odd) -> Path:
        monkeypatch.setattr(InputSettings, "make", lambda _: made)
        return opened(root, spoken, folder, cut=Whole(name="whole")).path

    shutil.rmtree(root)  # no audio is needed, and none is read
    paths = [path_of(Odd()), path_of(Odd("hello")), path_of(Odd("hello", "0" * 64))]
    assert len(set(paths)) == 3
    assert path_of(Odd("hello")) == paths[1]


def test_an_input_that_gives_another_number_of_rows_is_an_error(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InputSettings, "make", lambda _: Odd(rows=2))
    with pytest.raises(GlamError, match=r"u0: mfcc gave 2 rows, expected 1"):
        opened(root, spoken[:1], folder, cut=Whole(name="whole"))
    assert files(folder) == []


def test_a_piece_of_a_recording_is_kept_like_a_recording(root: Path, spoken: list[Utterance], folder: Path) -> None:
    whole = next(recording for recording in spoken if recording.samples == 40_000)
    piece = replace(whole, id="piece", start=0.5, end=1.25, samples=12_000, sha256="of the piece")
    write_wav(root / "alone.wav", (read_audio(root / whole.audio)[8_000:20_000] * 32_768).astype(np.int16))
    alone = utterance(root, "alone", 12_000)
    np.testing.assert_array_equal(opened(root, [piece], folder).array, opened(root, [alone], folder).array)
    with pytest.raises(GlamError, match="has changed since the corpus was indexed"):
        opened(root, [replace(piece, end=1.0, sha256="of another")], folder)
