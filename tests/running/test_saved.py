"""A trained model in one file, read without the experiment that it came from."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from running import small
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from glam.errors import GlamError
from glam.learning.course import initial_objective, of_utterances
from glam.learning.learner import evaluation_batches
from glam.learning.losses import activation_of, loss_of
from glam.models import ModelSettings, build
from glam.models.entrances import Standardise
from glam.recipe import Recipe, load_recipe
from glam.results.run import MODEL, StoredRun, read_run
from glam.running.job import Job, SaveModel, open_columns, run_data
from glam.running.saved import SavedModel, load_model, of_anybody, pack_model
from glam.splits.runs import RunKey

FORMAT1 = Path(__file__).resolve().parents[1] / "results" / "format1"
RUN = RunKey(7, 2)
OWN = """
from torch import nn


class Tiny(nn.Module):
    def __init__(self, classes, audio, width):
        super().__init__()
        self.hidden, self.decide = nn.Linear(audio[0] * audio[1], width), nn.Linear(width, classes)

    def forward(self, audio):
        return self.decide(self.hidden(audio.flatten(1)).relu())


def tiny(classes, audio, *, width: int = 4):
    return Tiny(classes, audio, width)
"""


class Trained(NamedTuple):
    """A run that kept its model."""

    work: Job
    run: StoredRun
    model: SavedModel


@pytest.fixture
def trained(tiny_release: Path, tmp_path: Path) -> Callable[..., Trained]:
    def train(*fields: tuple[str, object], save_model: SaveModel = "last", model: str = "mhcnn") -> Trained:
        settings = [("training.epochs", 3), ("split.name", "k-fold"), ("model", model), *fields]
        experiment = small.stored(tiny_release, tmp_path, *settings)
        work = small.train(experiment, RUN, save_model=save_model)
        run = read_run(experiment.folder / RUN.name)
        return Trained(work, run, load_model(run.folder / MODEL))

    return train


def evaluated(of: Trained) -> NDArray[np.float32]:
    """What the saved model makes of the held-out utterances (H, C), batch by batch as in training."""
    data = run_data(of.work, RUN, open_columns(of.work))
    rows = evaluation_batches(data.test.rows(data.test_rows), torch.device("cpu"))
    logits = np.concatenate([of.model.logits(inputs) for inputs in data.test.batches(rows)])[: len(data.test_rows)]
    recipe = of.model.recipe
    activation = activation_of(loss_of(recipe.training.loss, recipe.corpus.classes))
    return of_utterances(logits, data.test_counts, recipe.evaluation, activation)


@pytest.mark.parametrize("normalisation", ["none", "training", "speaker"])
def test_it_predicts_what_the_run_predicted_bit_for_bit(trained: Callable[..., Trained], normalisation: str) -> None:
    of = trained(("inputs.audio.normalisation", normalisation))
    assert of.model.epoch == 3
    np.testing.assert_array_equal(evaluated(of), of.run.predictions().logits[-1])
    assert bool(of.model.objective.entrances) == (normalisation != "none")
    assert not of.model.objective.training


@pytest.mark.parametrize(
    "fields",
    [
        [("evaluation.average", "probabilities"), ("training.class_weights", "share")],
        [("training.precision", "bf16")],
        [("inputs.audio.vtlp_copies", 1), ("inputs.audio.normalisation", "training")],
    ],
)
def test_whatever_it_was_trained_with(trained: Callable[..., Trained], fields: list[tuple[str, object]]) -> None:
    of = trained(*fields)
    assert of.model.objective.precision == of.work.recipe.training.precision
    np.testing.assert_array_equal(evaluated(of), of.run.predictions().logits[-1])


def test_the_best_epoch_is_the_one_that_it_says(trained: Callable[..., Trained]) -> None:
    of = trained(("training.lr", 1e-2), ("training.batches.size", 8), save_model="best")
    wa_and_ua = [scores.wa + scores.ua for scores in of.run.scores]
    assert of.model.epoch == 1 + int(np.argmax(wa_and_ua))
    np.testing.assert_array_equal(evaluated(of), of.run.predictions().logits[of.model.epoch - 1])


def test_it_says_of_itself_what_it_is(trained: Callable[..., Trained]) -> None:
    of = trained()
    assert of.model.recipe == of.work.recipe
    assert of.model.shapes == {"audio": (26, 16)}
    assert (of.model.seed, of.model.epoch) == (RUN.seed, 3)


def test_reading_draws_nothing(trained: Callable[..., Trained]) -> None:
    of = trained()
    before = torch.get_rng_state()
    load_model(of.run.folder / MODEL)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_speaker_that_it_does_not_know_is_taken_as_all_are(trained: Callable[..., Trained]) -> None:
    of = trained(("inputs.audio.normalisation", "speaker"))
    inputs = {"audio": torch.randn(3, 26, 16)}
    strangers = of_anybody(inputs, of.model)
    entrance = of.model.objective.entrances["audio"]
    assert isinstance(entrance, Standardise)
    assert strangers["audio_group"].tolist() == 3 * [10], "ten speakers, and all of them together"
    (entered,) = of.model.objective.enter(strangers)
    torch.testing.assert_close(entered, (inputs["audio"] - entrance.mean[-1]) / entrance.deviation[-1])
    assert np.isfinite(of.model.logits(strangers)).all()


@pytest.mark.parametrize("normalisation", ["none", "training"])
def test_anybody_is_taken_alike_where_speakers_are(trained: Callable[..., Trained], normalisation: str) -> None:
    of = trained(("inputs.audio.normalisation", normalisation))
    inputs = {"audio": torch.randn(3, 26, 16)}
    assert of_anybody(inputs, of.model).keys() == inputs.keys()


def test_a_model_of_the_user_s_own(trained: Callable[..., Trained], tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    of = trained(("model.width", 6), model=f"{path}:tiny")
    np.testing.assert_array_equal(evaluated(of), of.run.predictions().logits[-1])
    with pytest.raises(GlamError, match=r"the model mine\.py:tiny has no `embed`"):
        of.model.embed({"audio": torch.zeros(1, 26, 16)})
    path.write_text(OWN.replace(".relu()", ".tanh()"))
    with pytest.raises(GlamError, match=r"mine\.py is not the file that was recorded: it has been changed since"):
        load_model(of.run.folder / MODEL)
    path.unlink()
    with pytest.raises(GlamError, match=r"mine\.py: cannot be read"):
        load_model(of.run.folder / MODEL)


LOSS = """
import torch
from torch import nn


