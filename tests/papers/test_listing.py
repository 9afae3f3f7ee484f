"""The list of all there is."""

import re
from pathlib import Path

import pytest
from papers.runs import recipe_of, store

from glam.corpora import CORPORA, load_corpus
from glam.errors import GlamError
from glam.inputs.inputs import INPUTS
from glam.learning.settings import LOSSES
from glam.models import MODELS
from glam.papers.listing import listing
from glam.papers.paper import paper_names, read_paper
from glam.places import index_folder
from glam.recipe import load_recipe, recipe_names
from glam.splits.population import population
from glam.splits.runs import seeds


def section(text: str, title: str) -> dict[str, list[str]]:
    """What is said in a section, by name."""
    (body,) = re.findall(rf"^## {re.escape(title)}\n\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    entries = (line.removeprefix("- ").partition(": ") for line in body.splitlines())
    return {name: said.split("; ") for name, _, said in entries}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def test_everything_that_can_be_named_is_there(runs: Path, tmp_path: Path) -> None:
    text = listing(runs, tmp_path / "data")
    assert list(section(text, "Models")) == list(MODELS)
    assert list(section(text, "Inputs")) == list(INPUTS)
    assert list(section(text, "Losses")) == list(LOSSES)
    assert list(section(text, "Recipes")) == list(recipe_names())
    assert list(section(text, "Corpora")) == list(CORPORA)
    assert section(text, f"Experiments in {runs}") == {"none": ["train one: glam train"]}
    tables = section(text, "Tables")
    for name in paper_names():
        paper = read_paper(name)
        for number, printed in paper.tables.items():
            caption, *counts = tables[f"{name}/{number}"]
            assert caption == printed.caption
            for variant, count in zip(paper.variants or ("",), counts, strict=True):
                before = f"{variant}: 0" if variant else "0"
                assert re.fullmatch(rf"{before} runs? of \d+ rows? x {paper.seeds} seeds", count)


def test_what_a_recipe_and_a_model_are(runs: Path, tmp_path: Path) -> None:
    text = listing(runs, tmp_path / "data")
    recipes = section(text, "Recipes")
    assert recipes["glam-released"] == [
        "glam of mfcc",
        "segments of 1.8 s, 0.20 s apart",
        "50 epochs",
        "32 segments a batch",
        "adam 0.001",
        "mixup 0.5",
    ]
    assert recipes["apcnn-released"][:2] == ["apcnn of spectrogram", "segments of 2 s, 1.00 s apart"]
    assert recipes["apcnn-released"][3:] == ["128 segments a batch", "sgd 0.05"]
    assert recipes["glrf-sum"][0] == "glrf(fusion=sum) of mfcc"
    assert recipes["glrf-five"][-2:] == ["head-k", "on synthetic-five"]
    assert len(set(map(tuple, recipes.values()))) == len(recipes), "each says what makes it another"
    models = section(text, "Models")
    assert models["glam"][:2] == [
        "GLAM (section 3, Figure 1): multi-scale trunk + global-aware fusion",
        "no options",
    ]
    assert models["mhcnn"][-2:] == ["heads=4, hidden=64", "in mhcnn-paper, mhcnn-released"]
    assert models["aacnn"][-2:] == ["dropout=0.5", "in no recipe"]
    assert models["aacnn-original"][-2] == "dropout=0.5, dropout_at_test=False"
    assert section(text, "Inputs")["logfbank"] == ["Log filterbank energies to 4 kHz", "no options"]
    assert section(text, "Losses")["focal"][-1] == "gamma=2.0"


def test_runs_are_counted_under_every_table_that_they_are_of(runs: Path, tmp_path: Path) -> None:
    folder = store(runs, recipe_of("2", "GLAM"), [(64,), (60,), (61,)])
    (folder / str(seeds()[2])).rename(folder / "7")  # of none of the hundred seeds
    text = listing(runs, tmp_path / "data")
    tables = section(text, "Tables")
    assert {name: counts for name, (_, *counts) in tables.items() if name.startswith("glam/")} == {
        "glam/1": ["released: 2 runs of 12 rows x 100 seeds", "paper: 0 runs of 12 rows x 100 seeds"],
        "glam/2": ["released: 2 runs of 6 rows x 100 seeds", "paper: 0 runs of 6 rows x 100 seeds"],
        "glam/3": ["released: 2 runs of 7 rows x 100 seeds", "paper: 0 runs of 7 rows x 100 seeds"],
        "glam/4": ["released: 2 runs of 12 rows x 100 seeds", "paper: 0 runs of 12 rows x 100 seeds"],
    }
    assert section(text, f"Experiments in {runs}") == {folder.name: ["glam-released", "3 runs"]}


def test_runs_with_other_settings_are_counted_apart_and_say_what_differs(runs: Path, tmp_path: Path) -> None:
    store(runs, recipe_of("2", "GLAM"), [(64,)])
    changed = load_recipe("glam-released", [("training.lr", 1e-4)])
    folder = store(runs, changed, [(64,), (60,)])
    text = listing(runs, tmp_path / "data")
    assert section(text, "Tables")["glam/2"][1:] == [
        "released: 1 run of 6 rows x 100 seeds, and 2 of the same recipes with other settings",
        "paper: 0 runs of 6 rows x 100 seeds",
    ]
    experiments = section(text, f"Experiments in {runs}")
    assert experiments[folder.name] == ["glam-released", "2 runs", "changed: training.lr 0.0001 (0.001)"]


def test_with_an_index_only_runs_on_this_corpus_count(runs: Path, tmp_path: Path, tiny_release: Path) -> None:
    data = tmp_path / "data"
    corpus = load_corpus("iemocap", tiny_release, index_folder(data, "iemocap"))
    store(runs, recipe_of("2", "GLAM"), [(64,)])  # on another one
    text = listing(runs, data)
    assert section(text, "Corpora")["iemocap"] == ["40 utterances", str(corpus.root)]
    assert section(text, "Tables")["glam/2"][1] == "released: 0 runs of 6 rows x 100 seeds"
    recipe = load_recipe("glam-released")
    with pytest.raises(GlamError, match="too short"):  # its utterances are of about a second
        population(corpus, recipe.corpus, recipe.cut)


def test_what_is_not_read_yet_is_told_from_what_is_made(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IEMOCAP", "/corpora/IEMOCAP")
    corpora = section(listing(runs, tmp_path / "data"), "Corpora")
    assert corpora["iemocap"] == ["not read yet", "/corpora/IEMOCAP"]
    assert corpora["synthetic"] == ["made when first used"]


def test_what_cannot_be_read_is_named_below(runs: Path, tmp_path: Path) -> None:
    folder = store(runs, recipe_of("2", "GLAM"), [(64,)])
    (folder / "experiment.json").write_text("{")
    text = listing(runs, tmp_path / "data")
    assert section(text, f"Experiments in {runs}") == {folder.name: ["cannot be read, see below"]}
    last = text.splitlines()[-1]
    assert last.startswith(f"- {folder}: ")
    assert "damaged" in last
