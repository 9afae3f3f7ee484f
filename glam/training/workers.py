"""Runs in processes of their own.

A worker takes runs from a queue: one at a time, so that no run touches another's arithmetic, or as many as its device
takes side by side (pack.py). It checkpoints as it goes, stops at the next step when asked to, and dies with its parent.
"""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from glam.data.splits import RunKey, seeds, split
from glam.errors import GlamError
from glam.evaluation.metrics import best_epoch, confusion_matrix, scores_of
from glam.files import only_one
from glam.results.environment import environment
from glam.results.run import MODEL, RUN, Predictions, write_failure, write_run
from glam.training.job import Job, SaveModel, open_feeds, run_data
from glam.training.processes import deaf_to_interrupts

if TYPE_CHECKING:
    from torch import Tensor

    from glam.training.engine import Learns, RunData, RunState, Steps
    from glam.training.feed import Feed
    from glam.training.pack import Lane, Pack

NO_RUN = RunKey(0)  # of what is said about no run in particular
REPORT_SECONDS = 0.5
LONGEST_PAUSE = 290.0  # between checkpoints, unless a longer one is asked for
WARM_UP, PACE_STEPS = 3, 8  # steps until the pace is steady, and until it is worth telling


@dataclass(frozen=True)
class Message:
    """From a worker: what happened to a run.

    kind: `started`, `step`, `epoch`, `finished`, `failed` (its loss was not finite), `elsewhere` (another process
    has it), `stopped` (by request; checkpointed), `note` (text is something to know) or `error` (text says why
    everything must stop).
    steps: done so far, out of `total`; resumed runs start above 0. chosen_on: the set that chose a finished run's
    epoch. at_once: runs that share the worker.
    """

    kind: str
    run: RunKey = NO_RUN
    text: str = ""
    epoch: int = 0
    steps: int = 0
    total: int = 0
    seconds_per_step: float = 0.0
    wa: float = 0.0
    ua: float = 0.0
    loss: float = 0.0
    chosen_on: str = "test"
    at_once: int = 1


class _Stopped(Exception):
    pass


