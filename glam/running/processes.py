"""Processes beside the one that a person started.

Importing torch takes seconds. On Linux one process begins with it as soon as a command knows that it will be wanted,
beside whatever is read meanwhile, and the others are forked off that one; elsewhere each imports it anew.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from glam.errors import GlamError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Result = TypeVar("Result")

SAFE = "PYTHONSAFEPATH"  # tells Python that a command's own folder holds no modules
SOCKET = 107  # bytes that the path of a local socket may have, and what multiprocessing adds to the temporary folder
ADDED = len("/pymp-12345678/listener-12345678")
ENDINGS = (signal.SIGINT, signal.SIGTERM)
_DISGUISED = threading.RLock()  # held while what threads share, __main__ and the environment, is not its own

# What the process imports that others are forked off. An optimiser wants torch's compiler.
TAKEN_ALONG = ["glam.running.origin", "torch", "torch._dynamo", "g_mlp_pytorch", "glam.learning.check"]


def context() -> "ForkServerContext | SpawnContext":
    """The way in which processes are started."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    if len(os.fsencode(folder := tempfile.gettempdir())) + ADDED > SOCKET:
        raise GlamError(
            f"the temporary folder {folder} has too long a name ({len(os.fsencode(folder))} bytes, at most "
            f"{SOCKET - ADDED}): processes cannot talk there. Set TMPDIR to another, such as /tmp."
        )
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(TAKEN_ALONG)
    return forked


def expect_torch() -> None:
    """Begin to import torch in the process that others are forked off, and do not wait for it."""
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        with deaf_to_interrupts(), not_from_here():
            ensure_running()


@contextmanager
def not_from_here() -> Iterator[None]:
    """Processes that are started within the block import nothing of the user's.

    That is nothing from the working folder (a random.py there, say), nor the script that is run: they need nothing of
    it, and run again, without `if __name__ == "__main__":`, it would start processes of its own.
    """
    with _DISGUISED:
        before, script = os.environ.get(SAFE), sys.modules["__main__"]
        os.environ[SAFE] = "1"
        sys.modules["__main__"] = ModuleType("__main__")  # of no file, as in a notebook
        try:
            yield
        finally:
            sys.modules["__main__"] = script
            if before is None:
                del os.environ[SAFE]
            else:
                os.environ[SAFE] = before


def with_torch(function: Callable[..., Result], *arguments: object) -> Result:
    """The result of a function that needs torch: called here if torch is imported here, else in a process that has it.

    Raises GlamError where the function does, or where that process ended unexpectedly.
    """
    if "torch" in sys.modules:
        return function(*arguments)
    try:
        (result,) = answers(function, *arguments)
    except EOFError:
        raise GlamError("a process that imports torch ended unexpectedly; usually memory ran out") from None
    return result


def answers(function: Callable[..., Result], *arguments: object, processes: int = 1) -> list[Result]:
    """Results of a function in so many processes that call it side by side.

    Raises GlamError where the function does, EOFError where a process ended unexpectedly.
    """
    started = context()
    begun, ends = [], []
    try:
        for _ in range(processes):
            receiver, sender = started.Pipe(duplex=False)
            process = started.Process(target=_answer, args=(sender, function, arguments), daemon=True)
            begun.append(process)  # before an interrupt is answered: it is to be ended in any case
            ends.append(receiver)
            with deaf_to_interrupts(), not_from_here():
                process.start()
            sender.close()  # so that the end of the process is the end of the pipe
        outcomes = [end.recv() for end in ends]
    finally:
        with _put_off():  # a second Ctrl-C would leave some of them at work
            for process in begun:
                if process.pid is not None:
                    process.kill()  # it is deaf to anything milder
                    process.join()
    for _, error in outcomes:
        if error is not None:
            raise error
    return [result for result, _ in outcomes]


def _answer(sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Send what the function returns or raises, if whoever asked is still there."""
    try:
        outcome: tuple[object, GlamError | None] = (function(*arguments), None)
    except GlamError as error:
        outcome = (None, error)
    with suppress(BrokenPipeError):
        sender.send(outcome)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started within the block never see Ctrl-C or SIGTERM, from their first instruction on.

    A terminal or a scheduler sends it to all of them, but what it means is for this process to decide, and not before
    the block ends: a process that is half started would be lost. Python answers Ctrl-C with a traceback in a process
    that is still importing.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # starting it later would lift the mask within the block
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)  # inherited
    try:
        with _put_off():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _put_off() -> Iterator[None]:
    """Answer signals when the block ends; the mask of one thread does not keep them from those of libraries."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread answers signals
        yield
        return
    came: list[int] = []
    handlers = {ending: signal.signal(ending, lambda number, _: came.append(number)) for ending in ENDINGS}
    try:
        yield
    finally:
        for ending, handler in handlers.items():
            signal.signal(ending, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(signal.Signals(came[0]))