class Centred(nn.Module):
    def __init__(self, classes, *, share: float = 0.1):
        super().__init__()
        self.share, self.centres = share, nn.Parameter(torch.zeros(len(classes), len(classes)))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, logits, target, group):
        apart = (logits - self.centres[target]).square().mean()
        return nn.functional.cross_entropy(logits, target) + self.share * apart
"""


def test_what_a_loss_has_learnt_is_none_of_the_model(trained: Callable[..., Trained], tmp_path: Path) -> None:
    path = tmp_path / "loss.py"
    path.write_text(LOSS)
    of = trained(("training.loss", f"{path}:Centred"))
    path.unlink()
    again = load_model(of.run.folder / MODEL)
    assert all(name.startswith("network.") for name in again.objective.state_dict())


# --- files as they may be found

OPTIONS = {"heads": 2, "hidden": 4}
SHAPES: dict[str, tuple[int, ...]] = {"audio": (8, 16)}


def small_recipe(*fields: tuple[str, Any]) -> Recipe:
    model = ("model", {"name": "mhcnn", **OPTIONS})
    return load_recipe("mhcnn-released", [("inputs.audio.coefficients", 8), model, *fields])


def small_weights(recipe: Recipe) -> dict[str, Tensor]:
    return initial_objective(recipe.model, recipe.training, recipe.corpus.classes, SHAPES, seed=5).state_dict()


def meta_of(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    meta: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return meta


def put(folder: Path, weights: Mapping[str, Tensor], meta: dict[str, str]) -> Path:
    path = folder / MODEL
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}, meta))
    return path


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    recipe = small_recipe()
    weights = small_weights(recipe)
    (tmp_path / MODEL).write_bytes(pack_model(weights, recipe, SHAPES, RunKey(5), 2))
    with safe_open(tmp_path / MODEL, "pt") as file:
        assert set(file.keys()) == set(weights)
    again = load_model(tmp_path / MODEL).objective.state_dict()
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())


def test_a_file_of_format_1_is_the_model_that_it_was(tmp_path: Path) -> None:
    """What glam 0.1 wrote beside the weights, and what its model gave with those of a seed."""
    recorded = json.loads((FORMAT1 / "saved-model.json").read_text())
    torch.manual_seed(5)
    network = build(ModelSettings.model_validate({"name": "mhcnn", **OPTIONS}), 4, SHAPES)
    model = load_model(put(tmp_path, network.state_dict(), recorded["meta"]))
    assert model.recipe == small_recipe()
    assert (model.shapes, model.seed, model.epoch) == (SHAPES, 5, 2)
    torch.manual_seed(0)
    inputs = {"audio": torch.randn(3, 1, 8, 16).squeeze(1)}
    np.testing.assert_allclose(model.logits(inputs), recorded["logits"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.embed(inputs), recorded["hidden"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["training", "speaker"])
def test_a_file_of_format_1_without_its_normalisation_is_refused(tmp_path: Path, how: str) -> None:
    meta = json.loads((FORMAT1 / "saved-model.json").read_text())["meta"]
    old = json.loads(meta["recipe"])
    old["training"]["normalisation"] = how
    network = build(ModelSettings.model_validate({"name": "mhcnn", **OPTIONS}), 4, SHAPES)
    path = put(tmp_path, network.state_dict(), meta | {"recipe": json.dumps(old)})
    with pytest.raises(GlamError, match=r"was saved without the normalisation that it was trained with \(format 1\)"):
        load_model(path)


META: list[dict[str, str]] = [
    {"recipe": "{"},
    {"recipe": "[]"},
    {"recipe": '{"model": {"name": "glam"}}'},
    {"recipe": '{"model": {"name": "none of them"}}'},
    {"shapes": "[]"},
    {"shapes": '{"audio": 3}'},
    {"shapes": '{"audio": [8]}'},
    {"shapes": '{"audio": ["a", "b"]}'},
    {"shapes": '{"audio": [2, 3]}'},
    {"shapes": "{}"},
    {"seed": "five"},
    {"epoch": ""},
    {"format": "1"},
    {"format": "3"},
    {"recipe": "[" * 100_000},
]


@pytest.mark.parametrize("changed", META, ids=[str(number) for number in range(len(META))])
def test_what_it_says_of_itself_may_be_damaged(tmp_path: Path, changed: dict[str, str]) -> None:
    recipe = small_recipe(("model", "multi-scale"))  # of which a layer is as large as its input says
    weights = small_weights(recipe)
    meta = meta_of(pack_model(weights, recipe, SHAPES, RunKey(5), 2))
    assert load_model(put(tmp_path, weights, meta)).shapes == SHAPES
    path = put(tmp_path, weights, meta | changed)
    with pytest.raises(GlamError, match=r"model\.safetensors: ") as error:
        load_model(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("gone", ["format", "recipe", "shapes", "seed", "epoch"])
def test_what_it_does_not_say_of_itself_is_damage(tmp_path: Path, gone: str) -> None:
    recipe = small_recipe()
    weights = small_weights(recipe)
    meta = meta_of(pack_model(weights, recipe, SHAPES, RunKey(5), 2))
    del meta[gone]
    with pytest.raises(GlamError, match="is no saved model, or damaged"):
        load_model(put(tmp_path, weights, meta))


def one_gone(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(list(weights.items())[1:])


def one_more(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return weights | {"network.more": torch.ones(2)}


def another_shape(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    name = next(iter(weights))
    return weights | {name: torch.ones(7)}


def another_mean(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    more = torch.ones(1, 16, 1)  # of more coefficients than its input has
    return weights | {"entrances.audio.mean": more, "entrances.audio.deviation": more.clone()}


@pytest.mark.parametrize("change", [one_gone, one_more, another_shape, another_mean])
@pytest.mark.parametrize("normalisation", ["none", "training"])
def test_weights_of_another_model_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], normalisation: str
) -> None:
    recipe = small_recipe(("inputs.audio.normalisation", normalisation))
    entrance = Standardise(torch.zeros(1, 8, 1), torch.ones(1, 8, 1))
    entrances = {} if normalisation == "none" else {"audio": entrance}
    objective = initial_objective(recipe.model, recipe.training, recipe.corpus.classes, SHAPES, 5, dict(entrances))
    weights = dict(objective.state_dict())
    meta = meta_of(pack_model(weights, recipe, SHAPES, RunKey(5), 2))
    assert load_model(put(tmp_path, weights, meta)).epoch == 2
    with pytest.raises(GlamError, match=r"model\.safetensors: is no saved model, or damaged") as error:
        load_model(put(tmp_path, change(weights), meta))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 100, b"PK\x03\x04", (40).to_bytes(8, "little") + b"{" * 40])
def test_a_file_of_something_else_is_one_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MODEL).write_bytes(content)
    with pytest.raises(GlamError, match="is no saved model, or damaged"):
        load_model(tmp_path / MODEL)


def test_no_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match="is no saved model, or damaged"):
        load_model(tmp_path / MODEL)
