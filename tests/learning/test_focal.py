"""Focal loss; that of Light-SERNet's release is in tests/models/test_light_sernet.py."""

import pytest
import torch
from torch.nn import functional as F

from glam.learning.focal import Focal

GROUP = torch.zeros(5, dtype=torch.int64)


def test_it_is_its_formula() -> None:
    torch.manual_seed(0)
    logits, target = 3 * torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 3, 1, 2, 2])
    p = logits.softmax(dim=1)[torch.arange(5), target]
    for gamma in (0.5, 2.0):
        expected = ((1 - p) ** gamma * -p.log()).mean()
        torch.testing.assert_close(Focal(gamma=gamma)(logits, target, GROUP), expected)
    torch.testing.assert_close(Focal(gamma=0.0)(logits, target, GROUP), F.cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_certainty_has_a_gradient_without_infinities(gamma: float) -> None:
    logits = torch.tensor([[0.0, 900.0], [900.0, 0.0], [0.0, 17.0]], requires_grad=True)
    loss = Focal(gamma=gamma)(logits, torch.tensor([1, 1, 1]), GROUP[:3])
    assert loss.item() == pytest.approx(300, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0].tolist() == [0, 0]
    torch.testing.assert_close(logits.grad[1], torch.tensor([1 / 3, -1 / 3]))


def test_losses_of_many_runs_at_once_are_those_of_each() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 5, 4, dtype=torch.float64), torch.randint(0, 4, (3, 5))
    stacked = torch.func.vmap(torch.func.grad(Focal()), in_dims=(0, 0, None))(logits, target, GROUP)
    for i in range(3):
        torch.testing.assert_close(stacked[i], torch.func.grad(Focal())(logits[i], target[i], GROUP))


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma is -1, expected 0 or more"):
        Focal(gamma=-1)
    assert Focal().activation == "softmax"
