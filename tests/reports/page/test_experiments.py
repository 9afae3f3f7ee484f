"""The page of experiments: what it shows is what the text says, to the last digit."""

from pathlib import Path

import pytest
from reports.page.pages import Seen, experiment, page_of
from reports.printed import tables_in
from reports.stored import store_failure
from reports.test_folds import by_seed
from reports.test_folds import store as store_folds

from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.recipe import load_recipe
from glam.reports.analyses import analyses
from glam.reports.checklist import checklist
from glam.reports.page.document import HEADED
from glam.reports.page.experiments import page, runs, sections, settings
from glam.reports.runs import read_results
from glam.reports.summary import report
from glam.results.experiment import StoredExperiment, read_experiment
from glam.splits.runs import RunKey, runs_of


def shown(text: str) -> str:
    """The letters of a page, without spaces."""
    return "".join("".join(Seen(text).text).split())


def with_folds(folder: Path) -> StoredExperiment:
    return store_folds(folder, "leave-session-out", by_seed, runs_of([1, 2], 3))


@pytest.mark.parametrize("folds", [False, True], ids=["runs", "folds"])
def test_all_that_the_text_says_is_on_the_page(folds: bool, tmp_path: Path) -> None:
    stored = with_folds(tmp_path / "x") if folds else experiment(tmp_path / "x")
    text = page_of(stored)
    seen, letters = Seen(text), shown(text)
    texts = [report(stored.folder), analyses(stored.folder), checklist(stored.folder)]
    tables = [table for said in texts for table in tables_in(said)]
    assert len(tables) > 3
    for headings, *rows in tables:
        assert [[headings[0] or "name", *headings[1:]], *rows] in seen.tables
    lines = [line for said in texts for line in said.splitlines() if line and not line.startswith(("|", "#"))]
    for line in lines:
        term, colon, rest = line.removeprefix("- ").replace("**", "").partition(": ")
        whole = term + rest if len(term) <= HEADED else term + colon + rest
        assert "".join(whole.split()) in letters


def test_runs_are_those_of_the_report(tmp_path: Path) -> None:
    read = read_results(experiment(tmp_path / "x"), "last")
    table = runs(read, [METRICS["wa"]])
    assert list(table.headings) == ["run", "epoch", "test utterances", "WA"]
    assert [row[:3] for row in table.rows] == [[f"seed {seed}", "4", "60"] for seed in (1, 2, 3)]
    assert [row[3] for row in table.rows] == [f"{result.scores.wa:.2f}" for result in read.results]


def test_several_stand_side_by_side(tmp_path: Path) -> None:
    first, second = experiment(tmp_path / "a"), experiment(tmp_path / "b", seeds=(1,), model="mhcnn")
    scores, differ = Seen(page_of(first, second)).tables[:2]
    assert [row[:3] for row in scores] == [
        ["experiment", "epoch", "runs"],
        ["GLAM", "test", "3"],
        ["MHCNN", "test", "1"],
    ]
    for row, stored in zip(scores[1:], (first, second), strict=True):
        assert row[3] == tables_in(report(stored.folder))[0][1][1]
    assert differ[0] == ["setting", "GLAM", "MHCNN"]
    assert ["model.name", "glam", "mhcnn"] in differ


def test_settings_that_differ() -> None:
    ours, theirs = load_recipe("glam-released"), load_recipe("glam-released", [("training.lr", 0.5), ("name", "other")])
    table = settings({"ours": ours, "theirs": theirs})
    assert not isinstance(table, str)
    assert [list(row) for row in table.rows] == [["training.lr", "0.001", "0.5"]]
    assert settings({"ours": ours, "again": ours}) == "none"


def test_an_experiment_without_runs_says_so(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "x", seeds=())
    seen = Seen(page_of(stored))
    assert "runs0" in shown(page_of(stored))
    assert not seen.all_of("img")
    store_failure(stored, RunKey(3), "the loss is nan")
    assert "FAILED,notaveraged1run;seed3:thelossisnan" in shown(page_of(read_experiment(stored.folder)))


def test_a_figure_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    stored = store_folds(tmp_path / "x", "leave-session-out", by_seed, runs_of([1], 2))  # of three folds
    text = page_of(stored)
    assert not Seen(text).all_of("img")
    assert shown(text).count("nothingtodraw,noseedhasallits3folds") == 1


def test_damaged_runs_and_experiments_are_named(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "x")
    with (stored.folder / "2" / "predictions.npz").open("ab") as file:
        file.write(b"x")
    letters = shown(page_of(stored, problems=["y: no experiment lies here"]))
    assert "NOTSHOWNy:noexperimentlieshere" in letters
    assert f"LEFTOUT{stored.folder / '2' / 'predictions.npz'}:damaged" in letters
    assert "runs2(" in letters


def test_one_given_twice_is_refused(tmp_path: Path) -> None:
    read = read_results(experiment(tmp_path / "x"), "test")
    with pytest.raises(GlamError, match="given twice"):
        page([(read, sections(read))] * 2, "by a test")
