"""The part of a cluster's worker: it says who it is, is refused where it would compute something else, and trains.

What a worker needs of an experiment is either carried to it (`Carried`: the features, once to each machine) or made of
its own copy of the corpus (`OwnCorpus`). It keeps features, checkpoints and runs in a folder on a disk of its own; a
run goes back as the bytes of its files, and is stored where the driver stores those that it trains itself.
"""

import getpass
import platform
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import glam
from glam.errors import GlamError
from glam.files import only_one, replacing
from glam.recipe import Recipe, checked
from glam.results.environment import environment
from glam.results.transfer import files_of
from glam.running.events import Broken, Elsewhere, Event, Failed, Finished, FinishedElsewhere, Stopped
from glam.running.experiment import Experiment, Places, job, prepare
from glam.running.job import Job, Resources, SaveModel
from glam.running.workers import work_through
from glam.splits.runs import RunKey

PIECE = 64 << 20  # bytes of a file that travel at a time
SHOWN = ("python", "torch", "numpy", "librosa")  # versions that may make numbers differ

Pieces = Sequence[Callable[[], NDArray[np.uint8]]]
"""The content of a file, piece by piece; each is fetched when it is called."""


class Work(Protocol):
    """An experiment as it is given to a worker."""

    def check(self, folder: Path) -> None:
        """Raise GlamError where this worker would compute something else. folder: of its own, to write to."""

    def job(self, folder: Path, resources: Resources) -> Job:
        """The job on this machine, its runs in `runs_there`."""

    @property
    def digest(self) -> str:
        """The hash of the experiment's identity."""


@dataclass(frozen=True)
class Introduction:
    """A worker's answer to who it is: its machine, its versions, and why each of the works is refused it (or empty)."""

    host: str
    versions: Mapping[str, str]
    refused: Sequence[str]


@dataclass(frozen=True, eq=False)
class Returned:
    """A run (or its failure) that was trained: its files, by name."""

    run: RunKey
    files: Mapping[str, bytes]


@cache
def code_digest() -> str:
    """SHA-256 over the source files of the package."""
    package = Path(glam.__file__).parent
    whole = sha256()
    for path in sorted(package.rglob("*.py")):
        whole.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what may make numbers differ."""
    return {name: str(environment()[name]) for name in SHOWN}


def worker_folder(given: str | None) -> Path:
    """The folder that a worker writes to: the given one, else one of the user's among temporary files."""
    return Path(given).expanduser() if given else Path(tempfile.gettempdir()) / f"glam-{getpass.getuser()}"


def introduce(code: str, given: str | None, *works: Work) -> Introduction:
    """The introduction of this worker to a driver with that code, for these works; given: see worker_folder."""
    return Introduction(platform.node(), versions(), [_refused(code, work, worker_folder(given)) for work in works])


def _refused(code: str, work: Work, folder: Path) -> str:
    if code_digest() != code:
        return f"its code of glam is another ({code_digest()[:12]}, the driver's {code[:12]})"
    try:
        work.check(folder)
    except GlamError as error:
        return str(error)
    return ""


@dataclass(frozen=True, eq=False)
class CarriedFile:
    """A file of rows that travels: its name, SHA-256, and content in pieces."""

    name: str
    sha256: str
    pieces: Pieces

    def arrived(self, folder: Path) -> Path:
        """The file on this machine; fetched now, by one process, if it is not there yet."""
        path = folder / self.name
        with only_one(path.with_suffix(".lock"), f"{path}: another process is fetching it; waiting"):
            if not path.is_file():
                with replacing(path) as temporary, temporary.open("wb") as file:
                    whole = sha256()
                    for piece in self.pieces:
                        content = piece()
                        whole.update(content.data)
                        file.write(content.data)
                    if whole.hexdigest() != self.sha256:
                        raise GlamError(f"{path}: arrived damaged; the same command fetches it again")
        return path


