import torch

from glam.learning.losses import cross_entropy, share_weights


def test_weights_are_one_minus_the_share() -> None:
    weights = share_weights(torch.tensor([0, 0, 0, 1]), 3)
    assert weights.tolist() == [0.25, 0.75, 1.0]


def test_weighted_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    loss = cross_entropy(torch.tensor([1.0, 3.0]))
    assert loss(logits, torch.tensor([0, 1]), torch.tensor([0, 0])).item() == torch.tensor(2.0).log().item()
    confident = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    # the wrong one costs 100 and weighs 3 of 4
    assert loss(confident, torch.tensor([0, 1]), torch.tensor([0, 0])).item() == 75.0
