"""Which layers are fused, and what happens where they cannot be: no kernel is needed for that."""

import importlib.util
from functools import partial

import pytest
import torch
from learning.small import CPU
from learning.test_pack import ADAM, objective_of
from torch import nn

from glam.fused.fuse import FUSED, can_fuse, fuse, unfuse
from glam.learning import pack as pack_module
from glam.learning.batch import Step, noise, rows_like
from glam.learning.pack import Pack
from glam.models.max_pool import MaxPool
from glam.models.trunks import ConvNormReLU

SHAPE = (12, 14)
NEEDS_TRITON = pytest.mark.skipif(
    not hasattr(torch.library, "register_vmap") or importlib.util.find_spec("triton") is None,
    reason="needs Triton, and torch 2.5 or later",
)


@NEEDS_TRITON
@pytest.mark.parametrize("name", ["glam", "multi-scale", "mhcnn", "aacnn", "apcnn"])
def test_unfused_is_as_before(name: str) -> None:
    objective = objective_of(name, ADAM, 0, torch.float32, shape=(26, 57))
    assert fuse(objective)
    changed = [module for module in objective.modules() if "forward" in vars(module)]
    assert changed
    assert all(isinstance(module, FUSED) for module in changed)
    unfuse(objective)
    assert not any("forward" in vars(module) for module in objective.modules())


class Leaky(ConvNormReLU):
    """A layer of one's own that is no longer what its name says."""

    def __init__(self) -> None:
        super().__init__(3, 4, (3, 3))
        self[2] = nn.LeakyReLU()


@NEEDS_TRITON
def test_only_layers_that_are_known_are_fused() -> None:
    pool = MaxPool()
    twice = nn.Sequential(ConvNormReLU(1, 16, (3, 3)), pool, ConvNormReLU(16, 16, (3, 3)), pool)
    x = torch.randn(2, 1, 8, 8)
    assert not fuse(nn.Sequential(Leaky(), nn.Linear(3, 3)))
    assert fuse(twice)
    assert "forward" not in vars(pool)
    assert pool(x).shape == (2, 1, 4, 4)


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch's own compiler
@pytest.mark.parametrize("first", ["step", "smaller step", "evaluation"])
def test_what_cannot_be_fused_is_compiled(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_module, "can_fuse", lambda device: True)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)

    def broken(model: nn.Module) -> bool:
        def forward(x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no kernels here")

        for module in model.modules():
            if isinstance(module, FUSED):
                vars(module)["forward"] = forward
        return True

    monkeypatch.setattr(pack_module, "fuse", broken)
    ours, theirs = (
        Pack(objective_of("mhcnn", ADAM, 0, torch.float32), ADAM, 1, CPU, compiled) for compiled in (True, False)
    )
    for pack in (ours, theirs):
        pack.lanes()[0].start(objective_of("mhcnn", ADAM, 0, torch.float32))
    told: list[str] = []
    ours.tell = told.append
    torch.manual_seed(0)
    step = Step(noise(2, rows_like({"audio": SHAPE}), 3, True, CPU), 1e-4)

    def result_of(pack: Pack) -> torch.Tensor:
        if first == "evaluation":
            return pack.logits(0, [step.batch.inputs], 1)  # type: ignore[list-item]
        return pack.step([step]) if first == "step" else pack.step_of(0, step)

    results = result_of(ours)
    (line,) = told
    assert line.startswith("the layers could not be fused, and steps take longer: ")
    assert (ours.compiled, ours.fused) == (True, False)
    torch.testing.assert_close(results, result_of(theirs))


def test_nothing_is_fused_on_a_cpu() -> None:
    assert not can_fuse(torch.device("cpu"))
