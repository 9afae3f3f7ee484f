"""The processor of this machine."""

import os


def cores() -> int:
    """Number of cores that this process may use; not those that a scheduler keeps it from."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
