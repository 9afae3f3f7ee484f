import pytest
import torch

from glam.models.deep_cnn import deep_cnn


@pytest.mark.parametrize(("classes", "parameters"), [(4, 498_316), (5, 498_316 + 899)])
def test_parameter_counts(classes: int, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in deep_cnn(classes, (193,)).parameters()) == parameters


def test_positions_are_those_of_convolutions_without_padding() -> None:
    model = deep_cnn(4, (193,)).eval()
    lengths = []
    for layer in model.layers:
        if isinstance(layer, torch.nn.Conv1d | torch.nn.MaxPool1d):
            layer.register_forward_hook(lambda module, inputs, output: lengths.append(output.shape[2]))
    assert model.embed(torch.zeros(2, 193)).shape == (2, 7 * 128)
    assert lengths == [189, 185, 23, 19, 15, 11, 7]


def test_rows_may_be_as_short_as_the_layers_allow() -> None:
    assert deep_cnn(3, (144,)).eval()(torch.zeros(2, 144)).shape == (2, 3)
    with pytest.raises(ValueError, match="rows have 143 statistics, expected 144 or more"):
        deep_cnn(3, (143,))


def test_initial_weights_are_keras_s() -> None:
    torch.manual_seed(0)
    model = deep_cnn(4, (193,))
    kernel = model.get_parameter("layers.3.weight").detach()
    bound = (6 / (5 * (256 + 128))) ** 0.5
    assert 0.99 * bound < float(kernel.abs().max()) <= bound
    assert not model.get_parameter("layers.3.bias").any()
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert [(norm.eps, norm.momentum) for norm in norms] == [(1e-3, 0.01)] * 4


def test_a_single_row_can_be_trained_on() -> None:
    model = deep_cnn(4, (193,))
    model(torch.randn(1, 193)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_dropout_is_refused_outside_its_range() -> None:
    with pytest.raises(ValueError, match="dropout is 2"):
        deep_cnn(4, (193,), dropout=2)
