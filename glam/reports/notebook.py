"""Reports in a notebook: `glam.report`."""

from collections.abc import Sequence
from pathlib import Path

from glam.errors import GlamError
from glam.reports.summary import report as report_on
from glam.reports.views import VIEWS, View
from glam.running.experiment import Experiment


def report(
    experiment: Experiment | str | Path, select: View | None = None, *, seeds: Sequence[int] | None = None
) -> str:
    """The report on the stored runs of an experiment, as Markdown; nothing is trained.

    Args:
        experiment: what `glam.train` gave, or its folder.
        select: which epoch counts: `test`, `halves`, `validation` or `last`; None for the protocol's own.
        seeds: the runs that count; None for all that are stored.

    Raises GlamError where no experiment lies there, and for another view.
    """
    if select not in (None, *VIEWS):
        raise GlamError(f"select: given {select!r}, expected one of {', '.join(VIEWS)}")
    folder = experiment.folder if isinstance(experiment, Experiment) else Path(experiment).expanduser()
    return report_on(folder, select, seeds)
