"""Whatever else can disturb a command: others at the same work, a full disk, folders that cannot be written, clocks."""

import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from endurance.trials import PROJECT, Watch, command, completed, gone, start, table, to_all, trainings

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="mounting takes root")


def finish(watch: Watch, words: list[str], report: str, **options: Any) -> None:
    """The command undisturbed at last: the same table, and everything in its place."""
    process = start(words, **options)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert table(out) == report
    watch.at_the_end()


def refused(process: "subprocess.Popen[str]") -> str:
    """The one line that a command ended in."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    assert out == ""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    return lines[0]


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("killed", [False, True])
def test_processes_at_once_on_one_experiment(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path, count: int, killed: bool
) -> None:
    """They share the runs between them, the index and the features, too; one of them may be killed."""
    report, expected = undisturbed
    watch = Watch(tmp_path, expected)
    words = command(tiny_release, tmp_path, "--runs-at-once=1", "--checkpoint-every=0")
    together = [start(words) for _ in range(count)]
    if killed:
        while not list(tmp_path.glob("runs/*/.checkpoints/*.safetensors")):
            time.sleep(0.01)
        to_all(together[0], signal.SIGKILL, random.Random(0))
    for i, process in enumerate(together):
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err
        if not killed or i:
            assert process.returncode == 0, err
            assert "runs: " in out
        assert gone(process.pid)
    watch.check()
    (log,) = tmp_path.glob("runs/*/log.txt")
    if not killed:
        assert trainings(log) == dict.fromkeys(expected, 1), "all trained, none twice"
    finish(watch, words, report)


def test_two_processes_on_one_table(tiny_release: Path, tmp_path: Path) -> None:
    def words(folder: Path) -> list[str]:
        places = [f"--runs-folder={folder / 'runs'}", f"--data-folder={folder / 'data'}", f"--datadir={tiny_release}"]
        small = ["--set=cut={length: 0.5, train_overlap: 0.3, test_overlap: 0.2}", "--set=training.epochs=1"]
        return [sys.executable, "-m", "glam", "table", "2", "--runs=2", "--gpu=-1", *small, *places]

    alone = completed(words(tmp_path / "alone"), timeout=None, cwd=PROJECT)
    assert alone.returncode == 0, alone.stderr
    folder = tmp_path / "together"
    together = [start(words(folder), cwd=PROJECT) for _ in range(2)]
    for process in together:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "Traceback" not in err
    again = completed(words(folder), timeout=None, cwd=PROJECT)
    assert again.stdout == alone.stdout
    assert "12, of which 12 are stored already" in again.stderr
    logs = list(folder.glob("runs/*/log.txt"))
    assert len(logs) == 6
    for log in logs:
        assert sorted(trainings(log).values()) == [1, 1]


@pytest.mark.parametrize("sizes", [[0, 300, 5_000, 30_000, 100_000, 300_000, 650_000]])
def test_files_that_may_not_grow(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path, sizes: list[int]
) -> None:
    """A limit to the size of files ends writes where a full disk does: in the middle."""
    report, expected = undisturbed
    watch = Watch(tmp_path, expected)
    words = command(tiny_release, tmp_path, "--checkpoint-every=0")
    for size in sizes:
        limit = (size, size)
        process = start(words, preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        print(f"\n{size}: {refused(process)}")
        assert gone(process.pid)
        watch.check()
    finish(watch, words, report)


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Callable[[str], object]]:
    """A mount at `folder`, and the function that changes its options."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot be mounted here: {done.stderr.strip()}")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@as_root
def test_a_full_disk(undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path) -> None:
    report, expected = undisturbed
    folder = tmp_path / "small disk"
    with mounted(folder, "-t", "tmpfs", "-o", "size=16k", "tmpfs") as remount:
        watch = Watch(folder, expected)
        words = command(tiny_release, folder, "--checkpoint-every=0")
        for size in ("16k", "40k", "160k", "400k", "1200k", "2400k"):
            remount(f"size={size}")
            process = start(words)
            print(f"\n{size}: {refused(process)}")
            assert gone(process.pid)
            watch.check()
        remount("size=64m")
        finish(watch, words, report)


