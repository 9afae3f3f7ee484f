"""Verbs that read stored runs: whichever way an experiment is named, and whatever lies beside it."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glam.cli.compare import compare
from glam.cli.flags import VIEWS
from glam.cli.reports import export, report
from glam.cli.stored import find
from glam.cli.tables import list_all
from glam.errors import GlamError

Store = Callable[..., Path]


def test_an_experiment_is_found_by_path_and_by_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    inside = store(runs / "one")
    assert find(inside, None) == inside
    assert find(Path("one"), runs) == inside
    monkeypatch.setenv("GLAM_RUNS", str(runs))
    assert find(Path("one/2"), None) == inside / "2"
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find(Path("one"), None) == Path("one"), "a folder that exists is meant as it is written"
    with pytest.raises(GlamError, match=r"two: no experiment lies here, nor one of that name in .*runs; glam list"):
        find(Path("two"), None)


def test_verbs_take_names(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    store(runs / "one")
    store(runs / "two")
    where = ["--runs-folder", str(runs)]
    for words, verb in (
        (["one"], report),
        (["one", "two"], compare),
        (["one/1", "-o", str(tmp_path / "x.csv")], export),
    ):
        assert verb([*words, *where]) == 0, capsys.readouterr().err
    assert "epoch" in capsys.readouterr().err


@pytest.mark.parametrize("view", VIEWS)
def test_an_export_is_what_a_view_scores(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    folder = store(tmp_path / "one")
    assert report([str(folder), "--select", view]) == 0
    text = capsys.readouterr().out
    assert ("optimism" in text) == ("its standard error (se)" in text) == (view == "test")
    was = []
    for seed in range(3):
        assert export([str(folder / str(seed)), "--select", view]) == 0
        rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        assert len(rows) == (4 if view == "validation" else 8)
        was.append(100 * sum(row["label"] == row["prediction"] for row in rows) / len(rows))
    assert f"| {np.mean(was):.2f} ± {np.std(was, ddof=1):.2f} " in text


def test_an_export_of_an_experiment_is_that_of_all_its_runs(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = store(tmp_path / "one"), tmp_path / "all.csv"
    assert export([str(folder), "-o", str(path), "--select", "last"]) == 0
    assert "3 runs of " in capsys.readouterr().err
    together = list(csv.DictReader(path.read_text().splitlines()))
    for seed in range(3):
        assert export([str(folder / str(seed)), "--select", "last"]) == 0
        alone = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        assert [row for row in together if row["run"] == str(seed)] == [{"run": str(seed), **row} for row in alone]
    assert len(together) == 24
    empty = store(tmp_path / "two", 0)
    assert export([str(empty)]) == 2
    assert "no run of it is finished" in capsys.readouterr().err


def test_an_epoch_and_a_view_exclude_each_other(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        export([str(store(tmp_path / "one") / "1"), "--epoch", "1", "--select", "last"])


def test_what_is_damaged_is_named_and_the_rest_is_shown(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    store(runs / "good")
    (store(runs / "bad") / "experiment.json").write_text("{")
    where = ["--runs-folder", str(runs)]
    assert report(where) == 0, "nobody asked for the damaged one"
    out = capsys.readouterr()
    assert "recipe good: good" in out.out
    assert out.err.startswith(f"not shown: {runs / 'bad'}")
    assert len(out.err.splitlines()) == 1
    assert report(["good", "bad", *where]) == 2
    out = capsys.readouterr()
    assert "recipe good: good" in out.out
    assert out.err.startswith(f"error: {runs / 'bad'}")
    assert report(["good", *where]) == 0
    capsys.readouterr()
    assert list_all([*where, "--data-folder", str(tmp_path / "data")]) == 0
    listed = capsys.readouterr().out
    assert "- good: good; " in listed
    assert "- bad: cannot be read, see below" in listed
    assert listed.splitlines()[-1].startswith(f"- {runs / 'bad'}: experiment.json or utterances.csv: damaged")
    (runs / "good" / "experiment.json").write_text("{")
    assert report(where) == 2
