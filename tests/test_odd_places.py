"""Odd but legal places: names with spaces, letters of all kinds and patterns in them, and links."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from glam.cli.reports import export, report
from glam.cli.train import train
from glam.cli.verify import verify

ODD = "mein Ordner [a]*?{b} ü é 音 'q'"
SETTINGS = ["--set=cut={length: 0.5, train_overlap: 0.1, test_overlap: 0.1}", "--recipe=mhcnn-released", "-g=-1"]


@pytest.fixture
def here(training_here: None) -> Callable[[Path, Path, Path], Path]:
    """Trains one run of two epochs, and returns the folder of its experiment."""

    def run(corpus: Path, runs: Path, data: Path) -> Path:
        places = ["-d", str(corpus), "--runs-folder", str(runs), "--data-folder", str(data)]
        assert train([*SETTINGS, "--set=training.epochs=2", "--seed=5", *places]) == 0
        (experiment,) = runs.glob("*/experiment.json")
        return experiment.parent

    return run


def test_names_of_all_kinds(
    here: Callable[[Path, Path, Path], Path], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / ODD
    odd.mkdir()
    (odd / "corpus").symlink_to(tiny_release)
    experiment = here(odd / "corpus", odd / "runs", odd / "data")
    trained = capsys.readouterr().out
    assert report([str(experiment)]) == 0
    assert capsys.readouterr().out == trained
    assert export([str(experiment / "5"), "-o", str(odd / "out put.csv")]) == 0
    assert len((odd / "out put.csv").read_text().splitlines()) == 9
    places = ["-d", str(odd / "corpus"), "--data-folder", str(odd / "data")]
    assert verify([str(experiment / "5"), *places]) == 0
    assert capsys.readouterr().out.startswith("SAME, bit for bit")
    assert not [path for path in odd.rglob("*") if ".tmp-" in path.name]


def test_links_lead_where_they_lead(
    here: Callable[[Path, Path, Path], Path], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of runs, data and a run that was moved to another disk."""
    for name in ("runs", "data"):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    experiment = here(tiny_release, tmp_path / "runs", tmp_path / "data")
    assert (tmp_path / "runs").is_symlink()
    (experiment / "5").rename(tmp_path / "moved")
    (experiment / "5").symlink_to(tmp_path / "moved")
    capsys.readouterr()
    assert here(tiny_release, tmp_path / "runs", tmp_path / "data") == experiment
    out = capsys.readouterr()
    assert "1, of which 1 are stored already" in out.err
    assert "runs: 1" in out.out
    assert export([str(experiment / "5"), "-o", str(tmp_path / "out.csv")]) == 0
    assert verify([str(experiment / "5"), "-d", str(tiny_release), "--data-folder", str(tmp_path / "data")]) == 0


def test_a_name_that_is_not_utf_8(
    here: Callable[[Path, Path, Path], Path], tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    (odd / "corpus").symlink_to(tiny_release)
    experiment = here(odd / "corpus", odd / "runs", odd / "data")
    assert b"seed 5: finished" in (experiment / "log.txt").read_bytes()
    assert report([str(experiment)]) == 0
    assert "runs: 1" in capsys.readouterr().out
