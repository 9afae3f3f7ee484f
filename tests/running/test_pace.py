from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from reports.stored import predicted, store_run
from running import small

from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.learning.epoch import Epoch
from glam.places import index_folder
from glam.recipe import Recipe, load_recipe
from glam.results.environment import environment
from glam.results.experiment import store_experiment
from glam.results.run import write_failure
from glam.running.experiment import Experiment, Sizes, sizes_of
from glam.running.job import Resources
from glam.running.pace import (
    Timed,
    _measure,
    _steps,
    paces,
    paces_of,
    recorded,
    run_seconds,
    seconds_a_step,
    share_of_a_step,
    timed_step,
    work,
)
from glam.splits.runs import RunKey

SMALL = [("cut.train_overlap", 0.25), ("cut.test_overlap", 0.25), ("training.epochs", 3)]
prepared = partial(small.prepared, recipe="glam-released")


@pytest.fixture
def experiment(tiny_release: Path, tmp_path: Path) -> Experiment:
    assert index_folder(tmp_path / "data", "iemocap").parent.parent == tmp_path / "data"
    return prepared(tiny_release, tmp_path, *SMALL)


def resources() -> Resources:
    return Resources("cpu", 1, 2, 60)


def store(experiment: Experiment, seed: int, seconds: float, **elsewhere: object) -> None:
    predictions = predicted(np.zeros((2, 8, 4), dtype=np.float32), np.arange(8), np.arange(8, 40))
    here = environment() | {"device": "cpu", "threads": 1, "runs_at_once": 2} | elsewhere
    epochs = [Epoch(1e-3, 1.0, seconds / 2 - 1, 1.0)] * 2
    store_run(experiment.stored, RunKey(seed), predictions, epochs, environment=here)


def sizes(recipe: Recipe) -> Sizes:
    return sizes_of(recipe, {name: settings.make() for name, settings in recipe.inputs.items()})


def segments_of(experiment: Experiment) -> int:
    cut = experiment.recipe.cut
    assert isinstance(cut, Segments)
    return sum(len(cut.starts(utterance.samples, "train")) for utterance in experiment.population.utterances)


def test_work_counts_the_steps_of_a_run(experiment: Experiment) -> None:
    segments = segments_of(experiment)
    steps = int(np.ceil(0.8 * segments / 32))
    assert work(experiment) == pytest.approx(3 * (steps + 0.2 * segments / 32 / 3))


