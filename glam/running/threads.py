"""Threads of a run, and runs side by side, chosen by a short measurement (`--threads auto`).

The ways to share out the cores are tried on the steps that the runs will take (glam/running/pace.py). What counts is
the time until all of them are done: two runs of one thread mostly beat one run of two threads after the other, but a
last run has no other use for a second core.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glam.running.job import Resources
from glam.running.one_run import checkpoint_of
from glam.running.pace import Measure, cost, ends, paces, timed_step, work
from glam.running.training import Todo
from glam.words import counted, duration

GAIN = 0.05  # of the time, that more threads must save: results depend on them, and measurements move by as much


@dataclass(frozen=True)
class Choice:
    """A choice of resources: what was measured, in lines for a person; where something was, its paces again."""

    resources: Resources
    lines: list[str]
    measure: Measure | None = None


@dataclass(frozen=True)
class Way:
    """A way that was tried: seconds of a step of each experiment, and until all runs are done."""

    resources: Resources
    steps: list[float]
    seconds: float


def choose(todo: Todo, resources: Resources, cores: int, measure: Measure | None = None) -> Choice:
    """The threads of a run and the runs at once with which all these runs are done first.

    resources: at_once is 0, or what the user wants. measure: None for this machine. Runs under way keep the number of
    threads that they were begun with, and the others have it, too: rounding depends on it.
    """
    count = sum(len(runs) for _, runs in todo)
    begun = {threads_of(checkpoint_of(experiment.folder, run)) for experiment, runs in todo for run in runs} - {0}
    if len(begun) == 1:
        threads = begun.pop()
        kept = replace(resources, threads=threads, at_once=resources.at_once or min(max(1, cores // threads), count))
        return Choice(kept, [f"{_shown(kept)}, as runs under way were begun"])
    steps = [timed_step(experiment) for experiment, _ in todo]
    lines, tried = [], list[Way]()
    for threads, at_once in ways(cores, resources.at_once, count):
        shared = replace(resources, threads=threads, at_once=at_once)
        of_steps = paces(steps, shared, measure)
        costs = [work(experiment) * pace for (experiment, _), pace in zip(todo, of_steps, strict=True)]
        seconds = max(ends([each for each, (_, runs) in zip(costs, todo, strict=True) for _ in runs], at_once))
        tried.append(Way(shared, of_steps, seconds))
        all_runs = counted(count, "run")
        lines.append(f"{_shown(shared)}: {_milliseconds(of_steps)} a step, about {duration(seconds)} for {all_runs}")
    least = min(way.seconds for way in tried)
    best = next(way for way in tried if (1 - GAIN) * way.seconds <= least)
    again = f"--threads {best.resources.threads} --runs-at-once {best.resources.at_once}"
    lines.append(f"{_shown(best.resources)}: chosen; {again} does the same again")
    known = {cost(step): pace for step, pace in zip(steps, best.steps, strict=True)}
    return Choice(best.resources, lines, lambda asked, _: [known[cost(step)] for step in asked])


def ways(cores: int, at_once: int, runs: int) -> list[tuple[int, int]]:
    """The ways to share out the cores: threads of a run, fewest first, and runs at once.

    at_once: runs at once, if the user has said so, else 0. runs: how many there are at most.
    """
    side_by_side = {2**n for n in range(cores.bit_length())} | {min(runs, cores), cores}
    shares = sorted({cores // number for number in side_by_side})
    if at_once:
        return [(threads, at_once) for threads in shares if threads == 1 or threads * min(at_once, runs) <= cores]
    return [(threads, min(cores // threads, runs)) for threads in shares]


def threads_of(checkpoint: Path) -> int:
    """The threads that a run under way was last computed with on a CPU; 0 where it is none, or cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, "numpy") as file:
            last = json.loads((file.metadata() or {})["state"])["notes"]["environments"][-1]
            return int(last["threads"]) if last["device"] == "cpu" else 0
    except (OSError, SafetensorError, ValueError, LookupError, TypeError):
        return 0  # whoever resumes it says what is wrong with it


def _shown(resources: Resources) -> str:
    return f"{resources.threads} a run, {resources.at_once} at once"


def _milliseconds(steps: Sequence[float]) -> str:
    least, most = (f"{1000 * seconds:.0f}" for seconds in (min(steps), max(steps)))
    return f"{least} ms" if least == most else f"{least} to {most} ms"
