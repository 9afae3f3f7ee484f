"""A real Ray cluster of two nodes on this machine: one is killed in the middle, and the table stays the same.

`./run test tests/endurance/test_cluster.py -n0 -s` prints what a task costs beside the run in it.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running.small import SHORT, stored, train

from glam.results.run import read_run
from glam.results.transfer import files_of
from glam.running.cluster import Cluster
from glam.running.events import Event, Finished, Note, Started
from glam.running.experiment import Experiment
from glam.running.job import Resources
from glam.running.ray_api import connected
from glam.running.training import run
from glam.splits.runs import RunKey

MEMORY = 100 << 20


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A head and a second node, of one core each; `remove_node` kills one."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    settings = {"num_cpus": 1, "object_store_memory": MEMORY}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args=settings | {"include_dashboard": False})
    made.second = made.add_node(**settings)
    yield made
    made.shutdown()


def seconds_of(experiment: Experiment, runs: list[RunKey]) -> float:
    return sum(float(read_run(experiment.folder / key.name).environment["seconds"]) for key in runs)


def workers() -> list[str]:
    """Processes that have a task of ours."""
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in processes.splitlines() if line.startswith(("ray::train", "ray::introduce"))]


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_killed_node_costs_its_task_and_nothing_else(nodes: Any, tiny_release: Path, tmp_path: Path) -> None:
    runs = [RunKey(seed) for seed in range(1, 7)]
    alone = stored(tiny_release, tmp_path / "alone", ("training.epochs", 40))
    train(alone, *runs)

    spread = stored(tiny_release, tmp_path / "spread", ("training.epochs", 40))
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if nodes.second is not None and sum(isinstance(each, Started) for each in heard) == 2:
            nodes.remove_node(nodes.second, allow_graceful=False)
            nodes.second = None

    with connected(nodes.address):
        cluster = Cluster(folder=str(tmp_path / "worker"))
        run(spread, runs, Resources("cpu", 1, 0, 0.5), "none", listen, cluster)
    assert any("handed out again" in event.text for event in heard if isinstance(event, Note))
    assert sum(isinstance(event, Finished) for event in heard) == len(runs)
    for key in runs:
        theirs, ours = (files_of(each.folder / key.name) for each in (spread, alone))
        assert theirs["predictions.npz"] == ours["predictions.npz"]


@pytest.mark.filterwarnings("ignore")
def test_the_overhead_of_a_task(nodes: Any, tiny_release: Path, tmp_path: Path) -> None:
    runs = [RunKey(seed) for seed in range(1, 41)]
    spread = stored(tiny_release, tmp_path / "spread", ("training.epochs", 2))
    ended: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Finished):
            ended.append(time.monotonic())

    with connected(nodes.address):
        cluster = Cluster(folder=str(tmp_path / "worker"))
        run(spread, runs, Resources("cpu", 1, 0, 60), "none", listen, cluster)
    slots = 2
    warm = sorted(ended)[slots:]  # a worker's first task imports torch
    wall = (warm[-1] - warm[0]) * slots / (len(warm) - 1)
    inside = seconds_of(spread, runs[slots:]) / (len(runs) - slots)
    print(f"\na task: {wall:.3f} s, of which the run says {inside:.3f} s: {1000 * (wall - inside):.0f} ms beside it")
    assert wall - inside < 1.0


@pytest.mark.filterwarnings("ignore")
def test_a_killed_driver_leaves_nothing_running_and_goes_on(nodes: Any, tiny_release: Path, tmp_path: Path) -> None:
    words = ["--recipe", "mhcnn-released", "-d", str(tiny_release), "-g", "-1", "--runs", "4", "--cluster", "ray"]
    words += ["--address", nodes.address, "--runs-folder", str(tmp_path / "runs")]
    words += ["--data-folder", str(tmp_path / "data"), "--worker-folder", str(tmp_path / "worker")]
    words += [f"--set={field}={value}" for field, value in [*SHORT, ("training.epochs", 80)]]
    words += ["--checkpoint-every", "0.5"]
    command = [sys.executable, "-m", "glam", "train", *words]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "worker" / "runs").rglob("*.safetensors")):
        assert driver.poll() is None
        time.sleep(0.1)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while workers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert workers() == []
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "goes on from epoch" in again.stderr
    assert len(list((tmp_path / "runs").glob("*/*/run.json"))) == 4
