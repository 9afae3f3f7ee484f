"""Ten thousand damaged files: each works, or ends in one clear line."""

from collections import Counter
from pathlib import Path

import pytest
from endurance.mutations import TARGETS_TABLE, Target, describe, numbers, trial

TRIALS = 10_000


@pytest.mark.parametrize("target", TARGETS_TABLE, ids=lambda target: target.name)
def test_damaged_files(target: Target, tmp_path: Path) -> None:
    target.make(tmp_path)
    target.read(tmp_path)  # the undamaged one
    outcomes: Counter[str] = Counter()
    failures = []
    for number in numbers(target, TRIALS):
        try:
            outcomes[trial(target, number, tmp_path)] += 1
        except Exception as error:  # all of them are told at once
            outcomes[type(error).__name__] += 1
            failures.append(f"{type(error).__name__}: {error}\n{describe(target, number, tmp_path)}")
    print(f"\n{target.name}: {dict(outcomes)}")
    assert not failures, f"{len(failures)} failures, among them\n" + "\n\n".join(failures[:3])
