import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glam.corpora.iemocap import KNOWN_COUNTS
from glam.errors import GlamError
from glam.evaluation.metrics import confusion_matrix
from glam.evaluation.statistics import holm, welch_from_summaries
from glam.papers.table_files import as_csv, as_json, latex, markdown, write_files
from glam.papers.tables import SETTINGS, TABLES, Setting, Stored, TableReport, distinct, recipes, table_report
from glam.recipe import Recipe, load_recipe
from glam.reports.views import SELECTION, VIEWS, View
from glam.results.identity import identity
from glam.results.run import (
    Epoch,
    Predictions,
    StoredExperiment,
    experiment_folder,
    store_experiment,
    write_failure,
    write_run,
)
from glam.splits.population import Composition
from glam.splits.splits import RUNS, seeds

UTTERANCES = 400  # of every fake experiment, a hundred of each class
TARGETS = np.arange(UTTERANCES) % 4


def composition_of(recipe: Recipe, missing: int = 0) -> Composition:
    """The whole of IEMOCAP (less `missing` neutral utterances), ten of each class being too short."""
    styles = list(KNOWN_COUNTS) if recipe.corpus.style == "full" else [recipe.corpus.style]
    classes = {
        name: {label: sum(KNOWN_COUNTS[style][label] for style in styles) for label in labels}
        for name, labels in recipe.corpus.labels.items()
    }
    for labels in classes.values():
        labels[next(iter(labels))] -= 10
    classes["neutral"]["neu"] -= missing
    return Composition(
        corpus=recipe.corpus.name,
        synthetic=recipe.corpus.name == "synthetic",
        style=recipe.corpus.style,
        utterances=sum(sum(labels.values()) for labels in classes.values()),
        classes=classes,
        too_short=dict.fromkeys(classes, 10),
    )


def store(runs: Path, recipe: Recipe, right: Sequence[Sequence[int]], missing: int = 0, corpus: str = "0") -> Path:
    """An experiment whose run i classifies right[i][e] of 80 held-out utterances correctly in epoch e."""
    who = identity(recipe.scientific(), corpus * 64)
    folder = experiment_folder(runs, recipe.model.name, recipe.corpus.name, recipe.corpus.style, who)
    store_experiment(
        StoredExperiment(
            folder=folder,
            name=recipe.name,
            recipe=recipe.model_dump(mode="json"),
            identity=who,
            classes=recipe.corpus.classes,
            composition=composition_of(recipe, missing),
            ids=tuple(f"Ses01F_impro01_F{i:03d}" for i in range(UTTERANCES)),
            targets=TARGETS,
        )
    )
    for seed, epochs in zip(seeds(), right, strict=False):
        held_out = np.arange(80)
        logits = np.zeros((len(epochs), 80, 4), dtype=np.float32)
        for epoch, correct in enumerate(epochs):
            guess = np.where(held_out < correct, TARGETS[held_out], (TARGETS[held_out] + 1) % 4)
            logits[epoch, held_out, guess] = 1
        predictions = Predictions(
            logits=logits,
            segment_classes=np.zeros((len(epochs), 80), dtype=np.uint8),
            segments=np.ones(80, dtype=np.int64),
            held_out=held_out,
            train=np.arange(80, UTTERANCES),
        )
        past = [Epoch(1e-3, 1.0, 1.0, 0.1)] * len(epochs)
        write_run(folder / str(seed), seed, {"torch": "2"}, past, TARGETS[held_out], 4, predictions, {})
    return folder


def report_on(
    runs: Path,
    number: int = 2,
    setting: Setting = "released",
    *overrides: tuple[str, Any],
    view: View | None = None,
) -> TableReport:
    return table_report(TABLES[number], setting, overrides, Stored(runs, None), seeds(), view)


def recipe_of(number: int, label: str, setting: Setting = "released", *overrides: tuple[str, Any]) -> Recipe:
    table = TABLES[number]
    return dict(zip([r.label for r in table.rows], recipes(table, setting, overrides), strict=True))[label]


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_the_printed_ones_in_their_order(number: int) -> None:
    assert [row.label for row in TABLES[number].rows] == list(TABLES[number].printed.rows)