@as_root
def test_a_corpus_on_a_read_only_mount(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path
) -> None:
    report, expected = undisturbed
    corpus = tmp_path / "corpus"
    with mounted(corpus, "--bind", str(tiny_release)) as remount:
        remount("bind,ro")
        with pytest.raises(OSError, match="Read-only"):
            (corpus / "x").write_text("")
        finish(Watch(tmp_path, expected), command(corpus, tmp_path), report)


@as_root
@pytest.mark.parametrize("which", ["runs", "data"])
def test_an_output_folder_that_is_read_only(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path, which: str
) -> None:
    report, expected = undisturbed
    words = command(tiny_release, tmp_path)
    (tmp_path / which).mkdir()
    with mounted(tmp_path / which, "--bind", str(tmp_path / which)) as remount:
        remount("bind,ro")
        message = refused(start(words))
        assert "Read-only file system" in message
        assert f"--{which}-folder" in message or "GLAM_DATA" in message
    finish(Watch(tmp_path, expected), words, report)


CLOCK = """
import random, time
real = time.time
time.time = lambda: real() + random.uniform(-3e8, 3e8)
"""


def test_clocks_that_jump(undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path) -> None:
    """By ten years, back and forth, at every look; and recordings from the past and the future."""
    report, expected = undisturbed
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_release, corpus)
    for i, path in enumerate(sorted(corpus.rglob("*.wav"))):
        os.utime(path, (1, 1) if i % 2 else (4e9, 4e9))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CLOCK)
    jumping = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    watch = Watch(tmp_path, expected)
    words = command(corpus, tmp_path, "--checkpoint-every=0")
    process = start(words, env=jumping)
    while not list(tmp_path.glob("runs/*/.checkpoints/*.safetensors")):
        time.sleep(0.01)
    to_all(process, signal.SIGKILL, random.Random(0))
    process.communicate(timeout=60)
    assert gone(process.pid)
    watch.check()
    done = completed(words, env=jumping)
    assert done.returncode == 0, done.stderr
    assert table(done.stdout) == report
    watch.at_the_end()


def test_a_home_that_cannot_be_written(tiny_release: Path, tmp_path: Path) -> None:
    """Nor any other place where libraries keep what they like to keep."""
    nowhere = os.environ | dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc/nowhere")
    done = completed(command(tiny_release, tmp_path, "--runs=1"), env=nowhere)
    assert done.returncode == 0, done.stderr
    (experiment,) = tmp_path.glob("runs/*")
    words = [sys.executable, "-m", "glam", "figure"]
    for kind in ("confusion", "curves", "tsne"):
        more = ["-d", str(tiny_release), f"--data-folder={tmp_path / 'data'}"] if kind == "tsne" else []
        done = completed([*words, kind, str(experiment), *more, "-o", str(tmp_path / kind)], env=nowhere, cwd=PROJECT)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert (tmp_path / f"{kind}.png").is_file()


def without_power() -> None:
    """In a process about to start: take from root what lets it write where permissions say no."""
    if ROOT:
        libc = ctypes.CDLL(None)
        for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_folders_that_permit_no_writing(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path
) -> None:
    """Neither the corpus nor what is above runs and data can be written."""
    report, expected = undisturbed
    closed = tmp_path / "closed"
    shutil.copytree(tiny_release, closed / "corpus")
    for path in [closed, *closed.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        words = command(closed / "corpus", closed)
        message = refused(start(words, preexec_fn=without_power))
        assert "Permission denied" in message
        closed.chmod(0o755)
        for name in ("runs", "data"):
            (closed / name).mkdir()
        closed.chmod(0o555)
        finish(Watch(closed, expected), words, report, preexec_fn=without_power)
    finally:
        for path in [closed, *closed.rglob("*")]:
            path.chmod(0o755)
