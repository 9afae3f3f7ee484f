"""The rows of a table beside each other: paired with the first, and the choice of the best."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.results import known, reason
from papers.runs import recipe_of, report_on, store, store_predictions

from glam.evaluation.statistics import compare_paired, holm
from glam.evaluation.unknown import Unknown
from glam.papers.among_rows import against_first, best, choice
from glam.papers.table_text import markdown
from glam.papers.tables import with_runs
from glam.results.experiment import read_experiment
from glam.splits.runs import seeds


def test_every_row_is_tested_against_the_first_with_holm(tmp_path: Path) -> None:
    right = {"GLAM": [60, 62, 64, 70], "Multi-scale": [55, 61, 60, 64], "MHCNN": [50, 51, 54, 52]}
    for label, counts in right.items():
        store(tmp_path, recipe_of("2", label), [(count,) for count in counts])
    report = report_on(tmp_path)
    rows = against_first(with_runs(report), "GLAM")
    assert [row.label for row in rows] == ["Multi-scale", "MHCNN"]
    was = {label: 100 * np.array(counts) / 80 for label, counts in right.items()}
    tests = [known(compare_paired(was[row.label], was["GLAM"], ratio=80 / 320, step=1.25)) for row in rows]
    assert [known(row.test).p for row in rows] == pytest.approx([test.p for test in tests])
    assert [row.p for row in rows] == pytest.approx(holm([test.p for test in tests]).tolist())
    text = markdown(report)
    assert "| WA against GLAM   | pairs " in text
    assert f"{tests[0].difference:+.2f}" in text
    assert "paired by the utterances tested" in text


def test_a_row_that_cannot_be_tested_is_none_of_the_family(tmp_path: Path) -> None:
    """One whose every run is one utterance above the first row's: no spread of the differences."""
    right = {"GLAM": [60, 62, 64, 70], "Multi-scale": [61, 63, 65, 71], "MHCNN": [50, 51, 54, 52]}
    for label, counts in right.items():
        store(tmp_path, recipe_of("2", label), [(count,) for count in counts])
    above, other = against_first(with_runs(report_on(tmp_path)), "GLAM")
    assert reason(above.test) == "the 4 differences are all at 1.25, and no spread is no certainty"
    assert above.p is None
    assert other.p == known(other.test).p, "a family of one"


def test_the_best_row_is_one_that_is_better_than_every_other(tmp_path: Path) -> None:
    right = {"GLAM": [50, 51, 54, 52], "Multi-scale": [70, 72, 73, 74], "MHCNN": [40, 44, 41, 42]}
    for label, counts in right.items():
        store(tmp_path, recipe_of("2", label), [(count,) for count in counts])
    rows = with_runs(report_on(tmp_path))
    assert best(rows) == "Multi-scale"
    without = reason(best({"GLAM": rows["GLAM"]}))
    assert without == "fewer than two rows have runs that can be paired"


def test_no_row_is_the_best_by_chance(tmp_path: Path) -> None:
    right = {"GLAM": [60, 62, 64, 70], "Multi-scale": [61, 60, 66, 71], "MHCNN": [40, 44, 41, 42]}
    for label, counts in right.items():
        store(tmp_path, recipe_of("2", label), [(count,) for count in counts])
    rows = with_runs(report_on(tmp_path))
    assert reason(best(rows)).startswith(
        "GLAM is not worse than Multi-scale, the highest, by more than chance (WA -0.6"
    )
    store(tmp_path, recipe_of("2", "AACNN"), [(72,)])
    alone = reason(best(with_runs(report_on(tmp_path))))
    assert alone == "AACNN, the highest, is not tested against GLAM"


def test_what_choosing_a_row_adds_is_said_for_a_table_of_values(tmp_path: Path) -> None:
    """Rows that are equally good by chance: the best of them is better on what it was chosen on."""
    rng = np.random.default_rng(3)
    labels = ["α = 0", "α = 0.3", "α = 0.5", "α = 0.8"]
    for label in labels:
        experiment = read_experiment(store(tmp_path, recipe_of("3", label), []))
        for seed in seeds()[:2]:
            store_predictions(experiment, seed, [rng.random(80) < 0.7])
    report = report_on(tmp_path, "3")
    best = choice(with_runs(report))
    assert not isinstance(best, Unknown)
    label, of = best
    assert label in labels
    assert of.optimism.points > 0
    text = markdown(report)
    assert "the paper takes the best training.alpha of this table, chosen on the test set" in text
    assert f"here the choice is {label}: WA {of.shown:.2f}" in text
    assert "here the choice is" not in markdown(report_on(tmp_path, "2"))


def test_what_compares_rows_on_the_utterances_that_both_tested_is_said(tmp_path: Path) -> None:
    """As of models that take segments of different lengths: their sets differ in the short utterances."""
    for label in ("GLAM", "MHCNN"):
        store(tmp_path, recipe_of("2", label), [(60,), (62,)])
    rows = with_runs(report_on(tmp_path))
    (glam, ours), (other, theirs) = rows["GLAM"], rows["MHCNN"]
    command = f"glam compare {other.folder.name} {glam.folder.name} --common"
    moved = replace(other, ids=(*other.ids[1:], "Ses05M_impro08_M000"))
    (row,) = against_first({"GLAM": (glam, ours), "MHCNN": (moved, theirs)}, "GLAM")
    assert (row.pairs, reason(row.test)) == (
        0,
        "0 of its runs tested what a run of GLAM did, and two or more are needed; on the utterances that both tested: "
        + command,
    )
    elsewhere = replace(other, ids=tuple(f"Ses05M_script_{i}" for i in range(len(other.ids))))
    (row,) = against_first({"GLAM": (glam, ours), "MHCNN": (elsewhere, theirs)}, "GLAM")
    assert reason(row.test).endswith("two or more are needed")


def test_rows_without_common_test_sets_are_not_compared(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("3", "α = 0"), [(60,), (62,)])
    assert isinstance(choice(with_runs(report_on(tmp_path, "3"))), Unknown)
    store(tmp_path, recipe_of("3", "α = 0.3"), [(61,)])
    (row,) = against_first(with_runs(report_on(tmp_path, "3")), "α = 0")
    assert isinstance(row.test, Unknown)
    assert (row.pairs, row.p) == (1, None)
