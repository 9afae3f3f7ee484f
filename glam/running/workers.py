"""Runs in processes of their own.

A worker takes runs from a queue, of whichever experiments: one at a time, so that no run touches another's arithmetic,
or, of one experiment, as many as its device takes side by side (pack.py). It stops at the next step when asked to, and
dies with its parent.
"""

import gc
import multiprocessing
import multiprocessing.connection
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from multiprocessing.synchronize import Event as Flag
from typing import TYPE_CHECKING, Any

from glam.errors import GlamError, in_the_way
from glam.running.events import Broken, Event, Listen, Note
from glam.running.job import Job, objective_of, open_columns, run_data
from glam.running.memory import spare_new_pages
from glam.running.one_run import run_one
from glam.running.own_code import in_own_code
from glam.running.processes import context, deaf_to_interrupts, not_from_here
from glam.splits.runs import RunKey
from glam.words import counted

if TYPE_CHECKING:
    from glam.learning.batch import Data
    from glam.learning.course import Steps
    from glam.learning.pack import Lane, Pack

WORTH_COMPILING = 100_000  # steps of single runs; compiled, each takes some 0.6 ms less of a GPU

Place = int  # of an experiment, among those that are trained together


def run_jobs(jobs: Sequence[Job], runs: Sequence[tuple[Place, RunKey]]) -> Generator[tuple[Place, Event], None, None]:
    """Train these runs, in this order, as many at once as the jobs' resources say; yields what happens.

    jobs: of experiments with the same resources; a single one where these ask for a pack. runs: each with the place of
    its job. Closing the iterator, or an exception in its consumer (Ctrl-C), asks the workers to checkpoint and stop.
    Raises GlamError where a worker ended unexpectedly.
    """
    processes = context()
    try:
        events, waiting, stop = processes.Queue(), processes.Queue(), processes.Event()
    except OSError as error:  # semaphores are files there
        raise GlamError(
            f"processes cannot be started: /dev/shm has no room for them, or cannot be written ({error.strerror}). It "
            "must be mounted with write access and a few MiB; in a container: docker run --shm-size=64m."
        ) from None
    for run in runs:
        waiting.put(run)
    resources = jobs[0].resources
    count = 1 if resources.packed else min(resources.at_once, len(runs))
    for _ in range(count):
        waiting.put(None)
    workers = [processes.Process(target=_work, args=(jobs, waiting, events, stop), daemon=True) for _ in range(count)]
    try:
        with deaf_to_interrupts(), not_from_here():
            for worker in workers:
                worker.start()
        while any(worker.is_alive() for worker in workers) or not events.empty():
            try:
                place, event = events.get(timeout=0.2)
            except queue.Empty:
                _check(workers)
                continue
            if isinstance(event, Broken):
                raise GlamError(event.text)
            yield place, event
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
        for channel in (events, waiting):
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


def _work(jobs: Sequence[Job], waiting: Any, events: Any, stop: Flag) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    work_through(jobs, waiting, lambda place, event: events.put((place, event)), stop.is_set)


def work_through(
    jobs: Sequence[Job], waiting: Any, tell: Callable[[Place, Event], None], stopping: Callable[[], bool]
) -> None:
    """Train and store the runs of a queue, up to a None in it, in this process; why it cannot is told, never raised.

    jobs: see run_jobs. waiting: runs, each with the place of its job.
    """
    place = 0
    try:
        if jobs[0].resources.packed:
            _pack(jobs[0], [run for _, run in iter(waiting.get, None)], partial(tell, place), stopping)
            return
        spare_new_pages()
        while not stopping() and (given := waiting.get()) is not None:
            place, run = given
            run_alone(jobs[place], run, partial(tell, place), stopping)
    except GlamError as error:
        tell(place, Broken(str(error)))
    except OSError as error:
        why = in_the_way(error, "Mend it and run the same command again.")
        tell(place, Broken(f"{jobs[place].folder}: a run could not be written: {why} Finished runs are kept."))
    except Exception as error:  # whatever it is, the person at the terminal gets it in one line
        text = in_own_code(error, jobs[place].recipe)
        tell(place, Broken(f"{jobs[place].folder}: a run stopped ({text}). Finished runs are kept."))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def run_alone(job: Job, run: RunKey, tell: Listen, stopping: Callable[[], bool]) -> None:
    """Train and store one run in this process, going on from its checkpoint if there is one."""
    import torch

    from glam.learning.course import alone

    torch.set_num_threads(job.resources.threads)
    alone(run_one(job, run, tell, stopping), torch.device(job.resources.device))