@pytest.mark.parametrize("setting", SETTINGS)
def test_how_many_trainings_the_four_tables_ask_for(setting: Setting) -> None:
    by_table = {number: recipes(table, setting) for number, table in TABLES.items()}
    assert {number: len(distinct(rows)) for number, rows in by_table.items()} == {1: 12, 2: 6, 3: 7, 4: 12}
    experiments = distinct(recipe for rows in by_table.values() for recipe in rows)
    # 37 rows: Table 2 adds three models to Table 1, Table 3 six alphas, Table 4 nothing.
    assert len(experiments) == 12 + 3 + 6
    assert len(experiments) * RUNS == 2100


def test_every_model_has_its_recipe_in_the_table() -> None:
    found = {row.label: recipe for row, recipe in zip(TABLES[2].rows, recipes(TABLES[2], "released"), strict=True)}
    assert {label: recipe.model.name for label, recipe in found.items()} == {
        "GLAM": "glam",
        "Multi-scale": "multi-scale",
        "Multi-scale + MHA": "multi-scale-mha",
        "Multi-scale + AA": "multi-scale-aa",
        "MHCNN": "mhcnn",
        "AACNN": "aacnn-original",
    }
    assert found["AACNN"].training.epochs == 100
    assert {found[label].training.batch_size for label in ("Multi-scale + MHA", "Multi-scale + AA")} == {128}


def test_the_paper_has_one_setting_for_all_models() -> None:
    for number in TABLES:
        for recipe in recipes(TABLES[number], "paper"):
            training, glam = recipe.training, load_recipe("glam-paper")
            assert (recipe.features, recipe.segments) == (glam.features, glam.segments)
            assert recipe.corpus.labels == glam.corpus.labels
            assert training.model_copy(update={"alpha": 0.5}) == glam.training
            if number != 3:
                mixed = recipe.model.name == "glam" or recipe.model.name.startswith("multi-scale")
                assert training.alpha == (0.5 if mixed else 0)


def test_an_override_is_for_all_rows_but_not_for_what_a_row_fixes() -> None:
    assert {recipe.training.epochs for recipe in recipes(TABLES[3], "released", [("training.epochs", 2)])} == {2}
    assert recipes(TABLES[2], "released", [("training.alpha", 0)])[0].training.alpha == 0
    for number, field in ((3, "training.alpha"), (1, "corpus.style"), (2, "model.name")):
        with pytest.raises(GlamError, match=rf"--set {field}: the rows of Table {number} fix it"):
            recipes(TABLES[number], "released", [(field, 1)])
    with pytest.raises(GlamError, match=r"there is no field training\.epoch"):
        recipes(TABLES[1], "released", [("training.epoch", 2)])


def test_nothing_stored(tmp_path: Path) -> None:
    text = markdown(report_on(tmp_path, 1))
    assert text.count("no runs yet") == 12
    assert "81.18±1.47" in text


