"""Where runs are trained, once it is known which."""

from dataclasses import replace
from typing import cast

from glam.cli.cluster import Executing, settled
from glam.running.experiment import Experiment
from glam.running.job import Resources
from glam.running.training import on_this_machine
from glam.splits.runs import RunKey

ASKED = Executing(Resources("cpu", 1, 64, 60), "fp32", on_this_machine, "cpu, 64 at once", 64, None)


def test_no_more_runs_go_on_at_once_than_there_are() -> None:
    todo = [(cast("Experiment", name), [RunKey(1), RunKey(2)]) for name in ("first", "second")]
    executed = settled(ASKED, todo)
    assert (executed.machine.at_once, executed.slots) == (4, 4), "so many are measured side by side"
    assert executed.where == "cpu, fp32, 1 CPU thread a run, 4 at once"
    few = replace(ASKED, machine=replace(ASKED.machine, at_once=2), slots=2)
    assert settled(few, todo).machine.at_once == 2
    packed = replace(ASKED, machine=replace(ASKED.machine, packed=True))
    assert settled(packed, todo) == packed
