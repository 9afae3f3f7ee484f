"""handleIEMOCAP.py as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROJECT = Path(__file__).resolve().parent.parent


def handle(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROJECT / "handleIEMOCAP.py", *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=os.environ | environment, check=False
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The smallest release: one session, one utterance, one recording without a label."""
    session = tmp_path / "with space" / "IEMOCAP_full_release" / "Session1"
    for part in ("sentences/wav/Ses01F_impro01", "dialog/EmoEvaluation", "dialog/transcriptions"):
        (session / part).mkdir(parents=True)
    for turn in ("F000", "F001"):
        path = session / f"sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav"
        soundfile.write(path, np.full(30_000, 0.1), 16_000, subtype="PCM_16")
    (session / "dialog/EmoEvaluation/Ses01F_impro01.txt").write_text(
        "[1.0 - 2.0]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n"
    )
    (session / "dialog/transcriptions/Ses01F_impro01.txt").write_text("Ses01F_impro01_F000 [1.0-2.0]: Hm.\n")
    return session.parent


def test_prints_the_inventory_and_leaves_an_index(release: Path, tmp_path: Path) -> None:
    done = handle(release.parent, GLAM_DATA=str(tmp_path / "data"))
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"iemocap: {release}\n1 usable utterance of 1 speaker in 1 dialogue" in done.stdout
    assert "improvised neu: found 1, known 1099" in done.stdout
    assert "problem: no label: 1\n  Ses01F_impro01_F001: " in done.stdout
    index = tmp_path / "data/index/iemocap/index.csv"
    assert index.is_file()
    assert done.stdout.rstrip().endswith(f"index: {index}")
    again = handle("--verify-corpus", GLAM_DATA=str(tmp_path / "data"), IEMOCAP=str(release))
    assert again.stdout == done.stdout


def test_a_wrong_root_is_a_message(tmp_path: Path) -> None:
    done = handle(tmp_path / "none", GLAM_DATA=str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "does not exist; expected the folder of the release" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_that_the_terminal_cannot_show(release: Path, tmp_path: Path) -> None:
    (release / "Session1/sentences/wav/ünlesbar.wav").write_bytes(b"x")
    done = handle(release, GLAM_DATA=str(tmp_path / "data"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert r"wav/\xfcnlesbar.wav" in done.stdout
