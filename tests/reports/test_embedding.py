from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from glam.errors import GlamError
from glam.learning.engine import initial_model
from glam.recipe import Recipe, checked
from glam.reports.embedding import embed
from glam.results.run import MODEL, Epoch, Predictions, StoredExperiment, store_experiment, write_run
from glam.running.experiment import Experiment, Places, open_stores, prepare
from glam.splits.splits import random_split

SEED = 2602656884
SETTINGS: dict[str, Any] = {
    "segments": {"length": 0.5, "train_overlap": 0.0, "test_overlap": 0.25},
    "model": {"name": "mhcnn", "hidden": 8},
    "training": {"epochs": 2},
}


def saved(experiment: Experiment, **changes: str) -> StoredExperiment:
    """The experiment with one run, whose model has the initial weights of its seed; changes: of the metadata."""
    stored, recipe = experiment.stored, experiment.recipe
    split = random_split(len(stored.ids), SEED)
    held_out = len(split.held_out)
    logits = np.zeros((2, held_out, 4), dtype=np.float32)
    logits[1, np.arange(held_out), stored.targets[split.held_out]] = 1
    model = initial_model(recipe.model, 4, (26, 16), SEED)
    meta = {"recipe": recipe.model_dump_json(), "shape": "26,16", "seed": str(SEED), "epoch": "2"} | changes
    segments = np.ones(held_out, dtype=np.int64)
    store_experiment(stored)
    write_run(
        stored.folder / str(SEED),
        SEED,
        {},
        [Epoch(1e-3, 1.0, 1.0, 1.0)] * 2,
        stored.targets[split.held_out],
        4,
        Predictions(logits, logits.argmax(axis=2).astype(np.uint8), segments, split.held_out, split.train),
        {MODEL: save(model.state_dict(), meta)},
    )
    return stored


@pytest.fixture
def prepared(tiny_release: Path, tmp_path: Path) -> Experiment:
    return prepare(checked(SETTINGS, "test"), Places(tiny_release, tmp_path / "data", tmp_path / "runs"))


def test_the_hidden_layer_of_an_utterance_is_the_mean_over_its_segments(prepared: Experiment) -> None:
    found = embed(saved(prepared), prepared.places.corpus, prepared.places.data)
    held_out = random_split(len(prepared.stored.ids), SEED).held_out
    assert found.hidden.shape == (len(held_out), 8)
    assert (found.targets == prepared.stored.targets[held_out]).all()
    assert (found.seed, found.epoch, found.wa) == (SEED, 2, 100.0)
    _, store = open_stores(prepared)
    model = initial_model(prepared.recipe.model, 4, (26, 16), SEED).eval()
    for row, utterance in zip(found.hidden, held_out, strict=True):
        rows = store.rows([store.ids.index(prepared.stored.ids[utterance])])
        assert len(rows) > 1
        with torch.inference_mode():
            expected = model.embed(torch.from_numpy(np.array(store.features[rows])).unsqueeze(1)).mean(dim=0)
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_randomness_outside_is_left_alone(prepared: Experiment) -> None:
    stored = saved(prepared)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    embed(stored, prepared.places.corpus, prepared.places.data)
    assert (torch.rand(3) == expected).all()


def test_another_corpus_is_refused(prepared: Experiment, tmp_path: Path) -> None:
    import shutil

    stored = saved(prepared)
    other = tmp_path / "other"
    shutil.copytree(prepared.places.corpus, other)
    next(other.glob("Session1/sentences/wav/*/*.wav")).unlink()
    with pytest.raises(GlamError, match=r"not the corpus that .* was trained on"):
        embed(stored, other, tmp_path / "data2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": "26"}, "damaged model"),
        ({"epoch": "9"}, "damaged model .ValueError: epoch 9 of 2"),
        ({"recipe": "{"}, "damaged model"),
        ({"recipe": '{"model": {"name": "none"}}'}, "There is no model 'none'"),
    ],
)
def test_a_damaged_model_is_named(prepared: Experiment, changes: dict[str, str], message: str) -> None:
    with pytest.raises(GlamError, match=message):
        embed(saved(prepared, **changes), prepared.places.corpus, prepared.places.data)


def test_weights_of_another_model_are_named(prepared: Experiment, without_hashes: Callable[[Path], None]) -> None:
    stored = saved(prepared)
    path = stored.folder / str(SEED) / MODEL
    meta = {"recipe": prepared.recipe.model_dump_json(), "shape": "26,16", "seed": str(SEED), "epoch": "2"}
    wrong = initial_model(Recipe().model, 4, (26, 16), SEED).state_dict()
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in wrong.items()}, meta))
    with pytest.raises(GlamError, match=r"model\.safetensors: damaged .*not what was written"):
        embed(stored, prepared.places.corpus, prepared.places.data)
    without_hashes(stored.folder)
    with pytest.raises(GlamError, match="not the weights of mhcnn"):
        embed(stored, prepared.places.corpus, prepared.places.data)
