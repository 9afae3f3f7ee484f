"""Multi-head self-attention over time, written out: torch's own cannot be mapped over the runs of a pack."""

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Plain multi-head self-attention: scaled dot products, no positional code, no mask.

    Head h has channels h*d .. (h+1)*d - 1, d = channels / heads; scores are divided by the square root of d. Query,
    key, value and output are linear layers with biases.

    Args:
        channels: of a time step.
        heads: how many; they divide the channels.

    Raises ValueError where they do not.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"heads is {heads}, expected a divisor of the {channels} channels")
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, T, channels) to (rows, T, channels)."""
        query, key, value = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5  # (rows, heads, T, T)
        attended: Tensor = self.out((scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2))
        return attended