def run_jobs(job: Job, runs: Sequence[RunKey]) -> Iterator[Message]:
    """Train these runs of an experiment, as many at once as the job's resources say; yields what happens.

    Closing the iterator, or an exception in its consumer (Ctrl-C), asks the workers to checkpoint and stop.
    Raises GlamError where a worker ended unexpectedly.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    waiting = context.Queue()
    stop = context.Event()
    for run in runs:
        waiting.put(run)
    count = 1 if job.resources.packed else min(job.resources.at_once, len(runs))
    for _ in range(count):
        waiting.put(None)
    workers = [context.Process(target=_work, args=(job, waiting, messages, stop), daemon=True) for _ in range(count)]
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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent decides what that means, as with Ctrl-C
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        if job.resources.packed:
            _pack(job, waiting, messages.put, stop.is_set)
            return
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

    from glam.training.engine import alone

    torch.set_num_threads(job.resources.threads)
    alone(run_one(job, run, tell, stopping), torch.device(job.resources.device))


def run_one(
    job: Job,
    run: RunKey,
    tell: Callable[[Message], None],
    stopping: Callable[[], bool],
    lane: "Lane | None" = None,
    feeds: "tuple[Feed, Feed] | None" = None,
) -> "Steps":
    """A run as the steps it asks for, up to its folder; goes on from its checkpoint if there is one.

    lane: where it learns in a pack; by itself if there is none. Closed before its end, it checkpoints.
    """
    folder = job.folder / run.name
    with only_one(job.folder / ".locks" / f"{run.name}.lock") as mine:
        if not mine:
            tell(Message("elsewhere", run))
        elif (folder / RUN).is_file():
            tell(Message("finished", run, text="already"))
        elif folder.exists():
            raise GlamError(f"{folder}: is there, but holds no finished run ({RUN} is missing). Move it away.")
        else:
            yield from _Run(job, run, tell, stopping, lane, feeds).go()


def _pack(job: Job, waiting: Any, tell: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
    """Train and store all waiting runs side by side, in packs as large as the device allows."""
    import torch

    from glam.training.pack import together

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
            together(_new_pack(job, feeds, slots), begin)
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


def _new_pack(job: Job, feeds: "tuple[Feed, Feed]", slots: int) -> "Pack":
    import torch

    from glam.training.engine import initial_model
    from glam.training.pack import Pack

    classes = len(job.recipe.corpus.classes)
    model = initial_model(job.recipe.model, classes, feeds[0].shape, 0)
    return Pack(model, job.recipe.training, slots, classes, torch.device(job.resources.device))


def _fitting(job: Job, feeds: "tuple[Feed, Feed]", most: int) -> int:
    from glam.training.engine import noise
    from glam.training.pack import fitting

    device, size = job.resources.device, job.recipe.training.batch_size
    batch = noise(size, feeds[0].shape, len(job.recipe.corpus.classes), job.recipe.training.alpha > 0, device)
    return fitting(lambda slots: _new_pack(job, feeds, slots), batch, most)


class _Run:
    """One run from its split (or checkpoint) to its folder."""

    def __init__(
        self,
        job: Job,
        run: RunKey,
        tell: Callable[[Message], None],
        stopping: Callable[[], bool],
        lane: "Lane | None",
        feeds: "tuple[Feed, Feed] | None",
    ) -> None:
        import torch

        from glam.training.engine import RunState as State
        from glam.training.engine import class_weights, initial_model, new_learner

        self.job, self.run, self.tell, self.stopping = job, run, tell, stopping
        self.recipe = job.recipe
        self.device = torch.device(job.resources.device)
        self.split = split(self.recipe.split, job.groups, run)
        first = self.split.validation_only
        self.scored = slice(first, None)
        self.chosen_on = slice(None, first) if first else self.scored
        self.data: RunData = run_data(job, run, feeds)
        self.classes = len(self.recipe.corpus.classes)
        self.learner: Learns
        self.at_once = job.resources.at_once
        model, training, shape = self.recipe.model, self.recipe.training, self.data.train.shape
        if lane is None:
            self.learner = new_learner(model, training, self.classes, self.data, run.draws, self.device)
        else:
            first_weights = initial_model(model, self.classes, shape, run.draws)
            lane.start(first_weights, class_weights(training, self.classes, self.data))
            self.learner, self.at_once = lane, lane.pack.slots
        self.state: RunState = State()
        # The first run of every experiment keeps its model, so that no figure needs a training of its own.
        kept = run.seed == seeds()[0] and run.fold in (None, 1) and job.save_model == "none"
        self.save_model: SaveModel = "best" if kept else job.save_model
        self.best: dict[str, Tensor] = {}
        self.notes: dict[str, Any] = {"resumed": 0, "elapsed": 0.0}
        self.checkpoint = job.folder / ".checkpoints" / f"{run.name}.safetensors"
        self.checkpoint_identity = f"{job.identity}/{run.name}"
        self.steps = 0  # by this process
        self.begun = self.saved = self.told = self.warm = time.monotonic()
        self.pause = job.resources.checkpoint_seconds

    def go(self) -> "Steps":
        from glam.training.checkpoint import load_checkpoint
        from glam.training.engine import NotFinite, course

        for stale in self.checkpoint.parent.glob(f".{self.checkpoint.name}.tmp-*"):
            stale.unlink(missing_ok=True)  # of a process that was killed while writing: the lock is ours now
        if found := load_checkpoint(self.checkpoint, self.learner, self.checkpoint_identity):
            self.state, self.best, self.notes = found
            self.notes["resumed"] += 1
        steps = self._steps_per_epoch()
        self.total = self.recipe.training.epochs * steps
        self.tell(self._message("started"))
        try:
            try:
                yield from course(
                    self.learner,
                    self.recipe.training,
                    self.recipe.evaluation,
                    self.data,
                    self.run.draws,
                    self.state,
                    self._after_step,
                    self._after_epoch,
                )
            except _Stopped:
                self._save()
                self.tell(Message("stopped", self.run))
                return
            except GeneratorExit:  # goes on in another pack
                self._save()
                raise
        except NotFinite as error:
            write_failure(
                self.job.folder / self.run.name, self.run.seed, self._environment(), str(error), self.run.fold
            )
            self.tell(self._message("failed", str(error)))
        else:
            self._store()
        self.checkpoint.unlink(missing_ok=True)

    def _after_step(self, epoch: int) -> None:
        now = time.monotonic()
        if self.stopping():
            raise _Stopped
        if now - self.saved >= self.pause:
            self._save()
        self.steps += 1
        if self.steps == WARM_UP:
            self.warm = now
        if now - self.told >= REPORT_SECONDS and self.steps >= PACE_STEPS:
            self.told = now
            self.tell(self._message("step"))

    def _after_epoch(self) -> None:
        scores = self._scores(self.scored)[-1]
        self.tell(self._message("epoch", wa=scores.wa, ua=scores.ua))
        if self._best() == self.state.epoch - 1:  # always kept: a later command may go on and ask for it
            self.best = {name: t.detach().cpu().clone() for name, t in self.learner.weights().items()}

    def _save(self) -> None:
        from glam.training.checkpoint import save_checkpoint

        begun = time.monotonic()
        notes = self.notes | {"elapsed": self.notes["elapsed"] + begun - self.begun}
        save_checkpoint(self.checkpoint, self.learner, self.state, self.checkpoint_identity, self.best, notes)
        self.saved = time.monotonic()
        if self.at_once > 1 and self.job.resources.packed:
            # Every run of a pack waits while one is written: no more than 2 % of the time, or five minutes apart.
            cost = self.at_once * (self.saved - begun)
            self.pause = max(self.job.resources.checkpoint_seconds, min(50 * cost, LONGEST_PAUSE))

    def _store(self) -> None:
        predictions = Predictions(
            logits=np.stack(self.state.logits),
            segment_classes=np.stack(self.state.segment_classes),
            segments=self.data.test_segments,
            held_out=self.split.held_out,
            train=self.split.train,
        )
        write_run(
            self.job.folder / self.run.name,
            self.run.seed,
            self._environment(),
            self.state.epochs,
            self.job.targets[self.split.held_out],
            self.classes,
            predictions,
            self._saved_model(),
            self.run.fold,
            self.split.validation_only,
        )
        scores = self._scores(self.scored)
        best = self._best()
        self.tell(self._message("finished", epoch=best + 1, wa=scores[best].wa, ua=scores[best].ua))

    def _saved_model(self) -> dict[str, bytes]:
        from safetensors.torch import save

        if self.save_model == "none":
            return {}
        weights = self.best if self.save_model == "best" else self.learner.weights()
        epoch = self._best() if self.save_model == "best" else self.state.epoch - 1
        meta = {
            "recipe": self.recipe.model_dump_json(),
            "shape": f"{self.data.train.shape[0]},{self.data.train.shape[1]}",
            "seed": str(self.run.seed),
            "epoch": str(epoch + 1),
        }
        return {MODEL: save({name: t.detach().cpu().contiguous() for name, t in weights.items()}, meta)}

    def _scores(self, part: slice) -> list[Any]:
        """The scores of every epoch on a part of the held-out utterances."""
        truth = self.job.targets[self.split.held_out[part]]
        guesses = [logits[part].argmax(axis=1) for logits in self.state.logits]
        return [scores_of(confusion_matrix(truth, guess, self.classes)) for guess in guesses]

    def _best(self) -> int:
        scores = self._scores(self.chosen_on)
        return best_epoch(np.array([s.wa for s in scores]), np.array([s.ua for s in scores]))

    def _environment(self) -> dict[str, Any]:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return environment() | {
            "device": str(self.device),
            "device_name": name,
            "precision": self.recipe.training.precision,
            "threads": torch.get_num_threads(),
            "runs_at_once": self.at_once,
            "resumed": self.notes["resumed"],
            "seconds": round(self.notes["elapsed"] + time.monotonic() - self.begun, 2),
        }

    def _steps_per_epoch(self) -> int:
        return -(-len(self.data.train_rows) // self.recipe.training.batch_size)

    def _message(
        self, kind: str, text: str = "", epoch: int | None = None, wa: float = 0.0, ua: float = 0.0
    ) -> Message:
        return Message(
            kind,
            self.run,
            text,
            self.state.epoch + 1 if epoch is None else epoch,
            self.state.epoch * self._steps_per_epoch() + self.state.step,
            self.total,
            (time.monotonic() - self.warm) / (self.steps - WARM_UP) if self.steps >= PACE_STEPS else 0.0,
            wa,
            ua,
            self.state.epochs[-1].loss if self.state.epochs else 0.0,
            "validation" if self.split.validation_only else "test",
            self.at_once,
        )
