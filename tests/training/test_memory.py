import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from glam.training.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for step in range(4):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MB: 16384 pages
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_memory_of_one_step_serves_the_next() -> None:
    faults = {}
    for how in ("kept", "returned"):
        # large pages, where a machine has them for every process, would hide the difference
        environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
        faults[how] = int(done.stdout)
    assert faults["kept"] < 1000
    assert faults["returned"] > 10 * faults["kept"]
