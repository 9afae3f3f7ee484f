"""The tables: which experiments their rows are, and how those compare with the print."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation.results import known
from papers.runs import SETTINGS, TABLES, composition_of, recipe_of, recipes, report_on, store

from glam.errors import GlamError
from glam.evaluation.metric import METRICS
from glam.evaluation.statistics import holm, interval_of_mean, welch_from_summaries
from glam.papers.paper import Table, read_paper, table
from glam.papers.stored import Stored
from glam.papers.table_text import markdown
from glam.papers.tables import TableReport, distinct, rows_of, table_report
from glam.recipe import load_recipe
from glam.results.experiment import read_experiment
from glam.results.run import write_failure
from glam.splits.population import whole_iemocap
from glam.splits.runs import RUNS, RunKey, seeds


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_the_printed_ones_in_their_order(number: str) -> None:
    assert [row.label for row in rows_of(table(number))] == list(table(number).printed.rows)


@pytest.mark.parametrize("setting", SETTINGS)
def test_how_many_trainings_the_four_tables_ask_for(setting: str) -> None:
    by_table = {number: recipes(number, setting) for number in TABLES}
    assert {number: len(distinct(rows)) for number, rows in by_table.items()} == {"1": 12, "2": 6, "3": 7, "4": 12}
    experiments = distinct(recipe for rows in by_table.values() for recipe in rows)
    # 37 rows: Table 2 adds three models to Table 1, Table 3 six alphas, Table 4 nothing.
    assert len(experiments) == 12 + 3 + 6
    assert len(experiments) * RUNS == 2100


def test_every_model_has_its_recipe_in_the_table() -> None:
    of_label = {row.label: row.recipe for row in rows_of(table("2", "released")) if row.recipe is not None}
    assert {label: recipe.model.name for label, recipe in of_label.items()} == {
        "GLAM": "glam",
        "Multi-scale": "multi-scale",
        "Multi-scale + MHA": "multi-scale-mha",
        "Multi-scale + AA": "multi-scale-aa",
        "MHCNN": "mhcnn",
        "AACNN": "aacnn-original",
    }
    assert of_label["AACNN"].training.epochs == 100
    assert {of_label[label].training.batches.size for label in ("Multi-scale + MHA", "Multi-scale + AA")} == {128}


def test_the_paper_has_one_setting_for_all_models() -> None:
    for number in TABLES:
        for recipe in recipes(number, "paper"):
            training, glam = recipe.training, load_recipe("glam-paper")
            assert (recipe.inputs, recipe.cut) == (glam.inputs, glam.cut)
            assert recipe.corpus.labels == glam.corpus.labels
            assert training.model_copy(update={"alpha": 0.5}) == glam.training
            if number != "3":
                mixed = recipe.model.name == "glam" or recipe.model.name.startswith("multi-scale")
                assert training.alpha == (0.5 if mixed else 0)


def test_an_override_is_for_all_rows_but_not_for_what_a_row_fixes() -> None:
    assert {recipe.training.epochs for recipe in recipes("3", "released", [("training.epochs", 2)])} == {2}
    assert recipes("2", "released", [("training.alpha", 0)])[0].training.alpha == 0
    for number, field in (("3", "training.alpha"), ("1", "corpus.where"), ("2", "model.name")):
        with pytest.raises(GlamError, match=rf"--set {field}: the rows of Table {number} fix it"):
            recipes(number, "released", [(field, 1)])
    with pytest.raises(GlamError, match=r"there is no field training\.epoch"):
        recipes("1", "released", [("training.epoch", 2)])


def test_some_rows_can_be_asked_for_and_recipes_added_below() -> None:
    asked = table("1", "released")
    labels = [row.label for row in rows_of(asked, wanted=["improvisation g", "Full aacnn"], added=["demo"])]
    assert labels == ["Improvisation GLAM", "Full AACNN", "demo"]
    added = rows_of(asked, [("training.epochs", 3)], added=["demo"])[-1]
    assert added.recipe is not None
    assert (added.recipe.corpus.name, added.recipe.training.epochs) == ("synthetic", 3)
    assert not added.printed.printed
    with pytest.raises(GlamError, match=r"--rows glamm: Table 1 has no such row; it has Improvisation APCNN, "):
        rows_of(asked, wanted=["glam", "glamm"])
    with pytest.raises(GlamError, match="there is no recipe 'glamm'"):
        rows_of(asked, added=["glamm"])


def test_two_added_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    """Runs and scores go by the row's label: those of one file would be shown as the other's."""
    for folder, rate in (("a", "1e-3"), ("b", "1e-4")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").write_text(f"extends: demo\ntraining: {{lr: {rate}}}\n")
    first, second = (str(tmp_path / folder / "mine.yaml") for folder in "ab")
    with pytest.raises(GlamError) as raised:
        rows_of(table("2"), added=[first, second])
    assert str(raised.value).startswith(f"--add {second}: this recipe is called mine, and so is --add {first}; give")
    with pytest.raises(GlamError, match="this recipe is called mine"):
        rows_of(table("2"), added=[first, first])
    (tmp_path / "glam.yaml").write_text("extends: demo\nname: GLAM\n")
    with pytest.raises(GlamError, match=r"is called GLAM, and so is the row GLAM of Table 2; give it another name"):
        rows_of(table("2"), added=[str(tmp_path / "glam.yaml")])
    (tmp_path / "b" / "mine.yaml").write_text("extends: demo\nname: theirs\n")
    assert [row.label for row in rows_of(table("2"), wanted=["MHCNN"], added=[first, second])][1:] == ["mine", "theirs"]


def test_mean_std_difference_and_chance_on_iemocap(tmp_path: Path) -> None:
    # 60 to 66 of 80 in the second epoch: WA 75 to 82.5, the best epoch of each run
    store(tmp_path, recipe_of("2", "GLAM"), [(8, 60 + n, 8) for n in range(7)])
    store(tmp_path, recipe_of("2", "MHCNN"), [(20,), (21,)])
    report = report_on(tmp_path)
    glam, mhcnn = report.rows[0], report.rows[4]
    wa = [100 * (60 + n) / 80 for n in range(7)]
    assert glam.metrics["wa"].ours is not None
    assert glam.metrics["wa"].ours.mean == pytest.approx(np.mean(wa))
    assert glam.metrics["wa"].ours.std == pytest.approx(np.std(wa, ddof=1))
    assert glam.metrics["wa"].difference == pytest.approx(np.mean(wa) - 81.18)
    assert report.tests == 4, "WA and UA alone: the others are near-copies"
    # by hand: WA and UA of both rows against the print over 100 runs, then Holm over the four
    p = []
    for row in (glam, mhcnn):
        printed = table("2").printed.rows[row.row.label].printed
        for metric in ("wa", "ua"):
            values = [getattr(result.scores, metric) for result in row.results]
            ours = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
            mean, std = printed[metric]
            assert std is not None
            p.append(known(welch_from_summaries(*ours, mean, std, 100)).p)
    metrics = [row.metrics[name] for row in (glam, mhcnn) for name in ("wa", "ua")]
    np.testing.assert_allclose(np.array([comparison.p for comparison in metrics], dtype=np.float64), holm(p))
    assert not mhcnn.metrics["micro_f1"].more_than_chance
    assert [comparison.more_than_chance for comparison in metrics] == [value <= 0.05 for value in holm(p)]
    assert mhcnn.metrics["wa"].more_than_chance
    assert mhcnn.metrics["wa"].verdict == "differs"
    assert mhcnn.metrics["macro_f1"].difference is not None
    assert mhcnn.metrics["macro_f1"].p is None


def test_no_mark_is_not_called_a_reproduction(tmp_path: Path) -> None:
    """Three runs below the print: no mark, and the table says that they could hardly have had one."""
    store(tmp_path, recipe_of("2", "GLAM"), [(55,), (61,), (67,)])
    few = report_on(tmp_path).rows[0].metrics["wa"]
    assert few.difference == pytest.approx(76.25 - 81.18)
    assert few.verdict == "undecided"
    assert few.visible is not None
    assert few.visible > 8


def test_the_same_within_the_margin_is_said(tmp_path: Path) -> None:
    """A hundred runs around the printed mean, as they would be if it were reproduced."""
    store(tmp_path, recipe_of("2", "GLAM"), [(64 + i % 3,) for i in range(100)])
    wa = report_on(tmp_path).rows[0].metrics["wa"]
    assert wa.verdict == "the same"
    assert wa.visible is not None
    assert wa.visible < 1
    assert wa.interval is not None
    assert wa.interval.low < wa.difference < wa.interval.high  # type: ignore[operator]


@pytest.mark.parametrize("change", [("training.epochs", 2), ("split.name", "k-fold"), ("training.lr", 1e-4)])
def test_another_setting_or_protocol_than_the_print_s_is_not_tested(tmp_path: Path, change: tuple[str, Any]) -> None:
    if change[0] != "split.name":
        store(tmp_path, recipe_of("2", "GLAM", "released", change), [(20,), (21,)])
    report = report_on(tmp_path, "2", "released", change)
    assert report.tests == 0
    assert report.unlike == (f"{change[0]}={change[1]}",)
    assert f"not tested against the print: not as printed are {change[0]}={change[1]}" in markdown(report)
    assert "diff." not in markdown(report)


def test_another_view_is_not_tested_and_another_precision_is(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(20,), (21,)])
    assert report_on(tmp_path, view="last").tests == 0
    change = ("training.precision", "bf16")
    store(tmp_path, recipe_of("2", "GLAM", "released", change), [(20,), (21,)])
    assert report_on(tmp_path, "2", "released", change).tests == 2


def test_one_run_is_shown_but_not_tested(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,)])
    report = report_on(tmp_path)
    assert report.rows[0].metrics["wa"].p is None
    assert report.rows[0].metrics["wa"].difference == pytest.approx(80 - 81.18)
    assert report.tests == 0


def test_table_4_is_the_validation_view_of_the_runs_of_table_1(tmp_path: Path) -> None:
    # validation is the first half of the held-out utterances: 30 of 40 right in the first epoch, all in the second
    store(tmp_path, recipe_of("1", "Improvisation GLAM"), [(30, 60), (30, 62)])
    row = report_on(tmp_path, "4").rows[3]
    assert row.test_utterances == (40,)
    assert [result.epochs for result in row.results] == [(2,), (2,)]
    assert [result.scores.wa for result in row.results] == pytest.approx([50, 55])
    assert report_on(tmp_path, "1").rows[3].test_utterances == (80,)


def test_failed_runs_are_not_averaged(tmp_path: Path) -> None:
    folder = store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    seed = seeds()[50]
    digest = read_experiment(folder).digest
    write_failure(folder / str(seed), RunKey(seed), digest, {}, "the loss of step 3 of epoch 1 is nan")
    (row, *_) = report_on(tmp_path).rows
    assert len(row.results) == 2
    assert [run.seed for run in row.failed] == [seed]
    assert row.keys == (*map(RunKey, seeds()[:2]), RunKey(seed))


def test_runs_of_other_seeds_do_not_count(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,), (62,)])
    asked = table("2", "released")
    report = table_report(asked, rows_of(asked), (), Stored(tmp_path, None), seeds()[:2])
    assert len(report.rows[0].results) == 2


def test_a_change_for_all_rows_is_another_experiment(tmp_path: Path) -> None:
    change = ("training.epochs", 2)
    store(tmp_path, recipe_of("2", "GLAM", "released", change), [(64, 60)])
    assert not report_on(tmp_path).rows[0].results
    assert len(report_on(tmp_path, "2", "released", change).rows[0].results) == 1


def test_a_protocol_with_a_validation_set_of_its_own_is_seen_through_it(tmp_path: Path) -> None:
    assert report_on(tmp_path).view == "test"
    assert report_on(tmp_path, "2", "released", ("split.name", "leave-session-out")).view == "validation"
    assert report_on(tmp_path, "2", "released", ("split.name", "leave-session-out"), view="last").view == "last"


PAPER = """
paper: Mine
title: A paper of my own
printed_on: {printed_on}
metrics: [wa, ua]
tables:
  A:
    caption: all that there is
    rows:
      ours: {{recipe: glam-released, printed: {{wa: {wa}, ua: 70.00 ± 2.00}}}}
