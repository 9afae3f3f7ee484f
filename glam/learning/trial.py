"""A trial of the arithmetic of a device: a few steps of training, in a pack and alone, in every precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glam.fused.fuse import can_fuse, fuse
from glam.learning.arithmetic import settle
from glam.learning.batch import Step, noise, rows_like
from glam.learning.course import initial_objective
from glam.learning.learner import Learner
from glam.learning.objective import Objective
from glam.learning.pack import Pack
from glam.learning.settings import Precision, TrainingSettings
from glam.models import ModelSettings, Shape

STEPS, RUNS = 20, 2
RATE = 1e-4
SAME = 1e-3  # relative, of the loss of any step: a pack takes sums in another order, and steps carry it on
# Of the logits before the first step, relative to their norm: products are rounded to 8 and 11 bits in ten layers.
ROUNDED: Mapping[Precision, float] = {"bf16": 0.05, "tf32": 0.01}


@dataclass(frozen=True)
class Compared:
    """A comparison: what with what, the largest relative difference, and what it may be."""

    what: str
    difference: float
    allowed: float

    @property
    def right(self) -> bool:
        """True where it is small enough; what is no number is not."""
        return self.difference <= self.allowed


def trial(
    model: ModelSettings,
    training: TrainingSettings,
    classes: tuple[str, ...],
    shapes: Mapping[str, Shape],
    device: torch.device,
    rows: int,
) -> list[Compared]:
    """Compare STEPS steps of a pack with those of single runs, and the other precisions with float32.

    shapes: of a row of each input, of segments; rows: of a batch. The batches are noise; fp32 is the reference.
    """
    full = training.model_copy(update={"precision": "fp32"})

    def objective(seed: int, settings: TrainingSettings = full) -> Objective:
        return initial_objective(model, settings, classes, shapes, seed)

    def batches(run: int) -> list[Step]:
        torch.manual_seed(run)
        like = rows_like(shapes)
        return [Step(noise(rows, like, len(classes), full.alpha > 0, device), RATE, seed=i) for i in range(STEPS)]

    given = [batches(run) for run in range(RUNS)]
    alone = torch.tensor([_losses(Learner(objective(run), full, device), given[run]) for run in range(RUNS)])
    shared = objective(0)
    fused = can_fuse(device) and fuse(shared)  # as in packs of long experiments
    pack = Pack(shared, full, RUNS, device)
    for run, lane in enumerate(pack.lanes()):
        lane.start(objective(run))
    together = torch.stack([pack.step(steps).cpu() for steps in zip(*given, strict=True)], dim=1)
    what = f"{STEPS} steps of {RUNS} runs in a pack{' of fused layers' if fused else ''} against each alone"
    results = [Compared(what, float(((together - alone) / alone).abs().max()), SAME)]
    exact = _logits(Learner(objective(0), full, device), given[0][0])
    for precision, allowed in ROUNDED.items():
        if precision == "tf32" and device.type != "cuda":
            continue
        rounded = full.model_copy(update={"precision": precision})
        logits = _logits(Learner(objective(0, rounded), rounded, device), given[0][0])
        results.append(Compared(f"{precision} against fp32", float((logits - exact).norm() / exact.norm()), allowed))
    return results


def _losses(learner: Learner, steps: Sequence[Step]) -> list[float]:
    return [learner.step(step).item() for step in steps]


def _logits(learner: Learner, step: Step) -> Tensor:
    """The logits of the batch of a step, before it is taken."""
    settle(learner.settings.precision, learner.device)
    learner.objective.eval()
    with torch.inference_mode():
        return learner.objective.logits(step.batch.inputs).cpu()
