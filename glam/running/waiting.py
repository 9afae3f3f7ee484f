"""Runs that another process has: waited for, and taken over where it leaves them unfinished."""

import time
from collections.abc import Sequence

from glam.running.events import Elsewhere, Event, FinishedElsewhere, Listen, Note
from glam.running.experiment import Executor, Experiment, run
from glam.running.job import Resources, SaveModel
from glam.running.one_run import claimed
from glam.splits.runs import RunKey
from glam.words import counted

POLL = 2.0  # seconds


def without_elsewhere(listen: Listen) -> Listen:
    """A listener to which runs of other processes have not ended, as they are waited for."""

    def hear(event: Event) -> None:
        if not isinstance(event, Elsewhere):
            listen(event)

    return hear


def wait_for(
    experiment: Experiment,
    runs: Sequence[RunKey],
    resources: Resources,
    save_model: SaveModel,
    listen: Listen,
    execute: Executor,
) -> None:
    """Come back when all of these runs are stored: by whoever has them, or by this process once nobody has."""
    left = [key for key in runs if not experiment.finished(key)]
    if left:
        listen(Note(f"waiting for {counted(len(left), 'run')} that another process has (Ctrl-C ends this)"))
    while left:
        free = [key for key in left if not experiment.finished(key) and _free(experiment, key)]
        if free:
            run(experiment, free, resources, save_model, without_elsewhere(listen), execute)
        for ended in [key for key in left if experiment.finished(key)]:
            left.remove(ended)
            if ended not in free:
                listen(FinishedElsewhere(ended))
        if left:
            time.sleep(POLL)


def _free(experiment: Experiment, run: RunKey) -> bool:
    with claimed(experiment.folder, run) as taken:
        return taken is None
