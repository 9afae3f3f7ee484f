import pytest
import torch
from torch import nn

from glam.models.self_attention import SelfAttention


def test_it_is_torch_s_own_attention() -> None:
    torch.manual_seed(0)
    ours, library = SelfAttention(12, 3).double(), nn.MultiheadAttention(12, 3, batch_first=True).double()
    library.load_state_dict(
        {
            "in_proj_weight": torch.cat([layer.weight for layer in (ours.query, ours.key, ours.value)]),
            "in_proj_bias": torch.cat([layer.bias for layer in (ours.query, ours.key, ours.value)]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(x), library(x, x, x, need_weights=False)[0])


@pytest.mark.parametrize("heads", [0, 5, 24])
def test_heads_that_do_not_divide_the_channels_are_refused(heads: int) -> None:
    with pytest.raises(ValueError, match=f"heads is {heads}, expected a divisor of the 12 channels"):
        SelfAttention(12, heads)
