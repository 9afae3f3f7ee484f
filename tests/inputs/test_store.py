"""The store: extracted once, noticed when stale, whole or absent whatever happens meanwhile."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from glam.corpora.audio import AudioError, read_audio
from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import store as store_module
from glam.inputs.cut import Padding, padded_length, segment_starts
from glam.inputs.spectral import Extractor, FeatureSettings
from glam.inputs.store import SegmentStore, open_store

LENGTH, HOP = 4000, 1500
SAMPLES = (4000, 9000, 5499, 5500, 40_000, 4001)
SETTINGS = FeatureSettings()


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
        session="Ses01",
        dialogue="Ses01F_impro01",
        scenario="impro01",
        style="improvised",
        valence=None,
        arousal=None,
        dominance=None,
        votes=(),
        words="",
        audio=path.name,
        samples=samples,
        size=about.st_size,
        mtime_ns=about.st_mtime_ns,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.RandomState(3)
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i, n in enumerate((*SAMPLES, 1700)):
        write_wav(folder / f"u{i}.wav", (8000 * rng.randn(n)).clip(-32768, 32767).astype(np.int16))
    return folder


@pytest.fixture
def spoken(root: Path) -> list[Utterance]:
    return [utterance(root, f"u{i}", n) for i, n in enumerate(SAMPLES)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def opened(root: Path, utterances: list[Utterance], folder: Path, **other: Any) -> SegmentStore:
    settings: dict[str, Any] = {"features": SETTINGS, "length": LENGTH, "hop": HOP, "padding": "none"} | other
    return open_store(root, utterances, folder=folder, **settings)


def by_hand(root: Path, one: Utterance, padding: Padding = "none") -> NDArray[np.float32]:
    speech = read_audio(root / one.audio)
    needed = padded_length(len(speech), LENGTH, padding)
    speech = np.tile(speech, needed // len(speech))
    segments = [speech[start : start + LENGTH] for start in segment_starts(needed, LENGTH, HOP)]
    found: NDArray[np.float32] = Extractor(SETTINGS, LENGTH)(torch.from_numpy(np.stack(segments))).numpy()
    return found


def files(folder: Path) -> list[str]:
    """What is there, locks aside."""
    return sorted(path.suffix for path in (folder / "features").iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("group", [1, 3, 64])
def test_a_store_holds_the_segments_of_every_utterance_in_order(
    group: int, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GROUP", group)
    threads = torch.get_num_threads()
    store = opened(root, spoken, folder)
    assert store.ids == tuple(one.id for one in spoken)
    assert store.offsets.tolist() == [0, 1, 5, 6, 8, 33, 34]
    assert store.features.shape == (34, *SETTINGS.shape(LENGTH))
    assert store.features.dtype == np.float32
    expected = np.concatenate([by_hand(root, one) for one in spoken])
    np.testing.assert_allclose(store.features, expected, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(np.load(store.path), store.features)  # plain .npy, readable by anything
    assert torch.get_num_threads() == threads
    assert files(folder) == [".json", ".npy"]


def test_short_utterances_are_repeated(root: Path, folder: Path) -> None:
    short = utterance(root, "u6", 1700)
    store = opened(root, [short], folder, padding="repeat")
    np.testing.assert_allclose(store.features, by_hand(root, short, "repeat"), rtol=0, atol=1e-3)
    with pytest.raises(GlamError, match="u6: has 1700 samples, which is shorter than one segment of 4000"):
        opened(root, [short], folder)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_rows_are_those_of_the_utterances_in_the_order_asked_for(positions: list[int]) -> None:
    store = SegmentStore(Path("none.npy"), tuple("abcdef"), np.array([0, 1, 5, 6, 8, 33, 34]), "")
    rows = store.rows(positions)
    assert rows.dtype == np.int64
    assert rows.tolist() == [row for p in positions for row in range(int(store.offsets[p]), int(store.offsets[p + 1]))]


def test_a_second_start_reads_no_audio(root: Path, spoken: list[Utterance], folder: Path) -> None:
    first = opened(root, spoken, folder)
    expected = np.array(first.features)
    shutil.rmtree(root)
    second = opened(root, spoken, folder)
    np.testing.assert_array_equal(second.features, expected)
    np.testing.assert_array_equal(second.offsets, first.offsets)
    assert second.ids == first.ids


def test_whatever_changes_the_features_makes_another_store(root: Path, spoken: list[Utterance], folder: Path) -> None:
    paths = {
        opened(root, spoken, folder).path,
        opened(root, spoken, folder, hop=HOP + 1).path,
        opened(root, spoken, folder, length=LENGTH - 1).path,
        opened(root, spoken, folder, padding="repeat").path,
        opened(root, spoken, folder, features=FeatureSettings(pad_mode="constant")).path,
        opened(root, spoken, folder, features=FeatureSettings(coefficients=13)).path,
        opened(root, spoken, folder, features=FeatureSettings(kind="fbank")).path,
        opened(root, spoken[:-1], folder).path,
        opened(root, spoken[::-1], folder).path,
    }
    assert len(paths) == 9
    write_wav(root / "u1.wav", np.arange(9000).astype(np.int16))
    spoken[1] = utterance(root, "u1", 9000)
    changed = opened(root, spoken, folder)
    assert changed.path not in paths
    np.testing.assert_allclose(changed.features[1:5], by_hand(root, spoken[1]), rtol=0, atol=1e-3)


def test_what_does_not_change_the_features_makes_no_other(root: Path, spoken: list[Utterance], folder: Path) -> None:
    path = opened(root, spoken, folder).path
    other = [replace(one, label="sad", words="so", mtime_ns=1) for one in spoken]
    assert opened(root, other, folder).path == path


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
        opened(root, spoken, folder).verify()
    store.path.unlink()
    opened(root, spoken, folder).verify()


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError()])
def test_an_interruption_leaves_nothing_half_written(
    stop: BaseException, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> NDArray[np.float32]:
        if path.name == "u4.wav":
            raise stop
        return read_audio(path)

    monkeypatch.setattr(store_module, "GROUP", 1)
    monkeypatch.setattr(store_module, "read_audio", interrupted)
    with pytest.raises(type(stop)):
        opened(root, spoken, folder)
    assert files(folder) == []
    monkeypatch.undo()
    assert len(opened(root, spoken, folder).features) == 34


def test_a_disk_that_fills_up_leaves_nothing_and_says_what_is_free(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module._Rows, "write", full)
    with pytest.raises(GlamError, match=r"cannot be written \(.*No space left.*They need 0\.03 MiB, .* are free"):
        opened(root, spoken, folder)
    assert files(folder) == []


def test_a_disk_too_small_is_noticed_beforehand(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_read(path: Path) -> NDArray[np.float32]:
        raise AssertionError(path)

    monkeypatch.setattr(store_module, "read_audio", nothing_read)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(GlamError, match=r"the features need 0\.03 MiB, 0\.00 MiB are free"):
        opened(root, spoken, folder)


def test_a_folder_that_cannot_be_made_is_named(root: Path, spoken: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlamError, match="GLAM_DATA"):
        opened(root, spoken, tmp_path / "file" / "data")


@pytest.mark.skipif(sys.platform == "win32", reason="flock is not the lock there")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_refused(
    code: int, root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(GlamError, match="cannot be locked"):
        opened(root, spoken, folder)
    assert files(folder) == []


def test_of_two_at_once_one_extracts_and_the_other_waits(
    root: Path,
    spoken: list[Utterance],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read: list[str] = []

    def slowly(path: Path) -> NDArray[np.float32]:
        read.append(path.name)
        time.sleep(0.05)
        return read_audio(path)

    monkeypatch.setattr(store_module, "read_audio", slowly)
    with ThreadPoolExecutor(3) as pool:
        stores = list(pool.map(lambda _: opened(root, spoken, folder), range(3)))
    assert sorted(read) == [one.audio for one in spoken]
    assert len({store.path for store in stores}) == 1
    assert capsys.readouterr().err.count("waiting for it") == 2


EXTRACT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
import test_store
from glam.inputs import store
store.GROUP = 1
read = store.read_audio
store.read_audio = lambda path: (time.sleep(0.2), read(path))[1]
root = Path(sys.argv[3])
spoken = [test_store.utterance(root, f"u{i}", n) for i, n in enumerate(test_store.SAMPLES)]
test_store.opened(root, spoken, Path(sys.argv[4]), hop=int(sys.argv[5]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_what_a_killed_process_left_is_cleared_by_the_next(root: Path, spoken: list[Utterance], folder: Path) -> None:
    """Also where the next one asks for other settings; but nothing of a process that is alive."""
    here = Path(__file__).resolve()
    arguments = [str(here.parents[2]), str(here.parent), str(root), str(folder)]
    process = subprocess.Popen([sys.executable, "-c", EXTRACT, *arguments, str(HOP)])
    deadline = time.monotonic() + 60
    while not list(folder.glob("features/.*.tmp-*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = folder.glob("features/.*.tmp-*")
    lock = FileLock(left.with_name(left.name[1:].rpartition(".tmp-")[0]).with_suffix(".lock"))
    with lock:
        opened(root, spoken, folder, hop=HOP + 1)
        assert left.exists()
    opened(root, spoken, folder, hop=HOP + 2)
    assert not left.exists()
    assert len(opened(root, spoken, folder).features) == 34
    assert files(folder) == [".json"] * 3 + [".npy"] * 3
