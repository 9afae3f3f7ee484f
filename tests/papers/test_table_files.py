"""A table as text: what stands in it, in every form."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from papers.runs import TABLES, recipe_of, report_on, store, store_predictions
from reports.printed import cells

from glam.errors import GlamError
from glam.files import hashed_json
from glam.papers.paper import Table, read_paper, table
from glam.papers.stored import Stored
from glam.papers.table_files import as_csv, as_json, write_files
from glam.papers.table_latex import latex
from glam.papers.table_text import markdown
from glam.papers.tables import TableReport, rows_of, table_report
from glam.reports.views import SELECTION, VIEWS, View
from glam.results.experiment import read_experiment
from glam.results.run import write_failure
from glam.splits.runs import RunKey, seeds


def rows_called(label: str, text: str) -> list[list[str]]:
    """The cells of the lines of grids that begin with that label."""
    lines = [cells(line) for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if line[0] == label]


def test_nothing_stored(tmp_path: Path) -> None:
    """What is printed, and a line that there is nothing else: no empty columns, and no rows of blanks."""
    text = markdown(report_on(tmp_path, "1"))
    none = "- runs: none is stored yet of any row with these settings (glam list shows those with others, too); the "
    assert none + "numbers shown are the printed ones" in text.splitlines()
    assert "corpus: no runs and no index of the corpus yet" in text
    assert [len(rows) for rows in (rows_called("Improvisation GLAM", text), rows_called("Full GLAM", text))] == [2, 2]
    assert rows_called("Improvisation GLAM", text)[0][1:] == ["81.18±1.47", "79.25±1.88"]
    assert all(cell for line in rows_called("Improvisation GLAM", text) for cell in line)
    for absent in ("optimism", "epoch:", "too short", "micro F1 |", "¹"):
        assert absent not in text
    page = latex(report_on(tmp_path, "1"))
    assert page.count(r"\begin{tabular}") == 2
    assert as_csv(report_on(tmp_path, "1")).count("\n") == 1 + 12 * 5


def test_rows_without_runs_are_in_no_grid_of_what_runs_say(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(60,), (61,)])
    text = markdown(report_on(tmp_path))
    assert len(rows_called("GLAM", text)) == 4, "scores in two grids, the optimism, and the set"
    assert len(rows_called("MHCNN", text)) == 2
    assert "no runs yet" in rows_called("MHCNN", text)[0]


def test_mean_std_difference_and_chance_on_iemocap(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(8, 60 + n, 8) for n in range(7)])
    store(tmp_path, recipe_of("2", "MHCNN"), [(20,), (21,)])
    text = markdown(report_on(tmp_path))
    assert "25.62±0.88" in text
    assert f"{25.625 - 76.09:+.2f}†" in text
    assert "Holm's adjustment for 4 tests, of WA and UA alone" in text
    (line,) = rows_called("MHCNN, WA", text)
    assert line[1].endswith("†")
    assert line[4] == "differs"
    assert "over 100 runs with ddof 1" in text
    assert "| GLAM              | 7 " in text
    assert "¹ beside the printed column called" in text
    assert "chosen on the test set itself" in text
    assert "held:" not in text  # every printed number has a standard deviation


def test_one_run_is_shown_but_not_tested(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,)])
    assert "| 80.00 | 81.18±1.47 | -1.18 " in " ".join(markdown(report_on(tmp_path)).split())


def test_every_row_says_how_many_utterances_and_of_what(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("1", "Full GLAM", "paper"), [(64,), (60,)])
    line = next(x for x in markdown(report_on(tmp_path, "1", "paper")).splitlines() if "1626 hap+exc" in x)
    assert cells(line) == ["Full GLAM", "0", "80", "5491", "1698 neu, 1074 sad, 1093 ang, 1626 hap+exc", "40"]


def test_table_4_says_that_no_source_says_how_many_runs(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("1", "Improvisation GLAM"), [(30, 60), (30, 62)])
    text = markdown(report_on(tmp_path, "4"))
    assert "chosen" not in text
    assert "100 runs (assumed: no source says how many)" in text


@pytest.mark.parametrize("kind", ["synthetic", "incomplete"])
def test_another_corpus_has_no_difference_column(tmp_path: Path, kind: str) -> None:
    changed = [("corpus.name", "synthetic")] if kind == "synthetic" else []
    store(tmp_path, recipe_of("2", "GLAM", "released", *changed), [(64,), (60,)], missing=int(kind == "incomplete"))
    report = report_on(tmp_path, "2", "released", *changed)
    text = markdown(report)
    assert "IEMOCAP print" in text
    assert "diff." not in text
    assert "†" not in text
    assert ("SYNTHETIC CORPUS" if kind == "synthetic" else "NOT the complete IEMOCAP") in text
    header = as_csv(report).splitlines()[0].split(",")
    assert {"printed_mean_iemocap", "printed_std_iemocap"} <= set(header)
    assert "difference" not in header
    assert ("NOT on IEMOCAP" if kind == "synthetic" else "NOT on the whole of IEMOCAP") in latex(report)


def test_failed_runs_are_shown(tmp_path: Path) -> None:
    folder = store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    seed, digest = seeds()[50], read_experiment(folder).digest
    write_failure(folder / str(seed), RunKey(seed), digest, {}, "the loss of step 3 of epoch 1 is nan")
    report = report_on(tmp_path)
    assert f"FAILED, not averaged: GLAM, seed {seed}: the loss of step 3 of epoch 1 is nan" in markdown(report)
    assert json.loads(as_json(report))["rows"][0]["failed"] == [
        {"seed": seed, "fold": None, "reason": "the loss of step 3 of epoch 1 is nan"}
    ]


def test_a_change_for_all_rows_is_named(tmp_path: Path) -> None:
    change = ("training.epochs", 2)
    store(tmp_path, recipe_of("2", "GLAM", "released", change), [(64, 60)])
    assert "CHANGED for all rows: training.epochs=2" in markdown(report_on(tmp_path, "2", "released", change))


def test_what_the_sources_print_differently_is_shown(tmp_path: Path) -> None:
    text = markdown(report_on(tmp_path, "3"))
    assert "α = 0: the README of the authors' repository prints WA 80.44±1.54, UA 78.88±1.66" in text


def test_a_table_is_narrow_enough_to_read(tmp_path: Path) -> None:
    for label in table("2").printed.rows:
        store(tmp_path, recipe_of("2", label), [(60,), (64,)])
    grid = [line for line in markdown(report_on(tmp_path)).splitlines() if line.startswith("|")]
    assert max(map(len, grid)) <= 110


def test_files(tmp_path: Path) -> None:
    store(tmp_path / "runs", recipe_of("2", "GLAM"), [(64,), (60,)])
    report = report_on(tmp_path / "runs")
    paths = write_files(report, tmp_path / "tables")
    assert [path.name for path in paths] == [f"table2-released.{suffix}" for suffix in ("md", "tex", "csv", "json")]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(path.name for path in paths)

    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert len(rows) == 6 * 5
    assert (rows[0]["row"], rows[0]["metric"], rows[0]["mean"]) == ("GLAM", "wa", "77.5")
    assert (rows[0]["paper"], rows[0]["table"], rows[0]["recipe"]) == ("glam", "2", "glam-released")
    assert (rows[0]["printed_mean"], rows[0]["runs"], rows[5]["mean"]) == ("81.18", "2", "")

    content = json.loads(as_json(report))
    glam = content["rows"][0]
    assert glam["metrics"]["wa"]["printed"]["readme"] == {"mean": 81.18, "std": 1.47}
    assert "paper" not in glam["metrics"]["macro_f1"]["printed"]
    assert [run["wa"] for run in glam["runs"]] == [80.0, 75.0]
    assert glam["recipe"]["training"]["batches"] == {"name": "segments", "size": 32}

    text = latex(report)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.isascii()
    assert body.count(r"\toprule") == body.count(r"\bottomrule") == 4
    assert r"77.50 & $\,\pm\,$3.54" in body
    with pytest.raises(GlamError, match="--output"):
        write_files(report, tmp_path / "tables" / "table2-released.md")


def test_a_report_starts_without_torch(tmp_path: Path) -> None:
    store(tmp_path / "runs", recipe_of("2", "GLAM"), [(64,), (60,)])
    code = (
        "import sys\nfrom glam.cli.tables import list_all, table\n"
        f"folders = ['--runs-folder', {str(tmp_path / 'runs')!r}, '--data-folder', {str(tmp_path / 'data')!r}]\n"
        "assert table(['2', '--report', *folders]) == 0\n"
        "assert list_all(folders) == 0\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "77.50±3.54" in done.stdout
    (first,) = (line for line in done.stdout.splitlines() if line.startswith("- glam/1:"))
    assert "released: 2 runs of 12 rows x 100 seeds" in first, "GLAM's improvised row is Table 1's, too"


@pytest.mark.parametrize("render", [markdown, latex, as_csv, as_json])
def test_a_report_renders_the_same_twice(tmp_path: Path, render: Callable[[TableReport], str]) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    assert render(report_on(tmp_path)) == render(report_on(tmp_path))


def test_what_choosing_the_epoch_on_the_test_set_adds_is_a_column(tmp_path: Path) -> None:
    # Right are 30 of the first 40, 40 of the second in the first epoch; all of the first, 20 of the second in the
    # second epoch: the test set takes the first epoch (70 of 80), the halves 20 of 40 and 30 of 40.
    folder = store(tmp_path, recipe_of("2", "GLAM"), [])
    place = np.arange(80)
    store_predictions(read_experiment(folder), seeds()[0], [place >= 10, place < 60])
    store_predictions(read_experiment(folder), seeds()[1], [place < 64, place < 64])

    report = report_on(tmp_path)
    assert report.rows[0].optimism("wa") == pytest.approx((100 * (70 - 50) / 80 + 0) / 2)
    rows = [row for row in rows_called("GLAM", markdown(report)) if "+12.50" in row]
    assert [row[:4] for row in rows] == [["GLAM", "83.75±5.30", "71.25±12.37", "+12.50"]]
    assert "² optimism" in markdown(report)
    assert "$+$12.50" in latex(report)
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert (lines[0]["optimism"], lines[5]["optimism"]) == ("12.5", "")
    assert json.loads(as_json(report))["rows"][0]["metrics"]["wa"]["optimism"] == 12.5
    others: tuple[View, ...] = ("halves", "validation", "last")
    for other in others:
        seen = report_on(tmp_path, view=other)
        assert "optimism" not in markdown(seen)
        assert seen.rows[0].optimism("wa") is None


@pytest.mark.parametrize("number", TABLES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_table_under_every_view(tmp_path: Path, number: str, view: View) -> None:
    printed = table(number).printed
    label = next(label for label in printed.rows if "GLAM" in label or "0.5" in label)
    store(tmp_path, recipe_of(number, label), [(30, 60), (30, 62)])
    report = report_on(tmp_path, number, view=view)
    (row,) = [row for row in report.rows if row.results]
    assert row.test_utterances == ((40,) if view == "validation" else (80,))
    text = markdown(report)
    assert f"epoch: {SELECTION[view]}" in text
    assert ("the printed table is under another choice" in text) == (view != printed.view)
    stem = f"table{number}-released" + ("" if view == printed.view else f"-{view}")
    assert write_files(report, tmp_path / "out")[0].name == f"{stem}.md"


def test_every_set_has_a_line_on_its_protocol(tmp_path: Path, without_hashes: Callable[[Path], None]) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    folder = store(tmp_path, recipe_of("2", "Multi-scale"), [(64,), (60,), (60,)])
    lines = [line for line in markdown(report_on(tmp_path)).splitlines() if "- protocol, " in line]
    assert lines == [
        "- protocol, improvised, 400 utterances, 3 runs: random splits of utterances; what training and test share was "
        "not stored with this experiment: glam audit says it"
    ]
    without_hashes(folder)
    path = folder / "utterances.csv"
    rows = [f"{line},{'FM'[i % 2]}" for i, line in enumerate(path.read_text().splitlines()[1:])]
    path.write_text("\n".join(["index,utterance,class,speaker", *rows]) + "\n")
    (line,) = [line for line in markdown(report_on(tmp_path)).splitlines() if "- protocol, " in line]
    assert "; test shares with training 2 of 2 speakers; WA / UA without hearing anything: majority class " in line


def test_a_damaged_experiment_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    folder = store(tmp_path, recipe_of("2", "MHCNN"), [(64,), (60,)])
    (folder / str(seeds()[1]) / "run.json").write_text("{")
    report = report_on(tmp_path)
    text = markdown(report)
    assert report.rows[4].stored.damaged is None
    assert len(report.rows[4].results) == 1, "the other run of the row is shown"
    assert f"LEFT OUT: MHCNN: {folder / str(seeds()[1])}/run.json: damaged" in text
    assert "77.50±3.54" in text
    # without an index, nobody knows which row's an experiment is that cannot be read
    (folder / "experiment.json").write_text("{")
    report = report_on(tmp_path)
    assert report.rows[4].stored.damaged is None
    assert f"cannot be read: {folder}" in markdown(report)
    assert "77.50±3.54" in markdown(report)


def test_runs_of_an_earlier_format_are_shown_as_such(tmp_path: Path) -> None:
    folder = store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    path = folder / "experiment.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    content["identity"]["format"] = 1
    content["recipe"] = {"name": "glam-released", "model": {"name": "glam"}, "segments": {"train_overlap": 1.6}}
    content["composition"]["style"] = content["composition"].pop("part")
    path.write_text(hashed_json(content))
    for run in folder.glob("*/run.json"):  # which name the experiment that they were trained for
        record = json.loads(run.read_text())
        del record["sha256"]
        run.write_text(hashed_json(record | {"experiment": ""}))
    text = markdown(report_on(tmp_path))
    assert "77.50±3.54" in text
    assert "- GLAM: runs of format 1, stored by an earlier version; only read" in text


OWN = """
paper: Mine & Co
title: A paper of my own
sources: {print: the printed version, web: the web page}
printed_on: iemocap
metrics: [wa, ua, pure_accuracy, "mine.py:sad"]
tables:
  A:
    caption: all that there is
    sources: {print: {wa: Acc.}}
    notes: [a remark]
    rows:
      ours:
        recipe: glam-released
        printed: {wa: 77, ua: 70.00 ± 2.00, "mine.py:sad": 25}
        differs: {web: {wa: 77.1, "mine.py:sad": 24}}
        note: not quite
      theirs: {printed: {wa: 99.90}, elsewhere: {EmoDB: 88.80 ± 1.00, RAVDESS: 61}}
