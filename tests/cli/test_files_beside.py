"""Files beside the corpus on the command line: --file, what reports say of them, and who refuses others."""

from pathlib import Path

import numpy as np
import pytest
from running.spoken import SMALL, release_with

from glam.cli.main import main

SET = [f"--set={field}={value}" for field, value in (*SMALL, ("training.epochs", 2))]


@pytest.fixture
def here(training_here: None, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a release that has words, and vectors of some of them."""
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    release_with(tiny_release, tmp_path)
    (tmp_path / "glove.txt").write_text("fine 1 2 3 4 5\nwow 5 4 3 2 1\n")
    (tmp_path / "other.txt").write_text("fine 1 2 3 4 6\n")
    return tmp_path


def text_cnn(folder: Path, *more: str) -> list[str]:
    settings = [setting for setting in SET if "audio" not in setting]
    return ["train", "--recipe", "text-cnn", "-g", "-1", "-d", str(folder / "release"), *settings, *more]


def test_a_file_is_given_by_flag_and_every_report_says_which(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(text_cnn(here, "--file", f"GLOVE={here / 'glove.txt'}")) == 0
    printed = capsys.readouterr()
    assert "GloVe: glove.txt, SHA-256 " in printed.out
    assert "input      words: transcripts of the corpus; tokens penn-lower, tags kept: " in printed.err
    assert "RANDOM" not in printed.out
    (folder,) = (here / "runs").iterdir()
    run = next(path for path in folder.iterdir() if path.is_dir() and path.name[0].isdigit())
    release = ["-d", str(here / "release")]
    assert main(["verify", str(run), *release, "--file", f"GLOVE={here / 'glove.txt'}"]) == 0
    assert "SAME, bit for bit" in capsys.readouterr().out
    assert main(["verify", str(run), *release, "--file", f"GLOVE={here / 'other.txt'}"]) == 2
    assert "its inputs read other files beside the corpus" in capsys.readouterr().err


def test_without_one_every_head_says_random(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(text_cnn(here)) == 0
    (folder,) = (here / "runs").iterdir()
    for command in (["report", folder.name], ["diagnose", folder.name]):
        capsys.readouterr()
        main(command)
        assert "RANDOM EMBEDDINGS: nothing here compares with printed numbers." in capsys.readouterr().out


def test_a_table_trains_the_rows_whose_files_are_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [setting for setting in SET if "audio" not in setting]
    command = ["table", "mscnn/1", "--rows", "Text-CNN", "--runs", "1", "-g", "-1", "-d", str(here / "release")]
    assert main([*command, *settings]) == 0
    printed = capsys.readouterr()
    assert "not run    Text-CNN (T, ASR): no file is given for ASR (--file ASR=PATH)" in printed.err
    out = " ".join(printed.out.split())
    assert "| Text-CNN (T, ASR) | no ASR |" in out
    assert "| Text-CNN (T) | 1 |" in out
    assert "Text-CNN (T): RANDOM EMBEDDINGS: not compared with the print" in out
    assert "WA, mean over folds" in out
    main(["table", "mscnn/1", "--report", "--rows", "MSCNN-SPU (A+T, ASR)", "-d", str(here / "release")])
    assert "no file is given for ASR, XVECTORS: say --file ASR=PATH --file XVECTORS=PATH" in capsys.readouterr().out
    # With vectors it is another experiment; each is found again by the files that are given.
    glove = ["--file", f"GLOVE={here / 'glove.txt'}"]
    assert main([*command, *settings, *glove]) == 0
    capsys.readouterr()
    assert len(list((here / "runs").iterdir())) == 2
    assert main([*command, *settings, *glove, "--report"]) == 0
    assert "GloVe: glove.txt" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["GLOVE", "GLOVE=", "glove=x.txt", "=x"])
def test_a_flag_that_names_no_file(here: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(text_cnn(here, "--file", given)) == 2
    assert "expected NAME=PATH" in capsys.readouterr().err


def test_missing_utterances_are_counted_and_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(here / "x.npz", ids=np.array(["Ses01F_impro01_F000"]), vectors=np.ones((1, 3)))
    command = ["train", "--recipe", "audio-cnn-xvector", "-g", "-1", "-d", str(here / "release")]
    assert main([*command, "--file", f"XVECTORS={here / 'x.npz'}"]) == 2
    error = capsys.readouterr().err
    assert "inputs.speaker: " in error
    assert "has no embedding of 39 of 40 utterances (" in error