@dataclass(frozen=True, eq=False)
class Carried:
    """An experiment whose features travel: the driver's job, and its files by their path there."""

    of_driver: Job
    files: Mapping[Path, CarriedFile]

    @property
    def digest(self) -> str:
        """See Work."""
        return self.of_driver.digest

    def check(self, folder: Path) -> None:
        """See Work: files of the user's own, which do not travel, must be here as they were recorded."""
        recipe = self.of_driver.recipe
        checked(recipe.model_dump(mode="json"), "the recipe (files of your own must lie there as they lie here)")

    def job(self, folder: Path, resources: Resources) -> Job:
        """See Work."""
        here = {path: file.arrived(folder / "carried") for path, file in self.files.items()}
        inputs = {
            name: replace(kept, train=tuple(here[path] for path in kept.train), test=here[kept.test])
            for name, kept in self.of_driver.inputs.items()
        }
        runs = runs_there(folder, self.digest)
        return replace(self.of_driver, inputs=inputs, folder=runs, resources=resources)


@dataclass(frozen=True)
class OwnCorpus:
    """An experiment on the worker's own copy of the corpus, in `corpus`, which must be what the driver has.

    digest: of the experiment's identity, the corpus's in it.
    """

    recipe: Recipe
    digest: str
    corpus: Path
    save_model: SaveModel

    def check(self, folder: Path) -> None:
        """See Work: code and corpus together make the identity."""
        self._experiment(folder)

    def job(self, folder: Path, resources: Resources) -> Job:
        """See Work."""
        return replace(
            job(self._experiment(folder), resources, self.save_model), folder=runs_there(folder, self.digest)
        )

    def _experiment(self, folder: Path) -> Experiment:
        import torch  # noqa: F401 (the check of the recipe is then made in this process)

        recipe = checked(self.recipe.model_dump(mode="json"), "the recipe (files of your own must lie there, too)")
        experiment = prepare(recipe, Places(self.corpus, folder / "data", folder / "runs"))
        if experiment.stored.digest != self.digest:
            raise GlamError(
                f"its corpus in {self.corpus} is not the driver's: {experiment.population.composition()}; the hash of "
                f"ids, labels and recordings is {experiment.population.digest[:12]}"
            )
        return experiment


def runs_there(folder: Path, digest: str) -> Path:
    """The folder, in a worker's own, of the runs of an experiment."""
    return folder / "runs" / digest[:16]


def train(work: Work, runs: Sequence[RunKey], resources: Resources, given: str | None) -> Iterator[Event | Returned]:
    """Train these runs on this machine: yields what happens, and each run before the event that says it has ended.

    A run that a killed driver left here finished is returned as it is, one that it left unfinished goes on. Closed, or
    interrupted, it checkpoints what is under way.
    """
    told: queue.Queue[Event | None] = queue.Queue()
    stop = threading.Event()
    folder = worker_folder(given)
    thread = threading.Thread(target=_train, args=(work, runs, resources, folder, told, stop), daemon=True)
    thread.start()
    try:
        while (event := told.get()) is not None:
            if isinstance(event, Finished | Failed | FinishedElsewhere):
                stored = runs_there(folder, work.digest) / event.run.name
                yield Returned(event.run, files_of(stored))
                shutil.rmtree(stored)
            yield event
    finally:
        stop.set()
        thread.join()


def _train(
    work: Work,
    runs: Sequence[RunKey],
    resources: Resources,
    folder: Path,
    told: "queue.Queue[Event | None]",
    stop: threading.Event,
) -> None:
    left = list(runs)

    def tell(event: Event) -> None:
        if isinstance(event, Finished | Failed | FinishedElsewhere | Stopped):
            left.remove(event.run)
        if isinstance(event, Broken):
            left.clear()
        if not isinstance(event, Elsewhere):
            told.put(event)

    try:
        here = work.job(folder, resources)
        while left and not stop.is_set():
            waiting: queue.Queue[tuple[int, RunKey] | None] = queue.Queue()
            for run in left:
                waiting.put((0, run))
            waiting.put(None)
            work_through([here], waiting, lambda _, event: tell(event), stop.is_set)
            if left:  # the worker of a driver that was killed is still at them, for a moment
                stop.wait(1.0)
    except GlamError as error:
        told.put(Broken(str(error)))
    except Exception as error:  # the driver gets it in one line
        told.put(Broken(" ".join(f"{type(error).__name__}: {error}".split())))
    finally:
        told.put(None)
