"""README: what a run prints is what it prints, the first result comes early, and links lead somewhere."""

import re
from pathlib import Path

import pytest
from docs.pages import PAGES, PROJECT

from glam.cli.main import main

README = (PROJECT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?: (?:ms|s|min|h)\b)?")
SCREEN = 40  # lines


def without_numbers(line: str) -> str:
    """A line in which each number is #, and columns have one width."""
    return " ".join(re.sub(r"-{3,}", "---", NUMBER.sub("#", line)).split())


def test_what_a_run_prints(
    training_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    shorter = [
        "--set",
        "training.epochs=1",
        "--set",
        "split.train_share=0.3",
        "--set",
        "cut={train_overlap: 0, test_overlap: 0}",
    ]
    assert main(["train", "--recipe", "demo", "--runs", "2", "--gpu", "-1", *shorter]) == 0
    output = capsys.readouterr()
    printed = iter([without_numbers(line) for line in (output.err + output.out).splitlines()])
    (section,) = re.findall(r"^## What a run prints\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    shown = [line for line in re.findall(r"^    (.+)$", section, re.MULTILINE) if line != "[...]"]
    assert len(shown) > 10
    for line in map(without_numbers, shown):
        assert line in printed, f"not printed, or not in this order: {line}"


def test_the_first_result_is_within_two_screens() -> None:
    before, result, _ = README.partition("    | WA ")
    assert result
    assert before.count("\n") <= 2 * SCREEN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_project(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []
    if page.parent.name == "docs":  # the site has nothing but docs/
        assert [link for link in links if "/" in link] == []
