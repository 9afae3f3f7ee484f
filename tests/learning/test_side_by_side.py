"""Who takes the steps of a pack's runs, and when what is left goes on in a smaller one."""

from pathlib import Path

import numpy as np
from learning.small import CPU
from learning.test_pack import ADAM, data_of, objective_of, steps_of, store

from glam.learning.course import Steps
from glam.learning.pack import Lane, Pack
from glam.learning.side_by_side import together


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
