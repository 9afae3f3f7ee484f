"""What the trials share: the outcome of commands that nobody disturbed."""

from pathlib import Path

import pytest
from endurance.trials import command, completed, digest, table


@pytest.fixture(scope="session")
def undisturbed(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """The report on the runs, and the digest of each."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = completed(command(tiny_release, folder))
    assert done.returncode == 0, done.stderr
    return table(done.stdout), {path.parent.name: digest(path.parent) for path in folder.glob("runs/*/*/run.json")}
