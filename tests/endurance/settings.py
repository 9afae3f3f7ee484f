"""Damaged settings: recipes, papers, flags, seeds, files of the user's own."""

import argparse
import io
import shutil
from contextlib import redirect_stderr
from pathlib import Path
from unittest.mock import patch

import yaml

from glam import named, places
from glam.cli.release_flags import add_release_flags, with_config
from glam.errors import GlamError
from glam.learning.settings import LossSettings
from glam.papers.paper import Paper, papers_folder, read_paper
from glam.recipe import Recipe, configs_folder, load_recipe, parse_override
from glam.splits.runs import read_seeds

WHOLE = ("labels", "where", "inputs")  # sections of which a recipe says everything
DEFAULTS = {"coefficients": 26, "pad_mode": "reflect"}  # options of what is chosen, left out where they are at these


def make_recipe(folder: Path) -> None:
    shutil.copy(configs_folder() / "glam-released.yaml", folder / "recipe.yaml")


def read_recipe(folder: Path) -> Recipe:
    """The recipe must say what is written: compared with all scalars read as plain text."""
    path = folder / "recipe.yaml"
    recipe = load_recipe(str(path))
    written = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}
    assert_says(recipe.model_dump(mode="json"), written)
    return recipe


def assert_says(value: object, text: object, whole: bool = False) -> None:
    """The value is what is written. whole: nothing else may be there, and in the same order."""
    if isinstance(text, dict):
        assert isinstance(value, dict)
        assert not whole or list(value) == list(text)
        for name, inner in text.items():
            assert_says(value.get(name, DEFAULTS.get(name)), inner, name in WHOLE)
    elif isinstance(value, dict):  # chosen by its name alone
        assert value["name"] == text
    elif isinstance(value, list):
        words = text if isinstance(text, list) else [text]
        assert len(value) == len(words)
        for part, inner in zip(value, words, strict=True):
            assert_says(part, inner)
    elif isinstance(value, bool):
        assert str(text).lower() == str(value).lower()
    elif isinstance(value, int | float):
        assert float(str(text)) == float(value)
    elif value is not None:
        assert value == text


def make_extending_recipe(folder: Path) -> None:
    """One of the user's own that says what differs from another."""
    (folder / "base.yaml").write_text("extends: mhcnn-released\nmodel: {heads: 2}\n")
    (folder / "recipe.yaml").write_text(
        "extends: base.yaml\ncorpus: {where: {style: [improvised, scripted]}}\nmodel: {hidden: 8}\n"
        "training: {lr: 1e-4, schedule: constant, loss: {name: loss.py:mine, scale: 2}}\ncut: {padding: repeat}\n"
    )
    make_own_file(folder)


def read_extending_recipe(folder: Path) -> Recipe:
    named._signature.cache_clear()
    return load_recipe(str(folder / "recipe.yaml"))


def make_own_file(folder: Path) -> None:
    (folder / "loss.py").write_text(
        '"""A loss of my own."""\n\nfrom typing import Literal\n\nfrom torch.nn.functional import cross_entropy\n\n\n'
        'def mine(logits, target, group, *, scale: float = 1.0, how: Literal["a", "b"] = "a", most: int | None = None):'
        "\n    return scale * cross_entropy(logits, target)\n"
    )


def read_own_file(folder: Path) -> object:
    """What can be set of it, as the signature says; it is not run."""
    named._signature.cache_clear()
    return LossSettings.model_construct(name=f"{folder / 'loss.py'}:mine").source().signature()


def make_paper(folder: Path) -> None:
    shutil.copy(papers_folder() / "glam.yaml", folder / "mine.yaml")


def read_own_paper(folder: Path) -> Paper:
    """Every printed number must be the one that is written: compared with all scalars read as plain text."""
    path = folder / "mine.yaml"
    read_paper.cache_clear()
    paper = read_paper(str(path))
    written = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert list(paper.tables) == list(written["tables"])
    for number, table in paper.tables.items():
        rows = written["tables"][number]["rows"]
        assert list(table.rows) == list(rows)
        for label, row in table.rows.items():
            for metric, text in (rows[label].get("printed") or {}).items():
                mean, _, std = text.partition("±")
                assert row.printed[metric] == (float(mean), float(std) if std else None)
    return paper


def make_overrides(folder: Path) -> None:
    (folder / "set.txt").write_text("training.lr=1e-4\ncut={length: 2.0, train_overlap: 1.0}\nmodel.name=mhcnn\n")


def read_overrides(folder: Path) -> Recipe:
    text = (folder / "set.txt").read_bytes().decode(errors="surrogateescape").replace("\0", "")
    return load_recipe("glam-released", [parse_override(line) for line in text.splitlines()])


def make_config(folder: Path) -> None:
    (folder / "flags.json").write_text('{"epochs": 7, "alpha": 0.3, "padding": false, "gpu": -1, "model": "GLAM"}')


def read_config(folder: Path) -> object:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_release_flags(parser)
    try:
        with redirect_stderr(io.StringIO()):
            return vars(with_config(parser, ["-c", str(folder / "flags.json")]))
    except (argparse.ArgumentError, SystemExit) as error:
        raise GlamError(f"argparse: {error}") from None


def make_seeds(folder: Path) -> None:
    (folder / "seeds.txt").write_text("2602656884\n3431165269\n5\n")


def read_seeds_file(folder: Path) -> list[int]:
    seeds = read_seeds(folder / "seeds.txt")
    text = (folder / "seeds.txt").read_text(encoding="utf-8")
    assert [int(word) for word in text.split()] == seeds
    return seeds


def make_path_py(folder: Path) -> None:
    (folder / "path.py").write_text('"""Where IEMOCAP lies."""\n\nIEMOCAP = "/data/IEMOCAP"\n"""The folder."""\n')


def read_path_py(folder: Path) -> str:
    with patch.object(places, "_project", lambda: folder):
        return places._written_in_path_py("IEMOCAP")
