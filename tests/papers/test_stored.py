"""The runs folder: which experiment is a recipe's, whatever else lies there."""

import json
from pathlib import Path
from typing import Any

import pytest
from papers.runs import TARGETS, recipe_of, report_on, store

from glam.corpora import load_corpus
from glam.corpora.utterances import Corpus
from glam.errors import GlamError
from glam.files import hashed_json
from glam.papers.stored import Stored
from glam.recipe import Recipe, load_recipe
from glam.results.experiment import EXPERIMENT, read_experiment
from glam.splits.population import population

SHORT = ("cut", {"length": 0.5, "train_overlap": 0.25, "test_overlap": 0.25})


@pytest.fixture
def corpus(tiny_release: Path, tmp_path: Path) -> Corpus:
    return load_corpus("iemocap", tiny_release, tmp_path / "index")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def digest_on(corpus: Corpus, recipe: Recipe) -> str:
    return population(corpus, recipe.corpus, recipe.cut).digest


def as_format_1(folder: Path, **recipe: Any) -> None:
    """Make of an experiment one as the version before stored them; recipe: its sections in the terms of that time."""
    path = folder / EXPERIMENT
    content = json.loads(path.read_text())
    content["identity"]["format"] = 1
    content["recipe"] = {"name": "old", "model": {"name": "glam"}, **recipe}
    content["composition"]["style"] = content["composition"].pop("part")
    del content["sha256"]
    path.write_text(hashed_json(content))


def test_nothing_stored(runs: Path, corpus: Corpus) -> None:
    recipe = load_recipe("glam-released", [SHORT])
    without_index = Stored(runs, None).find(recipe)
    assert (without_index.experiment, without_index.composition) == (None, None)
    on_corpus = Stored(runs, corpus).find(recipe)
    assert on_corpus.experiment is None
    assert on_corpus.composition == population(corpus, recipe.corpus, recipe.cut).facts()  # known all the same
    assert (on_corpus.elsewhere, on_corpus.damaged) == ((), None)
    assert Stored(runs / "absent", None).find(recipe).experiment is None


def test_an_experiment_is_known_by_its_settings_whatever_its_name(runs: Path) -> None:
    recipe = load_recipe("glam-released", [SHORT])
    folder = store(runs, recipe, [(64,)])
    store(runs, load_recipe("glam-released", [SHORT, ("training.epochs", 2)]), [(64,)])
    store(runs, load_recipe("glam-released"), [(64,)])
    stored = Stored(runs, None)
    renamed = recipe.model_copy(update={"name": "else"})
    for asked in (recipe, renamed):
        experiment = stored.find(asked).experiment
        assert experiment is not None
        assert experiment.folder == folder
        assert experiment.targets.tolist() == TARGETS.tolist()
    assert stored.find(load_recipe("glam-released", [SHORT, ("training.epochs", 3)])).experiment is None


def test_two_corpora_without_an_index_are_ambiguous(tmp_path: Path) -> None:
    for corpus in "01":
        store(tmp_path, recipe_of("2", "GLAM"), [(64,)], corpus=corpus * 64)
    with pytest.raises(GlamError, match=r"two corpora.*handleIEMOCAP\.py"):
        report_on(tmp_path)


def test_with_an_index_the_one_on_this_corpus_is_meant_and_others_are_named(runs: Path, corpus: Corpus) -> None:
    recipe = load_recipe("glam-released", [SHORT])
    elsewhere = store(runs, recipe, [(64,)], corpus="1" * 64)
    here = Stored(runs, corpus).find(recipe)
    assert here.experiment is None
    assert here.elsewhere == (elsewhere,)
    folder = store(runs, recipe, [(64,)], corpus=digest_on(corpus, recipe))
    here = Stored(runs, corpus).find(recipe)
    assert here.experiment is not None
    assert here.experiment.folder == folder
    assert here.elsewhere == (elsewhere,)
    assert here.composition is not None
    assert here.composition.utterances == 40  # of the corpus, not what is stored


def test_where_the_corpus_has_no_such_set_runs_on_it_cannot_be(runs: Path, corpus: Corpus) -> None:
    recipe = load_recipe("glam-released", [("cut.length", 5)])
    folder = store(runs, recipe, [(64,)])
    impossible = Stored(runs, corpus).find(recipe)
    assert (impossible.experiment, impossible.composition) == (None, None)
    assert impossible.elsewhere == (folder,)


def test_of_a_corpus_without_released_labels_each_label_is_a_class(runs: Path, corpus: Corpus) -> None:
    plain = load_recipe("glam-released", [SHORT, ("corpus.labels", {})])
    spelt_out = plain.replaced(corpus=plain.corpus.of(corpus))
    folder = store(runs, spelt_out, [(64,)], corpus=digest_on(corpus, spelt_out))
    experiment = Stored(runs, corpus).find(plain).experiment
    assert experiment is not None
    assert experiment.folder == folder


def test_what_is_damaged_is_named_where_it_would_lie(runs: Path, corpus: Corpus) -> None:
    recipe = load_recipe("glam-released", [SHORT])
    folder = store(runs, recipe, [(64,)], corpus=digest_on(corpus, recipe))
    (folder / EXPERIMENT).write_text("{")
    stored = Stored(runs, corpus)
    here = stored.find(recipe)
    assert here.experiment is None
    assert here.damaged is not None
    assert "damaged" in here.damaged
    assert stored.damaged == {folder: here.damaged}
    # without an index nobody knows where it would lie
    without_index = Stored(runs, None)
    assert without_index.find(recipe).damaged is None
    assert list(without_index.damaged) == [folder]


def test_a_folder_is_read_once(runs: Path) -> None:
    folder = store(runs, load_recipe("glam-released", [SHORT]), [(64,)])
    stored = Stored(runs, None)
    first = stored.read(folder)
    assert first is not None
    (folder / EXPERIMENT).unlink()
    assert stored.read(folder) is first
    assert Stored(runs, None).read(folder) is None


def test_an_experiment_of_the_format_before_is_shown_where_there_is_no_other(runs: Path, corpus: Corpus) -> None:
    recipe = load_recipe("glam-released", [SHORT])
    folder = store(runs, recipe, [(64,)], corpus=digest_on(corpus, recipe))
    as_format_1(folder, segments=SHORT[1], corpus={"style": "improvised"})
    old = folder.rename(folder.with_name(f"{folder.name[:-8]}0ldf0rma"))
    for known in (corpus, None):
        experiment = Stored(runs, known).find(recipe).experiment
        assert experiment is not None
        assert (experiment.folder, experiment.format) == (old, 1)
    new = store(runs, recipe, [(60,)], corpus=digest_on(corpus, recipe))
    for known in (corpus, None):
        experiment = Stored(runs, known).find(recipe).experiment
        assert experiment is not None
        assert (experiment.folder, experiment.format) == (new, 2)
    assert read_experiment(old).format == 1


def test_names_of_folders_are_no_patterns(tmp_path: Path) -> None:
    """A model of a file may be called anything; brackets in its name match themselves."""
    mine = tmp_path / "mine [1].py"
    mine.write_text("def net(classes, audio):\n    pass\n")
    recipe = load_recipe("glam-released", [SHORT, ("model", f"{mine}:net")])
    folder = store(tmp_path / "runs [2]", recipe, [(64,)])
    experiment = Stored(tmp_path / "runs [2]", None).find(recipe).experiment
    assert experiment is not None
    assert experiment.folder == folder
