"""Light-SERNet against what its authors' release computes, in evaluation and in a step of training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from glam.learning.focal import Focal
from glam.models.light_sernet import LightSernet, light_sernet

AUDIO = (122, 40)
Arrays = dict[str, NDArray[np.float32]]
LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def our_name(recorded: str) -> str:
    """Our name of a recorded tensor: body2/bn/gamma is body.1.norm.weight."""
    *layers, leaf = recorded.split("/")
    if layers == ["dense"]:
        return f"classify.{LEAVES[leaf]}"
    part, kind = layers
    room = "stems" if part.startswith("stem") else "body"
    return f"{room}.{int(part[4:]) - 1}.{'norm' if kind == 'bn' else kind}.{LEAVES[leaf]}"


def our_layout(recorded: NDArray[np.float32]) -> Tensor:
    """A kernel (time, frequency, in, out) as (out, in, time, frequency), a matrix (in, out) as (out, in)."""
    axes = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[recorded.ndim]
    return torch.from_numpy(np.ascontiguousarray(recorded.transpose(axes)))


@pytest.fixture(scope="module")
def golden(shared: Path) -> Arrays:
    with np.load(shared / "parity" / "next" / "lightsernet_forward.npz") as arrays:
        return dict(arrays)


def loaded(golden: Arrays, audio: tuple[int, int] = AUDIO, dropout: float = 0.3) -> LightSernet:
    model = light_sernet(4, audio, dropout=dropout)
    state = {our_name(name[8:]): our_layout(value) for name, value in golden.items() if name.startswith("weights/")}
    rest = model.load_state_dict(state, strict=False)
    assert not rest.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in rest.missing_keys)
    return model


@pytest.mark.parity
@pytest.mark.parametrize("seconds", [2, 3])
def test_logits_are_those_of_the_release(golden: Arrays, seconds: int) -> None:
    x = torch.from_numpy(golden[f"x{seconds}"])
    model = loaded(golden, (x.shape[1], x.shape[2])).eval()
    with torch.inference_mode():
        logits, pooled = model(x), model.embed(x)
    np.testing.assert_allclose(logits.numpy(), golden[f"logits{seconds}"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits.softmax(1).numpy(), golden[f"probs{seconds}"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(pooled.numpy(), golden[f"pooled{seconds}"], rtol=1e-5, atol=1e-5)


@pytest.mark.parity
def test_logits_in_double_precision_are_those_of_the_release(golden: Arrays) -> None:
    logits = loaded(golden).double().eval()(torch.from_numpy(golden["x2"]).double()).detach()
    np.testing.assert_allclose(logits.numpy(), golden["logits2_float64"], rtol=0, atol=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["ce", "focal"])
def test_a_step_of_training_is_the_release_s(golden: Arrays, name: str) -> None:
    x, y = torch.from_numpy(golden["x2"]), torch.from_numpy(golden["y"])
    model = loaded(golden, dropout=0.0).train()
    logits = model(x)
    loss = F.cross_entropy(logits, y) if name == "ce" else Focal()(logits, y, torch.zeros_like(y))
    assert loss.item() == pytest.approx(float(golden[f"train/{name}"]), rel=1e-5)
    np.testing.assert_allclose(logits.softmax(1).detach().numpy(), golden["train/probs"], rtol=0, atol=1e-5)

    kernels = [p for key, p in model.named_parameters() if key.startswith("body.") and key.endswith("conv.weight")]
    assert len(kernels) == 5
    l2 = 1e-6 * sum((kernel.square().sum() for kernel in kernels), torch.zeros(()))
    assert l2.item() == pytest.approx(float(golden["train/l2"]), rel=1e-6)
    (loss + l2).backward()

    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    prefix = f"train/gradnorm_{name}/"
    norms = {our_name(key.removeprefix(prefix)): value for key, value in golden.items() if key.startswith(prefix)}
    assert norms.keys() == {key for key, _ in model.named_parameters()}
    for key, norm in norms.items():
        gradient = tensors[key].grad
        assert gradient is not None
        if key.startswith("stems") and key.endswith("conv.bias"):
            assert float(gradient.norm()) < 1e-4  # batch norm takes it away again: rounding
        else:
            assert float(gradient.norm()) == pytest.approx(float(norm), rel=1e-4), key
    for recorded, value in golden.items():
        whole = recorded.startswith("train/grad/") and not recorded.endswith("conv/bias")
        if whole and name == "ce":
            gradient = tensors[our_name(recorded.removeprefix("train/grad/"))].grad
            assert gradient is not None
            atol = 1e-4 * float(np.abs(value).max())
            np.testing.assert_allclose(gradient, our_layout(value), rtol=0, atol=atol, err_msg=recorded)
        if recorded.startswith("train/after/"):
            statistic = tensors[our_name(recorded.removeprefix("train/after/"))]
            np.testing.assert_allclose(statistic, value, rtol=1e-5, atol=1e-5, err_msg=recorded)


@pytest.mark.parametrize(("classes", "parameters"), [(4, 460_740), (5, 460_740 + 321)])
def test_parameter_counts(classes: int, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in light_sernet(classes, AUDIO).parameters()) == parameters


def test_maps_are_of_the_sizes_of_the_release() -> None:
    model = light_sernet(4, AUDIO).eval()
    sizes = []
    for layer in (*model.stems, *model.body):
        layer.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    model(torch.zeros(1, *AUDIO))
    assert sizes[:3] == [(32, 61, 20)] * 3
    assert sizes[3:] == [(64, 31, 10), (96, 16, 5), (128, 8, 5), (160, 4, 5), (320, 4, 5)]


def test_a_pool_does_not_count_what_lies_beyond_the_edge() -> None:
    pools = [module for module in light_sernet(4, AUDIO).modules() if isinstance(module, nn.AvgPool2d)]
    assert len(pools) == 8
    assert not any(pool.count_include_pad for pool in pools)  # compiled, their gradient would be wrong
    pool = pools[0]
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    assert pool(x)[0, 0].tolist() == [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]


def test_initial_weights_are_glorot_uniform() -> None:
    torch.manual_seed(0)
    model = light_sernet(4, AUDIO)
    for layer, inputs, outputs in (("body.3.conv", 9 * 128, 9 * 160), ("stems.0.conv", 11, 11 * 32)):
        kernel = model.get_parameter(f"{layer}.weight").detach()
        bound = (6 / (inputs + outputs)) ** 0.5
        assert 0.9 * bound < float(kernel.abs().max()) <= bound
        assert float(kernel.std()) == pytest.approx(bound / 3**0.5, rel=0.1)
    assert 0.9 * (6 / 324) ** 0.5 < float(model.classify.weight.detach().abs().max()) <= (6 / 324) ** 0.5
    assert not model.classify.bias.any()
    assert not model.get_parameter("stems.1.conv.bias").any()


def test_dropout_is_refused_outside_its_range() -> None:
    with pytest.raises(ValueError, match=r"dropout is -0.1, expected at least 0 and less than 1"):
        light_sernet(4, AUDIO, dropout=-0.1)
