"""The executor of runs that the flags ask for, this machine or a cluster; and the threads of runs that are measured."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glam.cli.flags import refuse
from glam.cli.machine import computed, resources
from glam.errors import GlamError
from glam.progress import say

if TYPE_CHECKING:
    from glam.learning.settings import Precision
    from glam.running.job import Resources
    from glam.running.pace import Measure
    from glam.running.training import Executor, Todo


@dataclass(frozen=True)
class Executing:
    """Where runs are trained: with what, by which executor, in words; tasks at once, and how a step is timed there."""

    machine: "Resources"
    precision: str
    execute: "Executor"
    where: str
    slots: int
    measure: "Measure | None"


@contextmanager
def executing(args: argparse.Namespace, precision: "Precision") -> Iterator[Executing]:
    """What the flags say about where to train; a connection to a cluster lasts as long as the block."""
    from glam.running.training import on_this_machine
    from glam.words import counted

    if args.cluster is None:
        refuse(args, ("address", "worker_corpus", "worker_folder"), "is of a cluster; give --cluster ray as well")
        machine = resources(args, precision)
        slots = 1 if machine.packed else machine.at_once  # the seconds of a run in a pack are its share
        yield Executing(machine, precision, on_this_machine, computed(machine, precision), slots, None)
        return
    from glam.running.cluster import Cluster
    from glam.running.ray_api import connected

    if not args.threads:
        raise GlamError("--threads auto: measured on this machine only; with --cluster, give a number")
    if args.gpu is not None and args.gpu > 0:
        raise GlamError(f"--gpu {args.gpu}: Ray gives each task its GPU; say 0 for GPUs or -1 for CPUs")
    here = resources(argparse.Namespace(**vars(args) | {"gpu": -1}), "fp32")
    with connected(args.address):
        cluster = Cluster(args.worker_corpus, args.worker_folder)
        on_gpu = cluster.has_gpu() and (args.gpu is None or args.gpu >= 0)
        if args.gpu is not None and args.gpu >= 0 and not on_gpu:
            raise GlamError(f"--gpu {args.gpu}: no machine of the cluster has a GPU that Ray knows of; -1 is the CPU")
        if precision == "tf32" and not on_gpu:
            raise GlamError("precision tf32 exists on NVIDIA GPUs only, and the cluster has none. Use fp32 or bf16.")
        at_once = 0 if args.runs_at_once == "auto" else here.at_once
        machine = replace(here, device="cuda:0" if on_gpu else "cpu", at_once=at_once, packed=on_gpu)
        slots = cluster.slots(machine)
        threads = counted(machine.threads, "CPU thread")
        device, tasks = "GPU" if on_gpu else "CPU", counted(slots, "task")
        where = f"Ray cluster, a {device} a task, {precision}, {threads} a run, {tasks} at once"
        yield Executing(machine, precision, cluster, where, slots, cluster.measure)


def settled(executed: Executing, todo: "Todo") -> Executing:
    """The same for these runs: no more at once than there are, and with threads, which --threads auto measures.

    On a cluster, and where runs are one pack, nothing changes.
    """
    machine, measure = executed.machine, executed.measure
    if machine.packed or measure is not None:
        return executed
    machine = replace(machine, at_once=min(machine.at_once, sum(len(runs) for _, runs in todo)))
    if not machine.threads:
        from glam.processor import cores
        from glam.running.threads import choose

        say("threads    trying how the cores are best shared out")
        choice = choose(todo, machine, cores())
        for line in choice.lines:
            say(f"           {line}")
        machine, measure = choice.resources, choice.measure
    where = computed(machine, executed.precision)
    return replace(executed, machine=machine, where=where, slots=machine.at_once, measure=measure)
