import math

import pytest
import torch
from torch import Tensor

from glam.learning.losses import CrossEntropy, OwnFunction, activation_of, loss_of, share_weights
from glam.learning.settings import LossSettings

CLASSES = ("red", "green")


def test_weights_are_one_minus_the_share() -> None:
    weights = share_weights(torch.tensor([0, 0, 0, 1]), 3)
    assert weights.tolist() == [0.25, 0.75, 1.0]


def test_weighted_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    loss = CrossEntropy(torch.tensor([1.0, 3.0]))
    assert loss(logits, torch.tensor([0, 1]), torch.tensor([0, 0])).item() == torch.tensor(2.0).log().item()
    confident = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    # the wrong one costs 100 and weighs 3 of 4
    assert loss(confident, torch.tensor([0, 1]), torch.tensor([0, 0])).item() == 75.0


def test_the_named_loss_is_made_with_the_weights_that_it_takes() -> None:
    loss = loss_of(LossSettings(name="cross-entropy"), CLASSES, torch.tensor([1.0, 3.0]))
    assert isinstance(loss, CrossEntropy)
    assert loss.weight is not None
    assert loss.state_dict() == {}  # of the training part, and nothing that a saved model needs
    assert activation_of(loss) == "softmax"


def test_a_function_with_options_is_a_loss() -> None:
    def hinge(logits: Tensor, target: Tensor, group: Tensor, *, margin: float = 1.0) -> Tensor:
        return torch.nn.functional.multi_margin_loss(logits, target, margin=margin)

    logits, target = torch.tensor([[2.0, 1.0]]), torch.tensor([0])
    assert OwnFunction(hinge, {"margin": 3.0})(logits, target, target).item() == pytest.approx(
        1.0
    )  # (3 - 1) / 2 classes
    assert activation_of(OwnFunction(hinge, {})) == "softmax"


def test_cross_entropy_of_distributions_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0]]).log_softmax(1)
    shares = torch.tensor([[0.25, 0.75], [1 / 3, 2 / 3]])
    own = math.log(1 + math.exp(-3))
    by_hand = (math.log(2) + (1 / 3) * own + (2 / 3) * (own + 3)) / 2
    assert CrossEntropy()(logits, shares, torch.tensor([0, 1])).item() == pytest.approx(by_hand, rel=1e-6)


def test_weighted_cross_entropy_of_distributions_by_hand() -> None:
    logits = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    loss = CrossEntropy(torch.tensor([1.0, 3.0]))
    # half of a row costs 100; the weights are 1, and 0.5 * 1 + 0.5 * 3
    assert loss(logits, shares, torch.tensor([0, 0])).item() == pytest.approx(0.5 * 3 * 100 / 3)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 3.0, 0.5])])
def test_distributions_that_are_certain_give_what_their_classes_do(weight: Tensor | None) -> None:
    logits, target = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, 2])
    loss = CrossEntropy(weight)
    expected = loss(logits, target, target).item()
    assert loss(logits, torch.eye(3)[target], target).item() == pytest.approx(expected, rel=1e-6)
