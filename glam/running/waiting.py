"""Runs that another process has: waited for, and taken over where it leaves them unfinished."""

import time
from collections.abc import Callable

from glam.running.events import Elsewhere, Ended, Event, FinishedElsewhere, Note
from glam.running.experiment import Experiment
from glam.running.job import Resources, SaveModel
from glam.running.one_run import claimed
from glam.running.training import Executor, Todo, run_all
from glam.splits.runs import RunKey
from glam.words import counted

POLL = 2.0  # seconds


def train_and_wait(
    todo: Todo,
    resources: Resources,
    save_model: SaveModel,
    listen: Callable[[Experiment, Event], None],
    execute: Executor,
) -> None:
    """Train as `run_all` does, and come back when all of these runs are stored: by this process or by whoever has them.

    A run that another process has is not told to have ended before it is finished.
    """
    left: dict[Experiment, list[RunKey]] = {experiment: list(runs) for experiment, runs in todo}

    def hear(experiment: Experiment, event: Event) -> None:
        if isinstance(event, Elsewhere):
            return
        if isinstance(event, Ended):
            left[experiment].remove(event.run)
        listen(experiment, event)

    now, noted = todo, False
    while True:
        run_all(now, resources, save_model, hear, execute)
        for experiment, runs in left.items():
            for run in filter(experiment.finished, list(runs)):
                hear(experiment, FinishedElsewhere(run))
        if not any(left.values()):
            return
        for experiment, runs in left.items() if not noted else ():
            if runs:
                text = f"waiting for {counted(len(runs), 'run')} that another process has (Ctrl-C ends this)"
                listen(experiment, Note(text))
        noted = True
        time.sleep(POLL)
        free = [(experiment, [run for run in runs if _free(experiment, run)]) for experiment, runs in left.items()]
        now = [(experiment, runs) for experiment, runs in free if runs]


def _free(experiment: Experiment, run: RunKey) -> bool:
    with claimed(experiment.folder, run) as taken:
        return taken is None
