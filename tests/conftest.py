"""What the tests share: where the recorded values lie, and a corpus small enough for every test."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded values and real speech beside the project; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the recorded values and real speech in ../shared, which is absent here")
    return SHARED
