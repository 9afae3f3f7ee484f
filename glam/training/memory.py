"""What a process that trains on a CPU asks of the C library's memory."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
NEVER = 2**31 - 1  # bytes at the heap's end that it takes for them to be given back
KEPT = 64 << 20  # bytes: the largest piece that is kept
KEPT_BEFORE_2_35 = 32 << 20  # what older versions allow


def keep_freed_memory() -> None:
    """Keep what a step frees for the next one, instead of giving it back to the system.

    Every step frees its activations and allocates the same again. glibc returns the large ones to the system each
    time, and what the system hands out anew is zeroed first, page by page: 3 to 10 % of a step (docs/speed.md).
    Pieces above KEPT still go back: gaps between them would cost models of larger activations several GB. Without
    glibc nothing happens, and nothing but time depends on it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    mallopt(M_TRIM_THRESHOLD, NEVER)
    if not mallopt(M_MMAP_THRESHOLD, KEPT):
        mallopt(M_MMAP_THRESHOLD, KEPT_BEFORE_2_35)
