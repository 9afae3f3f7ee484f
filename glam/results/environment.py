"""The environment of a run: versions, machine, revision of the code."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import glam

PACKAGES = ("torch", "torchaudio", "numpy", "librosa", "g-mlp-pytorch", "soundfile")

PARTS = "parts"  # of a run's environment: what differed between its parts, if it was resumed elsewhere


@cache
def environment() -> dict[str, Any]:
    """Versions of Python, glam and the packages that touch numbers; platform; git revision of the checkout."""
    return {
        "glam": glam.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _revision() -> str | None:
    checkout = Path(glam.__file__).parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
