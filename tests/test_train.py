"""train.py as a user calls it, on a tiny release."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glam.cli.main import main
from glam.cli.train import train

PROJECT = Path(__file__).resolve().parent.parent
TINY = [
    "--set=cut.length=0.5",
    "--set=cut.train_overlap=0.3",
    "--set=cut.test_overlap=0.3",
    "--set=training.epochs=3",
    "--set=training.batches.size=16",
    "--set=inputs.audio.coefficients=8",
    "--gpu=-1",
]


def command(folder: Path, *words: str) -> list[str]:
    places = [f"--runs-folder={folder / 'runs'}", f"--data-folder={folder / 'data'}"]
    return [sys.executable, str(PROJECT / "train.py"), *TINY, *places, *words]


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(words), capture_output=True, text=True, check=False)


def table(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(("results:", "computed:")))


@pytest.fixture(scope="module")
def undisturbed(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Three runs and the report on them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = call(*command(folder, "-d", str(tiny_release), "--runs=3", "--save-model=best"))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "runs").glob("*/*/run.json"))


def test_the_report_has_the_row_and_what_it_takes_to_believe_it(undisturbed: tuple[Path, str]) -> None:
    folder, out = undisturbed
    for part in (
        "| WA",
        "weighted F1",
        "runs: 3",
        "8 test utterances each",
        "chosen on the test set",
        "10 happy (10 exc)",
        "0 more were shorter",
        str(folder / "runs"),
    ):
        assert part in out
    assert len(runs(folder)) == 3


def test_a_run_records_how_it_came_about(undisturbed: tuple[Path, str]) -> None:
    folder, _ = undisturbed
    record = json.loads((runs(folder)[0] / "run.json").read_text())
    assert set(record["environment"]) >= {"torch", "python", "device", "precision", "threads", "revision", "seconds"}
    assert [epoch["lr"] for epoch in record["epochs"]] == [1e-3, 1e-3 * 0.95, 1e-3 * 0.95 * 0.95]
    assert np.sum(record["epochs"][0]["confusion"]) == 8
    with np.load(runs(folder)[0] / "predictions.npz") as arrays:
        assert arrays["logits"].shape == (3, 8, 4)
        assert sorted([*arrays["train"], *arrays["held_out"]]) == list(range(40))
        assert arrays["segment_classes"].shape == (3, arrays["segments"].sum())


def test_what_is_stored_is_not_trained_again(
    undisturbed: tuple[Path, str], tiny_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = undisturbed
    before = [path.stat().st_mtime_ns for path in runs(folder)]
    _, _, *given = command(folder, "-d", str(tiny_release), "--runs=3")
    assert train(given) == 0
    again = capsys.readouterr()
    assert again.out == out
    assert "of which 3 are stored already" in again.err
    assert [path.stat().st_mtime_ns for path in runs(folder)] == before


def test_a_stored_run_comes_out_the_same_again(undisturbed: tuple[Path, str], tiny_release: Path) -> None:
    folder, _ = undisturbed
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    words = ["-d", str(tiny_release), f"--data-folder={folder / 'data'}", "--epochs=2"]
    done = call(sys.executable, "-m", "glam", "verify", str(runs(folder)[0]), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("SAME, bit for bit")
    assert "of 2 epochs" in done.stdout, "the first two of three: that fewer follow changes nothing"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_export(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = undisturbed
    run = runs(folder)[0]
    assert main(["export", str(run), "--epoch=2", "-o", str(tmp_path / "out.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert list(rows[0]) == ["utterance", "label", "prediction", "neutral", "sad", "angry", "happy"]
    assert len(rows) == 8
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert 100 * right / 8 == json.loads((run / "run.json").read_text())["epochs"][1]["wa"]
    for row in rows:
        scores = {name: float(row[name]) for name in ("neutral", "sad", "angry", "happy")}
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
        assert max(scores, key=scores.__getitem__) == row["prediction"]
    assert main(["export", str(run), "--epoch=4"]) == 2


def test_report_reads_what_is_there_without_torch(
    undisturbed: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = undisturbed
    (experiment,) = (folder / "runs").iterdir()
    code = (
        "import sys; from glam.cli.main import main; "
        f"assert main(['report', {str(experiment)!r}]) == 0; assert 'torch' not in sys.modules"
    )
    done = call(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == out
    for view in ("last", "validation"):
        assert main(["report", str(experiment), "--select", view]) == 0
        assert {"last": "epoch: last epoch", "validation": "8:1:1"}[view] in capsys.readouterr().out


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_in_the_identical_table(
    undisturbed: tuple[Path, str], tiny_release: Path, tmp_path: Path, how: signal.Signals
) -> None:
    _, out = undisturbed
    words = command(tmp_path, "-d", str(tiny_release), "--runs=3", "--save-model=best", "--checkpoint-every=0")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    checkpoints = tmp_path / "runs"
    deadline = time.monotonic() + 60
    while not list(checkpoints.glob("*/.checkpoints/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert process.returncode == 130, err
        assert "interrupted" in err
        assert "Traceback" not in err
    time.sleep(1)  # a killed parent's workers end by themselves
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert table(done.stdout) == table(out)
    assert "Traceback" not in done.stderr
    assert not list(checkpoints.glob("*/.*/*.safetensors")), "checkpoints go with the finished run"


Train = Callable[..., tuple[str, str]]


@pytest.fixture
def train_here(training_here: None, tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Train:
    """Trains in this process; gives what goes to stdout and to stderr."""

    def trained(*words: str) -> tuple[str, str]:
        _, _, *given = command(tmp_path, "-d", str(tiny_release), *words)
        assert train(given) == 0
        return capsys.readouterr()

    return trained


def test_the_first_seed_of_an_experiment_keeps_its_model_for_the_figures(train_here: Train, tmp_path: Path) -> None:
    train_here("--runs=2", "--set=training.epochs=1")
    assert [(run / "model.safetensors").is_file() for run in runs(tmp_path)].count(True) == 1
    assert (next((tmp_path / "runs").glob("*/2602656884")) / "model.safetensors").is_file()


def test_the_next_seeds_are_those_without_a_result(train_here: Train, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("5\n6\n7\n")
    out, _ = train_here("--seed=6")
    assert "runs: 1 " in out
    words = [f"--seeds={tmp_path / 'seeds.txt'}", "--next=2"]
    out, _ = train_here(*words)
    assert "runs: 3 " in out
    assert [path.name for path in runs(tmp_path)] == ["5", "6", "7"]
    _, err = train_here(*words)
    assert "every seed has its result" in err


def test_every_fold_of_a_seed_is_trained_and_reported(train_here: Train, tmp_path: Path) -> None:
    words = ["--protocol=leave-session-out", "--set=training.epochs=1"]
    out, err = train_here(*words)
    assert [run.name for run in runs(tmp_path)] == [f"2602656884-fold{fold}" for fold in range(1, 6)]
    assert "seed 2602656884, fold 1: WA" in err
    assert "(best on the validation set), run 5 of 5" in err
    for part in (
        "| pooled over the folds ",
        "| Ses05, 8 utterances ",
        "folds: 5, all of them of 1 seed.",
        "protocol: leave one session out; test shares with training 0 of 2 speakers",
        "\nepoch: best epoch by (WA+UA)/2 on the protocol's own validation utterances, scored on the test utterances\n",
    ):
        assert part in out
    again, err = train_here(*words)
    assert again == out
    assert "runs       5, of which 5 are stored already" in err
    shutil.rmtree(runs(tmp_path)[2])
    _, err = train_here(*words, "--next=1")
    assert "runs       5, of which 4 are stored already" in err, "a seed lacks a fold"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["IEMOCAP", "path.py", "./run"]),
        (["--protocol=leave-scenarios-out"], ["iemocap", "leave-scenarios-out", "two scenarios", "impro01"]),
        (["--protocol=loso"], ["split", "'loso'", "leave-session-out"]),
        (["-d", "/nowhere"], ["/nowhere", "does not exist"]),
        (["--recipe=none"], ["'none'", "glam-released"]),
        (["--set=training.lrr=1"], ["training.lrr", "'lr'"]),
        (["--runs=101"], ["101", "100"]),
        (["--runs=2", "--next=2"], ["--runs and --next"]),
        (["--runs-at-once=many"], ["many", "auto"]),
        (["--precision=tf32"], ["tf32", "NVIDIA"]),
        (["--iter=3"], ["--iter 3", "test set"]),
        (["--set=corpus.labels={a: [oth], b: [sur]}"], ["no usable utterance", "10 neu"]),
        (["--set=cut.length=5"], ["no usable utterance", "5 s"]),
        (["--set=corpus.where={style: improvized}"], ["corpus.where", "style is improvized", "there are improvised"]),
        (["--set=split.train_share=0.01"], ["40", "train_share"]),
        (["--seeds=/nowhere"], ["/nowhere", "seeds.py"]),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    tiny_release: Path, tmp_path: Path, words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = [] if not words or words[0] == "-d" else ["-d", str(tiny_release)]
    _, _, *given = command(tmp_path, *corpus, *words)
    assert train(given) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for part in ["error: ", *parts]:
        assert part in err


def test_the_script_ends_with_the_status_of_a_mistake(tmp_path: Path) -> None:
    done = call(*command(tmp_path, "--recipe=none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["train.py"], ["handleIEMOCAP.py"], ["seeds.py"], ["-m", "glam"]])
def test_help_does_not_import_torch(words: list[str]) -> None:
    done = call(sys.executable, "-X", "importtime", *words, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert "| torch" not in done.stderr.replace("|   ", "| ")


def test_a_run_under_way_can_be_asked_to_save_its_model_later(tiny_release: Path, tmp_path: Path) -> None:
    words = command(tmp_path, "-d", str(tiny_release), "--seed=5", "--checkpoint-every=0", "--set=training.epochs=6")
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "runs").glob("*/.checkpoints/*.safetensors")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    done = call(*words, "--save-model=best")
    assert done.returncode == 0, done.stderr
    (run,) = runs(tmp_path)
    assert (run / "model.safetensors").is_file()


def test_what_cannot_be_used_is_said_before_training_and_in_the_report(
    train_here: Train, tiny_release: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_release, tmp_path / "release")
    damaged = sorted((tmp_path / "release").rglob("*.wav"))[3]
    damaged.write_bytes(damaged.read_bytes()[:1000])
    out, err = train_here("-d", str(tmp_path / "release"), "--alpha=0.3")
    assert f"not used, unreadable audio: 1 ({damaged.stem})" in err
    assert "not used, unreadable audio: 1" in out
    assert "changed from glam-released:" in out
    assert "training.alpha 0.3 (0.5)" in out