"""


def own(tmp_path: Path, **changes: str) -> TableReport:
    """A report on a paper of one's own, with seven runs of WA 75 to 82.5. changes: of its text."""
    text = OWN
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mine.py").write_text("def sad(scored):\n    return 100 * (scored.predicted == 1).mean()\n")
    path = tmp_path / f"mine{len(list(tmp_path.glob('*.yaml')))}.yaml"
    path.write_text(text, encoding="utf-8")
    asked = Table(read_paper(str(path)), "A", "")
    rows = rows_of(asked)
    assert rows[0].recipe is not None
    store(tmp_path / "runs", rows[0].recipe, [(60 + n,) for n in range(7)])
    return table_report(asked, rows, (), Stored(tmp_path / "runs", None), seeds())


def test_a_paper_of_one_s_own_has_its_metrics_notes_and_columns_that_are_printed_only(tmp_path: Path) -> None:
    report = own(tmp_path)
    text = markdown(report)
    assert text.startswith("# Table A of Mine & Co: all that there is\n")
    assert "setting:" not in text  # it has no variants
    ours, theirs = (rows_called(label, text) for label in ("ours", "theirs"))
    assert ours[0][1:5] == ["7", "78.75±2.70", "77.00", "+1.75 (held)"]
    assert theirs[0][1:5] == ["printed only", "", "99.90", ""]
    assert theirs[-1][1:] == ["88.80±1.00", "61.00"]
    assert "EmoDB, print" in text
    # an utterance is one segment here; of the classes, a share is taken for sad
    assert ours[1][1:] == ["78.75±2.70", "24.64±0.61", "25.00", "-0.36 (held)"]
    for line in (
        "held: the print has no standard deviation",
        "pure accuracy: an utterance counts where at least one of its segments is given the right class, and every "
        "other one that class or neutral; segments of 1.8 s, 0.2 s apart",
        "ours: the web page prints WA 77.10, sad 24.00",
        "- a remark",
        "- ours: not quite",
        "after Holm's adjustment for 1 test, of",
    ):
        assert line in text
    content = json.loads(as_json(report))
    assert content["rows"][1]["recipe"] is None
    assert content["rows"][0]["metrics"]["wa"]["interval_holds_print"] is True
    assert content["rows"][0]["metrics"]["wa"]["printed"] == {"print": {"mean": 77.0, "std": None}}
    assert content["rows"][0]["metrics"]["mine.py:sad"]["optimism"] is None
    assert write_files(report, tmp_path / "out")[0].name == "mine0-tableA.md"


def test_a_print_that_our_interval_does_not_hold_is_said_to_be_so(tmp_path: Path) -> None:
    text = markdown(own(tmp_path, **{"{wa: 77, ": "{wa: 90, "}))
    assert rows_called("ours", text)[0][3:5] == ["90.00", "-11.25 (not held)"]


def test_numbers_of_another_corpus_stand_under_its_name(tmp_path: Path) -> None:
    report = own(tmp_path, **{"printed_on: iemocap": "printed_on: emodb"})
    text = markdown(report)
    assert "EMODB print" in text
    assert "diff." not in text
    assert "(held)" not in text
    header = as_csv(report).splitlines()[0].split(",")
    assert {"printed_mean_emodb", "printed_std_emodb"} <= set(header)
    assert not any("iemocap" in name for name in header)


def test_what_is_not_compared_has_no_line_on_chance(tmp_path: Path) -> None:
    report = own(tmp_path, **{"70.00 ± 2.00": "70"})
    assert report.tests == 0
    assert "Holm" not in markdown(report)
    shown = replace(report, view="last")
    assert "optimism" not in markdown(shown)
