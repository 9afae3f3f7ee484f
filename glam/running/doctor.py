"""What a machine is, and whether it can do what will be asked of it: findings, each with what to do about it."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Literal

import numpy as np

import glam
from glam.errors import GlamError
from glam.files import only_one
from glam.processor import cores
from glam.recipe import Recipe
from glam.results.environment import environment
from glam.running.experiment import sizes_of
from glam.running.job import Resources
from glam.words import counted, in_bytes

State = Literal["ok", "note", "WRONG"]

INDENT = 11  # characters of what a finding is about

# NVIDIA's table of minor-version compatibility: the oldest driver on Linux for all of a CUDA version.
DRIVERS = {13: 580, 12: 525}
# What the torch of PyPI is built for.
BUILT_FOR = {13: "torch 2.11 and later", 12: "torch 2.4 to 2.10"}
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
FEATURES_BOUND = 2e-3  # on every coefficient: single precision, a logarithm and sums over 128 filters
PATIENCE = 20  # seconds for a lock that another process is to take or to leave

_HOLD = "import sys\nfrom pathlib import Path\nfrom glam.files import only_one\nwith only_one(Path(sys.argv[1])):\n    \
print('held', flush=True)\n    sys.stdin.read()"


@dataclass(frozen=True)
class Finding:
    """A finding: what it is about, what was found, whether that will do; `advice` where it will not."""

    about: str
    text: str
    state: State = "ok"
    advice: str = ""

    def lines(self, width: int = 0) -> str:
        """The finding as lines, of at most so many characters where a width is given; a path stays whole."""
        mark = "" if self.state == "ok" else f"{self.state}: "
        lines = "\n".join(filter(None, [f"{mark}{self.text}", self.advice])).split("\n")
        if width:
            room = max(width - INDENT, 20)
            lines = [
                part for line in lines for part in wrap(line, room, break_long_words=False, break_on_hyphens=False)
            ]
        return f"{self.about:<{INDENT}}" + f"\n{'':<{INDENT}}".join(lines)


def software() -> Iterator[Finding]:
    """Python and the packages that touch numbers."""
    here = environment()
    version = f"Python {here['python']}, glam {glam.__version__} ({here['revision'] or 'no checkout'})"
    within = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("software", version, "ok" if within else "note", "" if within else "tested with Python 3.11 to 3.13")
    yield Finding(
        "", ", ".join(f"{name} {here[name] or 'absent'}" for name in ("torch", "torchaudio", "numpy", "librosa"))
    )


def driver(wanted: bool = True) -> Finding:
    """The NVIDIA driver, beside what this torch was built for. wanted: whether a GPU would be used."""
    import torch

    finding = driver_fits(_driver(), torch.__version__, torch.version.cuda)
    return finding if wanted or finding.state == "ok" else replace(finding, state="note")


def driver_fits(driver: str | None, torch: str, cuda: str | None) -> Finding:
    """Whether a driver (None: there is none) can run a torch that was built for that CUDA (None: for none)."""
    built = f"torch {torch} is built for {f'CUDA {cuda}' if cuda else 'no GPU'}"
    if driver is None:
        advice = "all is computed on the CPU; docs/installation.md has an installation without CUDA libraries"
        return Finding("driver", f"no NVIDIA driver; {built}", "ok" if cuda is None else "note", advice if cuda else "")
    major = int(driver.partition(".")[0])
    fits = next((BUILT_FOR[version] for version, oldest in DRIVERS.items() if major >= oldest), None)
    text = f"NVIDIA driver {driver}; {built}"
    if cuda is not None and major >= DRIVERS.get(int(cuda.partition(".")[0]), 0):
        return Finding("driver", text)
    if fits is None:
        return Finding(
            "driver",
            text,
            "WRONG",
            f"no torch of 2.4 or later runs with it: a driver from {min(DRIVERS.values())} on is needed, or --gpu -1",
        )
    if cuda is None:
        return Finding("driver", text, "note", f"the GPU stays idle: this driver runs {fits} of PyPI")
    return Finding("driver", text, "WRONG", f"it runs {fits} of PyPI: see docs/installation.md; or use --gpu -1")


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.split()
    return lines[0] if lines and lines[0][0].isdigit() else None


def hardware(resources: Resources) -> Iterator[Finding]:
    """Cores, their instructions and memory; the device and its memory."""
    import torch

    device = resources.device
    has = [name for name in INSTRUCTIONS if name in _cpu_flags()]
    uses = torch.backends.cpu.get_cpu_capability()
    text = f"{counted(cores(), 'core')} of {environment()['processor']}"
    yield Finding("cores", f"{text}; {', '.join(has) or 'no vector instructions known'}; torch uses {uses}")
    if (free := _available()) is not None:
        processes = 1 if resources.packed else resources.at_once or 1
        few = free < processes * 2**30
        takes = "a run of GLAM takes about 1 GiB, of apcnn-released 8 (docs/results.md)"
        advice = f"{takes}, and there would be {processes} at once: --runs-at-once" if few else ""
        yield Finding("memory", f"{in_bytes(free)} available", "note" if few else "ok", advice)
    if device.startswith("cuda"):
        free_there, total = torch.cuda.mem_get_info(torch.device(device))
        busy = free_there < total / 2
        text = f"{device}: {torch.cuda.get_device_name(device)}, {in_bytes(free_there)} of {in_bytes(total)} free"
        advice = "another process has more than half of its memory" if busy else ""
        yield Finding("device", text, "note" if busy else "ok", advice)
    else:
        yield Finding("device", device)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def locks(folder: Path, about: str) -> Finding:
    """Whether a lock in a folder keeps another process out, and goes with a process that is killed."""
    where = f"{about} in {folder}"
    path = folder / ".locks" / f"doctor-{platform.node()}-{os.getpid()}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        package = str(Path(glam.__file__).parent.parent)
        kept = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=kept,
        )  # fmt: skip
        try:
            assert holder.stdout is not None
            if holder.stdout.readline().strip() != b"held":
                return Finding(
                    "locks", where, "WRONG", "a process cannot lock a file there: use a file system with locks"
                )
            with only_one(path) as mine:
                kept_out = not mine
        finally:
            holder.kill()
            holder.communicate()
        with only_one(path) as mine:
            left = mine
        path.unlink(missing_ok=True)
    except (GlamError, OSError) as error:
        return Finding("locks", f"{where}: {error}", "WRONG")
    if kept_out and left:
        return Finding("locks", f"{where}: a lock keeps other processes out, and ends with its own")
    what = "does not keep another process out" if not kept_out else "outlives the process that held it"
    return Finding("locks", f"{where}: a lock {what}", "WRONG", "choose another file system, or one process at a time")


def arithmetic(recipe: Recipe, resources: Resources) -> Iterator[Finding]:
    """The device's arithmetic: packs beside single runs, rounded precisions beside fp32 (glam/learning/trial.py)."""
    import torch

    from glam.learning.trial import trial

    torch.set_num_threads(resources.threads)
    on_gpu = resources.device.startswith("cuda")
    rows = recipe.training.batches.size if on_gpu else 8  # a CPU takes seconds for a step of 32
    about = "arithmetic"
    shapes = sizes_of(recipe, {name: settings.make() for name, settings in recipe.inputs.items()}).shapes
    device = torch.device(resources.device)
    compared = trial(recipe.model, recipe.training, recipe.corpus.classes, shapes, device, rows)
    for result in compared:
        text = f"{recipe.model.title}, {result.what}: {result.difference:.1e} apart (at most {result.allowed:.0e})"
        advice = "" if result.right else "figures of this device cannot be trusted: overclocked? an old driver?"
        yield Finding(about, text, "ok" if result.right else "WRONG", advice)
        about = ""


def features(device: str) -> Finding:
    """MFCC of this device, beside librosa's."""
    import torch

    from glam.inputs.cut import Segments
    from glam.inputs.spectral import Mfcc, SpectralExtractor, librosa_mfcc

    kind, cut = Mfcc(), Segments(name="segments")
    time = np.arange(cut.samples) / 16_000
    draw = np.random.default_rng(0)
    loud = 0.3 * np.sin(2 * np.pi * (150 + 40 * np.sin(time)) * time) + 0.01 * draw.standard_normal(len(time))
    signal = loud.astype(np.float32)
    ours = SpectralExtractor(kind, cut, device).of_segments(torch.from_numpy(signal)[None])[0].cpu().numpy()
    error = float(np.abs(ours - librosa_mfcc(signal, kind)).max())
    right = error <= FEATURES_BOUND
    text = f"MFCC against librosa: {error:.1e} on any coefficient (at most {FEATURES_BOUND:.0e})"
    return Finding("features", text, "ok" if right else "WRONG", "" if right else "use the versions of constraints.txt")
