"""Runs of MSCNN-SPU-ATT side by side, sound and words with entrances of their own, against each by itself."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glam.learning.batch import Batch, Step
from glam.learning.learner import Learner
from glam.learning.losses import CrossEntropy
from glam.learning.objective import Objective
from glam.learning.pack import Pack
from glam.learning.settings import TrainingSettings
from glam.models.entrances import Embedded, Standardise
from glam.models.mscnn import mscnn_spu_att

CPU = torch.device("cpu")
AUDIO, LONGEST, DIMENSION, WORDS, ROWS, SLOTS = (4, 30), 9, 6, 20, 8, 3
SETTINGS = TrainingSettings.model_validate({"alpha": 0, "lr": 5e-4, "weight_decay": 0, "clip_norm": 1.0})


def objective_of(slot: int) -> Objective:
    """A run's objective in float64; every slot has other weights, words that it knows, and statistics."""
    draw = torch.Generator().manual_seed(slot)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(slot)
        network: nn.Module = mscnn_spu_att(3, AUDIO, (LONGEST, DIMENSION), (5,), dense=16)
    known = torch.rand(WORDS, generator=draw) < 0.7
    entrances = {
        "audio": Standardise(torch.randn(1, 4, 1, generator=draw), torch.rand(1, 4, 1, generator=draw) + 0.5, 1),
        "words": Embedded(torch.randn(WORDS, DIMENSION, generator=draw), known),
    }
    objective = Objective(network, CrossEntropy(), ("audio", "words", "speaker"), entrances)
    return objective.to(torch.float64)


def step_of(slot: int, number: int) -> Step:
    draw = torch.Generator().manual_seed(100 * slot + number)

    def lengths(most: int) -> Tensor:
        return torch.randint(1, most + 1, (ROWS,), generator=draw)

    inputs = {
        "audio": 3 * torch.randn(ROWS, *AUDIO, generator=draw, dtype=torch.float64),
        "audio_length": lengths(AUDIO[1]),
        "words": torch.randint(0, WORDS, (ROWS, LONGEST), generator=draw),
        "words_length": lengths(LONGEST),
        "speaker": torch.randn(ROWS, 5, generator=draw, dtype=torch.float64),
    }
    target = torch.randint(0, 3, (ROWS,), generator=draw)
    return Step(Batch(inputs, target, torch.arange(ROWS)), 5e-4, 7 * number + slot)


@pytest.mark.parametrize("clip_norm", [1.0, 1e-3])
def test_a_pack_learns_what_each_run_would_alone(clip_norm: float) -> None:
    settings = SETTINGS.model_copy(update={"clip_norm": clip_norm})
    pack = Pack(objective_of(0), settings, SLOTS, CPU)
    for slot, lane in enumerate(pack.lanes()):
        lane.start(objective_of(slot))
    losses = [pack.step([step_of(slot, number) for slot in range(SLOTS)]) for number in range(3)]
    for slot in range(SLOTS):
        learner = Learner(objective_of(slot), settings, CPU)
        alone = [learner.step(step_of(slot, number)) for number in range(3)]
        np.testing.assert_allclose(torch.stack(losses)[:, slot], torch.stack(alone), rtol=0, atol=1e-8)
        weights = pack.lanes()[slot].weights()
        for name, tensor in learner.weights().items():
            torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-8)
