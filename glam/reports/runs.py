"""The runs of an experiment that a report is about: the sound ones; what is left out is named."""

from collections.abc import Callable, Sequence

from glam.errors import GlamError
from glam.progress import say
from glam.results.experiment import StoredExperiment, run_of
from glam.results.run import StoredRun
from glam.splits.runs import runs_of
from glam.words import counted

LeftOut = Callable[[str], None]


def on_stderr(reason: str) -> None:
    """Tell the person at the terminal what is left out."""
    say(f"left out: {reason}")


def read_runs(
    experiment: StoredExperiment, seeds: Sequence[int] | None = None, left_out: LeftOut = on_stderr
) -> list[StoredRun]:
    """The stored runs of an experiment (of these seeds only, in their order, if given), failed ones included.

    left_out: is told of every run that is damaged, is a copy of another or belongs to another experiment; none of
    these is among the runs returned.
    """
    stored = experiment.seeds()
    asked = [run.name for run in runs_of(seeds or (), len(experiment.folds))]
    wanted = stored if seeds is None else [name for name in asked if name in set(stored)]
    for name in experiment.strays():
        left_out(f"{experiment.folder / name}: is no run's name (a seed, or <seed>-fold<k>); a copy does not count")
    runs = []
    for name in wanted:
        try:
            runs.append(run_of(experiment, name))
        except GlamError as error:
            left_out(str(error))
    return runs


def refuse_if_all_failed(finished: int, failed: int) -> None:
    """GlamError where runs failed, and none finished."""
    if failed and not finished:
        raise GlamError(f"nothing to average: every run failed ({counted(failed, 'run')}), as said above")
