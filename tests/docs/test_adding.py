"""docs/adding.md as it stands there: all files outside the package, from recordings to a table."""

import re
import shlex
import wave
from pathlib import Path

import numpy as np
import pytest

from glam.cli.main import main
from glam.cli.train import train
from glam.errors import GlamError

TRAIN = "python train.py --recipe mine.yaml -d recordings --runs 1 --gpu -1"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "adding.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files, and recordings whose pitch is their emotion."""
    *mine, recordings = blocks("python")
    statistics, recipe, paper = blocks("yaml")
    files = {"mine.py": "\n\n".join(mine), "recordings.py": recordings}
    files |= {"statistics.yaml": statistics, "mine.yaml": recipe, "my_paper.yaml": paper}
    assert all(f"`{name}`" in PAGE for name in files)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "recordings").mkdir()
    rng = np.random.RandomState(0)
    for speaker in ("f1", "f2", "m1", "m2"):
        for i in range(18):
            emotion, pitch = (("calm", 150), ("glad", 700), ("angry", 2500))[i % 3]
            sound = 0.3 * np.sin(2 * np.pi * pitch * np.arange(25600) / 16000) + 0.02 * rng.randn(25600)
            with wave.open(str(tmp_path / "recordings" / f"{speaker}-{emotion}-{i}.wav"), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes((sound * 32767).astype("<i2").tobytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    return tmp_path


def run(command: str) -> int:
    program, *words = shlex.split(command)
    return train(words[1:]) if program == "python" else main(words)


@pytest.fixture
def trained(folder: Path, training_here: None, capsys: pytest.CaptureFixture[str]) -> tuple[Path, dict[str, str]]:
    """The folder after the page's commands, and what each of them printed."""
    (commands,) = blocks("bash")
    printed = {}
    for command in commands.strip().splitlines():
        assert run(f"{command} --gpu -1" if "report" not in command else command) == 0, capsys.readouterr().err
        printed[command] = capsys.readouterr().out
    return folder, printed


def test_the_page_runs(trained: tuple[Path, dict[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    folder, printed = trained
    report, table, beside, again = printed.values()
    assert "recipe mine: mine.py:statistics" in report
    assert float(re.findall(r"pooled over the folds +\| (\d+\.\d+)", report)[0]) > 80  # three pitches, told apart
    assert "| theirs, as printed" in table
    assert "kappa" in table
    assert "71.20±1.90" in table
    assert re.search(r"\| Improvisation GLAM .*81\.18", beside)
    assert re.search(r"\| statistics +\|", beside)
    assert "kappa" in again
    (smoothed, plain) = sorted((folder / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    assert smoothed.name.startswith("mine.py-statistics-recordings.py-read-full-")

    # What reads stored runs, and what trains them again, finds them by the files that were recorded.
    names = [f"{smoothed.name}", f"{plain.name}"]
    assert main(["compare", *names]) == 0
    assert main(["figure", "confusion", *names, "-o", "figure"]) == 0
    assert main(["verify", f"{plain.name}/2602656884-fold1", "-d", "recordings", "--gpu", "-1"]) == 0
    assert "the same" in capsys.readouterr().out


def test_a_changed_file_makes_other_runs(folder: Path, training_here: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TRAIN) == 0
    (old,) = (folder / "runs").iterdir()
    with (folder / "mine.py").open("a") as file:
        file.write("\nMORE = 1\n")
    assert run(TRAIN) == 0
    assert len(list((folder / "runs").iterdir())) == 2

    capsys.readouterr()
    assert main(["verify", f"{old.name}/2602656884-fold1", "-d", "recordings", "--gpu", "-1"]) == 2
    assert "mine.py is not the file that was recorded: it has been changed since" in capsys.readouterr().err
    assert main(["report", old.name]) == 0  # what is stored is read all the same


def test_a_missing_file_is_named(folder: Path, training_here: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TRAIN) == 0
    (old,) = (folder / "runs").iterdir()
    (folder / "mine.py").rename(folder / "yours.py")
    assert run(TRAIN) == 2
    assert f"{folder / 'mine.py'}: cannot be read (No such file or directory)" in capsys.readouterr().err
    assert main(["report"]) == 0
    assert main(["verify", f"{old.name}/2602656884-fold1", "-d", "recordings", "--gpu", "-1"]) == 2
    assert "mine.py: cannot be read" in capsys.readouterr().err


def test_a_killed_run_goes_on(folder: Path, training_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from glam.running import one_run

    with monkeypatch.context() as patch:
        steps = 0

        def stop(self: one_run._Run, epoch: int) -> None:
            nonlocal steps
            steps += 1
            if steps == 7:
                raise one_run._Stopped

        patch.setattr(one_run._Run, "_after_step", stop)
        assert run(TRAIN) in (0, 2)
    (experiment,) = (folder / "runs").iterdir()
    assert list((experiment / ".checkpoints").glob("*.safetensors"))
    assert run(TRAIN) == 0
    assert not list((experiment / ".checkpoints").glob("*.safetensors"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("emotion, _ = path.stem", "emotion = path.stem", r"recordings\.py:read cannot be read .*line 11: ValueError"),
        (
            "return Corpus(name, root, utterances=tuple(utterances))",
            "return tuple(utterances)",
            r"recordings\.py:read is read as tuple",
        ),
        ("Utterance(path.stem,", "Utterance('same',", r"recordings\.py:read has 1 id more than once.* same"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_named_with_its_line(folder: Path, old: str, new: str, message: str) -> None:
    content = (folder / "recordings.py").read_text()
    assert old in content
    (folder / "recordings.py").write_text(content.replace(old, new))
    from glam.corpora import load_corpus

    with pytest.raises(GlamError, match=message):
        load_corpus(f"{folder / 'recordings.py'}:read", folder / "recordings", folder / "data")
