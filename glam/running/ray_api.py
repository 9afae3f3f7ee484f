"""What is asked of Ray: a connection, the machines, their room for tasks, and files sent to them."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np

from glam.errors import GlamError
from glam.running.cluster_task import PIECE, CarriedFile
from glam.running.job import Resources
from glam.running.training import GPU_PROCESSES
from glam.words import to_install


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to a Ray cluster for the block; what it still runs for us ends with it.

    address: host:port of its head; None for RAY_ADDRESS, or the cluster that this machine is part of. Raises GlamError
    where there is none, or of another version.
    """
    if address is not None and "://" in address:
        raise GlamError(f"--address {address}: expected host:port of the head, as `ray start --head` prints it")
    try:
        import ray
    except ModuleNotFoundError:
        raise GlamError(f"--cluster ray: needs ray, which is not installed: {to_install('ray')}") from None
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        text = " ".join(str(error).split())
        raise GlamError(
            f"--cluster ray: no cluster answers at {address or 'RAY_ADDRESS, nor on this machine'} ({text}). Start one "
            "(ray start --head), or give its head with --address; docs/many-machines.md has the rest."
        ) from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray sets its own, which ends this process as if all were well
    try:
        yield
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, handler)


def alive() -> dict[str, dict[str, Any]]:
    """The machines of the cluster by id: name, CPU, GPU."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {
        node["NodeID"]: {
            "name": node["NodeName"],
            "CPU": node["Resources"].get("CPU", 0.0),
            "GPU": node["Resources"].get("GPU", 0.0),
        }
        for node in nodes
        if node["Alive"]
    }


def slots_of(of: dict[str, Any], resources: Resources) -> int:
    """Tasks at once: one a GPU (or GPU_PROCESSES, of runs that cannot be a pack), or as many as there are CPU cores."""
    if resources.device == "cpu":
        most = int(of["CPU"]) // resources.threads
        return min(most, resources.at_once) if resources.at_once else most
    return int(of["GPU"]) * (1 if resources.packed else resources.at_once or GPU_PROCESSES)


def remote(function: Any, resources: Resources, node: str, **options: Any) -> Any:
    """A function as tasks on that machine, with cores or a GPU to themselves; never tried again blindly."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    on_cpu = resources.device == "cpu"
    usual: dict[str, Any] = {
        "num_cpus": resources.threads if on_cpu else 0,
        "num_gpus": 0.0 if on_cpu else 1.0 if resources.packed else 1 / (resources.at_once or GPU_PROCESSES),
        "max_retries": 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False),
    }
    return ray.remote(**usual | options)(function)


def sent(path: Path) -> CarriedFile:
    """A file that is given to the cluster, to be fetched once by each machine."""
    import ray

    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        file.seek(0)
        pieces: list[Any] = []
        while content := file.read(PIECE):
            pieces.append(partial(ray.get, ray.put(np.frombuffer(content, dtype=np.uint8))))
    return CarriedFile(f"{digest[:32]}{path.suffix}", digest, tuple(pieces))
