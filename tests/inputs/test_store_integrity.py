"""What lies in a store is what was written, and what was indexed, or it is noticed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from inputs.stores import files, opened

from glam.corpora.utterances import Utterance
from glam.errors import GlamError
from glam.inputs import store as store_module
from glam.inputs.cut import Whole


def test_a_changed_store_is_set_aside_and_extracted_again(
    root: Path, spoken: list[Utterance], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(root, spoken, folder)
    whole = store.path.read_bytes()
    content = bytearray(whole)
    content[-2] ^= 0x40  # an exponent bit of a value
    store.path.write_bytes(content)
    capsys.readouterr()
    again = opened(root, spoken, folder)
    assert again.path.read_bytes() == whole
    assert "has changed on disk; set aside as" in capsys.readouterr().err
    assert (store.path.parent / ".set-aside" / f"{store.path.name}-1").read_bytes() == content


def test_a_store_is_hashed_once_for_each_state_of_its_file(
    root: Path, spoken: list[Utterance], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(root, spoken, folder)
    hashed: list[Path] = []
    checksum = store_module._checksum

    def counted(path: Path) -> str:
        hashed.append(path)
        return checksum(path)

    monkeypatch.setattr(store_module, "_checksum", counted)
    store = opened(root, spoken, folder)
    assert hashed == []
    store.path.touch()
    opened(root, spoken, folder)
    opened(root, spoken, folder)
    assert hashed == [store.path]
    store.verify()
    assert len(hashed) == 2, "verification trusts nothing that is remembered"


def test_changed_lengths_of_rows_are_noticed(root: Path, spoken: list[Utterance], folder: Path) -> None:
    cut = Whole(name="whole", longest=1)
    store = opened(root, spoken, folder, cut=cut)
    assert store.lengths is not None
    about = store.path.with_suffix(".json")
    content = json.loads(about.read_text())
    content["lengths"][0] -= 1
    about.write_text(json.dumps(content))
    again = opened(root, spoken, folder, cut=cut)
    np.testing.assert_array_equal(again.lengths, store.lengths)


def test_the_earliest_stores_are_still_read(root: Path, spoken: list[Utterance], folder: Path) -> None:
    store = opened(root, spoken, folder)
    about = store.path.with_suffix(".json")
    content = json.loads(about.read_text())
    content["sha256"] = content.pop("array_sha256")
    about.write_text(json.dumps(content))
    before = store.path.stat().st_mtime_ns
    assert opened(root, spoken, folder).path.stat().st_mtime_ns == before


def test_a_recording_exchanged_for_one_of_the_same_size_and_time_is_an_error(
    root: Path, spoken: list[Utterance], folder: Path
) -> None:
    path = root / "u1.wav"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(GlamError, match=r"u1\.wav: is not the recording that was indexed.*--verify-corpus"):
        opened(root, spoken, folder)
    assert files(folder) == []
