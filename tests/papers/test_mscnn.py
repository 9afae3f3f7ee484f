"""MSCNN-SPU's tables: the printed numbers, what each row's recipe is, and rows that lack a file."""

import csv
import itertools
import re
from pathlib import Path

import pytest
import torch

from glam.models import build
from glam.papers.paper import Printed, read_paper, recipe_of, table
from glam.recipe import Recipe, load_recipe, recipe_names
from glam.running.experiment import lacking_files

PAPER = read_paper("mscnn")
OURS = [name for name in recipe_names() if name.startswith(("mscnn", "audio-cnn", "text-cnn"))]
SHAPES = {"audio": (96, 750), "words": (128, 300), "speaker": (512,)}
LABELS = {"truth": "", "speech": "", "asr": ", ASR"}


def test_the_printed_numbers_are_those_of_the_fact_sheet(shared: Path) -> None:
    sheet = (shared / "NEXT-SYSTEMS.md").read_text(encoding="utf-8")
    block = re.search(r"```csv\n(block,model.*?)```", sheet, re.DOTALL)
    assert block is not None
    rows = list(csv.DictReader(block[1].splitlines()))
    assert len(rows) == 22
    seen: list[tuple[str, str]] = []
    for row in rows:
        number = "2" if row["block"] == "ablation" else "1"
        label = row["model"] if number == "2" else f"{row['model']} ({row['modality']}{LABELS[row['block']]})"
        expected = {metric: Printed(float(row[metric])) for metric in ("wa", "ua") if row[metric]}
        assert PAPER.tables[number].rows[label].printed == expected, label
        seen.append((number, label))
    printed = [(number, label) for number, of in PAPER.tables.items() for label, row in of.rows.items() if row.printed]
    assert sorted(printed) == sorted([*seen, ("2", "MSCNN-SPU")])


@pytest.mark.parametrize("number", ["1", "2"])
def test_every_row_has_the_printed_protocol(number: str) -> None:
    wanted = table(f"mscnn/{number}")
    assert wanted.paper.seeds == wanted.printed.runs == 3
    for label, row in wanted.printed.rows.items():
        if row.recipe is not None:
            recipe = recipe_of(wanted, row)
            assert recipe.split.model_dump(exclude_none=True) == {
                "name": "k-fold",
                "folds": 10,
                "validation": "next",
            }, label
            assert recipe.training.clip_norm == 1
            assert recipe.training.patience == 10
            words = recipe.inputs.get("words")
            assert ("ASR" in label) == (words is not None and words.options().get("transcripts") == "asr"), label


def parameters(recipe: Recipe) -> int:
    network = build(recipe.model, 4, {name: SHAPES[name] for name in recipe.inputs})
    return sum(parameter.numel() for parameter in network.parameters())


def test_recipes_have_as_many_parameters_as_the_paper_s_models() -> None:
    expected = {
        "mscnn-spu": 2_004_228,
        "mscnn-spu-att": 2_397_444,
        "mscnn-spu-without-xvectors": 1_873_156,
        "mscnn-spu-att-without-xvectors": 2_266_372,
    }
    assert {name: parameters(load_recipe(name)) for name in expected} == expected


@pytest.mark.parametrize("name", OURS)
def test_recipes_are_of_the_shapes_of_figure_1(name: str) -> None:
    recipe = load_recipe(name)
    for key, settings in recipe.inputs.items():
        if key != "speaker":
            made = settings.make()
            assert made.entered(made.shape(recipe.cut)) == SHAPES[key]
    assert recipe.training.alpha == recipe.training.weight_decay == 0
    assert recipe.training.schedule.name == "constant"
    with torch.random.fork_rng():
        assert parameters(recipe) > 0


def test_ablations_are_cumulative() -> None:
    names = [row.recipe for row in list(PAPER.tables["2"].rows.values())[:5]]
    options = [load_recipe(str(name)).model.options() for name in names]
    assert [len(of) for of in options] == [0, 0, 1, 2, 3]
    assert all(a.items() <= b.items() for a, b in itertools.pairwise(options))
    assert ["speaker" in load_recipe(str(name)).inputs for name in names] == [True, False, False, False, False]


def test_rows_say_which_files_they_lack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asr = [("inputs.words.transcripts", "asr")]
    assert lacking_files(load_recipe("mscnn-spu", asr)) == ["ASR", "XVECTORS"]
    assert lacking_files(load_recipe("mscnn-spu-without-xvectors")) == [], "without GloVe embeddings are random"
    monkeypatch.setenv("XVECTORS", str(tmp_path / "x.npz"))
    assert lacking_files(load_recipe("mscnn-spu", asr)) == ["ASR"]
