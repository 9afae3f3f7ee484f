"""Damaged files: a first few hundred of the ten thousand in tests/endurance."""

from pathlib import Path

import pytest
from endurance.mutations import TARGETS_TABLE, Target, trial

TRIALS = 500
SHARES = sum(target.share for target in TARGETS_TABLE)


@pytest.mark.parametrize("target", TARGETS_TABLE, ids=lambda target: target.name)
def test_a_damaged_file_works_or_is_one_clear_line(target: Target, tmp_path: Path) -> None:
    target.make(tmp_path)
    target.read(tmp_path)  # the undamaged one
    for number in range(-(-TRIALS * target.share // SHARES)):
        trial(target, number, tmp_path)
