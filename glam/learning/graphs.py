"""Functions of tensors on a CUDA device, recorded as graphs: replayed without the cost of launching each kernel."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

WARM_UP = 3  # calls before one is recorded: libraries allocate and choose their kernels

Inputs = Sequence[Any]  # tensors, in whatever tuples and dicts
Function = Callable[..., Tensor]


class Graphs:
    """The recorded functions of one owner, each for every shape of inputs that it was called with.

    Their memory is one pool, as no two of them are ever replayed at the same time.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._recorded: dict[tuple[object, ...], _Recorded] = {}

    def call(self, function: Function, inputs: Inputs, state: Sequence[Tensor] = ()) -> Tensor:
        """The result of the function for these inputs: a tensor of its own.

        state: what the function changes besides, whose values the calls before a recording leave as they were.
        """
        tensors, structure = pytree.tree_flatten(inputs)
        key = (function, structure, *(tensor.shape for tensor in tensors))
        if key not in self._recorded:
            self._recorded[key] = _Recorded(function, inputs, state, self._pool)
        return self._recorded[key](inputs)


class _Recorded:
    def __init__(self, function: Function, inputs: Inputs, state: Sequence[Tensor], pool: Any) -> None:
        self.inputs = pytree.tree_map(torch.clone, inputs)
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler's, about how it goes about it
                for _ in range(WARM_UP):
                    function(*self.inputs)
        finally:
            torch.cuda.current_stream().wait_stream(stream)
            for tensor, old in zip(state, before, strict=True):
                tensor.copy_(old)  # warming up was no training
            del before
        torch.cuda.empty_cache()  # the graph has memory of its own, and warming up left as much behind
        self.graph = torch.cuda.CUDAGraph()
        # Another thread may be gathering a batch meanwhile, which is no business of the graph's.
        with torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
            self.result = function(*self.inputs)

    def __call__(self, inputs: Inputs) -> Tensor:
        for static, tensor in zip(pytree.tree_leaves(self.inputs), pytree.tree_leaves(inputs), strict=True):
            static.copy_(tensor, non_blocking=True)
        self.graph.replay()
        return self.result.clone()
