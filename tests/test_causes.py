"""The right cause is named where a machine, a shell or a container is unusual; and what can go on, goes on."""

import ast
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from glam.cli import guard
from glam.cli.train import train
from glam.corpora import load_corpus
from glam.corpora.audio import read_audio
from glam.corpora.iemocap_release import find_release
from glam.errors import GlamError, in_the_way
from glam.recipe import load_recipe
from glam.running import processes, workers

PROJECT = Path(__file__).resolve().parent.parent
ENTRIES = ("train.py", "handleIEMOCAP.py", "seeds.py")


def shell(line: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """A line of a shell; `$@` are these words of Python's."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = ["bash", "-c", line, "bash", sys.executable, *map(str, words)]
    return subprocess.run(command, text=True, env=environment, check=False, capture_output=True)


def test_a_recording_in_gsm_6_10_is_read(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000)
    soundfile.write(tmp_path / "gsm.wav", tone, 8000, subtype="GSM610")
    samples = read_audio(tmp_path / "gsm.wav")
    assert abs(len(samples) - 16_000) < 800, "blocks of 320 samples, at 16 kHz"
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.1)


def test_one_exotic_recording_costs_no_other(tiny_release: Path, tmp_path: Path) -> None:
    root = tmp_path / "release"
    shutil.copytree(tiny_release, root)
    (changed, damaged, *rest) = sorted(root.rglob("*.wav"))
    soundfile.write(changed, np.sin(np.arange(8000)), 8000, subtype="GSM610")
    damaged.write_bytes(changed.read_bytes()[:70])
    corpus = load_corpus("iemocap", root, tmp_path / "index")
    assert {utterance.id for utterance in corpus.utterances} == {path.stem for path in (changed, *rest)}
    assert [problem.subject for problem in corpus.problems if problem.kind == "unreadable audio"] == [damaged.stem]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_with_closed_streams_does_its_work(closed: str, tmp_path: Path) -> None:
    """Else the file written would be taken for the stream, or there would be nothing to print to."""
    seeds = tmp_path / "seeds.txt"
    done = shell(f'"$@" {closed}', PROJECT / "seeds.py", seeds)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(seeds.read_text().split()) == 100
    refused = shell(f'"$@" {closed}', "-m", "glam", "report", tmp_path / "none")
    assert refused.returncode == 2
    assert ("" if "2>&-" in closed else "error: ") in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setenv("USER", "")
    monkeypatch.setattr(guard, "guarded", lambda work: work())
    monkeypatch.setattr("glam.cli.main.main", lambda: 7)
    before = [signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert guard.start("glam.cli.main:main") == 7
    finally:
        for ending, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(ending, handler)
    assert os.environ["USER"] == f"user{os.getuid()}"


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_old_python_says_what_is_needed(entry: str) -> None:
    source = (PROJECT / entry).read_text()
    ast.parse(source, feature_version=(3, 7))  # it gets as far as the message
    old = "import sys; sys.version_info = (3, 9, 18); sys.version = '3.9.18 (main)'; exec(open(sys.argv[1]).read())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", old, entry], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "error: this is Python 3.9.18; 3.11 to 3.13 is needed: ./run makes it in .venv\n"


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10"])
def test_every_old_python_that_is_here_says_so(version: str) -> None:
    ran = False
    for path in shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"):
        if path is None or subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            continue
        ran = True
        for entry in ENTRIES:
            done = subprocess.run([path, entry], cwd=PROJECT, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert done.stderr.startswith(f"error: this is Python {version}")
            assert done.stderr.count("\n") == 1
    if not ran:
        pytest.skip(f"there is no Python {version} here")


def test_a_board_after_a_kill_has_each_epoch_once(tmp_path: Path) -> None:
    from glam.running.board import Board
    from glam.running.events import EpochEnded, Progress
    from glam.splits.runs import RunKey

    def epochs(board: Board, *numbers: int) -> None:
        for epoch in numbers:
            board(EpochEnded(RunKey(7), Progress(epoch, 5, 20), epoch=epoch, loss=1.0, wa=10.0 * epoch, ua=5.0))

    killed = Board(tmp_path, lambda _: None)
    epochs(killed, 1, 2, 3)  # never closed
    with Board(tmp_path, lambda _: None) as board:
        epochs(board, 2, 3, 4)  # from the checkpoint after the first

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    written = EventAccumulator(str(tmp_path / "7")).Reload()
    assert [entry.step for entry in written.Scalars("WA")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("split", {"name": "k-fold", "folds": 10**12})], "less than or equal to 10000"),
        ([("inputs.audio.vtlp_copies", 10**8)], "given 100000000, expected 0 to 1000"),
        ([("training.epochs", 10**12)], "less than or equal to 100000"),
        ([("training.batches.size", 10**12)], "less than or equal to 65536"),
        ([("cut.length", 1e308)], "cut.length"),
        ([("corpus.min_length", 1e308)], "less than or equal to 86400"),
    ],
)
def test_huge_counts_are_refused_before_anything_is_made(fields: list[tuple[str, object]], message: str) -> None:
    with pytest.raises(GlamError, match=message) as refused:
        load_recipe("glam-released", fields).inputs["audio"].make()
    assert "\n" not in str(refused.value)


def test_a_temporary_folder_of_a_long_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + 80 * "x")
    with pytest.raises(GlamError, match=r"too long a name \(85 bytes, at most \d+\).* Set TMPDIR to another"):
        processes.context()


def test_a_missing_corpus_is_said_before_torch_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "expect_torch", lambda: pytest.fail("torch was loaded"))
    for corpus, what in (("iemocap", "the folder of the release, with Session1"), ("emodb", "of the corpus emodb")):
        words = ["--corpus", corpus, "-d", str(tmp_path / "none"), "-g", "-1"]
        assert train(words) == 2
        message = capsys.readouterr().err
        assert "none does not exist; expected" in message
        assert what in message


def test_sessions_that_were_unpacked_twice_get_a_hint(tiny_release: Path, tmp_path: Path) -> None:
    for session in range(1, 6):
        shutil.copytree(tiny_release / f"Session{session}", tmp_path / f"Session{session}" / f"Session{session}")
    with pytest.raises(GlamError, match=r"an archive that was unpacked twice .*: Session1/Session1\. Move what is in"):
        find_release(tmp_path)


def test_a_limit_to_the_size_of_files_is_no_full_disk(tiny_release: Path, tmp_path: Path) -> None:
    code = "import sys; from glam.corpora import load_corpus; from glam.cli.guard import guarded; from pathlib import "
    code += "Path; sys.exit(guarded(lambda: load_corpus('iemocap', Path(sys.argv[1]), Path(sys.argv[2])) and 0))"
    done = shell('ulimit -f 1; "$@"', "-c", code, tiny_release, tmp_path / "index")
    assert done.returncode == 2
    assert "files may not grow beyond 1024 bytes (ulimit -f). Raise that limit" in done.stderr
    full = OSError(errno.ENOSPC, "No space left on device")
    assert in_the_way(full, "Make room.") == "[Errno 28] No space left on device. Make room."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_small_dev_shm_is_named(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def Queue(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(workers, "context", Full)
    with pytest.raises(GlamError, match=rf"/dev/shm has no room .*{os.strerror(number)}.*--shm-size"):
        next(workers.run_jobs([], []))
