"""`glam verify`; training is faked here and real in tests/test_train.py."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from reports.stored import predicted, store_run

from glam.cli.verify import verify
from glam.learning.epoch import Epoch
from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.results.run import write_failure
from glam.running.events import Finished, Listen, Progress, Started
from glam.running.experiment import Experiment, Places, prepare
from glam.running.job import Resources
from glam.running.own_code import keep_code
from glam.splits.runs import RunKey
from glam.splits.splits import random_split

SHORT = [("cut.length", 0.5), ("cut.train_overlap", 0.25), ("training.epochs", 3)]
SEED = 5
OWN = """
from torch import nn


def tiny(classes, audio):
    return nn.Sequential(nn.Flatten(), nn.Linear(audio[0] * audio[1], classes))
"""
READER = """
from glam.corpora.utterances import Corpus, Utterance


def read(name, root):
    files = sorted(path.relative_to(root).as_posix() for path in root.glob("Session*/sentences/wav/*/*.wav"))
    return Corpus(name, root, utterances=tuple(Utterance(f, "abcd"[i % 4], "", f) for i, f in enumerate(files)))
"""


def fake(loss: float = 1.0) -> Callable[..., None]:
    """Stands in for the training; epoch e has a loss of loss / e."""

    def train(
        experiment: Experiment,
        runs: Sequence[RunKey],
        resources: Resources,
        save_model: str,
        listen: Listen,
    ) -> None:
        store_experiment(experiment.stored)
        epochs = experiment.recipe.training.epochs
        for run in runs:
            split = random_split(len(experiment.stored.ids), run.seed)
            truth = experiment.stored.targets[split.held_out]
            logits = np.tile(np.eye(4, dtype=np.float32)[truth], (epochs, 1, 1))
            predictions = predicted(logits, split.held_out, split.train)
            past = [Epoch(1e-3, loss / (e + 1), 1.0, 0.1) for e in range(epochs)]
            about = {"device": resources.device, "threads": resources.threads, "torch": f"torch of loss {loss}"}
            store_run(experiment.stored, run, predictions, past, environment=about)
            listen(Started(run, Progress(1, 0, 10)))
            listen(Finished(run, Progress(epochs + 1, 10, 10), epoch=1, wa=100.0, ua=100.0))

    return train


@pytest.fixture
def stored(tiny_release: Path, tmp_path: Path) -> Path:
    """The folder of a run."""
    experiment = prepare(
        load_recipe("glam-released", SHORT), Places(tiny_release, tmp_path / "data", tmp_path / "runs")
    )
    fake()(experiment, [RunKey(SEED)], Resources("cpu", 3, 1, 60), "none", lambda _: None)
    return experiment.folder / str(SEED)


@pytest.fixture
def command(tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(*words: object, loss: float = 1.0) -> int:
        monkeypatch.setattr("glam.running.training.run", fake(loss))
        corpus = [] if "-d" in words else ["-d", tiny_release]
        return verify([str(word) for word in (*words, *corpus, "--data-folder", tmp_path / "data")])

    return run


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_the_same_run_again(command: Callable[..., int], stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(stored.parent)
    assert command(stored) == 0
    out, err = capsys.readouterr()
    assert "SAME, bit for bit: loss, learning rate, logits, segment classes and confusion of 3 epochs" in out
    assert "environment: as recorded" in out, "with the recorded number of threads"
    assert "3 epochs again" in err
    assert snapshot(stored.parent) == before
    assert command(f"{stored}/", "--epochs", 1) == 0
    assert "confusion of 1 epoch" in capsys.readouterr().out


def test_another_outcome_is_status_1(
    command: Callable[..., int], stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(stored, loss=1.5) == 1
    out = capsys.readouterr().out
    assert "DIFFERENT from epoch 1 of 3 on\nlargest difference of the loss: 0.5, in epoch 1" in out
    assert "environment: torch torch of loss 1.0, now torch of loss 1.5" in out


def another_corpus(stored: Path, release: Path, folder: Path) -> list[object]:
    shutil.copytree(release, folder / "other")
    next((folder / "other").rglob("*.wav")).unlink()
    return [stored, "-d", folder / "other"]


def no_such_epoch(stored: Path, release: Path, folder: Path) -> list[object]:
    return [stored, "--epochs", 4]


def no_run(stored: Path, release: Path, folder: Path) -> list[object]:
    return [stored.parent]


def damaged_predictions(stored: Path, release: Path, folder: Path) -> list[object]:
    (stored / "predictions.npz").write_bytes(b"x")
    return [stored]


def part_of_a_failed_run(stored: Path, release: Path, folder: Path) -> list[object]:
    shutil.rmtree(stored)
    write_failure(stored, RunKey(SEED), "", {}, "the loss is nan")
    return [stored, "--epochs", 1]


def no_such_gpu(stored: Path, release: Path, folder: Path) -> list[object]:
    return [stored, "-g", 99]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (another_corpus, "of its 40 utterances 1 are missing here"),
        (no_such_epoch, "--epochs 4: the run in"),
        (no_run, "no finished run lies here"),
        (damaged_predictions, r"predictions.npz: damaged"),
        (part_of_a_failed_run, "shows only the whole of it"),
        (no_such_gpu, "--gpu 99"),
    ],
)
def test_what_cannot_be_found_out_is_status_2(
    command: Callable[..., int],
    stored: Path,
    tiny_release: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mistake: Callable[[Path, Path, Path], list[object]],
    message: str,
) -> None:
    assert command(*mistake(stored, tiny_release, tmp_path)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_run_of_a_file_of_the_user_s_that_was_edited_since(
    command: Callable[..., int], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    recipe = load_recipe("glam-released", [*SHORT, ("model", f"{tmp_path / 'mine.py'}:tiny")])
    experiment = prepare(recipe, Places(tiny_release, tmp_path / "data", tmp_path / "runs"))
    fake()(experiment, [RunKey(SEED)], Resources("cpu", 3, 1, 60), "none", lambda _: None)
    run = experiment.folder / str(SEED)
    (tmp_path / "mine.py").write_text(f"# edited\n{OWN}")
    assert command(run) == 2
    assert "changed since. Give the file that it was: --code mine.py" in capsys.readouterr().err
    (tmp_path / "mine.py").write_text(OWN)
    keep_code(recipe, experiment.folder)
    (tmp_path / "mine.py").unlink()
    assert command(run) == 2
    assert f"Give the file that it was: --code {experiment.folder / 'code'}" in capsys.readouterr().err
    assert command(run, "--code", experiment.folder / "code") == 0
    out, err = capsys.readouterr()
    assert "SAME, bit for bit" in out
    assert "not used" not in err
    (tmp_path / "t.csv").write_text("file,text")
    assert command(run, "--code", experiment.folder / "code", "--code", tmp_path / "t.csv") == 0
    assert f"--code {tmp_path / 't.csv'}: not used" in capsys.readouterr().err
    next((experiment.folder / "code").glob("*/mine.py")).write_text("edited")
    assert command(run, "--code", experiment.folder / "code") == 2
    assert "Give the file that it was: --code mine.py" in capsys.readouterr().err
    (tmp_path / "ours.py").write_text(OWN)
    assert command(run, "--code", tmp_path / "ours.py") == 2
    assert "ours.py: was called mine.py" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["my.csv", "mine.py:read"])
def test_a_corpus_of_the_user_s_that_has_moved(
    command: Callable[..., int], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    path, moved = tmp_path / file.partition(":")[0], tmp_path / "moved" / file
    wavs = sorted(path.relative_to(tiny_release).as_posix() for path in tiny_release.glob("Session*/sentences/wav/*/*"))
    rows = "".join(f"{wav},{'abcd'[i % 4]}\n" for i, wav in enumerate(wavs))
    content = READER if path.suffix == ".py" else f"file,emotion\n{rows}"
    path.write_text(content)
    recipe = load_recipe("glam-released", [*SHORT, ("corpus", str(tmp_path / file))])
    experiment = prepare(recipe, Places(tiny_release, tmp_path / "data", tmp_path / "runs"))
    fake()(experiment, [RunKey(SEED)], Resources("cpu", 3, 1, 60), "none", lambda _: None)
    run = experiment.folder / str(SEED)
    (tmp_path / "moved").mkdir()
    path.rename(tmp_path / "moved" / path.name)
    assert command(run) == 2
    assert f"where it has moved, say so with --corpus {file}" in capsys.readouterr().err
    assert command(run, "--corpus", moved) == 0
    assert "SAME, bit for bit" in capsys.readouterr().out
    path.write_text(f"{content}\n")
    assert command(run) == 2
    assert f"{tmp_path / file}: has been changed since {experiment.folder}" in capsys.readouterr().err
    path.rename(tmp_path / "moved" / path.name)
    other = tmp_path / "moved" / f"our{file}"
    (tmp_path / "moved" / f"our{path.name}").write_text(content)
    trained = f"{experiment.folder} was trained on {tmp_path / file}"
    for given, why in {
        moved: ", and the content of the two is not the same",
        other: f"; give that file, wherever it lies now, as {file}",
        "emodb": f"; give that file, wherever it lies now, as {file}",
    }.items():
        assert command(run, "--corpus", given) == 2
        assert f"--corpus {given}: {trained}{why}" in capsys.readouterr().err


def test_a_table_for_a_run_of_no_table(
    command: Callable[..., int], stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(stored, "--corpus", "my.csv") == 2
    assert (
        "was trained on iemocap, no file of your own; where it lies is said with --datadir" in capsys.readouterr().err
    )
