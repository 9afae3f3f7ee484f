"""The board: every model on a corpus, from what is stored."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reports.printed import cells

from benchmarks import board
from glam.models import MODELS
from glam.recipe import load_recipe
from glam.results.experiment import read_experiment


@pytest.fixture
def make(
    tiny_release: Path, tmp_path: Path, training_here: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Makes a board on a tiny corpus; gives the page."""
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))

    # An utterance is a second long: segments of the recipes' length would be repeats.
    fields = board._fields
    monkeypatch.setattr(board, "_fields", lambda *given: tuple(of | {"cut.length": 0.5} for of in fields(*given)))

    def made(*flags: object) -> str:
        page = tmp_path / "board.md"
        command = ["board.py", "iemocap", "-d", tiny_release, "--epochs", 1, "--hop", 0.25, "-o", page, *flags]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        assert board.main() == 0
        return page.read_text()

    return made


def row_of(page: str, recipe: str) -> list[str]:
    (row,) = [line for line in page.splitlines() if f"| {recipe} " in line]
    return cells(row)


def test_a_model_is_trained_both_ways_and_the_rest_is_marked(make: Callable[..., str]) -> None:
    recipes = ("--recipes", "mhcnn-released", "mscnn-spu")
    assert set(row_of(make(*recipes, "--minutes", 0), "mhcnn-released")[2:]) == {"not run", "-"}
    page = make(*recipes)
    name, _, wa, ua, random_wa, random_ua, gap = row_of(page, "mhcnn-released")
    assert name == "mhcnn"
    for cell in (wa, ua, random_wa, random_ua):  # no interval where all speakers score the same
        numbers = re.fullmatch(r"(\d+\.\d) \((?:-|(\d+\.\d+) to (\d+\.\d+))\)", cell)
        assert numbers, cell
        score, low, high = (float(number or numbers[1]) for number in numbers.groups())
        assert 0 <= low <= high <= 100
        assert 0 <= score <= 100
    assert float(gap) == pytest.approx(float(random_ua.split()[0]) - float(ua.split()[0]), abs=0.11)
    assert row_of(page, "mscnn-spu")[2] == "not run: needs x-vectors"  # IEMOCAP has words
    assert "**Few epochs: 1**" in page
    assert "10 folds, each of a speaker who is not trained on" in page
    assert "`python benchmarks/board.py iemocap --epochs 1 --hop 0.25 --recipes mhcnn-released mscnn-spu`" in page
    assert page == make(*recipes, "--minutes", 0), "from what is stored"


def test_a_board_of_which_nothing_can_be_trained_says_why(make: Callable[..., str]) -> None:
    assert row_of(make("--recipes", "mscnn-spu"), "mscnn-spu")[2] == "not run: needs x-vectors"


def test_a_class_of_several_labels_is_one_class(store: Callable[[Path], Path], tmp_path: Path) -> None:
    stored = read_experiment(store(tmp_path / "mhcnn"))
    classes = {"happy": {"hap": 3, "exc": 4}, "sad": {"sad": 5}}
    several = replace(stored, composition=stored.composition.model_copy(update={"classes": classes}))
    page = board.page([(several, several)], {}, "", "0.9 s apart")
    assert "Always answering the commonest class has WA 58.3 and UA 50.0." in page


def test_every_model_has_a_row() -> None:
    named = {load_recipe(name).model.name for name in board.RECIPES}
    assert set(MODELS) - named == {"aacnn"}, "the release's own form of AACNN, which no recipe trains"
