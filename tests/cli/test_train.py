"""`glam train`, as far as it trains nothing; tests/test_train.py calls it as a user does."""

from pathlib import Path

import pytest

from glam.cli.train import train


def test_one_seed_and_a_file_of_seeds_exclude_each_other(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seeds.txt").write_text("5\n")
    words = ["-d", str(tiny_release), "-g", "-1", "--data-folder", str(tmp_path), "--set", "cut.length=0.5"]
    words += ["--set", "cut.train_overlap=0.3", "--seed", "3", "--seeds", str(tmp_path / "seeds.txt")]
    assert train(words) == 2
    assert "--seed and --seeds exclude each other" in capsys.readouterr().err