def test_mean_std_difference_and_chance_on_iemocap(tmp_path: Path) -> None:
    # 60 to 66 of 80 in the second epoch: WA 75 to 82.5, the best epoch of each run
    store(tmp_path, recipe_of(2, "GLAM"), [(8, 60 + n, 8) for n in range(7)])
    store(tmp_path, recipe_of(2, "MHCNN"), [(20,), (21,)])
    report = report_on(tmp_path)
    glam, mhcnn = report.rows[0], report.rows[4]
    wa = [100 * (60 + n) / 80 for n in range(7)]
    assert glam.metrics["wa"].ours is not None
    assert glam.metrics["wa"].ours.mean == pytest.approx(np.mean(wa))
    assert glam.metrics["wa"].ours.std == pytest.approx(np.std(wa, ddof=1))
    assert glam.metrics["wa"].difference == pytest.approx(np.mean(wa) - 81.18)
    assert report.tests == 8
    # by hand: each metric of both rows against the print over 100 runs, then Holm over the eight
    p = []
    for row in (glam, mhcnn):
        printed = TABLES[2].printed.rows[row.row.label]
        for metric in ("wa", "ua", "macro_f1", "weighted_f1"):
            values = [getattr(one.scores, metric) for one in row.results]
            ours = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
            p.append(welch_from_summaries(*ours, *getattr(printed, metric), 100).p)
    metrics = [row.metrics[name] for row in (glam, mhcnn) for name in ("wa", "ua", "macro_f1", "weighted_f1")]
    np.testing.assert_allclose([one.p for one in metrics], holm(p))
    assert not mhcnn.metrics["micro_f1"].more_than_chance
    assert [one.more_than_chance for one in metrics] == [value <= 0.05 for value in holm(p)]
    assert mhcnn.metrics["wa"].more_than_chance
    text = markdown(report)
    assert "25.62±0.88" in text
    assert f"{25.625 - 76.09:+.2f}†" in text
    assert "Holm's adjustment for 8 tests" in text
    assert "over 100 runs with ddof 1" in text
    assert "| GLAM              | 7 " in text
    assert "¹ beside the printed column called" in text
    assert "chosen on the test set itself" in text


def test_one_run_is_shown_but_not_tested(tmp_path: Path) -> None:
    store(tmp_path, recipe_of(2, "GLAM"), [(64,)])
    report = report_on(tmp_path)
    assert report.rows[0].metrics["wa"].p is None
    assert report.tests == 0
    assert "| 80.00 | 81.18±1.47 | -1.18 " in " ".join(markdown(report).split())


def test_every_row_says_how_many_utterances_and_of_what(tmp_path: Path) -> None:
    store(tmp_path, recipe_of(1, "Full GLAM", "paper"), [(64,), (60,)])
    line = next(x for x in markdown(report_on(tmp_path, 1, "paper")).splitlines() if "1626 hap+exc" in x)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["Full GLAM", "0", "80", "5491", "1698 neu, 1074 sad, 1093 ang, 1626 hap+exc", "40"]


def test_table_4_is_the_validation_view_of_the_runs_of_table_1(tmp_path: Path) -> None:
    # validation is the first half of the held-out utterances: 30 of 40 right in the first epoch, all in the second
    store(tmp_path, recipe_of(1, "Improvisation GLAM"), [(30, 60), (30, 62)])
    row = report_on(tmp_path, 4).rows[3]
    assert row.test_utterances == (40,)
    assert [one.epochs for one in row.results] == [(2,), (2,)]
    assert [one.scores.wa for one in row.results] == pytest.approx([50, 55])
    text = markdown(report_on(tmp_path, 4))
    assert "chosen" not in text
    assert "100 runs (assumed: no source says how many)" in text
    assert report_on(tmp_path, 1).rows[3].test_utterances == (80,)


@pytest.mark.parametrize("kind", ["synthetic", "incomplete"])
def test_another_corpus_has_no_difference_column(tmp_path: Path, kind: str) -> None:
    changed = [("corpus.name", "synthetic")] if kind == "synthetic" else []
    store(tmp_path, recipe_of(2, "GLAM", "released", *changed), [(64,), (60,)], missing=int(kind == "incomplete"))
    report = report_on(tmp_path, 2, "released", *changed)
    text = markdown(report)
    assert "IEMOCAP print" in text
    assert "diff." not in text
    assert "†" not in text
    assert ("SYNTHETIC CORPUS" if kind == "synthetic" else "NOT the complete IEMOCAP") in text
    header = as_csv(report).splitlines()[0].split(",")
    assert "printed_mean_iemocap" in header
    assert "difference" not in header
    assert "NOT on IEMOCAP" in latex(report)


def test_failed_runs_are_shown_and_not_averaged(tmp_path: Path) -> None:
    folder = store(tmp_path, recipe_of(2, "GLAM"), [(64,), (60,)])
    seed = seeds()[50]
    write_failure(folder / str(seed), seed, {}, "the loss of step 3 of epoch 1 is nan")
    report = report_on(tmp_path)
    assert len(report.rows[0].results) == 2
    assert f"FAILED, not averaged: GLAM, seed {seed}: the loss of step 3 of epoch 1 is nan" in markdown(report)


