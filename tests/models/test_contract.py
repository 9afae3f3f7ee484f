"""What models keep to, those of other papers above all: rows in, logits out, no run's numbers in another."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from models.made import RELEASED, made
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from glam.models.deep_cnn import deep_cnn
from glam.models.drn_mhsa import drn_mhsa
from glam.models.dropout import Dropout, is_seed, seeds
from glam.models.glrf import glrf
from glam.models.light_sernet import light_sernet

Build = Callable[..., nn.Module]
# The function, the shape of a row, and options that make it small where it is large
MODELS: dict[str, tuple[Build, tuple[int, ...], dict[str, Any]]] = {
    "glrf": (glrf, (6, 17), {"channels": 16}),
    "glrf, convolutions": (glrf, (6, 17), {"channels": 16, "branches": "convolutions"}),
    "glrf, sum": (glrf, (6, 17), {"channels": 16, "fusion": "sum", "blocks": 2}),
    "light-sernet": (light_sernet, (21, 12), {}),
    "deep-cnn": (deep_cnn, (152,), {}),
    "drn-mhsa": (drn_mhsa, (6, 13), {}),
}
MAPPED = [name for name in MODELS if name != "drn-mhsa"]  # an LSTM cannot be
OF_THE_RELEASE: dict[str, tuple[Build, tuple[int, ...], dict[str, Any]]] = {
    name: (partial(made, name), (12, 14), {}) for name in RELEASED
}


def build(name: str, **options: Any) -> nn.Module:
    function, shape, small = (MODELS | OF_THE_RELEASE)[name]
    return function(3, shape, **small, **options)


def rows(name: str, *leading: int) -> Tensor:
    return torch.randn(*leading, *(MODELS | OF_THE_RELEASE)[name][1])


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_embedding(name: str) -> None:
    torch.manual_seed(0)
    model, x = build(name).eval(), rows(name, 4)
    hidden = model.embed(x)  # type: ignore[operator]
    assert hidden.ndim == 2
    logits = model(x)
    assert logits.shape == (4, 3)
    assert torch.equal(model.classify(hidden), logits)  # type: ignore[operator]
    # each row by itself, and each its own
    torch.testing.assert_close(model(x[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits[0], logits[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    torch.manual_seed(0)
    model, x, y = build(name), rows(name, 9), torch.arange(9) % 3
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for step in range(8):
        for seed in seeds(model):
            seed.fill_(step)
        loss = F.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert sum(losses[-2:]) / 2 < 0.9 * losses[0]


@pytest.mark.parametrize("name", [*MAPPED, *OF_THE_RELEASE])
@pytest.mark.parametrize("count", [5, 1])
def test_stacked_copies_learn_as_each_would_alone(name: str, count: int) -> None:
    """Gradients and statistics of three models side by side, dropout on, against each by itself, in float64."""
    torch.manual_seed(1)
    models = [build(name).double() for _ in range(3)]
    x, y = rows(name, 3, count).double(), torch.randint(0, 3, (3, count))
    for number, model in enumerate(models):
        for seed in seeds(model):
            seed.fill_(10 + number)
    parameters, buffers = stack_module_state(models)
    buffers = {key: buffer.clone() for key, buffer in buffers.items()}

    def loss(
        parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        logits: Tensor = functional_call(models[0], (parameters, buffers), (x,))
        return F.cross_entropy(logits, y), buffers

    stacked, after = vmap(grad(loss, has_aux=True))(parameters, buffers, x, y)
    for i, model in enumerate(models):
        F.cross_entropy(model(x[i]), y[i]).backward()
        gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
        largest = max(float(gradient.abs().max()) for gradient in gradients.values() if gradient is not None)
        for key, gradient in gradients.items():
            assert gradient is not None
            torch.testing.assert_close(stacked[key][i], gradient, rtol=1e-9, atol=1e-12 * largest, msg=key)
        for key, buffer in model.named_buffers():
            torch.testing.assert_close(after[key][i], buffer, rtol=1e-12, atol=1e-14, msg=key)


@pytest.mark.parametrize("name", MAPPED)
def test_dropout_is_each_module_s_own_active_in_training_and_gone_at_zero(name: str) -> None:
    torch.manual_seed(0)
    model, x = build(name), rows(name, 4)
    streams = [module.stream for module in model.modules() if isinstance(module, Dropout)]
    assert len(streams) == len(set(streams)) == len(seeds(model)) > 0
    assert not any(is_seed(key) for key in model.state_dict())

    def outputs(model: nn.Module) -> list[Tensor]:
        results = []
        for value in (1, 2, 1):
            for seed in seeds(model):
                seed.fill_(value)
            results.append(model(x).detach())
        return results

    first, second, again = outputs(model.train())
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)
    first, second, _ = outputs(model.eval())
    assert torch.equal(first, second)
    first, second, _ = outputs(build(name, dropout=0.0).train())
    assert torch.equal(first, second)


# The compiler itself makes an instance of the autograd function of area attention, which torch deprecates.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", [*MAPPED, *OF_THE_RELEASE])
def test_model_is_one_graph_for_the_compiler(name: str) -> None:
    model, x = build(name), rows(name, 4)
    for mode in (model.train(), model.eval()):
        torch._dynamo.reset()
        compiled = torch.compile(mode, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x), mode(x))


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_changes_rounding_only(name: str) -> None:
    torch.manual_seed(2)
    model, x, y = build(name).eval(), rows(name, 6), torch.arange(6) % 3
    logits = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(x).float()
    torch.testing.assert_close(mixed, logits, rtol=0, atol=0.05 * float(logits.detach().abs().max()))
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(x).float()
    F.cross_entropy(mixed, y).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
