"""The layers of a model that a pack on a GPU computes in few kernels."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from glam.models.fusions import GlobalAware
from glam.models.max_pool import MaxPool
from glam.models.trunks import ConvNormReLU, MultiScaleBlock

Forward = Callable[[Tensor], Tensor]

FUSED = (ConvNormReLU, MultiScaleBlock, MaxPool, GlobalAware)


def can_fuse(device: torch.device) -> bool:
    """True on an NVIDIA GPU with Triton, and a torch that maps operations by rules of their own (2.5)."""
    if device.type != "cuda" or torch.version.cuda is None or not hasattr(torch.library, "register_vmap"):
        return False
    try:
        import glam.fused.layer  # noqa: F401 - no Triton, or a torch without what it is made of
    except ImportError:
        return False
    return True


def fuse(model: nn.Module) -> bool:
    """Have the layers of trunks, with the max-pool behind them, and GLAM's gMLP computed in few kernels.

    Each gives what it gave, but for rounding, in training and in evaluation; a layer of another class, if only one that
    is made of these, stays as it is. Returns whether there was such a layer.
    """
    uses = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    pooled: set[nn.Module] = set()
    for module in uses:
        if type(module) is nn.Sequential:
            for before, after in pairwise(module):
                trunk = type(before) in (ConvNormReLU, MultiScaleBlock)
                if trunk and type(after) is MaxPool and uses[before] == uses[after] == 1:
                    pooled.add(before)
                    vars(after)["forward"] = lambda x: x
    fused = False
    for module in uses:
        forward = _fused(module, module in pooled)
        if forward is not None:
            vars(module)["forward"], fused = forward, True
    return fused


def unfuse(model: nn.Module) -> None:
    """Undo `fuse`."""
    for module in model.modules():
        if isinstance(module, FUSED):
            vars(module).pop("forward", None)


def _fused(module: nn.Module, pool: bool) -> Forward | None:
    if type(module) is ConvNormReLU:
        return _layer((cast(nn.Conv2d, module[0]),), cast(nn.BatchNorm2d, module[1]), pool)
    if type(module) is MultiScaleBlock:
        return _layer((module.near, module.far), module.norm, pool)
    return _gating(module) if type(module) is GlobalAware else None


def _layer(convolutions: Sequence[nn.Conv2d], norm: nn.BatchNorm2d, pool: bool) -> Forward:
    from glam.fused.layer import layer  # which wants Triton

    moves: Any = norm  # its running statistics, which a norm need not have
    padding = _padding(convolutions[0])

    def forward(x: Tensor) -> Tensor:
        kind = _kind(x)
        weights = [convolution.weight.to(kind) for convolution in convolutions]
        biases = torch.cat([cast(Tensor, convolution.bias) for convolution in convolutions])
        given = x.to(kind), weights[0], weights[1] if len(weights) > 1 else None, norm.weight, norm.bias
        if not norm.training:
            return layer(*given, moves.running_mean - biases, moves.running_var, padding, norm.eps, pool)[0]
        out, mean, variance = layer(*given, None, None, padding, norm.eps, pool)
        f, t = (x.shape[2 + i] + 2 * padding[i] - weights[0].shape[2 + i] + 1 for i in range(2))
        places = x.shape[0] * f * t
        with torch.no_grad():
            moves.running_mean.mul_(1 - moves.momentum).add_((mean + biases) * moves.momentum)
            moves.running_var.mul_(1 - moves.momentum).add_(variance * (moves.momentum * places / (places - 1)))
            moves.num_batches_tracked.add_(1)
        return out

    return forward


def _padding(convolution: nn.Conv2d) -> list[int]:
    if isinstance(convolution.padding, str):  # "same", the only one that the trunks have
        return [(size - 1) // 2 for size in convolution.kernel_size]
    return list(convolution.padding)


def _gating(module: GlobalAware) -> Forward | None:
    from glam.fused.gating import MOST_PLACES, gating

    layer: Any = module.gmlp.layers[0].fn
    block, unit = layer.fn.fn, layer.fn.fn.sgu
    proj_in, proj_out = block.proj_in[0], block.proj_out
    if proj_out.out_features >= MOST_PLACES:
        return None

    def forward(x: Tensor) -> Tensor:
        x, kind = x.flatten(2), _kind(x)
        added = gating(
            x.to(kind),
            layer.norm.weight,
            layer.norm.bias,
            proj_in.weight.to(kind),
            proj_in.bias.to(kind),
            unit.norm.weight,
            unit.norm.bias,
            unit.weight[0].to(kind),
            unit.bias[0].to(kind),
            proj_out.weight.to(kind),
            layer.norm.eps,
        )
        y: Tensor = x + (added + proj_out.bias.to(kind))
        return y

    return forward


def _kind(x: Tensor) -> torch.dtype:
    """The type in which a layer computes x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
