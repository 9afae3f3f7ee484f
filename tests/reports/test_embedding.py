import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reports.figures.drawn import experiment as drawn_experiment
from reports.stored import predicted, store_run
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from glam.errors import GlamError
from glam.learning.course import initial_objective
from glam.learning.objective import Objective
from glam.recipe import Recipe, checked
from glam.reports.embedding import embed, first_saved, two_dimensions
from glam.results.experiment import StoredExperiment, store_experiment
from glam.results.run import MODEL
from glam.running.experiment import Experiment, Places, job, open_stores, prepare
from glam.running.job import Resources, objective_of, run_data
from glam.running.saved import pack_model
from glam.splits.runs import RunKey
from glam.splits.splits import random_split

SEED = 2602656884
SHAPES: dict[str, tuple[int, ...]] = {"audio": (26, 16)}
SETTINGS: dict[str, Any] = {
    "cut": {"length": 0.5, "train_overlap": 0.0, "test_overlap": 0.25},
    "model": {"name": "mhcnn", "hidden": 8},
    "training": {"epochs": 2},
}


def initial(recipe: Recipe) -> Objective:
    """The model with the initial weights of its seed."""
    return initial_objective(recipe.model, recipe.training, recipe.corpus.classes, SHAPES, SEED).eval()


def packed(weights: dict[str, Tensor], of: Recipe, changes: dict[str, str] | None = None) -> bytes:
    """The file of a model of epoch 2; changes: of its metadata."""
    content = pack_model(weights, of, SHAPES, RunKey(SEED), 2)
    length = int.from_bytes(content[:8], "little")
    meta = json.loads(content[8 : 8 + length])["__metadata__"]
    return save({name: tensor.contiguous() for name, tensor in weights.items()}, meta | (changes or {}))


def saved(
    experiment: Experiment, objective: Objective | None = None, changes: dict[str, str] | None = None
) -> StoredExperiment:
    """The experiment with one run, which kept its model; changes: of the metadata of that."""
    stored, recipe = experiment.stored, experiment.recipe
    split = random_split(len(stored.ids), SEED)
    held_out = len(split.held_out)
    logits = np.zeros((2, held_out, 4), dtype=np.float32)
    logits[1, np.arange(held_out), stored.targets[split.held_out]] = 1
    weights = (objective or initial(recipe)).state_dict()
    store_experiment(stored)
    store_run(
        stored,
        RunKey(SEED),
        predicted(logits, split.held_out, split.train),
        extra={MODEL: packed(weights, recipe, changes)},
    )
    return stored


@pytest.fixture
def places(tiny_release: Path, tmp_path: Path) -> Places:
    return Places(tiny_release, tmp_path / "data", tmp_path / "runs")


@pytest.fixture
def prepared(places: Places) -> Experiment:
    return prepare(checked(SETTINGS, "test"), places)


def test_the_hidden_layer_of_an_utterance_is_the_mean_over_its_segments(prepared: Experiment) -> None:
    embedding = embed(saved(prepared), prepared.places.corpus, prepared.places.data)
    held_out = random_split(len(prepared.stored.ids), SEED).held_out
    assert embedding.hidden.shape == (len(held_out), 8)
    assert (embedding.targets == prepared.stored.targets[held_out]).all()
    assert (embedding.seed, embedding.epoch, embedding.wa) == (SEED, 2, 100.0)
    _, store = open_stores(prepared)["audio"]
    model = initial(prepared.recipe)
    for row, utterance in zip(embedding.hidden, held_out, strict=True):
        rows = store.rows([store.ids.index(prepared.stored.ids[utterance])])
        assert len(rows) > 1
        with torch.inference_mode():
            expected = model.embed({"audio": torch.from_numpy(np.array(store.array[rows]))}).mean(dim=0)
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
        ({"shapes": "26"}, r"model\.safetensors: is no saved model, or damaged"),
        ({"shapes": '{"audio": [26, "many"]}'}, r"model\.safetensors: is no saved model, or damaged"),
        ({"epoch": "9"}, r"model\.safetensors: is of epoch 9, and the run has 2"),
        ({"epoch": "0"}, r"model\.safetensors: is of epoch 0, and the run has 2"),
        ({"recipe": "{"}, r"model\.safetensors: is no saved model, or damaged"),
        ({"recipe": '{"model": {"name": "none"}}'}, "there is no model 'none'"),
        ({"format": "1"}, r"model\.safetensors: is no saved model, or damaged"),
    ],
)
def test_a_damaged_model_is_named(prepared: Experiment, changes: dict[str, str], message: str) -> None:
    with pytest.raises(GlamError, match=message):
        embed(saved(prepared, changes=changes), prepared.places.corpus, prepared.places.data)


