"""Numbers that the project owns: logits and gradient norms of every model at weights given by a formula.

`golden_forward.npz` was recorded in float64 by running this file (`PYTHONPATH=tests python
tests/models/test_golden.py`) with the models that gave the released implementation's recorded logits, losses and
gradient norms (the parity tests of test_checkpoints.py). A change of it therefore calls for those tests, not for
recording it anew.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models.made import RELEASED
from numpy.typing import NDArray
from torch.nn import functional

from glam.models import ModelSettings, build

GOLDEN = Path(__file__).with_name("golden_forward.npz")
SHAPES = {"apcnn": (40, 37), "aacnn-original": (32, 21)}
SEED = 2602656884  # the first of the hundred


def wave(size: int, phase: float) -> NDArray[np.float64]:
    """Values between -1 and 1 without a pattern that a layout mistake could preserve."""
    values: NDArray[np.float64] = np.sin(phase + 1000 * np.sin(np.arange(size)))
    return values


def filled(name: str) -> Any:
    """The model in float64, every weight and statistic a wave of its own."""
    taken = ModelSettings(name=name).source().signature().options
    settings = ModelSettings.model_validate({"name": name} | ({"dropout": 0.0} if "dropout" in taken else {}))
    model = build(settings, 4, {"audio": SHAPES.get(name, (26, 57))}).double()
    for phase, (key, tensor) in enumerate(sorted(model.state_dict().items())):
        values = wave(tensor.numel(), phase)
        if key.endswith("running_var"):
            values = 1 + values / 2
        elif tensor.ndim > 1:
            values = values * np.sqrt(3 / tensor[0].numel())
        elif key.endswith("weight"):
            values = 1 + values / 4
        elif not tensor.is_floating_point():
            values = np.zeros(())
        tensor.copy_(torch.from_numpy(values.reshape(tensor.shape)))
    return model


def numbers(name: str) -> dict[str, NDArray[np.float64]]:
    """Evaluation logits (3, 4), and each parameter's gradient norm of the training-mode loss, by name."""
    model = filled(name)
    shape = SHAPES.get(name, (26, 57))
    x = torch.from_numpy(3 * wave(3 * shape[0] * shape[1], 0.5).reshape(3, *shape))
    logits = model.eval()(x).detach().numpy()
    functional.cross_entropy(model.train()(x), torch.tensor([0, 2, 3])).backward()
    norms = [float(parameter.grad.norm()) for _, parameter in sorted(model.named_parameters())]
    return {f"{name}/logits": logits, f"{name}/gradient_norms": np.array(norms)}


def initial() -> dict[str, NDArray[np.float32]]:
    """A few initial weights of GLAM that the first seed draws, from its first layer to its last."""
    torch.manual_seed(SEED)
    model: Any = build(ModelSettings(name="glam"), 4, {"audio": (26, 57)})
    layers = (model.trunk.across_frequency[0], model.classify, model.fusion[0].gmlp.layers[0].fn.fn.fn.proj_out)
    return {"glam/initial": np.stack([layer.weight.detach().flatten()[:3].numpy() for layer in layers])}


@pytest.mark.parametrize("name", RELEASED)
def test_models_give_the_recorded_numbers(name: str) -> None:
    golden = np.load(GOLDEN)
    for key, value in numbers(name).items():
        scale = np.abs(golden[key]).max()
        np.testing.assert_allclose(value, golden[key], rtol=1e-8, atol=1e-10 * scale, err_msg=key)


def test_the_first_seed_draws_the_recorded_initial_weights() -> None:
    assert np.array_equal(initial()["glam/initial"], np.load(GOLDEN)["glam/initial"])


def test_the_recorded_logits_tell_inputs_and_classes_apart() -> None:
    golden = np.load(GOLDEN)
    for name in RELEASED:
        logits = golden[f"{name}/logits"]
        assert (logits.std(axis=0) > 1e-4 * np.abs(logits).max(axis=0)).all(), name
        assert (logits.std(axis=1) > 1e-4 * np.abs(logits).max(axis=1)).all(), name
        assert (golden[f"{name}/gradient_norms"] >= 0).all()
    assert GOLDEN.stat().st_size < 100_000


if __name__ == "__main__":
    recorded: dict[str, Any] = {**initial()}
    for model in RELEASED:
        recorded |= numbers(model)
    np.savez_compressed(GOLDEN, **recorded)
