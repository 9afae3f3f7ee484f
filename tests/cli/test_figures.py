from pathlib import Path

import numpy as np
import pytest
from reports.stored import experiment_of, predicted, recipe_of, store_run

from glam.cli.figures import figure
from glam.results.experiment import store_experiment
from glam.splits.groups import Grouping
from glam.splits.runs import RunKey

PERFECT = np.eye(2, dtype=np.float32)


def stored(folder: Path, model: str, protocol: str) -> str:
    """The folder of an experiment of one run, which chooses its epoch as the protocol has it."""
    groups = {"speaker": Grouping.of(list("uvwx") * 2), "session": Grouping.of(list("aabb") * 2)}
    recipe = recipe_of(("calm", "angry"), model=model, split={"name": protocol})
    experiment = experiment_of(folder / model, recipe, np.arange(8) // 4, groups=groups)
    store_experiment(experiment)
    chosen = 2 if experiment.split.own_validation else 0
    held_out = np.array([0, 4, 1, 5])
    run = predicted(PERFECT[experiment.targets[held_out]][None], held_out, np.array([2, 3, 6, 7]))
    store_run(experiment, RunKey(1), run, validation_only=chosen)
    return str(experiment.folder)


@pytest.mark.parametrize("kind", ["bars", "confusion", "reliability"])
def test_experiments_that_choose_their_epoch_differently_are_not_set_side_by_side_unasked(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [stored(tmp_path, "glam", "random"), stored(tmp_path, "mhcnn", "random-speakers")]
    output = f"--output={tmp_path / 'figure'}"
    for asked in (both, both[::-1]):
        assert figure([kind, *asked, output]) == 2
        error = capsys.readouterr().err
        assert "choose their epoch in different ways" in error
        assert "--select test, halves, validation or last" in error
    assert figure([kind, *both, output, "--select", "last"]) == 0
    assert (tmp_path / "figure.png").is_file()
    assert figure([kind, both[1], output]) == 0
