"""The estimate of a run's time beside what the run takes, on real speech.

Both are counted in seconds of this process's CPU, so that whatever else the machine does is in neither.
"""

import time
from pathlib import Path

import pytest

from glam.recipe import load_recipe
from glam.results.experiment import store_experiment
from glam.running import pace
from glam.running.experiment import Places, job, prepare
from glam.running.job import Resources
from glam.running.memory import spare_new_pages
from glam.running.workers import run_alone

ALONE = Resources("cpu", 1, 1, 600)


@pytest.mark.parametrize(
    ("recipe", "epochs"), [("mhcnn-released", 3), ("glam-released", 1), ("aacnn-released", 1), ("glrf", 6)]
)
def test_an_estimate_is_within_a_quarter_of_the_truth(
    recipe: str, epochs: int, emodb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = prepare(
        load_recipe(recipe, [("training.epochs", epochs)]), Places(emodb, tmp_path / "data", tmp_path / "runs")
    )
    store_experiment(experiment.stored)
    work = job(experiment, ALONE)
    spare_new_pages()  # as workers do, and processes that measure
    monkeypatch.setattr("glam.running.pace.time.perf_counter", time.process_time)
    estimated = pace.work(experiment) * pace.seconds_a_step(pace.timed_step(experiment), "cpu", 1)
    begun = time.process_time()
    (run,) = experiment.runs([5])[:1]
    run_alone(work, run, lambda _: None, lambda: False)
    took = time.process_time() - begun
    print(f"\n{recipe}: estimated {estimated:.1f} s, took {took:.1f} s: {estimated / took:.2f}")
    assert estimated == pytest.approx(took, rel=0.25)
