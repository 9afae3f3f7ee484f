"""The runs of an experiment that a report is about: the sound ones; what is left out is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from glam.errors import GlamError
from glam.evaluation.scored import Scored
from glam.progress import say
from glam.reports.folds import outcomes
from glam.reports.sharing import Sharing, sharing_of
from glam.reports.views import Outcome, Result, View, honest_result, result
from glam.results.experiment import StoredExperiment, sound_run
from glam.results.run import Predictions, StoredRun
from glam.splits.runs import runs_of
from glam.words import counted

LeftOut = Callable[[str], None]
Look = Callable[[StoredRun, Predictions], None]


def on_stderr(reason: str) -> None:
    """Tell the person at the terminal what is left out."""
    say(f"left out: {reason}")


def read_runs(
    experiment: StoredExperiment, seeds: Sequence[int] | None = None, left_out: LeftOut = on_stderr
) -> list[StoredRun]:
    """The stored runs of an experiment as `sound_runs`, without their predictions."""
    return [run for run, _ in sound_runs(experiment, seeds, left_out)]


def sound_runs(
    experiment: StoredExperiment, seeds: Sequence[int] | None = None, left_out: LeftOut = on_stderr
) -> Iterator[tuple[StoredRun, Predictions | None]]:
    """The stored runs of an experiment (of these seeds only, in their order, if given), failed ones included.

    Each comes with its predictions, which were read to see that it is sound (None of a failed one): whoever takes what
    is needed of them before the next run need not read them again. left_out: is told of every run that is damaged, is a
    copy of another or belongs to another experiment; none of these is among the runs.
    """
    stored = experiment.seeds()
    asked = [run.name for run in runs_of(seeds or (), len(experiment.folds))]
    wanted = stored if seeds is None else [name for name in asked if name in set(stored)]
    for name in experiment.strays():
        left_out(f"{experiment.folder / name}: is no run's name (a seed, or <seed>-fold<k>); a copy does not count")
    for name in wanted:
        try:
            sound = sound_run(experiment, name)
        except GlamError as error:
            left_out(str(error))
        else:
            yield sound


@dataclass(frozen=True, eq=False)
class Read:
    """The sound runs of an experiment, and what they say under a view.

    finished, failed: the runs. results: of the finished ones. honest: under the view `test`, of the same runs under
    `halves`; else none. left_out: runs that do not count, and why.
    """

    experiment: StoredExperiment
    view: View
    finished: list[StoredRun] = field(default_factory=list)
    failed: list[StoredRun] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    honest: list[Result] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[StoredRun]:
        """All sound runs, failed ones last."""
        return [*self.finished, *self.failed]

    @cached_property
    def scored(self) -> tuple[Outcome, ...]:
        """What means are over: the results or, with folds, one a seed that has all of them, its folds pooled."""
        return outcomes(self.experiment, self.results)

    @cached_property
    def everything(self) -> Scored:
        """The predictions of all finished runs together."""
        return Scored.together([outcome.scored() for outcome in self.results])

    @cached_property
    def sharing(self) -> Sharing | None:
        """What the splits of the runs share; None without runs, and where that was not stored."""
        return sharing_of(self.experiment, [run.key for run in self.runs])


def read_results(
    experiment: StoredExperiment, view: View, seeds: Sequence[int] | None = None, look: Look = lambda run, stored: None
) -> Read:
    """The runs of an experiment (of these seeds only, if given) under a view, each read once; GlamError as `result`.

    look: is shown each finished run with its predictions, before the next one is read.
    """
    read = Read(experiment, view)
    for run, stored in sound_runs(experiment, seeds, read.left_out.append):
        if stored is None:
            read.failed.append(run)
            continue
        look(run, stored)
        read.finished.append(run)
        read.results.append(result(experiment, run, view, stored))
        if (honest := honest_result(experiment, run, view, stored)) is not None:
            read.honest.append(honest)
    if len(read.honest) < len(read.results):
        read.honest.clear()
    return read


def refuse_if_all_failed(finished: int, failed: int) -> None:
    """GlamError where runs failed, and none finished."""
    if failed and not finished:
        raise GlamError(f"nothing to average: every run failed ({counted(failed, 'run')}), as said above")