def _pack(job: Job, runs: list[RunKey], tell: Listen, stopping: Callable[[], bool]) -> None:
    """Train and store these runs side by side, in packs as large as the device allows."""
    import torch

    torch.set_num_threads(job.resources.threads)
    columns = open_columns(job)
    data = run_data(job, runs[0], columns)
    slots = min(job.resources.at_once, len(runs)) or _fitting(job, data, len(runs))
    while runs and not stopping():
        coming = iter(runs)
        ended: set[RunKey] = set()

        def begin(lane: "Lane", coming: Iterator[RunKey] = coming, ended: set[RunKey] = ended) -> "Steps | None":
            run = None if stopping() else next(coming, None)
            if run is None:
                return None
            return _until_its_end(run_one(job, run, tell, stopping, lane, columns), run, ended)

        fitted = _in_one_pack(job, data, slots, _worth_compiling(job, data, len(runs)), tell, begin)
        runs = [run for run in runs if run not in ended]
        # Before the next pack is made, all of this one goes: it refers to itself, and its graphs hold their memory.
        gc.collect()
        torch.cuda.empty_cache()
        if not fitted:
            slots //= 2
            tell(Note(f"memory ran out on {job.resources.device}: going on with {counted(slots, 'run')} at once"))
        else:
            slots = min(slots, len(runs))


def _in_one_pack(
    job: Job,
    data: "Data",
    slots: int,
    compiled: bool,
    tell: Listen,
    begin: "Callable[[Lane], Steps | None]",
) -> bool:
    """Train runs in a pack of so many slots; False where memory ran out. Raises GlamError where one is too many."""
    import torch

    from glam.learning.side_by_side import together

    try:
        pack = _new_pack(job, data, slots, compiled)
        pack.tell = lambda text: tell(Note(text))
        together(pack, begin)
    except torch.cuda.OutOfMemoryError as error:
        if slots == 1:
            raise GlamError(
                f"{job.resources.device}: not enough memory for a single run ({error}). Finished runs are kept; use a "
                "smaller training.batches.size, another device, or free its memory."
            ) from None
        return False
    return True


def _until_its_end(steps: "Steps", run: RunKey, ended: set[RunKey]) -> "Steps":
    """The steps themselves; remembers that they have come to their end, whatever it was."""
    yield from steps
    ended.add(run)


def _new_pack(job: Job, data: "Data", slots: int, compiled: bool = False) -> "Pack":
    import torch

    from glam.learning.pack import Pack

    objective = objective_of(job, RunKey(0, 1), data)
    return Pack(objective, job.recipe.training, slots, torch.device(job.resources.device), compiled)


def _worth_compiling(job: Job, data: "Data", runs: int) -> bool:
    """True where compiling these runs' steps, which takes a minute, saves more than that."""
    training = job.recipe.training
    steps = runs * training.epochs * len(data.train_rows) / training.batches.size
    return job.resources.device.startswith("cuda") and steps > WORTH_COMPILING


def _fitting(job: Job, data: "Data", most: int) -> int:
    from glam.learning.batch import Step, noise
    from glam.learning.side_by_side import fitting

    training, classes = job.recipe.training, len(job.recipe.corpus.classes)
    row = data.train.rows(data.train_rows[:1])
    inputs = {name: tensor[:0] for name, tensor in next(iter(data.train.batches([row]))).items()}
    votes = training.labels == "votes"
    batch = noise(training.batches.size, inputs, classes, training.alpha > 0, job.resources.device, votes)
    return fitting(lambda slots: _new_pack(job, data, slots), Step(batch, 1e-4), most)
