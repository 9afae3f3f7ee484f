"""Runs in processes of their own.

A worker takes runs from a queue: one at a time, so that no run touches another's arithmetic, or as many as its device
takes side by side (pack.py). It stops at the next step when asked to, and dies with its parent.
"""

import multiprocessing
import multiprocessing.connection
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from glam.errors import GlamError
from glam.running.job import Job, open_feeds
from glam.running.memory import spare_new_pages
from glam.running.message import Message
from glam.running.one_run import run_one
from glam.running.processes import context, deaf_to_interrupts
from glam.splits.splits import RunKey

if TYPE_CHECKING:
    from glam.learning.column import Feed
    from glam.learning.engine import Batch, Steps
    from glam.learning.pack import Lane, Pack

WORTH_COMPILING = 100_000  # steps of single runs; compiled, each takes some 0.6 ms less of a GPU


def run_jobs(job: Job, runs: Sequence[RunKey]) -> Iterator[Message]:
    """Train these runs of an experiment, as many at once as the job's resources say; yields what happens.

    Closing the iterator, or an exception in its consumer (Ctrl-C), asks the workers to checkpoint and stop.
    Raises GlamError where a worker ended unexpectedly.
    """
    processes = context()
    messages = processes.Queue()
    waiting = processes.Queue()
    stop = processes.Event()
    for run in runs:
        waiting.put(run)
    count = 1 if job.resources.packed else min(job.resources.at_once, len(runs))
    for _ in range(count):
        waiting.put(None)
    workers = [processes.Process(target=_work, args=(job, waiting, messages, stop), daemon=True) for _ in range(count)]
    try:
        with deaf_to_interrupts():
            for worker in workers:
                worker.start()
        while any(worker.is_alive() for worker in workers) or not messages.empty():
            try:
                message: Message = messages.get(timeout=0.2)
            except queue.Empty:
                _check(workers)
                continue
            if message.kind == "error":
                raise GlamError(message.text)
            yield message
        _check(workers)
    finally:
        stop.set()
        for worker in workers:
            if worker.pid is None:
                continue  # interrupted before it was started
            worker.join(timeout=60)
            if worker.is_alive():
                worker.kill()
                worker.join()
        for channel in (messages, waiting):
            channel.close()
            channel.cancel_join_thread()


def _check(workers: Sequence[Any]) -> None:
    for worker in workers:
        if worker.exitcode not in (None, 0):
            raise GlamError(
                f"a worker process ended unexpectedly (exit status {worker.exitcode}; -9 usually means that memory "
                "ran out). Finished runs are kept and the same command goes on from the last checkpoints; with too "
                "little memory, use --runs-at-once 1."
            )


def _work(job: Job, waiting: Any, messages: Any, stop: Event) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        if job.resources.packed:
            _pack(job, waiting, messages.put, stop.is_set)
            return
        spare_new_pages()
        while not stop.is_set() and (run := waiting.get()) is not None:
            run_alone(job, run, messages.put, stop.is_set)
    except GlamError as error:
        messages.put(Message("error", text=str(error)))
    except Exception as error:  # whatever it is, the person at the terminal gets it in one line
        text = " ".join(f"{type(error).__name__}: {error}".split())
        messages.put(Message("error", text=f"{job.folder}: a run stopped ({text}). Finished runs are kept."))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def run_alone(job: Job, run: RunKey, tell: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
    """Train and store one run in this process, going on from its checkpoint if there is one."""
    import torch

    from glam.learning.engine import alone

    torch.set_num_threads(job.resources.threads)
    alone(run_one(job, run, tell, stopping), torch.device(job.resources.device))


def _pack(job: Job, waiting: Any, tell: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
    """Train and store all waiting runs side by side, in packs as large as the device allows."""
    import torch

    from glam.learning.pack import together

    torch.set_num_threads(job.resources.threads)
    runs: list[RunKey] = list(iter(waiting.get, None))
    feeds = open_feeds(job)
    slots = min(job.resources.at_once, len(runs)) or _fitting(job, feeds, len(runs))
    while runs and not stopping():
        coming = iter(runs)
        ended: set[RunKey] = set()

        def begin(lane: "Lane", coming: Iterator[RunKey] = coming, ended: set[RunKey] = ended) -> "Steps | None":
            run = None if stopping() else next(coming, None)
            return None if run is None else _until_its_end(run_one(job, run, tell, stopping, lane, feeds), run, ended)

        full = False
        try:
            pack = _new_pack(job, feeds, slots, _worth_compiling(job, len(runs)))
            pack.tell = lambda text: tell(Message("note", text=text))
            together(pack, begin)
        except torch.OutOfMemoryError as error:
            if slots == 1:
                raise GlamError(
                    f"{job.resources.device}: not enough memory for a single run ({error}). Finished runs are kept; "
                    "use a smaller training.batch_size, another device, or free its memory."
                ) from None
            full = True
        runs = [run for run in runs if run not in ended]
        if full:
            torch.cuda.empty_cache()
            slots //= 2
            tell(Message("note", text=f"memory ran out on {job.resources.device}: going on with {slots} runs at once"))
        else:
            slots = min(slots, len(runs))


def _until_its_end(steps: "Steps", run: RunKey, ended: set[RunKey]) -> "Steps":
    """The steps themselves; remembers that they have come to their end, whatever it was."""
    yield from steps
    ended.add(run)


def _new_pack(job: Job, feeds: "tuple[Feed, Feed]", slots: int, compiled: bool = False) -> "Pack":
    import torch

    from glam.learning.engine import initial_model
    from glam.learning.pack import Pack

    classes = len(job.recipe.corpus.classes)
    model = initial_model(job.recipe.model, classes, feeds[0].shape, 0)
    return Pack(model, job.recipe.training, slots, classes, torch.device(job.resources.device), compiled)


def _worth_compiling(job: Job, runs: int) -> bool:
    """Whether compiling these runs' steps, which takes a minute, saves more than that."""
    lengths = np.diff(job.train_offsets)[job.positions]
    steps = runs * job.recipe.training.epochs * len(job.train_stores) * lengths.sum() / job.recipe.training.batch_size
    return job.resources.device.startswith("cuda") and bool(steps > WORTH_COMPILING)


def _noise(job: Job, feeds: "tuple[Feed, Feed]") -> "Batch":
    from glam.learning.engine import noise

    training, classes = job.recipe.training, len(job.recipe.corpus.classes)
    return noise(training.batch_size, feeds[0].shape, classes, training.alpha > 0, job.resources.device)


def _fitting(job: Job, feeds: "tuple[Feed, Feed]", most: int) -> int:
    from glam.learning.pack import fitting

    return fitting(lambda slots: _new_pack(job, feeds, slots), _noise(job, feeds), most)
