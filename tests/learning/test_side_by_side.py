"""Who takes the steps of a pack's runs, and when what is left goes on in a smaller one."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from learning.small import CPU
from learning.test_pack import ADAM, SHAPE, data_of, objective_of, steps_of, store

from glam.learning.batch import Step, noise, rows_like
from glam.learning.course import Steps
from glam.learning.pack import Lane, Pack
from glam.learning.side_by_side import fitting, together


def test_as_many_slots_as_fit_beside_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of 1000 units, of which a pack takes 50 and 20 a slot; the packs that are tried leave nothing behind."""
    alive: list[tuple[weakref.ref[Pack], int]] = []

    def allocated(*_: object) -> int:
        return sum(50 + 20 * slots for pack, slots in alive if pack() is not None)

    def pack_of(slots: int) -> Pack:
        pack = Pack(objective_of("mhcnn", ADAM, 0, torch.float32), ADAM, slots, CPU)
        alive.append((weakref.ref(pack), slots))
        monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: sum(50 + 20 * n for _, n in alive[-1:]))
        return pack

    for name in ("empty_cache", "reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(f"torch.cuda.{name}", lambda: None)
    monkeypatch.setattr("torch.cuda.memory_allocated", allocated)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (1000 - allocated(), 1000))
    step = Step(noise(4, rows_like({"audio": SHAPE}), 3, True, CPU), 1e-4)
    gc.disable()
    try:
        assert fitting(pack_of, step, 100) == (800 - 50) // 20
        assert fitting(pack_of, step, 7) == 7
    finally:
        gc.enable()


def test_what_is_left_of_a_pack_half_empty_goes_on_in_a_smaller_one(tmp_path: Path) -> None:
    path, closed = store(tmp_path, np.float64), []

    def endless(lane: Lane, seed: int) -> Steps:
        settings = ADAM.model_copy(update={"epochs": 1 if seed < 7 else 1000})
        lane.start(objective_of("mhcnn", ADAM, seed))
        try:
            yield from steps_of(lane, settings, data_of(path, seed), seed, [])
        except GeneratorExit:
            closed.append(seed)
            raise

    coming = iter((5, 6, 7, 8))

    def begin(lane: Lane) -> Steps | None:
        seed = next(coming, None)
        return None if seed is None else endless(lane, seed)

    together(Pack(objective_of("mhcnn", ADAM, 0), ADAM, 4, CPU), begin)
    assert sorted(closed) == [7, 8]