def test_runs_of_other_seeds_do_not_count(tmp_path: Path) -> None:
    store(tmp_path, recipe_of(2, "GLAM"), [(64,), (60,), (62,)])
    report = table_report(TABLES[2], "released", (), Stored(tmp_path, None), seeds()[:2])
    assert len(report.rows[0].results) == 2


def test_a_change_for_all_rows_is_another_experiment_and_said(tmp_path: Path) -> None:
    change = ("training.epochs", 2)
    store(tmp_path, recipe_of(2, "GLAM", "released", change), [(64, 60)])
    assert not report_on(tmp_path).rows[0].results
    report = report_on(tmp_path, 2, "released", change)
    assert len(report.rows[0].results) == 1
    assert "CHANGED for all rows: training.epochs=2" in markdown(report)


def test_two_corpora_without_an_index_are_ambiguous(tmp_path: Path) -> None:
    for corpus in "01":
        store(tmp_path, recipe_of(2, "GLAM"), [(64,)], corpus=corpus)
    with pytest.raises(GlamError, match=r"two corpora.*handleIEMOCAP\.py"):
        report_on(tmp_path)


def test_what_the_sources_print_differently_is_shown(tmp_path: Path) -> None:
    text = markdown(report_on(tmp_path, 3))
    assert "α = 0: the README of the authors' repository prints WA 80.44±1.54, UA 78.88±1.66" in text


def test_a_table_is_narrow_enough_to_read(tmp_path: Path) -> None:
    for label in TABLES[2].printed.rows:
        store(tmp_path, recipe_of(2, label), [(60,), (64,)])
    grid = [line for line in markdown(report_on(tmp_path)).splitlines() if line.startswith("|")]
    assert max(map(len, grid)) <= 110


def test_files(tmp_path: Path) -> None:
    store(tmp_path / "runs", recipe_of(2, "GLAM"), [(64,), (60,)])
    report = report_on(tmp_path / "runs")
    paths = write_files(report, tmp_path / "tables")
    assert [path.name for path in paths] == [f"table2-released.{suffix}" for suffix in ("md", "tex", "csv", "json")]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(path.name for path in paths)

    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert len(rows) == 6 * 5
    assert (rows[0]["row"], rows[0]["metric"], rows[0]["mean"]) == ("GLAM", "wa", "77.5")
    assert (rows[0]["printed_mean"], rows[0]["runs"], rows[5]["mean"]) == ("81.18", "2", "")

    content = json.loads(as_json(report))
    glam = content["rows"][0]
    assert glam["metrics"]["wa"]["printed"]["readme"] == {"mean": 81.18, "std": 1.47}
    assert "paper" not in glam["metrics"]["macro_f1"]["printed"]
    assert [run["wa"] for run in glam["runs"]] == [80.0, 75.0]

    text = latex(report)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.isascii()
    assert body.count(r"\toprule") == body.count(r"\bottomrule") == 3
    assert r"77.50$\pm$3.54" in body
    with pytest.raises(GlamError, match="--output"):
        write_files(report, tmp_path / "tables" / "table2-released.md")


def test_a_report_starts_without_torch(tmp_path: Path) -> None:
    store(tmp_path / "runs", recipe_of(2, "GLAM"), [(64,), (60,)])
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
    assert "| table 1 | released  | 2 " in done.stdout, "GLAM's improvised row is Table 1's, too"


@pytest.mark.parametrize("render", [markdown, latex, as_csv, as_json])
def test_a_report_renders_the_same_twice(tmp_path: Path, render: Callable[[TableReport], str]) -> None:
    store(tmp_path, recipe_of(2, "GLAM"), [(64,), (60,)])
    assert render(report_on(tmp_path)) == render(report_on(tmp_path))


