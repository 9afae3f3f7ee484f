"""What is told of runs under way."""

from dataclasses import dataclass

from glam.splits.splits import RunKey

NO_RUN = RunKey(0)  # of what is said about no run in particular


@dataclass(frozen=True)
class Message:
    """From a worker: what happened to a run.

    kind: `started`, `step`, `epoch`, `finished`, `failed` (its loss was not finite), `elsewhere` (another process
    has it), `stopped` (by request; checkpointed), `note` (text is something to know) or `error` (text says why
    everything must stop).
    steps: done so far, out of `total`; resumed runs start above 0. chosen_on: the set that chose a finished run's
    epoch. at_once: runs that share the worker.
    """

    kind: str
    run: RunKey = NO_RUN
    text: str = ""
    epoch: int = 0
    steps: int = 0
    total: int = 0
    seconds_per_step: float = 0.0
    wa: float = 0.0
    ua: float = 0.0
    loss: float = 0.0
    chosen_on: str = "test"
    at_once: int = 1
