"""A learner's step: mixup, whole utterances in parts, weight decay of some parameters, clipping."""

from typing import Any

import pytest
import torch
from learning.small import CLASSES, CPU, SETTINGS, SHAPE
from torch import Tensor, nn

from glam.learning.batch import Batch, Step, noise, rows_like
from glam.learning.course import initial_objective
from glam.learning.learner import Learner
from glam.learning.losses import CrossEntropy
from glam.learning.objective import Objective
from glam.learning.settings import TrainingSettings
from glam.models import ModelSettings
from glam.models.dropout import Dropout

ROWS = 8


def settings_of(**training: Any) -> TrainingSettings:
    return TrainingSettings.model_validate(training)


def batch_of(seed: int = 0, rows: int = ROWS) -> Batch:
    torch.manual_seed(seed)
    return noise(rows, rows_like({"audio": SHAPE}), 3, False, "cpu")


def gradient(objective: Objective, settings: TrainingSettings, step: Step) -> dict[str, Tensor]:
    """The gradient of a step, as a learner's optimiser gets it."""
    learner = Learner(objective, settings, CPU)
    learner.step(step)
    return {name: p.grad.clone() for name, p in learner.objective.named_parameters() if p.grad is not None}


def test_mixing_with_oneself_or_with_share_one_is_no_mixing() -> None:
    batch = batch_of()
    losses = []
    for mix in (
        (),
        (torch.arange(ROWS), torch.tensor([0.3, 0.7])),
        (torch.arange(ROWS).flip(0), torch.tensor([1.0, 0])),
    ):
        objective = initial_objective(ModelSettings(name="glam"), SETTINGS, CLASSES, {"audio": SHAPE}, 1)
        learner = Learner(objective, SETTINGS, CPU)
        losses.append(learner.step(Step(batch._replace(mix=mix), SETTINGS.lr)).item())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


class Net(nn.Module):
    """A linear layer, and dropout before it if it is asked for."""

    def __init__(self, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dropout = Dropout(dropout, 0)
        self.norm = nn.BatchNorm1d(SHAPE[0] * SHAPE[1]) if norm else nn.Identity()
        self.body = nn.Linear(SHAPE[0] * SHAPE[1], 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(self.dropout(self.norm(x.flatten(1))))
        return y


class OfUtterances(nn.Module):
    """A loss that looks at utterances as a whole: the cross-entropy of their mean logits, squared."""

    activation = "softmax"
    whole_utterances = True

    def forward(self, logits: Tensor, target: Tensor, group: Tensor) -> Tensor:
        means = torch.stack([logits[group == i].mean(0) for i in range(int(group.max()) + 1)])
        first = torch.stack([target[group == i][0] for i in range(int(group.max()) + 1)])
        return nn.functional.cross_entropy(means, first) ** 2


def whole(most: int) -> TrainingSettings:
    return settings_of(alpha=0, weight_decay=0, batches={"name": "utterances", "size": 4, "most": most})


@pytest.mark.parametrize("most", [2, 3, 5, 7])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(most: int) -> None:
    step = Step(batch_of()._replace(group=torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])), 1e-3)
    step = step._replace(batch=step.batch._replace(target=torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])))
    expected = gradient(Objective(Net(), OfUtterances(), ("audio",)), whole(512), step)
    parts = gradient(Objective(Net(), OfUtterances(), ("audio",)), whole(most), step)
    assert parts.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-7)


def test_in_parts_both_passes_drop_the_same_and_running_statistics_move_once() -> None:
    step = Step(batch_of(), 1e-3, seed=11)
    seen: list[Tensor] = []
    network = Net(dropout=0.5, norm=True)
    network.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    Learner(Objective(network, CrossEntropy(), ("audio",)), whole(4), CPU).step(step)
    assert [len(x) for x in seen] == [4, 4, 4, 4]
    assert torch.equal(torch.cat(seen[:2]), torch.cat(seen[2:]))
    assert ((seen[0] == 0) != (seen[1] == 0)).any()  # but each part its own
    assert isinstance(network.norm, nn.BatchNorm1d)
    assert network.norm.num_batches_tracked == 2


def test_no_part_is_a_single_row() -> None:
    """A batch norm of one row has no statistics."""
    step = Step(batch_of(rows=9), 1e-3)
    gradient(Objective(Net(norm=True), CrossEntropy(), ("audio",)), whole(4), step)


def test_only_the_named_parameters_decay() -> None:
    batch = batch_of()
    step = Step(batch._replace(inputs={"audio": torch.zeros_like(batch.inputs["audio"])}), 1.0)
    settings = settings_of(
        alpha=0, optimizer={"name": "sgd", "momentum": 0}, weight_decay=0.25, decayed=["body.weight"]
    )
    objective = Objective(Net(), CrossEntropy(), ("audio",))
    before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    learner = Learner(objective, settings, CPU)
    learner.step(step)  # zeros in: the gradient of the weight is 0, that of the bias is not
    after = learner.weights()
    torch.testing.assert_close(after["network.body.weight"], 0.75 * before["network.body.weight"])
    gradient_of_bias = before["network.body.bias"] - after["network.body.bias"]
    bias = objective.get_parameter("network.body.bias").grad
    assert bias is not None
    torch.testing.assert_close(gradient_of_bias, bias)  # no decay of it


def test_the_gradient_is_cut_to_the_norm() -> None:
    step = Step(batch_of(), 1e-3)
    free = gradient(Objective(Net(), CrossEntropy(), ("audio",)), settings_of(alpha=0), step)
    cut = gradient(Objective(Net(), CrossEntropy(), ("audio",)), settings_of(alpha=0, clip_norm=0.01), step)
    norm = torch.cat([tensor.flatten() for tensor in free.values()]).norm()
    assert norm > 0.02
    for name, tensor in free.items():
        torch.testing.assert_close(cut[name], tensor * 0.01 / norm, rtol=1e-3, atol=1e-9)


def test_weights_of_another_model_are_refused() -> None:
    learner = Learner(Objective(Net(), CrossEntropy(), ("audio",)), SETTINGS, CPU)
    with pytest.raises(RuntimeError):
        learner.load({"network.other": torch.zeros(1)}, {})
