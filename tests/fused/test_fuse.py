"""Packs with fused layers against those without."""

import importlib
from functools import partial

import numpy as np
import pytest
import torch
from fused.interpreted import DEVICE, INTERPRETED, few_programs
from learning.test_pack import ADAM, objective_of

from glam.fused.fuse import fuse
from glam.learning import pack as pack_module
from glam.learning.batch import Step, noise, rows_like
from glam.learning.pack import Pack
from glam.learning.settings import Precision

__all__ = ["few_programs"]

SHAPE = (6, 9)

pytestmark = [
    pytest.mark.usefixtures("few_programs"),
    pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning"),  # of torch's own compiler
]


def pack_of(name: str, fused: bool, compiled: bool = False, precision: Precision = "fp32") -> Pack:
    settings = ADAM.model_copy(update={"precision": precision})
    objective = objective_of(name, settings, 0, torch.float32, shape=SHAPE)
    if fused:
        assert fuse(objective)
    pack = Pack(objective, settings, 2, DEVICE, compiled)
    pack.fused = pack.fused or fused
    for slot, lane in enumerate(pack.lanes()):
        lane.start(objective_of(name, ADAM, slot, torch.float32, shape=SHAPE))
    return pack


def steps() -> list[Step]:
    torch.manual_seed(0)
    like = rows_like({"audio": SHAPE})
    return [Step(noise(2, like, 3, True, DEVICE), 1e-4, 2**33 + slot) for slot in range(2)]


def same_logits(ours: Pack, theirs: Pack) -> None:
    """Evaluations of a batch that is divided into parts, and of one that cannot be."""
    for rows in (2 * pack_module.PARTS, 3):
        batch = {"audio": torch.randn(rows, *SHAPE).to(DEVICE)}
        torch.testing.assert_close(ours.logits(1, [batch], 1), theirs.logits(1, [batch], 1), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["glam", "mhcnn"])
def test_gradients_and_running_statistics_are_the_same(name: str) -> None:
    ours, theirs = pack_of(name, True), pack_of(name, False)
    gradients = [pack.gradients(steps())[0] for pack in (ours, theirs)]
    exact = 1e-4 if DEVICE.type == "cpu" else 2e-3  # cuDNN computes float32 convolutions by Winograd's method
    assert float((gradients[0] - gradients[1]).norm()) < exact * float(gradients[1].norm())
    for buffer, tensor in theirs.buffers.items():
        torch.testing.assert_close(ours.buffers[buffer], tensor, atol=1e-4, rtol=1e-4)
    same_logits(ours, theirs)


def test_compiled_steps_are_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, fullgraph=True, backend="aot_eager"))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)
    ours, theirs = pack_of("multi-scale", True, True), pack_of("multi-scale", False)
    ours.tell = pytest.fail
    for _ in range(2):
        torch.testing.assert_close(ours.step(steps()), theirs.step(steps()), atol=1e-3, rtol=1e-3)
    same_logits(ours, theirs)
    assert not torch.equal(ours.matrix, theirs.matrix)  # another way of computing was really taken


@pytest.mark.parametrize("name", ["glam", "mhcnn"])
def test_in_bf16_fused_layers_are_as_exact_as_others(name: str) -> None:
    exact = pack_of(name, False).gradients(steps())[0]
    errors = []
    for fused in (True, False):
        gradient = pack_of(name, fused, precision="bf16").gradients(steps())[0]
        errors.append(float((gradient - exact).norm() / exact.norm()))
    assert 1e-4 < errors[0] < 1.5 * errors[1]


def test_a_run_that_diverged_is_seen_and_its_neighbour_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    if INTERPRETED:  # which has no maximum that passes over NaN, as a GPU's does unless it is told otherwise
        builder = importlib.import_module("triton.runtime.interpreter").InterpreterBuilder
        monkeypatch.setattr(builder, "create_maxnumf", lambda self, a, b: self.binary_op(a, b, np.fmax))
    ours, theirs = pack_of("glam", True), pack_of("glam", False)
    for pack in (ours, theirs):
        stem = next(part for name, part in pack.slices.items() if name.endswith("across_frequency.0.weight"))
        pack.matrix[0, stem] = torch.nan
    losses, expected = (pack.gradients(steps())[1] for pack in (ours, theirs))
    assert expected.isnan().tolist() == losses.isnan().tolist() == [True, False]
    torch.testing.assert_close(losses[1], expected[1])
    batch = {"audio": torch.randn(3, *SHAPE).to(DEVICE)}
    assert ours.logits(0, [batch], 1).isnan().all()
