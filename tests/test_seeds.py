"""`python seeds.py`."""

import subprocess
import sys
from pathlib import Path

from glam.splits.runs import seeds

SCRIPT = Path(__file__).resolve().parent.parent / "seeds.py"


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True)


def test_seeds_are_written_one_a_line_where_it_is_called(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seeds.txt").read_bytes() == "".join(f"{seed}\n" for seed in seeds()).encode()
    assert [path.name for path in tmp_path.iterdir()] == ["seeds.txt"]


def test_they_are_written_where_the_user_says(tmp_path: Path) -> None:
    run("mine.txt", cwd=tmp_path)
    first, *_, last = (tmp_path / "mine.txt").read_text().splitlines()
    assert (first, last) == ("2602656884", "122535323")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run("no/such/folder.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert "folder.txt" in done.stderr
    assert "Traceback" not in done.stderr
