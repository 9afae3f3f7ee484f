"""Runs in processes of their own: one for each run under way, so that no run touches another's arithmetic.

A worker takes seeds from a queue. It checkpoints as it goes, stops at the next step when asked to, and dies with its
parent.
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

from glam.data.splits import random_split, seeds
from glam.errors import GlamError
from glam.evaluation.metrics import best_epoch, confusion_matrix, scores_of
from glam.files import only_one
from glam.results.environment import environment
from glam.results.run import MODEL, RUN, Predictions, write_failure, write_run
from glam.training.job import Job, SaveModel, run_data
from glam.training.processes import deaf_to_interrupts

if TYPE_CHECKING:
    from torch import Tensor

    from glam.training.engine import Learner, RunData, RunState

REPORT_SECONDS = 0.5
WARM_UP, PACE_STEPS = 3, 8  # steps until the pace is steady, and until it is worth telling


@dataclass(frozen=True)
class Message:
    """From a worker: what happened to the run of a seed.

    kind: `started`, `step`, `epoch`, `finished`, `failed` (its loss was not finite), `elsewhere` (another process
    has it), `stopped` (by request; checkpointed) or `error` (text says why everything must stop).
    steps: done so far, out of `total`; resumed runs start above 0.
    """

    kind: str
    seed: int = 0
    text: str = ""
    epoch: int = 0
    steps: int = 0
    total: int = 0
    seconds_per_step: float = 0.0
    wa: float = 0.0
    ua: float = 0.0
    loss: float = 0.0


class _Stopped(Exception):
    pass


def run_jobs(job: Job, seeds: Sequence[int]) -> Iterator[Message]:
    """Run the seeds of an experiment, as many at once as the job's resources say; yields what happens.

    Closing the iterator, or an exception in its consumer (Ctrl-C), asks the workers to checkpoint and stop.
    Raises GlamError where a worker ended unexpectedly.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    waiting = context.Queue()
    stop = context.Event()
    for seed in seeds:
        waiting.put(seed)
    count = min(job.resources.at_once, len(seeds))
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
        while not stop.is_set() and (seed := waiting.get()) is not None:
            run_one(job, seed, messages.put, stop.is_set)
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


