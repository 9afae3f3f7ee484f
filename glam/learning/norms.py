"""Norms of a model in bfloat16 that is mapped over the runs of a pack."""

from collections.abc import Callable

from torch import Tensor, nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


def in_float32(model: nn.Module) -> None:
    """Have the model's norms compute in float32 and give the type that they were given.

    By itself torch does so, too; but a norm that is mapped must be given what its weights are.
    """
    for module in model.modules():
        if isinstance(module, NORMS) and "forward" not in vars(module):
            module.forward = _wide(module.forward)  # type: ignore[assignment,method-assign]


def _wide(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def normed(x: Tensor) -> Tensor:
        return forward(x.float()).to(x.dtype)

    return normed
