"""Damaged runs are set aside and trained again, advice works, and a run says where its parts were computed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running.small import after, stored

from glam.cli.main import main
from glam.cli.train import train
from glam.corpora import load_corpus
from glam.reports.summary import computed_on
from glam.reports.verify import environment_differences
from glam.results.environment import PARTS, environment
from glam.results.run import read_run
from glam.running import one_run
from glam.running.experiment import job
from glam.running.job import Resources
from glam.running.processes import SAFE, not_from_here
from glam.running.workers import run_alone
from glam.splits.population import Composition, composition_line
from glam.splits.runs import RunKey

SMALL = ("cut.length=0.5", "cut.train_overlap=0.3", "cut.test_overlap=0.3", "training.epochs=1")


@pytest.fixture
def command(training_here: None, tiny_release: Path, tmp_path: Path) -> list[str]:
    """The words that train two seeds of a small recipe."""
    places = ["-d", str(tiny_release), "--runs-folder", str(tmp_path / "runs"), "--data-folder", str(tmp_path / "data")]
    return ["--recipe", "mhcnn-released", *(w for s in SMALL for w in ("--set", s)), "--runs", "2", "-g", "-1", *places]


def test_a_damaged_run_is_set_aside_and_trained_again_while_the_others_stay(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(command) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    first, second = sorted(path.parent for path in folder.glob("*/run.json"))
    logits, untouched = read_run(first).predictions().logits, (second / "run.json").stat().st_mtime_ns
    damaged = bytearray((first / "predictions.npz").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (first / "predictions.npz").write_bytes(damaged)
    capsys.readouterr()
    assert train(command) == 0
    err = capsys.readouterr().err
    assert "set aside: " in err
    assert f"It lies in {folder / '.set-aside' / first.name}-1 now" in err
    np.testing.assert_array_equal(read_run(first).predictions().logits, logits)
    assert (second / "run.json").stat().st_mtime_ns == untouched
    assert (folder / ".set-aside" / f"{first.name}-1" / "predictions.npz").read_bytes() == damaged


def test_the_advice_to_delete_a_damaged_experiment_works(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(command) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    path = folder / "experiment.json"
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    assert main(["report", str(folder)]) == 2
    assert "Delete experiment.json there and run the same training command again" in capsys.readouterr().err
    path.unlink()
    assert train(command) == 0
    assert path.read_bytes() == content
    assert main(["report", str(folder)]) == 0


def test_a_run_that_was_resumed_elsewhere_names_both_environments(tmp_path: Path, store: Callable[..., Path]) -> None:
    folder = store(tmp_path / "x")
    run = read_run(next(path.parent for path in folder.glob("*/run.json")))
    run.environment.update({"threads": 2, "torch": "2.11.0", PARTS: {"threads": [1, 2]}})
    assert "1, 2 CPU threads a run" in computed_on([run])
    (difference,) = [
        line for line in environment_differences(run.environment, run.environment) if line.startswith("threads")
    ]
    assert difference == "threads 1, then 2 (it was resumed), now 2"


def test_a_resumed_run_stores_what_differed_between_its_parts(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = stored(tiny_release, tmp_path, ("training.epochs", 3))
    work = job(experiment, Resources("cpu", 1, 1, 0.0))
    run_alone(work, RunKey(7), lambda _: None, after(4))
    monkeypatch.setattr(one_run, "environment", lambda: environment() | {"torch": "9.9"})
    run_alone(work, RunKey(7), lambda _: None, lambda: False)
    record = read_run(experiment.folder / "7").environment
    assert record["resumed"] == 1
    assert record[PARTS] == {"torch": [environment()["torch"], "9.9"]}


def test_silent_recordings_are_counted_in_the_composition(shared: Path, tmp_path: Path) -> None:
    root = shared / "findings" / "cases" / "silent-recording" / "corpus"
    for _ in range(2):  # read, and remembered by the index
        corpus = load_corpus("iemocap", root, tmp_path / "index")
        silent = [problem.subject for problem in corpus.problems if problem.kind == "silent audio"]
        assert silent == ["Ses01F_impro01_F000", "Ses01F_impro01_F001"]
        assert not {*silent} & {utterance.id for utterance in corpus.utterances}


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({}, "; NOT the complete IEMOCAP: 4 utterances of these labels, where the release has 2659"),
        ({"part": "Ses01"}, "; NOT a part of IEMOCAP whose size is known"),
        ({"corpus": "emodb"}, ""),
        ({"unusable": {"silent audio": 2}, "corpus": "emodb"}, "; not used, silent audio: 2"),
        ({"converted": 1, "corpus": "emodb"}, "; 1 recording converted to 16 kHz mono"),
    ],
)
def test_what_the_corpus_is_stands_in_the_composition_everywhere(changes: dict[str, object], clause: str) -> None:
    classes = {name: {label: 1} for name, label in zip("nsah", ("neu", "sad", "ang", "exc"), strict=True)}
    facts = {"corpus": "iemocap", "synthetic": False, "part": "improvised", "utterances": 4, "classes": classes}
    line = composition_line(Composition.model_validate(facts | {"too_short": {}} | changes))
    assert line.endswith("left out" + clause)


def test_a_flag_twice_in_a_config_file_a_byte_order_mark_and_no_seed(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "flags.json"
    config.write_text('{"epochs": 1, "epochs": 2}')
    assert train([*command, "--config", str(config)]) == 2
    assert "'epochs' is there 2 times" in capsys.readouterr().err
    seeds = tmp_path / "seeds.txt"
    seeds.write_bytes(b"\xef\xbb\xbf" + b"5\n")
    config.write_bytes(b"\xef\xbb\xbf" + json.dumps({"seeds": str(seeds)}).encode())
    words = [word for word in command if word not in ("--runs", "2")]
    assert train([*words, "--config", str(config)]) == 0
    assert (next((tmp_path / "runs").iterdir()) / "5").is_dir()
    capsys.readouterr()
    seeds.write_text("\n")
    assert train([*words, "--seeds", str(seeds)]) == 2
    assert "holds no seed; expected one a line" in capsys.readouterr().err


def test_a_home_of_nobody_is_one_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GLAM_RUNS", "~nobodyatall/x")
    assert main(["report"]) == 2
    assert "the environment variable GLAM_RUNS: given '~nobodyatall/x'" in capsys.readouterr().err


def test_the_version_and_the_bare_command_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    for words, part in ((["--version"], "glam "), ([], "usage: glam")):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert part in capsys.readouterr().out


def test_nothing_is_imported_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAFE, raising=False)
    with not_from_here():
        assert os.environ[SAFE] == "1"
    assert SAFE not in os.environ
