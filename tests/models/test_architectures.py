import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models.made import RELEASED, made, without_dropout
from torch.nn import functional

from glam.models.dropout import seeds


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("glam", (26, 63), 940_283),
        ("glam", (26, 57), 904_078),
        ("multi-scale", (26, 63), 693_476),
        ("multi-scale", (26, 57), 686_820),
        ("multi-scale-mha", (26, 63), 892_388),
        ("multi-scale-aa", (26, 63), 693_476),
        ("apcnn", (400, 197), 93_573),
        ("mhcnn", (26, 63), 155_636),
        ("aacnn", (26, 63), 151_108),
        ("aacnn", (128, 81), 496_708),
        ("aacnn-original", (128, 81), 93_504 + 64 * 20 * 80 * 4 + 4),  # its trunk is that of aacnn
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, int], parameters: int) -> None:
    with torch.device("meta"):
        model = made(name, 4, shape)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_original_aacnn_pads_its_stems_to_keep_the_size() -> None:
    trunk = made("aacnn-original", 4, (20, 17)).trunk.double()
    pad, shallow = trunk[0], trunk[1]
    x = torch.randn(2, 1, 20, 17, dtype=torch.float64)  # a map, as the trunk takes it
    for conv in (shallow.across_frequency[0], shallow.along_time[0]):
        tall, wide = (size - 1 for size in conv.kernel_size)
        same = functional.pad(x, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2))
        assert torch.allclose(conv(pad(x)), functional.conv2d(same, conv.weight, conv.bias))


def test_original_aacnn_drops_at_test_only_where_asked() -> None:
    x = torch.randn(2, 20, 17)
    for active in (False, True):
        model = made("aacnn-original", 4, (20, 17), dropout_at_test=active).eval()
        before = model(x)
        (seed,) = seeds(model)
        seed.fill_(1)
        assert torch.equal(before, model(x)) is not active
        assert not any("seed" in name for name in model.state_dict())


@pytest.mark.parametrize("name", RELEASED)
def test_channels_last_and_bfloat16_change_rounding_only(name: str) -> None:
    torch.manual_seed(2)
    model = made(name, 4, (26, 57), **without_dropout(name))
    x, y = torch.randn(4, 26, 57), torch.tensor([0, 1, 2, 3])
    logits = model(x)
    last = model.to(memory_format=torch.channels_last)  # of rows with one channel, the formats are the same
    scale = float(logits.detach().abs().max())
    assert torch.allclose(last(x), logits, rtol=0, atol=1e-4 * scale)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = last(x)
    assert torch.allclose(mixed.float(), logits, rtol=0, atol=0.05 * scale)
    functional.cross_entropy(mixed.float(), y).backward()
    assert all(parameter.grad.isfinite().all() for parameter in last.parameters())


@pytest.mark.parity
@pytest.mark.parametrize("record", ["glam_impro_released", "glam_script_paper"])
def test_a_seed_draws_the_initial_weights_of_the_release(shared: Path, record: str) -> None:
    settings = json.loads((shared / "parity" / f"{record}.json").read_text())
    released = np.load(shared / "parity" / f"{record}.npz")
    torch.manual_seed(settings["seed"])
    model = made("glam", 4, tuple(settings["shape"]))
    gmlp = model.fusion[0].gmlp.layers[0].fn.fn.fn
    for parameter, name in (
        (model.trunk.across_frequency[0].weight, "conv1a.weight"),
        (model.trunk.layers[4].far.bias, "conv4.conv5.bias"),
        (model.classify.weight, "fc.weight"),
        (gmlp.sgu.weight, "gmlp.layers.0.fn.fn.fn.sgu.weight"),
        (gmlp.proj_out.bias, "gmlp.layers.0.fn.fn.fn.proj_out.bias"),
    ):
        assert np.array_equal(parameter.detach().numpy(), released[f"init/{name}"]), name
