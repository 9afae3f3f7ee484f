"""Damaged files: a first few hundred of the ten thousand in tests/endurance."""

import random
from pathlib import Path

import pytest
from endurance.damage import mutate
from endurance.mutations import TARGETS_TABLE, Target, numbers, trial
from endurance.results import in_results, make_results

from glam.cli.reports import report

TRIALS = 500


@pytest.mark.parametrize("target", TARGETS_TABLE, ids=lambda target: target.name)
def test_a_damaged_file_works_or_is_one_clear_line(target: Target, tmp_path: Path) -> None:
    target.make(tmp_path)
    target.read(tmp_path)  # the undamaged one
    for number in numbers(target, TRIALS):
        trial(target, number, tmp_path)


@pytest.mark.parametrize("name", ["experiment.json", "utterances.csv", "5/run.json"])
def test_a_command_ends_in_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    make_results(tmp_path)
    path = tmp_path / in_results(name)
    good = path.read_bytes()
    for number in range(10):
        path.write_bytes(mutate(good, random.Random(number)))
        status = report([str(path.parent if path.parent.name[0] == "g" else path.parent.parent)])
        out, err = capsys.readouterr()
        assert (status, out == "", err.startswith("error: "), err.count("\n")) in (
            (0, False, False, 0),
            (2, True, True, 1),
        )