def test_copies_are_trained_on_and_not_evaluated(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(tiny_release, tmp_path, *SMALL, ("inputs.audio.vtlp_copies", 1))
    segments = segments_of(experiment)
    steps = int(np.ceil(2 * 0.8 * segments / 32))
    assert work(experiment) == pytest.approx(3 * (steps + 0.2 * segments / 32 / 3))


def test_a_step_of_whole_utterances_is_of_all_their_segments(tiny_release: Path, tmp_path: Path) -> None:
    batches = [("training.batches", {"name": "utterances", "size": 10}), ("training.alpha", 0)]
    experiment = prepared(tiny_release, tmp_path, *SMALL, *batches)
    steps = 4  # of 32 utterances
    evaluation = 8 * steps / 32 / 3  # of 8, of which each has as many segments, about, as one that is trained on
    assert work(experiment) == pytest.approx(3 * (steps + evaluation))
    assert timed_step(experiment).rows == round(0.8 * segments_of(experiment) / steps), "of this corpus"
    short = prepared(tiny_release, tmp_path, *SMALL, *batches, ("training.batches.most", 5))
    assert timed_step(short).rows == 5, "go through the network at once"


def test_stored_runs_of_this_machine_tell_the_pace(experiment: Experiment) -> None:
    assert recorded(experiment.stored, resources()) is None
    store_experiment(experiment.stored)
    assert recorded(experiment.stored, resources()) is None
    for seed, seconds in ((1, 10.0), (2, 12.0), (3, 99.0)):
        store(experiment, seed, seconds)
    store(experiment, 4, 1000.0, processor="another")
    write_failure(experiment.folder / "5", RunKey(5), experiment.stored.digest, {}, "the loss is nan")
    assert recorded(experiment.stored, resources()) == pytest.approx(12.0)
    assert run_seconds([experiment], resources()) == [pytest.approx(12.0)]
    assert recorded(experiment.stored, replace(resources(), packed=True)) == pytest.approx(6.0), "its share of two"


def test_experiments_that_cost_the_same_are_measured_once(
    experiment: Experiment, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Timed] = []

    def measure(steps: list[Timed], resources: Resources) -> list[float]:
        measured.extend(steps)
        return [0.5] * len(steps)

    monkeypatch.setattr("glam.running.pace._measure", measure)
    other = prepared(tiny_release, tmp_path, *SMALL, ("training.alpha", 1))
    assert run_seconds([experiment, other], resources()) == [0.5 * work(experiment)] * 2
    assert len(measured) == 1


@pytest.mark.parametrize(("packed", "parts"), [(False, [1, 1]), (True, [2])])
def test_steps_are_measured_one_by_one_but_on_a_gpu(
    packed: bool, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def measure(steps: list[Timed], resources: Resources) -> list[float]:
        asked.append(len(steps))
        return [float(step.rows) for step in steps]

    monkeypatch.setattr("glam.running.pace._measure", measure)
    recipe = load_recipe("mhcnn-released")
    steps = [Timed(recipe, sizes(recipe), rows) for rows in (4, 8, 4)]
    assert paces(steps, replace(resources(), packed=packed)) == [4.0, 8.0, 4.0]
    assert asked == parts


def test_a_step_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glam.running.pace.SECONDS", 0.0)
    recipe = load_recipe("glam-released", [("training.batches.size", 4)])
    assert 0 < seconds_a_step(Timed(recipe, sizes(recipe), 4), "cpu", 1) < 30


def test_a_step_of_whole_utterances_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glam.running.pace.SECONDS", 0.0)
    batches = [("training.batches", {"name": "utterances", "size": 2, "most": 24}), ("training.alpha", 0)]
    recipe = load_recipe("mhcnn-released", batches)
    assert 0 < seconds_a_step(Timed(recipe, sizes(recipe), 24), "cpu", 1) < 30


def test_steps_of_utterances_differ_in_size() -> None:
    recipe = load_recipe("mhcnn-released", [("training.batches", {"name": "utterances", "size": 2, "most": 8})])
    steps = _steps(Timed(recipe, sizes(recipe), 6), "cpu")
    assert [len(step.batch.target) for step in islice(steps, 6)] == [5, 7, 4, 8, 3, 8]
    of_segments = load_recipe("mhcnn-released", [("training.batches.size", 4)])
    steps = _steps(Timed(of_segments, sizes(of_segments), 4), "cpu")
    assert [len(step.batch.target) for step in islice(steps, 2)] == [4, 4]


def test_a_process_that_dies_is_one_message() -> None:
    recipe = load_recipe("mhcnn-released", [("training.batches.size", 4)])
    with pytest.raises(GlamError, match=r"how long runs of mhcnn take .* --runs-at-once 1"):
        _measure([Timed(recipe, sizes(recipe), 4)], Resources("no such device", 1, 1, 60))


def test_processes_measure_side_by_side() -> None:
    recipe = load_recipe("mhcnn-released", [("training.batches.size", 4)])
    (pace,) = _measure([Timed(recipe, sizes(recipe), 4)], Resources("cpu", 1, 1, 60))
    assert 0 < pace < 30


def test_the_share_of_a_run_in_a_pack_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glam.running.pace.SECONDS", 0.0)
    recipe = load_recipe("mhcnn-released", [("training.batches.size", 4)])
    assert 0 < share_of_a_step(Timed(recipe, sizes(recipe), 4), Resources("cpu", 1, 2, 60, packed=True)) < 30


def test_a_model_of_ones_own_that_raises_in_a_timed_step_is_named_with_its_line(
    tiny_release: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass Raises(nn.Linear):\n    def forward(self, x):\n"
        "        if len(x) > 6:\n            raise RuntimeError('out of ideas')\n"
        "        return super().forward(x.mean(-1))\n\n\n"
        "def raises(classes: int, audio: tuple[int, int]) -> Raises:\n    return Raises(audio[0], classes)\n"
    )
    mine = prepared(tiny_release, tmp_path, *SMALL, ("model", f"{tmp_path / 'mine.py'}:raises"))
    expected = r"mine\.py:raises, a step of training on noise: line 7: RuntimeError: out of ideas$"
    with pytest.raises(GlamError, match=expected):
        paces_of([timed_step(mine)], resources())
