"""A pack's steps as the compiler, or a graph of a GPU's, takes them: against the steps as they are written."""

import re
import shutil
from functools import partial

import pytest
import torch
from learning.small import CPU
from learning.test_pack import ADAM, SHAPE, objective_of
from models.made import OF_MAPS
from torch import Tensor, nn

from glam.learning import pack as pack_module
from glam.learning.batch import Step, noise, rows_like
from glam.learning.losses import CrossEntropy
from glam.learning.objective import Objective
from glam.learning.pack import Pack
from glam.models.dropout import Dropout

pytestmark = pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch's own compiler


def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled steps are traced and split into forward and backward, but not translated: that takes a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, fullgraph=True, backend="aot_eager"))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)


@pytest.mark.parametrize("name", ["mhcnn", "multi-scale-aa"])  # the latter drops: its masks must be the same
def test_compiled_steps_are_the_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    traced(monkeypatch)
    same_steps(*(two_runs(name, CPU, compiled) for compiled in (True, False)))


class Small(nn.Module):
    """Few layers, as translating takes its time, but with a norm, and dropout whose masks come from a seed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(SHAPE[0], 8, 3)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = Dropout(0.5, 1)
        self.classify = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.dropout(self.norm(self.conv(x)).relu().mean(2)))
        return logits


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_translated_steps_are_the_steps(request: pytest.FixtureRequest) -> None:
    """With the compiler that runs on a GPU, too; it once rounded the seeds of dropout."""
    # What torch 2.4 translates rounds subnormal numbers to 0 in all of the process as soon as it is loaded.
    request.addfinalizer(lambda: torch.set_flush_denormal(False))

    def pack_of(compiled: bool) -> Pack:
        torch.manual_seed(0)
        objective = Objective(Small(), CrossEntropy(), ("audio",))
        pack = Pack(objective, ADAM, 2, CPU, compiled)
        for lane in pack.lanes():
            lane.start(objective)
        return pack

    ours = pack_of(True)
    ours.tell = pytest.fail
    same_steps(ours, pack_of(False))


def test_what_cannot_be_compiled_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: object, inputs: object) -> None:
        raise RuntimeError("no compiler here\nat all")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    monkeypatch.setattr(pack_module, "INDUCTOR", None)
    told: list[str] = []
    pack = two_runs("mhcnn", CPU, True)
    pack.tell = told.append
    same_steps(pack, two_runs("mhcnn", CPU, False))
    (line,) = told
    assert re.fullmatch(r"the steps could not be compiled, .*: \w+: .*no compiler here.*", line)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", OF_MAPS)
def test_captured_steps_are_the_steps(name: str) -> None:
    captured, plain = (two_runs(name, torch.device("cuda"), False) for _ in range(2))
    plain._graphs = None
    same_steps(captured, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["glam", "multi-scale-aa"])
def test_compiled_and_captured_steps_are_the_steps(name: str) -> None:
    pack = two_runs(name, torch.device("cuda"), True)
    pack.tell = pytest.fail
    same_steps(pack, two_runs(name, torch.device("cuda"), False))


def two_runs(name: str, device: torch.device, compiled: bool) -> Pack:
    pack = Pack(objective_of(name, ADAM, 0, torch.float32), ADAM, 2, device, compiled)
    for slot, lane in enumerate(pack.lanes()):
        lane.start(objective_of(name, ADAM, slot, torch.float32))
    return pack


def same_steps(ours: Pack, theirs: Pack) -> None:
    """Steps of both with seeds of dropout, an epoch's last and smaller one of a slot, and an evaluation."""
    device, like = ours.device, rows_like({"audio": SHAPE})
    torch.manual_seed(0)
    for number in range(4):
        steps = [Step(noise(4, like, 3, True, device), 1e-4, 2**33 + 5 * number + slot) for slot in range(2)]
        assert torch.allclose(ours.step(steps), theirs.step(steps), rtol=1e-3), number
    last = Step(noise(3, like, 3, True, device), 1e-4, 7)
    assert torch.allclose(ours.step_of(1, last), theirs.step_of(1, last), rtol=2e-3)
    batches = [{"audio": torch.randn(size, *SHAPE, device=device)} for size in (5, 5, 2)]
    for slot in range(2):
        assert torch.allclose(ours.logits(slot, batches, 1), theirs.logits(slot, batches, 1), atol=0.02)