def test_weights_of_another_model_are_named(prepared: Experiment, without_hashes: Callable[[Path], None]) -> None:
    stored = saved(prepared)
    path = stored.folder / str(SEED) / MODEL
    path.write_bytes(packed(initial(Recipe()).state_dict(), prepared.recipe))
    with pytest.raises(GlamError, match=r"model\.safetensors: damaged .*not what was written"):
        embed(stored, prepared.places.corpus, prepared.places.data)
    without_hashes(stored.folder)
    with pytest.raises(GlamError, match=r"is no saved model, or damaged .*Error.* in loading state_dict"):
        embed(stored, prepared.places.corpus, prepared.places.data)


@pytest.mark.parametrize("how", ["training", "speaker"])
def test_inputs_are_standardised_as_they_were_in_training(places: Places, how: str) -> None:
    """With what the model file keeps; of speakers that training did not hear, too."""
    audio = {"audio": {"name": "mfcc", "normalisation": how}}
    prepared = prepare(checked(SETTINGS | {"inputs": audio}, "test"), places)
    work = job(prepared, Resources("cpu", 1, 1, 60))
    data = run_data(work, RunKey(SEED))
    objective = objective_of(work, RunKey(SEED), data).eval()
    embedding = embed(saved(prepared, objective), places.corpus, places.data)
    inputs = next(iter(data.test.batches([data.test.rows(data.test_rows)])))
    with torch.inference_mode():
        rows = objective.embed(inputs).split(data.test_counts.tolist())
        plain = objective.network.embed(inputs["audio"])  # type: ignore[operator]
    for hidden, of_utterance in zip(embedding.hidden, rows, strict=True):
        np.testing.assert_allclose(hidden, of_utterance.mean(dim=0), rtol=1e-4, atol=1e-6)
    assert float((torch.cat(rows) - plain).abs().max()) > 1e-3  # it makes a difference


def test_only_what_is_scored_is_shown(places: Places) -> None:
    settings = SETTINGS | {"split": "leave-session-out"}
    prepared = prepare(checked(settings, "test"), places)
    stored, run = prepared.stored, RunKey(SEED, 2)
    split = prepared.recipe.split.split(prepared.population.groups, run)
    assert split.validation_only
    logits = np.zeros((2, len(split.held_out), 4), dtype=np.float32)
    store_experiment(stored)
    extra = {MODEL: packed(initial(prepared.recipe).state_dict(), prepared.recipe)}
    predictions = predicted(logits, split.held_out, split.train)
    store_run(stored, run, predictions, validation_only=split.validation_only, extra=extra)
    embedding = embed(stored, places.corpus, places.data)
    assert embedding.hidden.shape == (len(split.scored), 8)
    assert (embedding.targets == stored.targets[split.scored]).all()


def test_a_model_file_says_of_itself_what_it_is(prepared: Experiment) -> None:
    stored = saved(prepared)
    with safe_open(stored.folder / str(SEED) / MODEL, "pt") as file:
        meta = file.metadata()
    assert {name: meta[name] for name in ("format", "seed", "epoch")} == {
        "format": "2",
        "seed": str(SEED),
        "epoch": "2",
    }
    assert json.loads(meta["shapes"]) == {"audio": [26, 16]}


def test_the_first_saved_model_in_the_order_of_the_seeds(tmp_path: Path) -> None:
    stored = drawn_experiment(tmp_path / "a")
    with pytest.raises(GlamError, match=r"of its 3 runs, none kept its model.*--save-model best"):
        first_saved(stored)
    for seed in (3149797433, 3431165269):  # the third and the second of the release
        (stored.folder / str(seed) / MODEL).write_bytes(b"x")
    assert first_saved(stored).seed == 3431165269


def test_two_dimensions_are_the_same_twice_and_keep_groups_apart() -> None:
    groups = np.repeat([0, 1], 30)
    hidden = np.random.default_rng(0).normal(size=(60, 200)) + 10 * groups[:, None]
    points = two_dimensions(hidden.astype(np.float32))
    assert points.shape == (60, 2)
    assert (points == two_dimensions(hidden.astype(np.float32))).all()
    middles = np.stack([points[groups == group].mean(axis=0) for group in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == groups).all()


def test_what_tsne_cannot_show_is_refused() -> None:
    with pytest.raises(GlamError, match="at least 5 held-out utterances, this run has 4"):
        two_dimensions(np.zeros((4, 3), dtype=np.float32))
    with pytest.raises(GlamError, match="diverged"):
        two_dimensions(np.full((9, 3), np.nan, dtype=np.float32))
