"""Runs on the machines of a Ray cluster, driven from here.

The driver lists what is missing and hands it out in tasks: on CPUs a run each, on GPUs a pack for each. It claims a run
when it hands it out and stores what comes back with the code that stores its own, so that no disk is shared and no lock
reaches across machines. A few tasks wait at each machine beside those under way. A task that is lost with its machine
is handed out again; what goes wrong in the code is not.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from glam.errors import GlamError
from glam.results.transfer import receive
from glam.running.cluster_task import (
    Carried,
    CarriedFile,
    Introduction,
    OwnCorpus,
    Returned,
    Work,
    code_digest,
    introduce,
    train,
    versions,
)
from glam.running.events import Broken, Ended, Event, Note, Started, Stopped, UnderWay
from glam.running.experiment import Experiment, job
from glam.running.job import Resources, SaveModel
from glam.running.one_run import checkpoint_of, claimed
from glam.running.pace import Timed, paces_of
from glam.running.ray_api import alive, remote, sent, slots_of
from glam.running.training import Happens, Todo
from glam.splits.runs import RunKey
from glam.words import counted

if TYPE_CHECKING:
    from ray import ObjectRef, ObjectRefGenerator

PENDING = 2  # tasks of each slot of a machine, the one under way among them
LARGEST_TASK = 50  # runs of a pack, where the user does not say: so much is lost with a machine
LOSSES = 3  # of a run, until it is taken to be the reason
REFRESH = 3.0  # seconds between looks at who has joined
PATIENCE = 30.0  # seconds without a machine until that is said
STOPPING = 20.0  # seconds that interrupted tasks get to checkpoint


Owned = tuple[Experiment, RunKey]


@dataclass(eq=False)
class Machine:
    """A machine of the cluster: its name, how many tasks it takes at once, and how many it has been given.

    refused: why it gets no runs of these experiments.
    """

    id: str
    name: str
    slots: int
    refused: Mapping[Experiment, str]
    given: int = 0


@dataclass(eq=False)
class Given:
    """A task that was handed out: to whom, of which experiment, and which of its runs have not ended."""

    machine: Machine
    experiment: Experiment
    left: list[RunKey]


class Cluster:
    """The machines of a connected Ray cluster, as an executor of runs.

    corpus: where the corpus lies on every machine; None to send the features there. folder: where machines keep
    theirs; None for a folder of temporary files.
    """

    def __init__(self, corpus: Path | None = None, folder: str | None = None) -> None:
        self.corpus, self.folder = corpus, folder
        self.machines: dict[str, Machine] = {}  # that have said who they are
        self._asked: dict[str, tuple[str, ObjectRef[Introduction]]] = {}
        self._noted: set[tuple[str, str]] = set()

    def __call__(self, todo: Todo, resources: Resources, save_model: SaveModel) -> Happens:
        """Train these runs and store them here: see Executor."""
        import ray

        send = cache(sent)  # experiments share files
        works = {experiment: ray.put(self._work(experiment, resources, save_model, send)) for experiment, _ in todo}
        for known in (self.machines, self._asked):
            known.clear()  # they are asked again: by what these experiments need
        yield from _Driver(self, works, resources).go(todo)

    def has_gpu(self) -> bool:
        """True where a machine of the cluster has a GPU."""
        return any(of["GPU"] >= 1 for of in alive().values())

    def slots(self, resources: Resources) -> int:
        """Number of tasks that all machines take at once."""
        return sum(slots_of(of, resources) for of in alive().values())

    def measure(self, steps: Sequence[Timed], resources: Resources) -> list[float]:
        """Seconds of each of these steps on the machine with the most slots, all of which measure side by side.

        Where it cannot take a step (a file of one's own is not there, say), the machine with the next most does.
        """
        able = [Machine(node, of["name"], slots_of(of, resources), {}) for node, of in alive().items()]
        able = sorted((machine for machine in able if machine.slots), key=lambda machine: -machine.slots)
        if not able:
            raise GlamError(
                "no machine of the cluster can take a task yet, and how long runs take is measured on one. "
                "Start one (ray start --address=...) first."
            )
        return [self._seconds_of(step, resources, able) for step in steps]

    def _seconds_of(self, step: Timed, resources: Resources, machines: Sequence[Machine]) -> float:
        """Seconds of a step on the first of these machines that can take it."""
        import ray

        failures = []
        for machine in machines:
            measuring = remote(paces_of, resources, machine.id)
            refs: list[Any] = [measuring.remote([step], resources) for _ in range(machine.slots)]
            try:
                measured: list[list[float]] = ray.get(refs)
                return mean(seconds for (seconds,) in measured)
            except ray.exceptions.RayError as error:
                failures.append(f"{machine.name}: {str(error).strip().splitlines()[-1]}")
        raise GlamError("the time of a step cannot be measured on the cluster:\n" + "\n".join(failures))

    def _work(
        self, experiment: Experiment, resources: Resources, save_model: SaveModel, send: Callable[[Path], CarriedFile]
    ) -> Work:
        if self.corpus is not None:
            return OwnCorpus(experiment.recipe, experiment.stored.digest, self.corpus, save_model)
        here = job(experiment, replace(resources, device="cpu"), save_model)
        paths = {path for kept in here.inputs.values() for path in (*kept.train, kept.test)}
        return Carried(here, {path: send(path) for path in sorted(paths)})

    def admit(self, works: "Mapping[Experiment, ObjectRef[Work]]", resources: Resources) -> Iterator[Note]:
        """Ask machines that are new who they are, accept or refuse those that have answered, forget those that left."""
        import ray

        here = {node: of for node, of in alive().items() if slots_of(of, resources)}
        for node in sorted(self.machines.keys() - here.keys()):
            machine = self.machines.pop(node)
            if len(machine.refused) < len(works):
                yield Note(f"{machine.name} has left the cluster", of_all=True)
        for node in self._asked.keys() - here.keys():
            del self._asked[node]
        for node in sorted(here.keys() - self.machines.keys() - self._asked.keys()):
            ask = remote(introduce, resources, node, num_cpus=0, num_gpus=0)
            self._asked[node] = here[node]["name"], ask.remote(code_digest(), self.folder, *works.values())
        answered, _ = (
            ray.wait([ref for _, ref in self._asked.values()], num_returns=1, timeout=0) if self._asked else ([], [])
        )
        for node, (name, ref) in list(self._asked.items()):
            if ref not in answered:
                continue
            del self._asked[node]
            yield from self._answer(node, name, ref, slots_of(here[node], resources), list(works))

    def _answer(
        self, node: str, name: str, ref: "ObjectRef[Introduction]", slots: int, experiments: list[Experiment]
    ) -> Iterator[Note]:
        import ray

        try:
            introduction: Introduction = ray.get(ref)
            host, reasons = f"{introduction.host} ({name})", introduction.refused
        except ray.exceptions.RayError as error:  # of glam, it has none, or another that does not know the question
            host, reasons = name, [f"it cannot answer: {str(error).strip().splitlines()[-1]}"] * len(experiments)
        refused = {experiment: reason for experiment, reason in zip(experiments, reasons, strict=True) if reason}
        self.machines[node] = Machine(node, host, slots, refused)
        if len(refused) == len(experiments):
            for reason in dict.fromkeys(refused.values()):
                yield from self._once(node, f"refused: {host}: {reason}")
            return
        for experiment, reason in refused.items():
            yield from self._once(node, f"refused for {experiment.folder.name}: {host}: {reason}")
        differing = [
            f"{of} {theirs} (here {versions()[of]})"
            for of, theirs in introduction.versions.items()
            if theirs != versions()[of]
        ]
        yield from self._once(
            node, f"{host}: {counted(slots, 'task')} at once" + "".join(f"; {text}" for text in differing)
        )

    def _once(self, node: str, text: str) -> Iterator[Note]:
        """A note, unless an experiment before this one had it already."""
        if (node, text) not in self._noted:
            self._noted.add((node, text))
            yield Note(text, of_all=True)

    def hopeless(self, experiments: Iterable[Experiment]) -> str:
        """The reasons why one of these experiments has no machine, once all that there are refuse it; else empty."""
        if not self.machines or self._asked:
            return ""
        for experiment in experiments:
            reasons = [
                f"{machine.name}: {machine.refused[experiment]}"
                for machine in self.machines.values()
                if experiment in machine.refused
            ]
            if len(reasons) == len(self.machines):
                return f"{experiment.folder.name}: every machine of the cluster is refused:\n" + "\n".join(
                    sorted(reasons)
                )
        return ""


class _Driver:
    """The runs of some experiments on their way through a cluster."""

    def __init__(self, cluster: Cluster, works: "Mapping[Experiment, ObjectRef[Work]]", resources: Resources) -> None:
        self.cluster, self.works, self.resources = cluster, works, resources
        self.waiting: dict[Experiment, deque[RunKey]] = {}
        self.given: dict[ObjectRefGenerator, Given] = {}
        self.claims: dict[Owned, ExitStack] = {}
        self.begun: set[Owned] = set()  # somewhere, and not ended
        self.losses: Counter[Owned] = Counter()

    def go(self, todo: Todo) -> Happens:
        self.waiting = {experiment: deque(runs) for experiment, runs in todo}
        first = next(iter(self.waiting))  # whose listener is told of machines
        looked, alone_since = -REFRESH, time.monotonic()
        try:
            while any(self.waiting.values()) or self.given:
                now = time.monotonic()
                if now - looked >= (REFRESH if self.cluster.machines else 0.2):
                    looked = now
                    for note in self.cluster.admit(self.works, self.resources):
                        yield first, note
                    if reasons := self.cluster.hopeless(of for of, runs in self.waiting.items() if runs):
                        raise GlamError(reasons)
                if self.cluster.machines:
                    alone_since = now
                elif now - alone_since > PATIENCE:
                    text = "no machine of the cluster can take a task; waiting for one (Ctrl-C ends this)"
                    yield first, Note(text, of_all=True)
                    alone_since = float("inf")
                yield from self._hand_out()
                yield from self._hear()
        finally:
            self._stop()
            for claim in self.claims.values():
                claim.close()

    def _hand_out(self) -> Happens:
        """Give tasks to the machines that have the fewest for their slots, as long as any has less than PENDING."""
        size = self._size_of_task()
        while able := [(of, waits) for of in self.cluster.machines.values() if (waits := self._for(of))]:
            machine, experiment = min(able, key=lambda pair: pair[0].given / pair[0].slots)
            if machine.given >= PENDING * machine.slots:
                return
            runs: list[RunKey] = []
            while self.waiting[experiment] and len(runs) < size:
                run = self.waiting[experiment].popleft()
                if (experiment, run) not in self.claims:
                    claim = ExitStack()
                    taken = claim.enter_context(claimed(experiment.folder, run))
                    if taken is not None:
                        claim.close()
                        yield experiment, taken
                        continue
                    self.claims[experiment, run] = claim
                runs.append(run)
            if not runs:
                continue
            training = remote(train, self.resources, machine.id, num_returns="streaming")
            on_machine = replace(
                self.resources, at_once=self.resources.at_once if self.resources.packed else machine.slots
            )
            task = training.remote(self.works[experiment], runs, on_machine, self.cluster.folder)
            machine.given += 1
            self.given[task] = Given(machine, experiment, runs)

    def _for(self, machine: Machine) -> Experiment | None:
        """The first experiment with runs that wait and that this machine can have."""
        waiting = (experiment for experiment, runs in self.waiting.items() if runs)
        return next((experiment for experiment in waiting if experiment not in machine.refused), None)

    def _size_of_task(self) -> int:
        if not self.resources.packed:
            return 1
        left = sum(map(len, self.waiting.values())) + sum(len(given.left) for given in self.given.values())
        return self.resources.at_once or max(1, min(LARGEST_TASK, ceil(left / max(1, self._slots))))

    @property
    def _slots(self) -> int:
        """Tasks that go on at once on all machines that take any."""
        machines = self.cluster.machines.values()
        return sum(machine.slots for machine in machines if len(machine.refused) < len(self.works))

    def _hear(self) -> Happens:
        """Pass on what the tasks have to say by now; waits for it a moment."""
        import ray

        if not self.given:
            time.sleep(0.1)
            return
        tasks: list[Any] = list(self.given)  # Ray's annotations know of no streams
        if not ray.wait(tasks, num_returns=1, timeout=0.5, fetch_local=False)[0]:
            return
        ready: list[Any] = ray.wait(tasks, num_returns=len(tasks), timeout=0, fetch_local=False)[0]
        for task in ready:
            given = self.given[task]
            try:
                item: Any = ray.get(next(task))
            except StopIteration:
                self._done(task)
                if given.left:
                    yield from self._lost(given, "its task ended early")
            except ray.exceptions.RayTaskError as error:
                text = str(error).strip().splitlines()[-1]
                raise GlamError(f"{given.machine.name}: {text}. Finished runs are kept.") from None
            except ray.exceptions.RayError as error:
                self._done(task)
                yield from self._lost(given, type(error).__name__)
            else:
                yield from self._heard(item, given)

    def _heard(self, item: Event | Returned, given: Given) -> Happens:
        experiment = given.experiment
        match item:
            case Returned(run, files):
                receive(experiment.folder, experiment.stored.digest, run, files)
                checkpoint_of(experiment.folder, run).unlink(missing_ok=True)  # of a command without a cluster
            case Broken(text):
                raise GlamError(f"{given.machine.name}: {text}")
            case Stopped():
                pass  # it is handed out again
            case _ if isinstance(item, Ended):
                given.left.remove(item.run)
                self.claims.pop((experiment, item.run)).close()
                yield experiment, self._of_all(item)
            case _:
                if isinstance(item, Started):
                    self.begun.add((experiment, item.run))
                yield experiment, self._of_all(item)

    def _of_all(self, event: Event) -> Event:
        """The event, its progress beside as many runs as the whole cluster has under way."""
        if not isinstance(event, UnderWay):
            return event
        at_once = self._slots * (event.progress.at_once if self.resources.packed else 1)
        return replace(event, progress=replace(event.progress, at_once=max(1, at_once)))

    def _done(self, task: "ObjectRefGenerator") -> None:
        self.given.pop(task).machine.given -= 1

    def _lost(self, given: Given, why: str) -> Happens:
        """Put the runs of a lost task back; the machine is asked again who it is before it gets another."""
        self.cluster.machines.pop(given.machine.id, None)
        for run in given.left:
            owned = given.experiment, run
            self.losses[owned] += owned in self.begun
            self.begun.discard(owned)
            if self.losses[owned] == LOSSES:
                raise GlamError(
                    f"{run}: was lost {LOSSES} times, the last time on {given.machine.name} ({why}); it is not tried "
                    "again. Mostly memory runs out there: give fewer cores to Ray, or use a smaller batch."
                )
        runs = ", ".join(map(str, given.left))
        yield given.experiment, Note(f"{given.machine.name}: lost ({why}) with {runs}, handed out again")
        self.waiting[given.experiment].extendleft(reversed(given.left))

    def _stop(self) -> None:
        """Interrupt what is under way, and wait until it has checkpointed."""
        import ray

        for task in self.given:
            ray.cancel(task)
        deadline = time.monotonic() + STOPPING
        for task in self.given:
            ray.wait([task.completed()], timeout=max(0.0, deadline - time.monotonic()))