def test_what_choosing_the_epoch_on_the_test_set_adds_is_a_column(
    tmp_path: Path, without_hashes: Callable[[Path], None]
) -> None:
    # Right are 30 of the first 40, 40 of the second in the first epoch; all of the first, 20 of the second in the
    # second epoch: the test set takes the first epoch (70 of 80), the halves 20 of 40 and 30 of 40.
    folder = store(tmp_path, recipe_of(2, "GLAM"), [(0, 0), (64, 64)])
    without_hashes(folder)
    path = folder / str(seeds()[0]) / "predictions.npz"
    with np.load(path) as file:
        arrays = dict(file)
    right = np.zeros((2, 80), dtype=bool)
    right[0, 10:], right[1, :60] = True, True
    guess = np.where(right, TARGETS[:80], (TARGETS[:80] + 1) % 4)
    arrays["logits"] = np.eye(4, dtype=np.float32)[guess]
    np.savez_compressed(path, **arrays)
    run = path.with_name("run.json")
    content = json.loads(run.read_text())
    for epoch, row in enumerate(content["epochs"]):
        row["confusion"] = confusion_matrix(TARGETS[:80], guess[epoch], 4).tolist()
    run.write_text(json.dumps(content))

    report = report_on(tmp_path)
    assert report.rows[0].optimism("wa") == pytest.approx((100 * (70 - 50) / 80 + 0) / 2)
    cells = [line.split("|")[1:-1] for line in markdown(report).splitlines() if "+12.50" in line]
    assert [[cell.strip() for cell in line][:4] for line in cells] == [["GLAM", "83.75±5.30", "71.25±12.37", "+12.50"]]
    assert "² optimism" in markdown(report)
    assert "+12.50" in latex(report)
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert (rows[0]["optimism"], rows[5]["optimism"]) == ("12.5", "")
    assert json.loads(as_json(report))["rows"][0]["metrics"]["wa"]["optimism"] == 12.5
    for other in ("halves", "validation", "last"):
        seen = report_on(tmp_path, view=other)  # type: ignore[arg-type]
        assert "optimism" not in markdown(seen)
        assert seen.rows[0].optimism("wa") is None


@pytest.mark.parametrize("number", TABLES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_table_under_every_view(tmp_path: Path, number: int, view: View) -> None:
    label = next(label for label in TABLES[number].printed.rows if "GLAM" in label or "0.5" in label)
    store(tmp_path, recipe_of(number, label), [(30, 60), (30, 62)])
    report = report_on(tmp_path, number, view=view)
    (row,) = [row for row in report.rows if row.results]
    assert row.test_utterances == ((40,) if view == "validation" else (80,))
    text = markdown(report)
    assert f"epoch: {SELECTION[view]}" in text
    assert ("NOT the printed table's" in text) == (view != TABLES[number].view)
    stem = f"table{number}-released" + ("" if view == TABLES[number].view else f"-{view}")
    assert write_files(report, tmp_path / "out")[0].name == f"{stem}.md"


def test_every_set_has_a_line_on_its_protocol(tmp_path: Path, without_hashes: Callable[[Path], None]) -> None:
    store(tmp_path, recipe_of(2, "GLAM"), [(64,), (60,)])
    folder = store(tmp_path, recipe_of(2, "Multi-scale"), [(64,), (60,), (60,)])
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
    store(tmp_path, recipe_of(2, "GLAM"), [(64,), (60,)])
    folder = store(tmp_path, recipe_of(2, "MHCNN"), [(64,), (60,)])
    (folder / str(seeds()[1]) / "run.json").write_text("{")
    report = report_on(tmp_path)
    text = markdown(report)
    assert report.rows[4].found.damaged is not None
    assert "| MHCNN             | damaged " in text
    assert "DAMAGED, not shown: MHCNN: " in text
    assert "77.50±3.54" in text
    # without an index, nobody knows which row's an experiment is that cannot be read
    (folder / "experiment.json").write_text("{")
    report = report_on(tmp_path)
    assert report.rows[4].found.damaged is None
    assert f"cannot be read: {folder}" in markdown(report)
    assert "77.50±3.54" in markdown(report)
