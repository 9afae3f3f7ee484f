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

SHAPE = (12, 14)


@pytest.mark.skipif(not hasattr(torch.library, "register_vmap"), reason="needs torch 2.5 or later")
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton")
@pytest.mark.parametrize("name", ["glam", "multi-scale", "mhcnn", "aacnn", "apcnn"])
def test_unfused_is_as_before(name: str) -> None:
    objective = objective_of(name, ADAM, 0, torch.float32, shape=(26, 57))
    fuse(objective)
    changed = [module for module in objective.modules() if "forward" in vars(module)]
    assert changed
    assert all(isinstance(module, FUSED) for module in changed)
    unfuse(objective)
    assert not any("forward" in vars(module) for module in objective.modules())


@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch's own compiler
def test_what_cannot_be_fused_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_module, "can_fuse", lambda device: True)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)

    def broken(model: nn.Module) -> None:
        def forward(x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no kernels here")

        for module in model.modules():
            if isinstance(module, FUSED):
                vars(module)["forward"] = forward

    monkeypatch.setattr(pack_module, "fuse", broken)
    ours, theirs = (
        Pack(objective_of("mhcnn", ADAM, 0, torch.float32), ADAM, 1, CPU, compiled) for compiled in (True, False)
    )
    for pack in (ours, theirs):
        pack.lanes()[0].start(objective_of("mhcnn", ADAM, 0, torch.float32))
    told: list[str] = []
    ours.tell = told.append
    torch.manual_seed(0)
    steps = [Step(noise(2, rows_like({"audio": SHAPE}), 3, True, CPU), 1e-4)]
    losses = ours.step(steps)
    (line,) = told
    assert line.startswith("the layers could not be fused, and steps take longer: ")
    assert (ours.compiled, ours.fused) == (True, False)
    torch.testing.assert_close(losses, theirs.step(steps))


def test_nothing_is_fused_on_a_cpu() -> None:
    assert not can_fuse(torch.device("cpu"))
