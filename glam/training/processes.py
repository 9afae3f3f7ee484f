"""Processes beside the one that a person started.

Importing torch takes seconds. On Linux one process begins with it as soon as a command knows that it will be wanted,
beside whatever is read meanwhile, and the others are forked off that one; elsewhere each imports it anew.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Result = TypeVar("Result")

# What the process imports that others are forked off. An optimiser wants torch's compiler.
TAKEN_ALONG = ["glam.training.origin", "torch", "torch._dynamo", "g_mlp_pytorch", "glam.training.engine"]


def context() -> "ForkServerContext | SpawnContext":
    """How processes are started."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(TAKEN_ALONG)
    return forked


def expect_torch() -> None:
    """Begin to import torch in the process that others are forked off, and do not wait for it."""
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        with deaf_to_interrupts():
            ensure_running()


def with_torch(function: Callable[..., Result], *arguments: object) -> Result:
    """What a function gives that needs torch: called here if torch is imported here, else in a process that has it.

    Raises what the function raises.
    """
    if "torch" in sys.modules:
        return function(*arguments)
    with deaf_to_interrupts():
        pool = context().Pool(1)
    with pool:
        return pool.apply(function, arguments)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started within the block never see Ctrl-C, from their first instruction on.

    A terminal sends it to all of them, but what it means is for this process to decide. Python answers it with a
    traceback in a process that is still importing.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # starting it later would lift the mask within the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
