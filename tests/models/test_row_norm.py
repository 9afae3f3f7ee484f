import torch
from torch import nn

from glam.models.row_norm import RowNorm


def test_it_is_batch_norm_and_takes_a_single_row_in_training() -> None:
    torch.manual_seed(0)
    ours, plain = RowNorm(3, momentum=0.5), nn.BatchNorm1d(3, momentum=0.5)
    x = 2 + torch.randn(5, 3)
    assert torch.equal(ours(x), plain(x))
    before = {name: buffer.clone() for name, buffer in ours.named_buffers()}
    single = ours(x[:1])
    assert all(torch.equal(buffer, before[name]) for name, buffer in ours.named_buffers())
    assert torch.equal(single, plain.eval()(x[:1]))
    assert torch.equal(ours.eval()(x), plain(x))