def run_one(job: Job, seed: int, tell: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
    """Train and store the run of one seed in this process, going on from its checkpoint if there is one."""
    folder = job.folder / str(seed)
    with only_one(job.folder / ".locks" / f"{seed}.lock") as mine:
        if not mine:
            tell(Message("elsewhere", seed))
        elif (folder / RUN).is_file():
            tell(Message("finished", seed, text="already"))
        elif folder.exists():
            raise GlamError(f"{folder}: is there, but holds no finished run ({RUN} is missing). Move it away.")
        else:
            try:
                _Run(job, seed, tell, stopping).go()
            except _Stopped:
                tell(Message("stopped", seed))


class _Run:
    """One run from its split (or checkpoint) to its folder."""

    def __init__(self, job: Job, seed: int, tell: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
        import torch

        from glam.training.engine import RunState as State
        from glam.training.engine import new_learner

        torch.set_num_threads(job.resources.threads)
        self.job, self.seed, self.tell, self.stopping = job, seed, tell, stopping
        self.recipe = job.recipe
        self.device = torch.device(job.resources.device)
        self.split = random_split(len(job.targets), seed, self.recipe.split.train_share)
        self.data: RunData = run_data(job, seed)
        self.classes = len(self.recipe.corpus.classes)
        self.learner: Learner = new_learner(
            self.recipe.model, self.recipe.training, self.classes, self.data, seed, self.device
        )
        self.state: RunState = State()
        # The first seed of every experiment keeps its model, so that no figure needs a training of its own.
        first = seed == seeds()[0] and job.save_model == "none"
        self.save_model: SaveModel = "best" if first else job.save_model
        self.best: dict[str, Tensor] = {}
        self.notes: dict[str, Any] = {"resumed": 0, "elapsed": 0.0}
        self.checkpoint = job.folder / ".checkpoints" / f"{seed}.safetensors"
        self.checkpoint_identity = f"{job.identity}/{seed}"
        self.steps = 0  # by this process
        self.begun = self.saved = self.told = self.warm = time.monotonic()

    def go(self) -> None:
        from glam.training.checkpoint import load_checkpoint
        from glam.training.engine import NotFinite, train

        for stale in self.checkpoint.parent.glob(f".{self.checkpoint.name}.tmp-*"):
            stale.unlink(missing_ok=True)  # of a process that was killed while writing: the lock is ours now
        if found := load_checkpoint(self.checkpoint, self.learner, self.checkpoint_identity):
            self.state, self.best, self.notes = found
            self.notes["resumed"] += 1
        steps = self._steps_per_epoch()
        self.total = self.recipe.training.epochs * steps
        self.tell(self._message("started"))
        try:
            train(
                self.learner,
                self.recipe.training,
                self.recipe.evaluation,
                self.data,
                self.seed,
                self.state,
                self._after_step,
                self._after_epoch,
            )
        except NotFinite as error:
            write_failure(self.job.folder / str(self.seed), self.seed, self._environment(), str(error))
            self.tell(self._message("failed", str(error)))
        else:
            self._store()
        self.checkpoint.unlink(missing_ok=True)

    def _after_step(self, epoch: int) -> None:
        now = time.monotonic()
        if self.stopping():
            self._save()
            raise _Stopped
        if now - self.saved >= self.job.resources.checkpoint_seconds:
            self._save()
        self.steps += 1
        if self.steps == WARM_UP:
            self.warm = now
        if now - self.told >= REPORT_SECONDS and self.steps >= PACE_STEPS:
            self.told = now
            self.tell(self._message("step"))

    def _after_epoch(self) -> None:
        scores = self._scores()[-1]
        self.tell(self._message("epoch", wa=scores.wa, ua=scores.ua))
        if self._best() == self.state.epoch - 1:  # always kept: a later command may go on and ask for it
            self.best = {name: t.detach().cpu().clone() for name, t in self.learner.model.state_dict().items()}

    def _save(self) -> None:
        from glam.training.checkpoint import save_checkpoint

        self.saved = time.monotonic()
        notes = self.notes | {"elapsed": self.notes["elapsed"] + self.saved - self.begun}
        save_checkpoint(self.checkpoint, self.learner, self.state, self.checkpoint_identity, self.best, notes)

    def _store(self) -> None:
        predictions = Predictions(
            logits=np.stack(self.state.logits),
            segment_classes=np.stack(self.state.segment_classes),
            segments=self.data.test_segments,
            held_out=self.split.held_out,
            train=self.split.train,
        )
        write_run(
            self.job.folder / str(self.seed),
            self.seed,
            self._environment(),
            self.state.epochs,
            self.job.targets[self.split.held_out],
            self.classes,
            predictions,
            self._saved_model(),
        )
        scores = self._scores()
        best = self._best()
        self.tell(self._message("finished", epoch=best + 1, wa=scores[best].wa, ua=scores[best].ua))

    def _saved_model(self) -> dict[str, bytes]:
        from safetensors.torch import save

        if self.save_model == "none":
            return {}
        weights = self.best if self.save_model == "best" else self.learner.model.state_dict()
        epoch = self._best() if self.save_model == "best" else self.state.epoch - 1
        meta = {
            "recipe": self.recipe.model_dump_json(),
            "shape": f"{self.data.train.shape[0]},{self.data.train.shape[1]}",
            "seed": str(self.seed),
            "epoch": str(epoch + 1),
        }
        return {MODEL: save({name: t.detach().cpu().contiguous() for name, t in weights.items()}, meta)}

    def _scores(self) -> list[Any]:
        truth = self.job.targets[self.split.held_out]
        return [scores_of(confusion_matrix(truth, logits.argmax(axis=1), self.classes)) for logits in self.state.logits]

    def _best(self) -> int:
        scores = self._scores()
        return best_epoch(np.array([s.wa for s in scores]), np.array([s.ua for s in scores]))

    def _environment(self) -> dict[str, Any]:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return environment() | {
            "device": str(self.device),
            "device_name": name,
            "precision": self.recipe.training.precision,
            "threads": torch.get_num_threads(),
            "runs_at_once": self.job.resources.at_once,
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
            self.seed,
            text,
            self.state.epoch + 1 if epoch is None else epoch,
            self.state.epoch * self._steps_per_epoch() + self.state.step,
            self.total,
            (time.monotonic() - self.warm) / (self.steps - WARM_UP) if self.steps >= PACE_STEPS else 0.0,
            wa,
            ua,
            self.state.epochs[-1].loss if self.state.epochs else 0.0,
        )