"""


def report_on_own(tmp_path: Path, printed_on: str = "iemocap", wa: str = "75.5") -> TableReport:
    """Of a paper whose WA has no standard deviation, beside seven runs of WA 75 to 82.5."""
    path = tmp_path / "mine.yaml"
    path.write_text(PAPER.format(printed_on=printed_on, wa=wa), encoding="utf-8")
    asked = Table(read_paper(str(path)), "A", "")
    rows = rows_of(asked)
    assert rows[0].recipe is not None
    store(tmp_path / "runs", rows[0].recipe, [(60 + n,) for n in range(7)])
    return table_report(asked, rows, (), Stored(tmp_path / "runs", None), seeds())


@pytest.mark.parametrize(
    ("wa", "holds"), [("76.2", False), ("76.3", True), ("77.00", True), ("81.2", True), ("81.3", False), ("99", False)]
)
def test_a_print_without_a_standard_deviation_is_not_tested_but_held_against_our_interval(
    tmp_path: Path, wa: str, holds: bool
) -> None:
    report = report_on_own(tmp_path, wa=wa)
    of_row = report.rows[0].metrics
    was = [100 * (60 + n) / 80 for n in range(7)]
    low, high = known(interval_of_mean(was, ratio=0))
    assert (low <= float(wa) <= high) is holds
    assert of_row["wa"].holds is holds
    assert of_row["wa"].p is None
    assert not of_row["wa"].more_than_chance
    assert of_row["wa"].difference == pytest.approx(np.mean(was) - float(wa))
    # the other column has one, and is the only test of the table
    assert of_row["ua"].holds is None
    assert of_row["ua"].p is not None
    assert report.tests == 1


def test_numbers_printed_of_another_corpus_are_not_compared_with(tmp_path: Path) -> None:
    report = report_on_own(tmp_path, printed_on="emodb")
    assert not report.whole
    comparison = report.rows[0].metrics["wa"]
    assert comparison.ours is not None
    assert comparison.printed is not None
    assert (comparison.difference, comparison.p, comparison.holds) == (None, None, None)


def test_of_a_paper_that_prints_nothing_nothing_is_said_about_the_print(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "{paper: Ours, title: Ours, metrics: [wa], tables: {1: {caption: All, rows: {GLAM: {recipe: glam-paper}}}}}"
    )
    asked = table(f"{path}/1")
    rows = rows_of(asked, [("training.epochs", 1)])
    assert rows[0].recipe is not None
    none = table_report(asked, rows, [("training.epochs", 1)], Stored(tmp_path / "runs", None), seeds())
    assert "none is stored yet" in markdown(none)
    assert "print" not in markdown(none).replace(str(tmp_path), "")
    store(tmp_path / "runs", rows[0].recipe, [(60,), (61,)])
    stored = Stored(tmp_path / "runs", None)
    for view in ("test", "last"):
        report = table_report(asked, rows, [("training.epochs", 1)], stored, seeds(), view)
        assert not report.is_printed
        assert "print" not in markdown(report).replace(str(tmp_path), "")
    assert report_on_own(tmp_path).is_printed


def test_metrics_beside_the_table_s_are_not_compared_and_stand_once(tmp_path: Path) -> None:
    store(tmp_path, recipe_of("2", "GLAM"), [(64,), (60,)])
    asked = table("2", "released")
    more = [METRICS["pure_accuracy"], METRICS["wa"]]
    report = table_report(asked, rows_of(asked), (), Stored(tmp_path, None), seeds(), more=more)
    assert [metric.name for metric in report.metrics] == [*asked.metrics, "pure_accuracy"]
    comparison = report.rows[0].metrics["pure_accuracy"]
    assert comparison.ours is not None
    assert comparison.printed is None
    assert comparison.ours.mean == pytest.approx(77.5)  # an utterance is one segment here
    assert report.rows[0].optimism("pure_accuracy") == report.rows[0].optimism("wa")


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, True),
        ({"corpus": "emodb"}, False),
        ({"synthetic": True}, False),
        ({"part": "Ses01"}, False),
        ({"too_short": dict.fromkeys(("neutral", "sad", "angry", "happy"), 9)}, False),
    ],
)
@pytest.mark.parametrize("part", ["improvised", "scripted", "full"])
def test_the_whole_of_iemocap_is_known_by_its_counts(part: str, changes: dict[str, Any], whole: bool) -> None:
    where = {"style": part} if part != "full" else {}
    composition = composition_of(load_recipe("glam-released", [("corpus.where", where)]))
    assert whole_iemocap(composition.model_copy(update=changes)) is whole
    assert not whole_iemocap(composition_of(load_recipe("glam-released", [("corpus.where", where)]), missing=1))
