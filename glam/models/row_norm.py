"""Batch norm of vectors, one a row, that also takes a training batch of a single row."""

from torch import Tensor, nn
from torch.nn import functional as F


class RowNorm(nn.BatchNorm1d):
    """Batch norm over the rows of (rows, channels).

    A training batch of one row has no variance, and torch's own batch norm raises there. This one normalises such a
    row with the running statistics, as in evaluation, and leaves them as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(rows, channels) to (rows, channels)."""
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)
