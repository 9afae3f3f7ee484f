import subprocess
import sys
from pathlib import Path

import pytest

from glam.cli.audit import audit
from glam.cli.compare import compare

SHORT = ["--set", "cut={length: 0.5, train_overlap: 0.25, test_overlap: 0.25}"]


def test_audit_reads_a_corpus_without_torch(tiny_release: Path, tmp_path: Path) -> None:
    words = ["audit", "glam-released", *SHORT, "-d", str(tiny_release), "--data-folder", str(tmp_path / "data")]
    code = f"import sys; from glam.cli.main import main; assert main({words!r}) == 0; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "random splits of utterances, 100 splits: 32 for training, 8 for test" in done.stdout
    assert "| speakers   | 10 " in done.stdout
    assert "every utterance of the corpus is in the recipe" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "there is no recipe 'none'"),
        (["glam-released", "--protocol", "leave-scenarios-out", *SHORT], "leave-scenarios-out needs two scenarios"),
        (["glam-released", "--runs", "0"], "--runs 0: expected 1 to 100"),
        (["glam-released", "--set", "cut.length=9"], "no usable utterance"),
    ],
)
def test_mistakes_are_one_message(
    tiny_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert audit([*words, "-d", str(tiny_release), "--data-folder", str(tmp_path)]) == 2
    out = capsys.readouterr()
    assert message in out.err
    assert out.out == ""


def test_compare_of_what_is_no_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare([str(tmp_path), str(tmp_path), "--common"]) == 2
    assert "no experiment lies here" in capsys.readouterr().err
