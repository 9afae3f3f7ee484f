import sys
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from torch import Tensor

from benchmarks import utterances
from benchmarks.utterances import LONGEST, batches, rounds, segments
from glam.learning.batch import Batch, Step
from glam.learning.learner import Learner
from glam.recipe import Recipe, load_recipe


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("glrf", [("model.channels", 8), ("model.blocks", 1), ("training.batches.size", 3)])


def test_utterances_are_as_long_as_those_of_the_corpus() -> None:
    counts = segments(4591)
    assert np.median(counts) == 11
    assert 15 < counts.mean() < 17  # IEMOCAP: 16.3
    assert (counts.min(), counts.max()) == (1, LONGEST)


def test_batches_are_whole_utterances(recipe: Recipe) -> None:
    counts = segments(9)
    sizes = [len(batch.target) for batch in islice(batches(recipe, counts), 3)]
    assert sum(sizes) == counts.sum()


@pytest.mark.parametrize("flags", [["--recipe", "glam-released"], ["--rounds", "0"]])
def test_a_mistake_is_one_line(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["utterances.py", *flags])
    assert utterances.main() == 2
    assert capsys.readouterr().err.startswith(f"error: {' '.join(flags)}: ")


def test_both_loops_take_the_same_steps(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    ours: list[float] = []
    bare: list[float] = []
    step, bare_of = Learner.step, utterances._bare

    def noted(learner: Learner, taken: Step) -> Tensor:
        loss = step(learner, taken)
        ours.append(loss.item())
        return loss

    def noted_bare(of: Recipe) -> Callable[[Batch], float]:
        take = bare_of(of)

        def noting(batch: Batch) -> float:
            bare.append(take(batch))
            return bare[-1]

        return noting

    monkeypatch.setattr(Learner, "step", noted)
    monkeypatch.setattr(utterances, "_bare", noted_bare)
    monkeypatch.setattr(utterances, "STEPS", 4)
    still = recipe.replaced(model=recipe.model.model_dump() | {"dropout": 0.0})  # its masks are of each step's seed
    assert min(next(rounds(still, segments(9)))) > 0
    assert ours == pytest.approx(bare, rel=1e-5)
    assert len(ours) == 4
