"""One run, from its split or checkpoint to its folder. It checkpoints as it goes, and stops when asked to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.evaluation.metrics import Scores, best_epoch, confusion_matrix, scores_of
from glam.files import only_one, set_aside
from glam.results.environment import PARTS, environment
from glam.results.run import MODEL, RUN, Predictions, write_failure, write_run
from glam.running.events import (
    Elsewhere,
    EpochEnded,
    Failed,
    Finished,
    FinishedElsewhere,
    Listen,
    Note,
    Progress,
    Started,
    Stepped,
    Stopped,
)
from glam.running.job import Job, SaveModel, objective_of, run_data
from glam.splits.runs import RunKey, seeds
from glam.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from glam.learning.batch import Data
    from glam.learning.column import Columns
    from glam.learning.course import RunState, Steps
    from glam.learning.learner import Learns
    from glam.learning.pack import Lane

REPORT_SECONDS = 0.5
LONGEST_PAUSE = 290.0  # between checkpoints, unless a longer one is asked for
WARM_UP, PACE_STEPS = 3, 8  # steps until the pace is steady, and until it is worth telling


def run_one(
    job: Job,
    run: RunKey,
    tell: Listen,
    stopping: Callable[[], bool],
    lane: "Lane | None" = None,
    columns: "tuple[Columns, Columns] | None" = None,
) -> "Steps":
    """A run as the steps it asks for, up to its folder; goes on from its checkpoint if there is one.

    lane: where it learns in a pack; by itself if there is none. Closed before its end, it checkpoints.
    """
    with claimed(job.folder, run) as taken:
        if taken is not None:
            tell(taken)
        else:
            yield from _Run(job, run, tell, stopping, lane, columns).go()


@contextmanager
def claimed(experiment: Path, run: RunKey) -> Iterator[Elsewhere | FinishedElsewhere | None]:
    """Claim a run that is to be trained, for the block: yields None, or what happened to it meanwhile.

    Raises GlamError where something lies in its place that is no run.
    """
    folder = experiment / run.name
    with only_one(experiment / ".locks" / f"{run.name}.lock") as mine:
        if not mine:
            yield Elsewhere(run)
        elif (folder / RUN).is_file():
            yield FinishedElsewhere(run)
        elif folder.exists():
            raise GlamError(f"{folder}: is there, but holds no finished run ({RUN} is missing). Move it away.")
        else:
            yield None


def keeps_model(run: RunKey) -> bool:
    """True for the first run of every experiment: it keeps its best model, so that no figure needs a training."""
    return run.seed == seeds()[0] and run.fold in (None, 1)


def checkpoint_of(experiment: Path, run: RunKey) -> Path:
    """The file in which a run that is under way is kept."""
    return experiment / ".checkpoints" / f"{run.name}.safetensors"


class _Stopped(Exception):
    pass


class _Run:
    """One run from its split (or checkpoint) to its folder."""

    def __init__(
        self,
        job: Job,
        run: RunKey,
        tell: Listen,
        stopping: Callable[[], bool],
        lane: "Lane | None",
        columns: "tuple[Columns, Columns] | None",
    ) -> None:
        import torch

        from glam.learning.course import RunState as State
        from glam.learning.learner import Learner
        from glam.learning.losses import activation_of

        self.job, self.run, self.tell, self.stopping = job, run, tell, stopping
        self.recipe = job.recipe
        self.device = torch.device(job.resources.device)
        self.split = self.recipe.split.split(job.groups, run)
        first = self.split.validation_only
        self.scored = slice(first, None)
        self.chosen_on = slice(None, first) if first else self.scored
        self.scores: list[Scores] = []  # of each epoch, on what is scored
        self.choice: list[Scores] = []  # and on what the epoch is chosen on
        self.data: Data = run_data(job, run, columns)
        self.classes = len(self.recipe.corpus.classes)
        self.learner: Learns
        self.at_once = job.resources.at_once
        objective = objective_of(job, run, self.data)
        self.activation = activation_of(objective.loss)
        if lane is None:
            self.learner = Learner(objective, self.recipe.training, self.device)
        else:
            lane.start(objective)
            self.learner, self.at_once = lane, lane.pack.slots
        self.state: RunState = State()
        self.save_model: SaveModel = "best" if job.save_model == "none" and keeps_model(run) else job.save_model
        self.best: dict[str, Tensor] = {}
        self.notes: dict[str, Any] = {"resumed": 0, "elapsed": 0.0, "environments": []}
        self.checkpoint = checkpoint_of(job.folder, run)
        self.checkpoint_identity = f"{job.digest}/{run.name}"
        self.steps = 0  # by this process
        self.begun = self.saved = self.told = self.warm = time.monotonic()
        self.pause = job.resources.checkpoint_seconds

    def go(self) -> "Steps":
        from glam.learning.course import NotFinite, course

        for stale in self.checkpoint.parent.glob(f".{self.checkpoint.name}.tmp-*"):
            stale.unlink(missing_ok=True)  # of a process that was killed while writing: the lock is ours now
        self._resume()
        self.steps_per_epoch = self._steps_per_epoch()
        self.total = self.recipe.training.epochs * self.steps_per_epoch
        self.tell(Started(self.run, self._progress()))
        try:
            try:
                yield from course(
                    self.learner,
                    self.recipe.training,
                    self.recipe.evaluation,
                    self.activation,
                    self.data,
                    self.run.draws,
                    self.state,
                    self._after_step,
                    self._after_epoch,
                    self._out_of_patience,
                )
            except _Stopped:
                self._save()
                self.tell(Stopped(self.run))
                return
            except GeneratorExit:  # goes on in another pack
                self._save()
                raise
        except NotFinite as error:
            write_failure(self.job.folder / self.run.name, self.run, self.job.digest, self._environment(), str(error))
            self.tell(Failed(self.run, str(error)))
        else:
            self._store()
        self.checkpoint.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one; a damaged one is set aside, and the run starts anew."""
        from glam.learning.checkpoint import DamagedCheckpoint, load_checkpoint

        try:
            checkpoint = load_checkpoint(self.checkpoint, self.learner, self.checkpoint_identity)
        except DamagedCheckpoint as error:
            self.tell(Note(f"{error}; it is set aside as {set_aside(self.checkpoint)}, and {self.run} starts anew"))
            return
        if checkpoint is None:
            return
        self.state, self.best, self.notes = checkpoint
        self._say_other_threads()
        self.notes["resumed"] += 1
        for logits in self.state.logits:
            self._score(logits)

    def _say_other_threads(self) -> None:
        """Say so where the run goes on with another number of CPU threads than it was begun with."""
        here = self._here()
        for before in self._earlier()[-1:]:
            if here["device"] == before.get("device") == "cpu" and here["threads"] != before.get("threads"):
                begun, now = before.get("threads"), counted(here["threads"], "CPU thread")
                self.tell(Note(f"{self.run}: goes on with {now}, was begun with {begun}: rounded like neither alone"))

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
            self.tell(Stepped(self.run, self._progress()))

    def _after_epoch(self) -> None:
        self._score(self.state.logits[-1])
        ended, scores = self.state.epochs[-1], self.scores[-1]
        self.tell(EpochEnded(self.run, self._progress(), self.state.epoch, ended.loss, scores.wa, scores.ua))
        if self._best() == self.state.epoch - 1:  # always kept: a later command may go on and ask for it
            self.best = {name: t.detach().cpu().clone() for name, t in self.learner.weights().items()}

    def _save(self) -> None:
        from glam.learning.checkpoint import save_checkpoint

        begun = time.monotonic()
        notes = self.notes | {
            "elapsed": self.notes["elapsed"] + begun - self.begun,
            "environments": [*self._earlier(), self._here()],
        }
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
            segments=self.data.test_counts,
            held_out=self.split.held_out,
            train=self.split.train,
        )
        write_run(
            self.job.folder / self.run.name,
            self.run,
            self.job.digest,
            self._environment(),
            self.state.epochs,
            self.job.targets[self.split.held_out],
            self.classes,
            predictions,
            self._saved_model(),
            self.split.validation_only,
        )
        best = self._best()
        scores = self.scores[best]
        chosen_on: Literal["test", "validation"] = "validation" if self.split.validation_only else "test"
        self.tell(Finished(self.run, self._progress(), best + 1, scores.wa, scores.ua, chosen_on))

    def _saved_model(self) -> dict[str, bytes]:
        from glam.running.saved import pack_model

        if self.save_model == "none":
            return {}
        weights = self.best if self.save_model == "best" else self.learner.weights()
        epoch = self._best() if self.save_model == "best" else self.state.epoch - 1
        inputs = {name: self.job.input(name) for name in self.recipe.inputs}
        return {MODEL: pack_model(weights, self.recipe, self.data.train.shapes, self.run, epoch + 1, inputs)}

    def _score(self, logits: NDArray[np.float32]) -> None:
        """Score an epoch. logits: (H, C) of the held-out utterances."""
        self.scores.append(self._scores_on(self.scored, logits))
        self.choice.append(self._scores_on(self.chosen_on, logits))

    def _scores_on(self, part: slice, logits: NDArray[np.float32]) -> Scores:
        truth = self.job.targets[self.split.held_out[part]]
        return scores_of(confusion_matrix(truth, logits[part].argmax(axis=1), self.classes))

    def _best(self) -> int:
        """The epoch (from 0) whose weights count as the best."""
        return best_epoch(
            np.array([scores.wa for scores in self.choice]), np.array([scores.ua for scores in self.choice])
        )

    def _out_of_patience(self) -> bool:
        """True once so many epochs have brought nothing that the run is to stop."""
        patience = self.recipe.training.patience
        return bool(patience and self.choice) and len(self.choice) - 1 - self._best() >= patience

    def _environment(self) -> dict[str, Any]:
        """The environment of the run; where its parts were computed in different ones, what differed, by its name."""
        here = self._here()
        differed = {
            name: [part.get(name) for part in (*self._earlier(), here)]
            for name in here
            if any(part.get(name) != here[name] for part in self._earlier())
        }
        return here | {
            "resumed": self.notes["resumed"],
            "seconds": round(self.notes["elapsed"] + time.monotonic() - self.begun, 2),
            **({PARTS: differed} if differed else {}),
        }

    def _earlier(self) -> list[dict[str, Any]]:
        """The environments of the parts of the run before this one."""
        return list(self.notes.get("environments", []))

    def _here(self) -> dict[str, Any]:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return environment() | {
            "device": str(self.device),
            "device_name": name,
            "precision": self.recipe.training.precision,
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # the instructions that torch uses
            "runs_at_once": self.at_once,
        }

    def _steps_per_epoch(self) -> int:
        from glam.learning.draws import draw_epoch

        return len(draw_epoch(self.run.draws, 0, self.data.train_counts, self.recipe.training.batches).sizes)

    def _progress(self) -> Progress:
        return Progress(
            epoch=self.state.epoch + 1,
            steps=self.state.epoch * self.steps_per_epoch + self.state.step,
            total=self.total,
            seconds_per_step=(time.monotonic() - self.warm) / (self.steps - WARM_UP) if self.steps >= PACE_STEPS else 0,
            at_once=self.at_once,
        )
