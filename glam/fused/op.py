"""Operations of torch that are computed for all runs of a pack at once, with a gradient of their own.

torch.func takes no autograd.Function with a vmap rule of its own into a compiled step; what is defined here it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import triton
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd.function import _SingleLevelFunction

Tensors = tuple[Tensor, ...]
Dims = tuple[int | None, ...]
Forms = Callable[..., Tensors]

_library = torch.library.Library("glam", "DEF")


def define(
    name: str,
    tensors: Sequence[str],
    settings: str,
    kept: int,
    forward: Forms,
    backward: Forms,
    forward_like: Forms,
    backward_like: Forms,
    lay: Mapping[str, Callable[[Tensor], Tensor]],
) -> Forms:
    """Return the operation glam::<name> of one run, which torch.func.vmap makes one of all runs.

    Args:
        name: of the operation.
        tensors: names of its tensors; one that may be None ends in "?". Only the first may be one without a gradient.
        settings: its other arguments, as a schema of torch's.
        kept: how many tensors it gives besides its result, without a gradient.
        forward: takes tensors and settings, the tensors of all runs with the runs first; gives the result and what is
            kept, alike.
        backward: takes the gradient of the result, the tensors, what was kept, the settings, and whether the first
            tensor's gradient is wanted; gives a gradient for each of the tensors, an empty one where none is wanted.
        forward_like, backward_like: give tensors like those of `forward` and `backward`, to trace with.
        lay: by name, how a tensor of all runs, or `grad`, is to lie in memory. It is laid so outside the operation,
            where the compiler makes that a part of what comes before.
    """
    names = [tensor.rstrip("?") for tensor in tensors]
    count, held = len(names), 1 + len(names) + kept  # tensors that the passes take
    laid = [place for place, tensor in enumerate(names) if tensor in lay]  # returned, to be kept as they lie now
    _declare(name, tensors, settings, kept, len(laid))
    operations = torch.ops.glam
    forward_of_one, forward_of_all = getattr(operations, name), getattr(operations, f"{name}_runs")
    backward_of_one, backward_of_all = (
        getattr(operations, f"{name}_backward"),
        getattr(operations, f"{name}_runs_backward"),
    )

    class Gradient(_SingleLevelFunction):
        """The gradient, at whatever level of torch.func asks for it."""

        @staticmethod
        def forward(ctx: Any, *given: Any) -> Tensors:
            """Compute the result, and keep what the gradient is made of."""
            with torch._C._AutoDispatchBelowAutograd():
                results: Tensors = forward_of_one(*given)
            taken = list(given[:count])
            for place, tensor in zip(laid, results[1 + kept :], strict=True):
                taken[place] = None if taken[place] is None else tensor
            ctx.settings = given[count:]
            ctx.save_for_backward(*taken, *results[1 : 1 + kept])
            ctx.mark_non_differentiable(*results[1:])
            return results

        @staticmethod
        def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
            """The gradients of the tensors."""
            wanted = ctx.needs_input_grad[:count]
            gradients = backward_of_one(grad, *ctx.saved_tensors, *ctx.settings, wanted[0])
            of_tensors = (g if want else None for g, want in zip(gradients, wanted, strict=True))
            return *of_tensors, *[None] * len(ctx.settings)

    def with_gradient(*given: Any) -> Any:
        with enable_single_level_autograd_function():
            return Gradient.apply(*given)  # type: ignore[attr-defined]

    def in_place(taken: Sequence[Tensor | None], names: Sequence[str]) -> list[Any]:
        rules = [lay.get(tensor) for tensor in names] + [None] * (len(taken) - len(names))
        return [
            tensor if tensor is None or rule is None else rule(tensor)
            for tensor, rule in zip(taken, rules, strict=True)
        ]

    def returned(taken: Sequence[Any]) -> list[Tensor]:
        return [taken[0].new_empty(0) if taken[place] is None else taken[place] for place in laid]

    def wanted_of(given: Sequence[Any]) -> list[bool]:
        return [given[-1], *(tensor is not None for tensor in given[2 : 1 + count])]

    def one_forward(*given: Any) -> Tensors:
        taken = in_place(_with_runs(given[:count]), names)
        results = [*forward_of_all(*taken, *given[count:]), *(tensor.clone() for tensor in returned(taken))]
        return tuple(result if result.numel() == 0 else result[0] for result in results)

    def one_backward(*given: Any) -> Tensors:
        gradients = backward_of_all(*in_place(_with_runs(given[:held]), ["grad", *names]), *given[held:])
        return tuple(g[0] if want else g for g, want in zip(gradients, wanted_of(given), strict=True))

    def mapped_forward(info: Any, dims: Dims, *given: Any) -> tuple[Tensors, Dims]:
        taken = in_place(_runs_first(info, dims, given[:count]), names)
        of_laid = (None if given[place] is None else 0 for place in laid)
        return (*forward_of_all(*taken, *given[count:]), *returned(taken)), (*(0,) * (1 + kept), *of_laid)

    def mapped_backward(info: Any, dims: Dims, *given: Any) -> tuple[Tensors, Dims]:
        taken = in_place(_runs_first(info, dims, given[:held]), ["grad", *names])
        return backward_of_all(*taken, *given[held:]), tuple(0 if want else None for want in wanted_of(given))

    for kind in ("CPU", "CUDA"):  # on a CPU, in Triton's interpreter
        _library.impl(name, one_forward, kind)
        _library.impl(f"{name}_backward", one_backward, kind)
        _library.impl(f"{name}_runs", forward, kind)
        _library.impl(f"{name}_runs_backward", backward, kind)
    _library.impl(name, with_gradient, "Autograd")
    for end, like in (
        ("", one_forward),
        ("_backward", one_backward),
        ("_runs", forward_like),
        ("_runs_backward", backward_like),
    ):
        torch.library.register_fake(f"glam::{name}{end}", like, lib=_library)
    torch.library.register_vmap(f"glam::{name}", mapped_forward, lib=_library)
    torch.library.register_vmap(f"glam::{name}_backward", mapped_backward, lib=_library)
    return forward_of_one  # type: ignore[no-any-return]


def _declare(name: str, tensors: Sequence[str], settings: str, kept: int, laid: int) -> None:
    """Declare the operation and its backward pass, of one run and of all."""
    given = ", ".join(f"Tensor? {tensor[:-1]}" if tensor.endswith("?") else f"Tensor {tensor}" for tensor in tensors)
    with_kept = ", ".join(["Tensor grad", given, *(f"Tensor kept{number}" for number in range(kept))])

    def several(results: int) -> str:
        return f"({', '.join(['Tensor'] * results)})"

    for end, results in (("", 1 + kept + laid), ("_runs", 1 + kept)):
        _library.define(f"{name}{end}({given}, {settings}) -> {several(results)}")
        _library.define(f"{name}{end}_backward({with_kept}, {settings}, bool through) -> {several(len(tensors))}")


def _with_runs(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Tensors of one run as those of many."""
    return [None if tensor is None else tensor[None] for tensor in tensors]


def _runs_first(info: Any, dims: Dims, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Tensors that are mapped with the runs first; those that all runs share are repeated."""
    moved: list[Tensor | None] = []
    for tensor, dim in zip(tensors, dims, strict=False):
        if tensor is not None:
            tensor = tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        moved.append(tensor)
    return moved


def in_order(*tensors: Tensor) -> list[Tensor]:
    """The tensors, contiguous."""
    return [tensor.contiguous() for tensor in tensors]


def power(size: int) -> int:
    """The smallest power of 2 that is no smaller, 16 at least."""
    wide: int = triton.next_power_of_2(size)
    return max(16, wide)
