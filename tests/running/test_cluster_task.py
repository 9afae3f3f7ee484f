"""The worker's part of a cluster, in this process: Ray only carries it."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from running import small, spoken
from running.small import CPU

from glam.errors import GlamError
from glam.results.run import RUN, read_run
from glam.results.transfer import files_of, receive
from glam.running import cluster_task
from glam.running.cluster_task import Carried, CarriedFile, OwnCorpus, Returned, code_digest, introduce, train
from glam.running.events import Broken, Event, Finished, FinishedElsewhere, Started
from glam.running.experiment import Experiment, job
from glam.running.job import Resources
from glam.running.ray_api import slots_of
from glam.splits.runs import RunKey

RUN_5 = RunKey(5)


@pytest.fixture(scope="module")
def local(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment with one run, trained without a cluster."""
    fields = [("training.batches.size", 16), ("training.epochs", 2)]
    experiment = small.stored(tiny_release, tmp_path_factory.mktemp("local"), *fields)
    small.train(experiment, RUN_5)
    return experiment


def carried(experiment: Experiment) -> Carried:
    here = job(experiment, CPU)
    files = {}
    for kept in here.inputs.values():
        for path in (*kept.train, kept.test):
            content = np.fromfile(path, dtype=np.uint8)
            pieces = [partial(np.copy, piece) for piece in np.array_split(content, 3)]
            files[path] = CarriedFile(f"{path.stem}.npy", sha256(content.data).hexdigest(), pieces)
    return Carried(here, files)


def same_predictions(ours: Path, theirs: Path) -> None:
    ours_, theirs_ = read_run(ours).predictions(), read_run(theirs).predictions()
    for name, array in vars(ours_).items():
        np.testing.assert_array_equal(array, getattr(theirs_, name))


def returned(events: Iterable[Event | Returned]) -> tuple[dict[RunKey, Returned], list[Event]]:
    runs, others = {}, []
    for event in events:
        if isinstance(event, Returned):
            runs[event.run] = event
        else:
            others.append(event)
    return runs, others


@pytest.mark.parametrize("own", [False, True], ids=["features are carried", "its own corpus"])
def test_a_run_of_a_worker_is_the_local_one_bit_for_bit(
    own: bool, local: Experiment, tiny_release: Path, tmp_path: Path
) -> None:
    there = OwnCorpus(local.recipe, local.stored.digest, tiny_release, "none")
    runs, events = returned(train(there if own else carried(local), [RUN_5], CPU, str(tmp_path / "worker")))
    assert [type(event) for event in (events[0], events[-1])] == [Started, Finished]
    receive(tmp_path / "here", local.stored.digest, RUN_5, runs[RUN_5].files)
    same_predictions(tmp_path / "here" / "5", local.folder / "5")
    assert not list((tmp_path / "worker" / "runs").glob("*/5")), "nothing is left on the worker's disk"


def test_a_worker_knows_the_vocabulary_that_the_driver_knows(tiny_release: Path, tmp_path: Path) -> None:
    experiment = spoken.prepared(spoken.release_with(tiny_release, tmp_path), tmp_path)
    spoken.trained(experiment)
    runs, _ = returned(train(carried(experiment), [spoken.RUN], CPU, str(tmp_path / "worker")))
    receive(tmp_path / "here", experiment.stored.digest, spoken.RUN, runs[spoken.RUN].files)
    same_predictions(tmp_path / "here" / spoken.RUN.name, experiment.folder / spoken.RUN.name)


def test_a_run_that_a_killed_driver_left_is_returned_and_one_it_left_unfinished_goes_on(
    local: Experiment, tmp_path: Path
) -> None:
    work, folder = carried(local), str(tmp_path)
    begun = train(work, [RUN_5], replace(CPU, checkpoint_seconds=0), folder)
    for event in begun:
        if getattr(event, "epoch", 0) == 1:
            break
    begun.close()  # type: ignore[attr-defined]
    runs, events = returned(train(work, [RUN_5], CPU, folder))
    first = events[0]
    assert isinstance(first, Started)
    assert first.progress.steps > 0
    receive(cluster_task.runs_there(tmp_path, work.digest), work.digest, RUN_5, runs[RUN_5].files)
    again, events = returned(train(work, [RUN_5], CPU, folder))
    assert events == [FinishedElsewhere(RUN_5)]
    assert again[RUN_5].files == runs[RUN_5].files


def test_another_code_and_another_corpus_are_refused(local: Experiment, tiny_release: Path, tmp_path: Path) -> None:
    right = OwnCorpus(local.recipe, local.stored.digest, tiny_release, "none")
    other, nowhere = replace(right, digest="0" * 64), replace(right, corpus=tmp_path)
    taken, differs, lacks = introduce(code_digest(), str(tmp_path), right, other, nowhere).refused
    assert taken == ""
    assert "is not the driver's" in differs
    assert "Session1" in lacks
    assert "its code of glam is another" in introduce("0" * 64, str(tmp_path), right).refused[0]


def test_what_arrives_damaged_is_not_taken(local: Experiment, tmp_path: Path) -> None:
    work = carried(local)
    for path, file in work.files.items():
        wrong = replace(file, sha256="0" * 64)
        with pytest.raises(GlamError, match="arrived damaged"):
            wrong.arrived(tmp_path / "carried")
        _, events = returned(train(Carried(work.of_driver, {path: wrong}), [RUN_5], CPU, str(tmp_path)))
        assert isinstance(events[0], Broken)
    assert not list((tmp_path / "carried").glob("*.npy"))


def test_a_returned_run_is_stored_only_as_it_was_written(local: Experiment, tmp_path: Path) -> None:
    files = files_of(local.folder / "5")
    digest = local.stored.digest
    for wrong, run, of in [
        (files | {"predictions.npz": b"damaged"}, RUN_5, digest),
        (files | {RUN: files[RUN].replace(b'"seed": 5', b'"seed": 6')}, RUN_5, digest),
        (files, RunKey(6), digest),
        (files, RUN_5, "0" * 64),
        ({}, RUN_5, digest),
    ]:
        with pytest.raises(GlamError, match="It is not stored"):
            receive(tmp_path, of, run, wrong)
    assert not list(tmp_path.iterdir())
    receive(tmp_path, digest, RUN_5, files)
    assert files_of(tmp_path / "5") == files


def test_slots_are_cores_by_threads_or_gpus() -> None:
    machine = {"CPU": 16.0, "GPU": 2.0}
    cpu, gpu = Resources("cpu", 4, 0, 60), Resources("cuda:0", 1, 0, 60, packed=True)
    assert slots_of(machine, cpu) == 4
    assert slots_of(machine, replace(cpu, at_once=3)) == 3
    assert slots_of(machine, gpu) == 2
    assert slots_of(machine, replace(gpu, packed=False, at_once=4)) == 8
