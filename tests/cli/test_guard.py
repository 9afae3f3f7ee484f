"""Whatever goes wrong is one message and an exit status."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from glam.cli.guard import guarded
from glam.errors import GlamError

PROJECT = Path(__file__).resolve().parents[2]


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (GlamError("x.yaml: no"), 2, "error: x.yaml: no\n"),
        (OSError(28, "No space left on device"), 2, "No space left on device. Nothing is half-written"),
        (MemoryError(), 2, "memory ran out"),
        (
            ModuleNotFoundError("No module named 'torchaudio.x'", name="torchaudio.x"),
            2,
            "has no package torchaudio.x",
        ),
        (KeyboardInterrupt(), 130, "interrupted; finished runs are kept"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_one_message_and_a_status(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error)) == status
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == (1 if message else 0)


def test_a_missing_module_of_our_own_is_our_mistake_not_the_user_s() -> None:
    with pytest.raises(ModuleNotFoundError):
        guarded(lambda: bool(import_module("glam.nowhere")))


def test_sigterm_is_an_interruption_and_its_handler_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert guarded(lambda: os.kill(os.getpid(), signal.SIGTERM), "nothing was changed") == 130
    assert capsys.readouterr().err == "interrupted; nothing was changed\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("words", [["train.py"], ["handleIEMOCAP.py", "x"], ["seeds.py"], ["-m", "glam", "list"]])
def test_without_the_environment_it_says_how_to_make_it(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-S", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "has no package" in done.stderr
    assert "./run makes an environment" in done.stderr
    assert ". .venv/bin/activate" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_nothing_takes(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "glam", "list", f"--runs-folder={tmp_path}", f"--data-folder={tmp_path}"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: [Errno 28]")
    assert done.stderr.count("\n") == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=PROJECT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
