"""GLRF against the recorded network, and what the records do not show."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from glam.models.glrf import Gate, Glrf, glrf

AUDIO = (26, 63)
Arrays = dict[str, NDArray[np.float32]]

# The recorded names and ours, of the stem and the head and of what is in a block.
NAMES = {"stem/conv": "stem.conv", "stem/bn": "stem.norm", "head": "classify"}
BLOCK_NAMES = {
    "global/norm": "first.norm",
    "global/q": "first.attend.query",
    "global/k": "first.attend.key",
    "global/v": "first.attend.value",
    "global/out": "first.attend.out",
    "local/norm": "second.norm",
    "local/w1": "second.widen",
    "local/depthwise": "second.depthwise",
    "local/w2": "second.narrow",
    "gate/fc": "fuse.squeeze",
    "gate/bn": "fuse.norm",
    "gate/a": "fuse.first_score",
    "gate/b": "fuse.second_score",
}


def our_name(recorded: str) -> str:
    """Our name of a recorded tensor: block3/gate/a/weight is blocks.2.fuse.first_score.weight."""
    layer, _, leaf = recorded.rpartition("/")
    if layer in NAMES:
        return f"{NAMES[layer]}.{leaf}"
    block, _, layer = layer.partition("/")
    return f"blocks.{int(block.removeprefix('block')) - 1}.{BLOCK_NAMES[layer]}.{leaf}"


@pytest.fixture(scope="module")
def golden(shared: Path) -> Arrays:
    with np.load(shared / "parity" / "next" / "glrf_forward.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def state(golden: Arrays) -> dict[str, Tensor]:
    """The recorded weights as a state dict of ours."""
    weights = {}
    for name, value in golden.items():
        if name.startswith("weights/"):
            tensor = torch.from_numpy(value)
            ours = our_name(name.removeprefix("weights/"))
            weights[ours] = tensor.unsqueeze(1) if ours.endswith("depthwise.weight") else tensor
    return weights


def loaded(state: dict[str, Tensor], audio: tuple[int, int] = AUDIO) -> Glrf:
    model = glrf(4, audio)
    rest = model.load_state_dict(state, strict=False)
    assert not rest.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in rest.missing_keys)
    return model.eval()


@pytest.mark.parity
@pytest.mark.parametrize("frames", [63, 57])
def test_logits_are_the_recorded_ones(golden: Arrays, state: dict[str, Tensor], frames: int) -> None:
    suffix = "" if frames == 63 else f"_{frames}"
    model, x = loaded(state, (26, frames)), torch.from_numpy(golden[f"x{suffix}"])
    with torch.inference_mode():
        logits = model(x)
        wide = model.double()(x.double())
    np.testing.assert_allclose(logits.numpy(), golden[f"logits{suffix}"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(wide.numpy(), golden[f"logits{suffix}"], rtol=0, atol=1e-12)


@pytest.mark.parity
def test_logits_without_the_gate_are_the_recorded_ones(golden: Arrays, state: dict[str, Tensor]) -> None:
    model = glrf(4, AUDIO, fusion="sum")
    rest = model.load_state_dict(state, strict=False)
    assert all("num_batches_tracked" in name for name in rest.missing_keys)
    assert all(".fuse." in name for name in rest.unexpected_keys)
    x = torch.from_numpy(golden["x"])
    with torch.inference_mode():
        logits = model.eval()(x)
        wide = model.double()(x.double())
    # they reach 79, where float32 has steps of 8e-6, and sums are taken in another order by every library
    np.testing.assert_allclose(logits.numpy(), golden["logits_sum_fusion"], rtol=1e-6, atol=2e-5)
    np.testing.assert_allclose(wide.numpy(), golden["logits_sum_fusion"], rtol=0, atol=1e-12)


@pytest.mark.parity
def test_what_happens_inside_is_as_recorded(golden: Arrays, state: dict[str, Tensor]) -> None:
    model = loaded(state).double()
    inside: Arrays = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = next(name for name, other in model.named_modules() if other is module)
        if isinstance(module, Gate):
            number = int(name.split(".")[1]) + 1
            first, second = inputs
            inside[f"block{number}/G"], inside[f"block{number}/L"] = first[0].T.numpy(), second[0].T.numpy()
            inside[f"block{number}/alpha"] = module.share(first, second).numpy()
            inside[f"block{number}/out"] = output[0].T.numpy()
        else:
            inside[name] = output[0].numpy()

    for module in (model.stem, *(module for module in model.modules() if isinstance(module, Gate))):
        module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.from_numpy(golden["x"]).double())
    assert {f"trace/{name}" for name in inside} == {name for name in golden if name.startswith("trace/")}
    for name, value in inside.items():
        # maps were rounded to float32, shares were not
        relative, absolute = (0, 1e-13) if name.endswith("alpha") else (1e-6, 1e-8)
        np.testing.assert_allclose(value, golden[f"trace/{name}"], rtol=relative, atol=absolute, err_msg=name)


@pytest.mark.parity
def test_gradients_are_as_long_as_the_recorded_ones(golden: Arrays, state: dict[str, Tensor]) -> None:
    model = loaded(state)
    loss = F.cross_entropy(model(torch.from_numpy(golden["x"])), torch.from_numpy(golden["y"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(golden["loss_ce"]), rel=1e-5)
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    norms = {our_name(name[9:]): float(norm) for name, norm in golden.items() if name.startswith("gradnorm/")}
    assert norms.keys() == gradients.keys()
    for name, norm in norms.items():
        gradient = gradients[name]
        assert gradient is not None
        # A constant in all keys moves all scores of a query alike: their biases have no gradient but rounding.
        assert float(gradient.norm()) == pytest.approx(norm, rel=1e-4, abs=1e-6 if ".key.bias" in name else 0), name


@pytest.mark.parametrize(("classes", "parameters"), [(4, 594_308), (5, 594_437)])
def test_parameter_counts(classes: int, parameters: int) -> None:
    model = glrf(classes, AUDIO)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    parts = [sum(p.numel() for p in part.parameters()) for part in (model.stem, model.blocks[0], model.classify)]
    assert parts == [10_368, 145_856, 129 * classes]


def test_the_ablations_differ_in_what_they_are_named_for() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, *AUDIO)
    names = {}
    for model in (
        glrf(4, AUDIO),
        glrf(4, AUDIO, fusion="sum"),
        glrf(4, AUDIO, branches="convolutions"),
        glrf(4, AUDIO, channels=32, blocks=2, heads=2),
    ):
        assert model.eval()(x).shape == (3, 4)
        names[model] = {name for name, _ in model.named_parameters()}
    whole, without_gate, convolutions, _ = names.values()
    assert whole - without_gate == {name for name in whole if ".fuse." in name}
    assert without_gate < whole
    kernels = [parameter.shape[2] for name, parameter in list(names)[2].named_parameters() if "conv.weight" in name]
    assert kernels == [3, *(3, 5) * 4]
    assert {name for name in convolutions if ".fuse." in name} == {name for name in whole if ".fuse." in name}


@given(rows=st.integers(2, 5), frames=st.integers(8, 40))
@settings(deadline=None, max_examples=10)
def test_a_segment_never_sees_another(rows: int, frames: int) -> None:
    model = glrf(3, (5, frames), channels=8, heads=2).double().eval()
    x = torch.randn(rows, 5, frames, dtype=torch.float64, generator=torch.Generator().manual_seed(frames))
    alone = torch.cat([model(row[None]) for row in x])
    torch.testing.assert_close(model(x), alone, rtol=1e-10, atol=1e-12)


def test_a_batch_of_one_segment_trains_and_leaves_the_gate_s_statistics() -> None:
    torch.manual_seed(0)
    model = glrf(4, AUDIO)
    model(torch.randn(6, *AUDIO))  # statistics that are not the initial ones
    gate = model.blocks[0].fuse
    assert isinstance(gate, Gate)
    before = {name: buffer.clone() for name, buffer in gate.norm.named_buffers()}
    model(torch.randn(1, *AUDIO)).sum().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in gate.norm.named_buffers())
    squeeze = gate.squeeze.weight.grad
    assert squeeze is not None
    assert squeeze.isfinite().all()
    one = torch.randn(1, 32)
    assert torch.equal(gate.norm.train()(one), gate.norm.eval()(one))


def test_the_two_shares_of_a_channel_are_a_softmax_of_its_scores() -> None:
    gate = Gate(64).double().eval()
    first, second = torch.randn(2, 3, 5, 64, dtype=torch.float64)
    squeezed = gate.norm(gate.squeeze((first + second).mean(1))).relu()
    scores = torch.stack((gate.first_score(squeezed), gate.second_score(squeezed)))
    shares = scores.softmax(dim=0).unsqueeze(2)
    torch.testing.assert_close(gate(first, second), shares[0] * first + shares[1] * second)
    assert gate.squeeze.out_features == 32
    assert Gate(1024).squeeze.out_features == 64


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (AUDIO, {"heads": 3}, "heads is 3, expected a divisor of the 128 channels"),
        (AUDIO, {"heads": 0}, "heads is 0"),
        (AUDIO, {"blocks": 0}, "blocks is 0"),
        (AUDIO, {"channels": 0}, "channels is 0"),
        (AUDIO, {"dropout": 1.0}, r"dropout is 1.0, expected at least 0 and less than 1"),
        (AUDIO, {"fusion": "gates"}, 'fusion is \'gates\', expected "gate" or "sum"'),
        (AUDIO, {"branches": "local"}, "branches is 'local'"),
        ((26, 7), {}, "4 blocks halve the time 3 times, which takes 8 frames or more; the features have 7"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    audio: tuple[int, int], options: dict[str, int | float | str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        glrf(4, audio, **options)  # type: ignore[arg-type]
