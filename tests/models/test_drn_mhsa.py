import pytest
import torch

from glam.models.drn_mhsa import ResidualBlock, drn_mhsa

AUDIO = (26, 63)


def test_maps_are_of_the_sizes_described() -> None:
    model = drn_mhsa(4, AUDIO).eval()
    sizes = []
    for layer in model.convolve:
        layer.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    assert model.embed(torch.zeros(2, *AUDIO)).shape == (2, 200)
    assert sizes == [
        (32, 63),
        *[(64, 31)] * 3,
        *[(128, 15)] * 3,
        *[(256, 15)] * 3,
        *[(512, 15)] * 3,
    ]


def test_parameter_count() -> None:
    # convolutions, their blocks (two convolutions and two norms each), attention, LSTM, dense layers
    assert sum(p.numel() for p in drn_mhsa(4, AUDIO).parameters()) == sum(
        (
            26 * 32 * 10 + 32 + 32 * 64 * 2 + 64 + 64 * 128 * 2 + 128 + 128 * 256 + 256 + 256 * 512 + 512,
            sum(4 * (c * c * kernel + c) + 8 * c for c, kernel in ((64, 5), (128, 5), (256, 3), (512, 3))),
            4 * (512 * 512 + 512),
            2 * 4 * (2 * 512 * 512 + 2 * 512),
            512 * 200 + 200 + 200 * 200 + 200 + 200 * 4 + 4,
        )
    )


def test_a_block_adds_its_input() -> None:
    block = ResidualBlock(4, kernel=3, dilation=2).eval()
    last = block.layers[4]
    assert isinstance(last, torch.nn.BatchNorm1d)
    torch.nn.init.zeros_(last.weight)
    x = torch.randn(2, 4, 9)
    assert torch.equal(block(x), x.relu())


def test_attention_is_residual_and_sees_the_whole_segment() -> None:
    torch.manual_seed(0)
    model = drn_mhsa(4, AUDIO).double().eval()
    x = torch.randn(1, *AUDIO, dtype=torch.float64)
    before = model(x)
    torch.nn.init.zeros_(model.attend.out.weight)
    torch.nn.init.zeros_(model.attend.out.bias)
    states, _ = model.recur(model.convolve(torch.nn.functional.pad(x, (4, 5))).transpose(1, 2))
    torch.testing.assert_close(model(x), model.classify(model.dense(states[:, -1])))
    assert not torch.allclose(model(x), before)


def test_features_that_are_too_short_and_heads_that_do_not_fit_are_refused() -> None:
    assert drn_mhsa(4, (26, 4)).eval()(torch.zeros(2, 26, 4)).shape == (2, 4)
    with pytest.raises(ValueError, match="takes 4 frames or more; the features have 3"):
        drn_mhsa(4, (26, 3))
    with pytest.raises(ValueError, match="heads is 3, expected a divisor of the 512 channels"):
        drn_mhsa(4, AUDIO, heads=3)
