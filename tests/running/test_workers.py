"""Runs side by side in one process, from the queue to their folders: the same runs as each by itself."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from running.small import after, stored, train
from torch import Tensor

from glam.errors import GlamError
from glam.learning.batch import Data, Step
from glam.learning.pack import Pack
from glam.results.run import read_run
from glam.running import workers
from glam.running.events import EpochEnded, Event, Failed, Finished, Note, Started, Stepped, Stopped
from glam.running.experiment import Experiment, job
from glam.running.job import Job, Resources
from glam.splits.runs import RunKey

RUNS = tuple(RunKey(seed) for seed in (1, 2, 3))


def prepared(release: Path, folder: Path, *more: tuple[str, object]) -> Experiment:
    return stored(release, folder, ("training.epochs", 2), *more)


def side_by_side(at_once: int, checkpoint_seconds: float = 60.0) -> Resources:
    return Resources("cpu", 1, at_once, checkpoint_seconds, packed=True)


def run_pack(work: Job, runs: tuple[RunKey, ...], stop_after: int = 10**9) -> list[Event]:
    """The events of a pack that is asked to stop once it has been asked so often whether to."""
    told: list[Event] = []
    workers._pack(work, list(runs), told.append, after(stop_after))
    return told


def of_kind(told: list[Event], kind: type[Started] | type[Finished] | type[Failed]) -> list[RunKey]:
    """The runs that events of that kind are of, in order."""
    return [event.run for event in told if isinstance(event, kind)]


def losses(experiment: Experiment, run: RunKey) -> list[float]:
    return [epoch.loss for epoch in read_run(experiment.folder / run.name).epochs]


@pytest.fixture(scope="module")
def alone(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    experiment = prepared(tiny_release, tmp_path_factory.mktemp("alone"))
    train(experiment, *RUNS)
    return experiment


def same_as(alone: Experiment, packed: Experiment) -> None:
    for run in RUNS:
        np.testing.assert_allclose(losses(packed, run), losses(alone, run), rtol=1e-3)
        ours, theirs = (read_run(each.folder / run.name).predictions() for each in (packed, alone))
        np.testing.assert_array_equal(ours.held_out, theirs.held_out)
        np.testing.assert_allclose(ours.logits, theirs.logits, atol=0.02)


def test_runs_of_a_pack_are_those_of_single_processes(alone: Experiment, tiny_release: Path, tmp_path: Path) -> None:
    packed = prepared(tiny_release, tmp_path)
    told = run_pack(job(packed, side_by_side(2), "last"), RUNS)
    assert of_kind(told, Started)[:2] == list(RUNS[:2])
    assert set(of_kind(told, Finished)) == set(RUNS)
    same_as(alone, packed)
    assert read_run(packed.folder / "1").environment["runs_at_once"] == 2
    assert (packed.folder / "2" / "model.safetensors").is_file()
    assert not list((packed.folder / ".checkpoints").glob("*"))


@pytest.mark.parametrize("stop_after", [6, 9, 12])
def test_a_pack_that_is_stopped_goes_on_in_another(
    stop_after: int, alone: Experiment, tiny_release: Path, tmp_path: Path
) -> None:
    packed = prepared(tiny_release, tmp_path)
    told = run_pack(job(packed, side_by_side(3)), RUNS, stop_after)
    assert all(isinstance(event, Started | Stepped | EpochEnded | Stopped) for event in told)
    assert any(isinstance(event, Stopped) for event in told)
    told = run_pack(job(packed, side_by_side(2, checkpoint_seconds=0.0)), RUNS)
    assert set(of_kind(told, Finished)) == set(RUNS)
    assert any(isinstance(event, Started) and event.progress.steps for event in told)
    same_as(alone, packed)


def test_a_pack_that_does_not_fit_goes_on_with_half_of_its_runs(
    alone: Experiment, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = Pack.step, 0

    def with_little_memory(self: Pack, steps: Sequence[Step | None]) -> Tensor:
        nonlocal taken
        taken += 1
        if self.slots > 1 and taken > 3:
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        return step(self, steps)

    monkeypatch.setattr(Pack, "step", with_little_memory)
    packed = prepared(tiny_release, tmp_path)
    told = run_pack(job(packed, side_by_side(3)), RUNS)
    (note,) = [event.text for event in told if isinstance(event, Note)]
    assert note == "memory ran out on cpu: going on with 1 run at once"
    same_as(alone, packed)


@pytest.fixture
def by_count_alone() -> Iterator[None]:
    """Nothing that refers to itself is collected by itself."""
    gc.disable()
    yield
    gc.enable()


def test_a_pack_is_gone_before_another_is_made(
    tiny_release: Path, tmp_path: Path, by_count_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of its weights and graphs is the next one's: where it did not fit, and where it has run half empty."""
    packs, new_pack = list[weakref.ref[Pack]](), workers._new_pack
    sizes: list[int] = []

    def noted(work: Job, data: Data, slots: int, compiled: bool = False) -> Pack:
        assert not [pack for pack in packs if pack() is not None]
        pack = new_pack(work, data, slots, compiled)
        packs.append(weakref.ref(pack))
        sizes.append(slots)
        return pack

    step = Pack.step

    def with_little_memory(self: Pack, steps: Sequence[Step | None]) -> Tensor:
        if self.slots > 2:
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        return step(self, steps)

    monkeypatch.setattr(workers, "_new_pack", noted)
    monkeypatch.setattr(Pack, "step", with_little_memory)
    monkeypatch.setattr("glam.learning.side_by_side._Pace.long_enough", lambda self: True)
    packed = prepared(tiny_release, tmp_path)
    four = (*RUNS, RunKey(4))
    assert set(of_kind(run_pack(job(packed, side_by_side(4)), four), Finished)) == set(four)
    assert sizes[:2] == [4, 2]


