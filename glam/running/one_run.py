"""One run, from its split or checkpoint to its folder. It checkpoints as it goes, and stops when asked to."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import Scores, best_epoch, confusion_matrix, scores_of
from glam.files import only_one
from glam.results.environment import environment
from glam.results.run import MODEL, RUN, Predictions, write_failure, write_run
from glam.running.job import Job, SaveModel, run_data
from glam.running.message import Message
from glam.splits.splits import RunKey, seeds, split

if TYPE_CHECKING:
    from torch import Tensor

    from glam.learning.column import Feed
    from glam.learning.engine import Learns, RunData, RunState, Steps
    from glam.learning.pack import Lane

REPORT_SECONDS = 0.5
LONGEST_PAUSE = 290.0  # between checkpoints, unless a longer one is asked for
WARM_UP, PACE_STEPS = 3, 8  # steps until the pace is steady, and until it is worth telling


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


class _Stopped(Exception):
    pass


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

        from glam.learning.engine import RunState as State
        from glam.learning.engine import class_weights, initial_model, new_learner

        self.job, self.run, self.tell, self.stopping = job, run, tell, stopping
        self.recipe = job.recipe
        self.device = torch.device(job.resources.device)
        self.split = split(self.recipe.split, job.groups, run)
        first = self.split.validation_only
        self.scored = slice(first, None)
        self.chosen_on = slice(None, first) if first else self.scored
        self.scores: list[Scores] = []  # of each epoch, on what is scored
        self.choice: list[Scores] = []  # and on what the epoch is chosen on
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
        from glam.learning.checkpoint import load_checkpoint
        from glam.learning.engine import NotFinite, course

        for stale in self.checkpoint.parent.glob(f".{self.checkpoint.name}.tmp-*"):
            stale.unlink(missing_ok=True)  # of a process that was killed while writing: the lock is ours now
        if found := load_checkpoint(self.checkpoint, self.learner, self.checkpoint_identity):
            self.state, self.best, self.notes = found
            self.notes["resumed"] += 1
            for logits in self.state.logits:
                self._score(logits)
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
        self._score(self.state.logits[-1])
        self.tell(self._message("epoch", wa=self.scores[-1].wa, ua=self.scores[-1].ua))
        if self._best() == self.state.epoch - 1:  # always kept: a later command may go on and ask for it
            self.best = {name: t.detach().cpu().clone() for name, t in self.learner.weights().items()}

    def _save(self) -> None:
        from glam.learning.checkpoint import save_checkpoint

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
        best = self._best()
        scores = self.scores[best]
        self.tell(self._message("finished", epoch=best + 1, wa=scores.wa, ua=scores.ua))

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

    def _score(self, logits: NDArray[np.float32]) -> None:
        """Score an epoch. logits: (H, C) of the held-out utterances."""
        self.scores.append(self._scores_on(self.scored, logits))
        self.choice.append(self._scores_on(self.chosen_on, logits))

    def _scores_on(self, part: slice, logits: NDArray[np.float32]) -> Scores:
        truth = self.job.targets[self.split.held_out[part]]
        return scores_of(confusion_matrix(truth, logits[part].argmax(axis=1), self.classes))

    def _best(self) -> int:
        """The epoch (from 0) whose weights count as the best."""
        return best_epoch(np.array([one.wa for one in self.choice]), np.array([one.ua for one in self.choice]))

    def _environment(self) -> dict[str, Any]:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return environment() | {
            "device": str(self.device),
            "device_name": name,
            "precision": self.recipe.training.precision,
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # the instructions that torch uses
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
