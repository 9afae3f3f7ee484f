"""`glam report --html` and `glam table --html`: what is written, and mistakes in a line."""

import shutil
from pathlib import Path

import pytest
from papers.runs import recipe_of, store
from reports.page.pages import Seen, experiment

from glam.cli.main import main
from glam.papers import table_page
from glam.reports.page import live
from glam.splits.runs import seeds


def test_a_report_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment(tmp_path / "runs" / "a")
    experiment(tmp_path / "runs" / "b", model="mhcnn")
    page = tmp_path / "page.html"
    assert main(["report", "--runs-folder", str(tmp_path / "runs"), "--html", str(page)]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(f"written: {page} (")
    seen = Seen(page.read_text())
    assert "2 experiments" in seen.text
    assert any(text.endswith(f"glam report --runs-folder {tmp_path / 'runs'} --html {page}") for text in seen.text)
    assert main(["report", str(tmp_path / "runs" / "a"), "--html", str(page), "--select", "last"]) == 0
    assert "GLAM: report" in Seen(page.read_text()).text


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "experiment.json").write_text("{")
    page = tmp_path / "page.html"
    assert main(["report", "--runs-folder", str(tmp_path), "--html", str(page)]) == 0
    assert f"not shown: {tmp_path / 'b'}: experiment.json" in capsys.readouterr().err
    assert "NOT SHOWN" in Seen(page.read_text()).text
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--html", str(page)]) == 2
    assert f"error: {tmp_path / 'b'}: experiment.json" in capsys.readouterr().err
    assert "GLAM: report" in Seen(page.read_text()).text, "what can be read is written"
    page.unlink()
    assert main(["report", str(tmp_path / "b"), "--html", str(page)]) == 2
    assert not page.exists()


def test_a_table_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, page = tmp_path / "runs", tmp_path / "table.html"
    store(runs, recipe_of("2", "GLAM"), [[60], [62]])
    places = ["--runs-folder", str(runs), "--data-folder", str(tmp_path / "data")]
    assert main(["table", "2", "--report", "--html", str(page), *places]) == 0
    streams = capsys.readouterr()
    assert streams.out.startswith("# Table 2")
    assert f"written: {page} (" in streams.err
    seen = Seen(page.read_text())
    assert "Beside the print" in seen.text
    assert len(seen.all_of("img")) == 3


def test_a_live_table_ends_once_all_runs_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, page = tmp_path / "runs", tmp_path / "table.html"
    monkeypatch.setattr(live, "POLL", 0)
    monkeypatch.setattr(live, "SHARE", 0)
    whole = store(tmp_path / "trained elsewhere", recipe_of("2", "GLAM"), [[60], [62]])
    first, second = (str(seed) for seed in seeds()[:2])
    shutil.copytree(whole, runs / whole.name, ignore=shutil.ignore_patterns(second))
    looked: list[int] = []
    look = table_page.stored_for

    def train_meanwhile(*args: object) -> object:
        looked.append(1)
        if len(looked) == 2:
            shutil.copytree(whole / second, runs / whole.name / second)
        return look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(table_page, "stored_for", train_meanwhile)
    command = ["table", "2", "--rows", "GLAM", "--runs", "2", "--report", "--html", str(page), "--live"]
    assert main([*command, "--runs-folder", str(runs), "--data-folder", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().err.count("and kept fresh") == 2
    assert "data-reload" not in page.read_text()
    assert {f"seed {first}", f"seed {second}"} <= set(Seen(page.read_text()).text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["report", "--live"], "--live keeps a page fresh: say which one with --html FILE"),
        (["table", "1", "--report", "--live"], "--live keeps a page fresh: say which one with --html FILE"),
        (["table", "1", "--html", "x.html", "--live"], "--live watches while another process trains the table"),
        (["table", "1", "--html", "new/x.html"], "the folder new does not exist"),
        (["report", "--html", "a"], "a: is a folder; give the name of a file to write"),
    ],
)
def test_mistakes(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path))
    assert main(words) == 2
    assert expected in capsys.readouterr().err