def test_not_even_one_run_fits(tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Pack, steps: Sequence[Step | None]) -> Tensor:
        raise torch.OutOfMemoryError("tried to allocate more than there is")

    monkeypatch.setattr(Pack, "step", never)
    packed = prepared(tiny_release, tmp_path)
    with pytest.raises(GlamError, match=r"cpu: not enough memory for a single run .*training.batches.size"):
        run_pack(job(packed, side_by_side(2)), RUNS)


def test_a_run_that_fails_leaves_the_others_of_its_pack_alone(
    alone: Experiment, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Pack.step

    def spoiled(self: Pack, steps: Sequence[Step | None]) -> Tensor:
        return step(self, steps) * torch.tensor([1.0, float("nan"), 1.0])[: self.slots]

    monkeypatch.setattr(Pack, "step", spoiled)
    packed = prepared(tiny_release, tmp_path)
    told = run_pack(job(packed, side_by_side(3)), RUNS)
    assert of_kind(told, Failed) == [RUNS[1]]
    assert read_run(packed.folder / "2").failed is not None
    np.testing.assert_allclose(losses(packed, RUNS[2]), losses(alone, RUNS[2]), rtol=1e-3)


def test_features_normalised_for_each_run(tiny_release: Path, tmp_path: Path) -> None:
    of_each = []
    for name in ("alone", "packed"):
        experiment = prepared(tiny_release, tmp_path / name, ("inputs.audio.normalisation", "speaker"))
        if name == "alone":
            train(experiment, *RUNS[:2])
        else:
            run_pack(job(experiment, side_by_side(2)), RUNS[:2])
        of_each.append([losses(experiment, run) for run in RUNS[:2]])
    np.testing.assert_allclose(of_each[0], of_each[1], rtol=1e-3)
    assert of_each[0][0] != of_each[0][1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("at_once", [0, 2])
def test_a_gpu_takes_as_many_runs_as_fit(at_once: int, alone: Experiment, tiny_release: Path, tmp_path: Path) -> None:
    packed = prepared(tiny_release, tmp_path)
    told = run_pack(job(packed, Resources("cuda:0", 1, at_once, 60.0, packed=True)), RUNS)
    assert set(of_kind(told, Finished)) == set(RUNS)
    started = [event.progress.at_once for event in told if isinstance(event, Started)]
    assert started[:2] == 2 * [at_once or len(RUNS)]
    for run in RUNS:  # dropout and order are the same on every device; only rounding differs
        np.testing.assert_allclose(losses(packed, run), losses(alone, run), rtol=1e-2)
