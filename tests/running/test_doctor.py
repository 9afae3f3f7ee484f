"""What the doctor says of drivers, locks and arithmetic."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from glam.cli.doctor import doctor
from glam.learning import trial as module
from glam.learning.trial import Compared, trial
from glam.recipe import load_recipe
from glam.running import doctor as examined
from glam.running.doctor import Finding, driver_fits, features, locks
from glam.running.experiment import sizes_of

CPU = torch.device("cpu")
SHORT = [f"--set=cut.{field}" for field in ("length=0.5", "train_overlap=0.2", "test_overlap=0.2")]


@pytest.mark.parametrize(
    ("driver", "cuda", "state", "words"),
    [
        (None, None, "ok", "no NVIDIA driver"),
        (None, "13.0", "note", "without CUDA libraries"),
        ("580.65.06", "13.0", "ok", "CUDA 13.0"),
        ("580.65.06", "12.1", "ok", "CUDA 12.1"),
        ("535.183.01", "13.0", "WRONG", "it runs torch 2.4 to 2.10 of PyPI"),
        ("535.183.01", "12.8", "ok", "NVIDIA driver 535.183.01"),
        ("470.1", "12.1", "WRONG", "a driver from 525 on is needed"),
        ("535.183.01", None, "note", "the GPU stays idle: this driver runs torch 2.4 to 2.10"),
    ],
)
def test_a_driver_is_told_which_torch_it_runs(driver: str | None, cuda: str | None, state: str, words: str) -> None:
    finding = driver_fits(driver, "2.11.0", cuda)
    assert finding.state == state
    assert words in finding.lines()


def test_a_driver_that_nobody_wants_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examined, "_driver", lambda: "470.1")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert (examined.driver().state, examined.driver(wanted=False).state) == ("WRONG", "note")


def test_a_finding_is_folded_beside_what_it_is_about() -> None:
    path = "/a/path/that/is/never/broken/" + 60 * "x"
    finding = Finding("locks", f"runs in {path}: " + 20 * "word ", "note", "a line\nand another")
    first, *more = finding.lines(80).splitlines()
    assert first == "locks      note: runs in"
    assert more[0] == f"{'':11}{path}:"
    assert all(len(line) <= 80 for line in more if path not in line)
    assert more[-2:] == [f"{'':11}a line", f"{'':11}and another"]
    assert len(finding.lines().splitlines()) == 3, "whole, where there is no terminal"


def test_locks_of_a_real_file_system_work_and_leave_nothing(tmp_path: Path) -> None:
    finding = locks(tmp_path / "runs", "runs")
    assert finding.state == "ok", finding
    assert not list((tmp_path / "runs").rglob("*.lock"))


def test_locks_that_keep_nobody_out_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examined, "_HOLD", "import sys\nprint('held', flush=True)\nsys.stdin.read()")
    finding = locks(tmp_path, "runs")
    assert finding.state == "WRONG"
    assert "does not keep another process out" in finding.text


def test_features_of_the_cpu_are_librosas() -> None:
    assert features("cpu").state == "ok"


def small_trial() -> list[Compared]:
    recipe = load_recipe("mhcnn-released", [("cut.length", 0.5), ("cut.train_overlap", 0), ("cut.test_overlap", 0)])
    shapes = sizes_of(recipe, {name: settings.make() for name, settings in recipe.inputs.items()}).shapes
    return trial(recipe.model, recipe.training, recipe.corpus.classes, shapes, CPU, 4)


def test_packs_and_precisions_of_the_cpu_are_right() -> None:
    pack, bf16 = small_trial()
    assert "20 steps of 2 runs" in pack.what
    assert pack.right
    assert bf16.right
    assert bf16.difference > 0


def test_a_pack_that_computes_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = module._losses
    monkeypatch.setattr(module, "_losses", lambda learner, steps: [1.01 * loss for loss in losses(learner, steps)])
    assert [result.right for result in small_trial()] == [False, True]


def test_what_is_no_number_is_not_right() -> None:
    assert not Compared("", float("nan"), 1.0).right


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command without the checks that take seconds; its exit status."""
    monkeypatch.setattr(examined, "arithmetic", lambda recipe, machine: [Finding("arithmetic", "right")])
    monkeypatch.setattr("glam.papers.outlook.run_seconds", lambda experiments, resources: [3600.0] * len(experiments))
    folders = [f"--runs-folder={tmp_path / 'runs'}", f"--data-folder={tmp_path / 'data'}"]
    return lambda *words: doctor([*folders, "--gpu=-1", "--runs-at-once=1", *map(str, words)])


def test_the_exit_status_tells(
    examine: Callable[..., int], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine("--no-tables") == 0
    assert "this machine can train" in capsys.readouterr().out
    assert examine("-d", tmp_path / "nowhere") == 1
    out = capsys.readouterr().out
    assert "WRONG: iemocap:" in out
    assert "1 of this must be mended" in out
    assert examine("-d", tiny_release, "glrf/3") == 0
    out = capsys.readouterr().out
    assert f"corpus     iemocap in {tiny_release}: 40 utterances" in out
    assert "Table 3 of GLRF: " in out


def test_a_corpus_that_nobody_named_is_a_note(
    examine: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine() == 0
    out = capsys.readouterr().out
    assert "corpus     note: iemocap: where IEMOCAP lies is not known" in out
    assert "this machine can train" in out
    assert examine("1") == 1, "a table is to be timed"
    assert examine("--corpus=emodb") == 1
    assert examine("--corpus=emodbb") == 1
    assert "WRONG: emodbb: " in capsys.readouterr().out
    monkeypatch.setenv("IEMOCAP", str(tmp_path / "nowhere"))
    assert examine() == 1
    assert "WRONG: iemocap:" in capsys.readouterr().out


def test_too_little_disk_is_wrong(
    examine: Callable[..., int],
    tiny_release: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("glam.running.room.free", lambda folder: 10)
    assert examine("-d", tiny_release, *SHORT, "3") == 1
    assert "are needed there, 0.00 MiB are free: make room" in capsys.readouterr().out


def test_a_table_is_timed_as_it_would_be_trained(
    examine: Callable[..., int], tiny_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine("-d", tiny_release, *SHORT, "3") == 0
    out = capsys.readouterr().out
    assert "Table 3: 700 of 700 runs to train, about 29 d 4 h; " in out
    assert examine("-d", tiny_release, "--set=cut.longest=0.5", "mscnn/1") == 0
    assert "without the rows that want XVECTORS, ASR (--file)" in capsys.readouterr().out


def test_tables_that_lack_the_same_are_named_together(
    examine: Callable[..., int], tiny_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine("-d", tiny_release, "--set=corpus.where={style: scripted}", "glrf/2", "glrf/4") == 0
    out = capsys.readouterr().out
    assert "note: Table 2 of GLRF, Table 4 of GLRF: cannot be trained: corpus.where: " in out
