"""Memory of a process that trains on a CPU.

Every step frees its activations and allocates the same again. What the system hands out anew is zeroed first, page by
page of 4 kB, which takes more time than many a layer (docs/speed.md).
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
NEVER = 2**31 - 1  # bytes at the heap's end that it takes for them to be given back
KEPT = 64 << 20  # bytes: the largest piece that is kept
KEPT_BEFORE_2_35 = 32 << 20  # what older versions allow


def spare_new_pages() -> None:
    """Keep what a step frees for the next one, and have the rest in pages of 2 MB. To be called before torch allocates.

    glibc returns large pieces to the system by itself. Those above KEPT still go back: gaps between them would cost
    models of larger activations several GB. They are what the large pages are for, which torch asks Linux for. Without
    glibc or Linux nothing happens, and nothing but time depends on it.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    mallopt(M_TRIM_THRESHOLD, NEVER)
    if not mallopt(M_MMAP_THRESHOLD, KEPT):
        mallopt(M_MMAP_THRESHOLD, KEPT_BEFORE_2_35)
