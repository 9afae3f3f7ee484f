"""Flags where they would do nothing: refused with what to do, or said."""

from pathlib import Path

import pytest
from cli.test_cross import QUICK, corpus, places, trained
from prediction.conftest import Trained
from prediction.conftest import trained as asked

from glam.cli.main import main

__all__ = ["asked", "places", "trained"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("corpus -d .", "--datadir: is of a corpus; name it, too"),
        ("corpus --verify-corpus", "--verify-corpus: is of a corpus; name it, too"),
        ("corpus a.csv --columns emotion=a --columns emotion=b", "--columns emotion=b: emotion is given twice"),
        ("doctor --no-tables --corpus emodb", "--corpus: is about the corpus and the tables, which --no-tables leaves"),
        ("doctor --no-tables --set training.lr=1", "--set: is about the corpus and the tables"),
        ("doctor --no-tables 1", "1: is about the corpus and the tables, which --no-tables leaves out"),
        ("report --analyses --metric ua", "--metric: is a column of the report and its page"),
        ("report --checklist --metric ua", "--metric: is a column of the report and its page"),
        ("report --data-folder .", "--data-folder: only --analyses and --html look at the index"),
        ("export a/1 --code a.py", "--code: is run to export a model; give the folder to write that to, too"),
        ("test a --on emodb --map a=b --map a=c", "--map a=c: a is given twice"),
        ("train --file A=1 --file A=2", "--file A=2: A is given twice"),
        ("train --save-model last --SaveModel true", "--save-model and --SaveModel say the same in two ways"),
        ("train -d . --address h:1", "--address: is of a cluster; give --cluster ray as well"),
        ("train -d . --cluster ray --gpu 1", "--gpu 1: Ray gives each task its GPU; say 0 for GPUs"),
    ],
)
def test_refused(words: str, message: str, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert message in capsys.readouterr().err


def test_what_is_about_training_is_said_of_runs_that_are_stored(
    places: Path, training_here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    table = corpus(places / "own", {"angry": 300, "happy": 900})
    words = ["train", *QUICK, "--corpus", str(table), "--seed", "5"]
    assert main(words) == 0
    said = "--save-model last: not for 1 run without a model, stored already"
    tensorboard = "--tensorboard: nothing is left to train, so nothing is written to board"
    assert said not in capsys.readouterr().err
    assert main([*words, "--save-model", "last", "--tensorboard", "board"]) == 0
    err = capsys.readouterr().err
    assert said in err
    assert tensorboard in err
    words[words.index("5")] = "6"
    assert main([*words, "--save-model", "last"]) == 0
    assert main([*words, "--save-model", "last"]) == 0
    assert "--save-model" not in capsys.readouterr().err, "it has kept one"


def test_settings_that_do_nothing_are_said(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glam.running.training.run", lambda *_: None)
    table = corpus(places / "own", {"angry": 300, "happy": 900})
    lines = table.read_text().splitlines()
    parts = ["part", *({"a": "dev", "b": "test"}.get(line[-1], "train") for line in lines[1:])]
    table.write_text("\n".join(f"{line},{part}" for line, part in zip(lines, parts, strict=True)))
    main(["train", *QUICK, "--corpus", str(table), "--protocol", "parts", "--set", "split.seed=3"])
    assert "note: split.seed does nothing: with parts every seed has the same split" in capsys.readouterr().err


def test_words_and_segments_of_a_model(asked: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.csv").write_text(f"file,text\n{asked.held_out[0]},hello\n")
    command = ["predict", str(asked.run.folder), str(asked.held_out[0])]
    assert main([*command, "--words-file", str(tmp_path / "words.csv")]) == 0
    assert "--words-file: the model mhcnn takes no words, so they are not used" in capsys.readouterr().err
    for name in ("speaker", "audio"):  # no input, and one of sound; neither file is opened
        assert main([*command, "--vector", f"{name}=absent.npz"]) == 2
        assert f"--vector {name}: the model mhcnn has no input {name} of vectors" in capsys.readouterr().err


def test_code_that_a_model_was_made_without(asked: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("")
    command = ["predict", str(asked.run.folder), str(asked.held_out[0]), "--code", str(tmp_path / "mine.py")]
    assert main(command) == 0
    assert f"--code {tmp_path / 'mine.py'}: not used: the model mhcnn was made without it" in capsys.readouterr().err


def test_tsne_of_a_table_that_has_moved(trained: Path, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = places / "own" / "table.csv"
    (places / "moved").mkdir()
    moved = table.rename(places / "moved" / "table.csv")
    command = ["figure", "tsne", trained.name, "-o", "tsne", "-d", str(table.parent)]
    assert main(command) == 2
    assert "where it has moved, say so with --corpus table.csv" in capsys.readouterr().err
    assert main([*command, "--corpus", str(moved), "--file", "GLOVE=absent.txt"]) == 0, capsys.readouterr().err
    assert "--file GLOVE: not used: no input here reads a file of that name" in capsys.readouterr().err
    assert (places / "tsne.png").is_file()
    moved.write_text(moved.read_text() + "\n")
    assert main([*command, "--corpus", str(moved)]) == 2
    assert "and the content of the two is not the same" in capsys.readouterr().err
