import os
import re
import subprocess
from pathlib import Path

import pytest

from glam.recipe import load_recipe

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
NAMES = ("GLAM", "MHCNN", "MACNN", "attnpooling", "ResMultiConv3", "MHResMultiConv3", "MAResMultiConv3")
ALL = [f"{name}{style}" for name in (*NAMES, "AAResMultiConv3") for style in ("", "_script", "_all")]


@pytest.mark.parametrize("name", ALL)
def test_every_name_of_the_release_trains_its_recipe(name: str) -> None:
    path = SCRIPTS / name
    assert os.access(path, os.X_OK)
    text = path.read_text()
    recipe, style = re.findall(r'^sweep (\S+) (\S+) "\$@"$', text, re.MULTILINE)[0]
    assert style == {"script": "script", "all": "all"}.get(name.partition("_")[2], "impro")
    alpha = load_recipe(recipe).training.alpha
    assert f"# scripts/{name} [gpu] [n] [alpha]: " in text
    assert f"(GPU 0, 100, {alpha:g})" in text


def test_a_script_explains_itself_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPTS / "MHCNN_all", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert done.stdout.startswith("scripts/MHCNN_all [gpu] [n] [alpha]: MHCNN on IEMOCAP, full")
