"""What is common to all corpora: audio is opened once, the index remembers it, nothing is written under the root."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora.releases import Load, audio_of, kinds, labels_of

from glam.corpora import load_corpus
from glam.corpora.utterances import corpus_digest, read_index
from glam.errors import GlamError


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}


def test_nothing_is_written_under_the_root(release: Path, load: Load, tmp_path: Path) -> None:
    before = snapshot(release)
    for path in [release, *release.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        load(release)
        assert snapshot(release) == before
        with pytest.raises(GlamError, match=r"within the corpus.*GLAM_DATA"):
            load_corpus("iemocap", release, release / "data")
        assert snapshot(release) == before
    finally:
        for path in [release, *release.rglob("*")]:
            path.chmod(0o755)


def test_audio_that_cannot_be_read(release: Path, load: Load) -> None:
    audio_of(release, "Ses01F_impro01", "F000").write_bytes(b"")
    audio = audio_of(release, "Ses02M_script01_1", "F000")
    audio.write_bytes(audio.read_bytes()[:-1000])
    link = audio_of(release, "Ses03M_script03_2", "F032")
    link.unlink()
    link.symlink_to("nowhere")
    corpus = load(release)
    assert kinds(corpus) == [
        ("empty file", "Ses01F_impro01_F000"),
        ("unreadable audio", "Ses02M_script01_1_F000"),
        ("unreadable audio", "Ses03M_script03_2_F032"),
    ]
    assert "is truncated: 28801 frames promised, 28301 there" in corpus.problems[1].detail
    assert len(corpus.utterances) == 7
    assert load(release) == corpus


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in the file system here")
def test_pipes_are_not_waited_for(release: Path, load: Load) -> None:
    for path in (audio_of(release, "Ses01F_impro01", "F000"), labels_of(release, "Ses02M_script01_1")):
        path.unlink()
        os.mkfifo(path)
    corpus = load(release)
    assert ("unreadable audio", "Ses01F_impro01_F000") in kinds(corpus)
    assert ("unreadable file", "Session2/dialog/EmoEvaluation/Ses02M_script01_1.txt") in kinds(corpus)
    assert len(corpus.utterances) == 7


def test_other_rates_are_read_and_noted(release: Path, load: Load) -> None:
    audio = audio_of(release, "Ses01F_impro01", "F000")
    soundfile.write(audio, np.full((48_000, 2), 0.1), 48_000, subtype="PCM_24")
    corpus = load(release)
    note = "1 audio file of 48000 Hz and 2 channels, read as 16 kHz mono"
    assert corpus.notes == (note,)
    assert (corpus.utterances[0].samples, corpus.utterances[0].rate) == (16_000, 48_000)
    assert load(release) == corpus


def test_no_usable_utterance_stops_with_the_reasons(release: Path, load: Load, tmp_path: Path) -> None:
    for session in release.iterdir():
        shutil.rmtree(session / "sentences")
    with pytest.raises(GlamError) as raised:
        load(release)
    message = str(raised.value)
    assert "has no usable utterance" in message
    assert "missing folder: 5, the first is Session1/sentences/wav" in message
    assert "no audio: 10, the first is Ses01F_impro01_F000" in message
    assert str(tmp_path / "index" / "index.json") in message


class TestIndex:
    def test_audio_is_opened_once(self, release: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        corpus = load(release)
        opened: list[str] = []

        def read_bytes(path: Path) -> bytes:
            opened.append(path.name)
            return b""

        monkeypatch.setattr("glam.corpora.read_bytes", read_bytes)
        assert load(release) == corpus
        assert opened == []

    def test_it_is_not_written_again_unless_something_changed(self, release: Path, load: Load, tmp_path: Path) -> None:
        load(release)
        stamp = (tmp_path / "index/index.json").stat().st_mtime_ns
        corpus = load(release)
        assert (tmp_path / "index/index.json").stat().st_mtime_ns == stamp
        assert read_index(tmp_path / "index") == corpus

    def test_a_changed_label_is_noticed(self, release: Path, load: Load) -> None:
        load(release)
        labels = labels_of(release, "Ses01F_impro01")
        labels.write_text(labels.read_text().replace("\tneu\t", "\tsad\t"))
        assert load(release).utterances[0].label == "sad"

    def test_a_touched_file_keeps_the_digest_a_changed_one_does_not(self, release: Path, load: Load) -> None:
        digest = corpus_digest(load(release).utterances)
        audio = audio_of(release, "Ses01F_impro01", "F000")
        os.utime(audio, ns=(1, 1))
        touched = load(release)
        assert touched.utterances[0].mtime_ns == 1
        assert corpus_digest(touched.utterances) == digest
        audio.write_bytes(audio.read_bytes()[:-2] + b"\1\1")
        assert corpus_digest(load(release).utterances) != digest

    def test_verify_notices_what_size_and_time_hide(self, release: Path, load: Load) -> None:
        digest = corpus_digest(load(release).utterances)
        audio = audio_of(release, "Ses01F_impro01", "F000")
        stamp = audio.stat().st_mtime_ns
        audio.write_bytes(audio.read_bytes()[:-2] + b"\1\1")
        os.utime(audio, ns=(stamp, stamp))
        assert corpus_digest(load(release).utterances) == digest
        assert corpus_digest(load(release, verify=True).utterances) != digest

    def test_another_root_is_read_anew(self, release: Path, load: Load, tmp_path: Path) -> None:
        load(release)
        copy = Path(shutil.copytree(release, tmp_path / "copy", copy_function=shutil.copy2))
        audio = audio_of(copy, "Ses01F_impro01", "F000")
        stamp = audio.stat().st_mtime_ns
        audio.write_bytes(audio.read_bytes()[:-2] + b"\1\1")
        os.utime(audio, ns=(stamp, stamp))
        assert load(copy).utterances[0].sha256 != load(release).utterances[0].sha256
