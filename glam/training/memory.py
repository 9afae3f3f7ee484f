"""What a process that trains on a CPU asks of the C library's memory."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Keep what is freed for the next step instead of giving it back to the system.

    Every step frees its activations and allocates the same again. glibc returns the large ones to the system each
    time, and pages that are handed out anew are zeroed first: a few percent of a step of GLAM, half of one of APCNN.
    The process stays as large as its largest step. Without glibc, nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)  # all of it on the heap,
        mallopt(M_TRIM_THRESHOLD, -1)  # whose end is never cut off
