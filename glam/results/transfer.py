"""Runs on their way from one folder to another: as the bytes of their files, checked where they leave and arrive."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from glam.errors import GlamError
from glam.files import read_hashed
from glam.results.run import RUN, damaged, read_run, store_files
from glam.splits.runs import RunKey


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a stored run, by name; GlamError where it is damaged."""
    run = read_run(folder)
    names = run.files or [path.name for path in folder.iterdir() if path.name != RUN]  # the earliest have no hashes
    return {name: run.read(name) for name in names} | {RUN: (folder / RUN).read_bytes()}


def receive(experiment: Path, digest: str, run: RunKey, files: Mapping[str, bytes]) -> None:
    """Store a run that was trained elsewhere in the folder of its experiment.

    digest: of the experiment's identity. Raises GlamError where the files are not that run as it was written.
    """
    try:
        content, _ = read_hashed(files[RUN])
        if content["experiment"] not in (digest, ""):
            raise ValueError("it is a run of another experiment")
        if RunKey(content["seed"], content["fold"]) != run:
            raise ValueError("it is another run of the experiment")
        for name, expected in content["files"].items():
            if sha256(files[name]).hexdigest() != expected:
                raise ValueError(f"{name} is not what was written")
    except (KeyError, TypeError, ValueError) as error:
        raise GlamError(f"{run}, trained elsewhere for {experiment}: {damaged(error)} It is not stored.") from None
    store_files(experiment / run.name, files)
